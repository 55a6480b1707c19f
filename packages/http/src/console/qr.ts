/** A text as a QR code, drawn on the server: black on white, whatever the colours of the page, so that cameras read it. */
import { encode } from "uqr"
import { type Html, html } from "../pages/Html.ts"

/** @param words what it is, for those who do not see it */
export const qrCode = (text: string, words: string): Html => {
  const { data, size } = encode(text, { ecc: "M", border: 4 })
  const dark = data.flatMap((row, y) => row.flatMap((isDark, x) => (isDark ? [`M${x} ${y}h1v1h-1z`] : [])))
  return html`<svg class="qr" viewBox="0 0 ${size} ${size}" shape-rendering="crispEdges" role="img" aria-label="${words}"><path fill="#fff" d="M0 0h${size}v${size}H0z"/><path fill="#000" d="${dark.join("")}"/></svg>`
}
