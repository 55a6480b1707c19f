/** What all guest pages share: the document, whose page it is, and the switch of languages. Nothing comes from anywhere else. */
import { createHash } from "node:crypto"
import type { Brand } from "@latchkey/core"
import { favicon, tokens } from "../pages/Asset.ts"
import { Html, html } from "../pages/Html.ts"
import { icons } from "../pages/icons.ts"
import type { Answer } from "../server/Answer.ts"
import { script, style } from "./assets.ts"
import { languageCookie, type Reader } from "./Reader.ts"
import { shadesOf } from "./Shades.ts"
import { languages } from "./texts/languages.ts"

/** What a page says, from its top to what a thumb reaches. */
export interface Content {
  readonly title: string
  readonly tone: "good" | "calm" | "warning"
  readonly icon: Html
  readonly text: Html
  readonly below?: ReadonlyArray<Html>
  /** What is to be done here: at the bottom of a phone, whatever is above. */
  readonly act?: Html | undefined
  /** The path, with what else is asked, by which a guest sees this page in another language; where they are, unless given. */
  readonly here?: string | undefined
  /** Whose page it is, if they have said so. */
  readonly brand?: Brand | undefined
  /** The same page soon says more: the script asks for it, and without scripts the browser does. */
  readonly waits?: boolean
}

/** Pages of one installation; `signInUrl` is where guests sign in, if there is such a place. */
export const pageMaker =
  (signInUrl: string | undefined) =>
  (status: number, reader: Reader, content: Content): Answer => ({
    status,
    contentType: "text/html; charset=utf-8",
    body: documentOf(reader, content).markup,
    headers: {
      ...pageHeaders(signInUrl, styleOf(content.brand)),
      ...(reader.chosen !== undefined && { "set-cookie": languageCookie(reader.chosen) })
    }
  })

/** Previews of links are made by programs, for all who are in a conversation: they say the same of every key, and of none. */
const documentOf = (
  { texts, locale }: Reader,
  { title, tone, icon, text, below = [], act, here = "", brand, waits = false }: Content
): Html => html`<!doctype html>
<html lang="${locale}" dir="${texts.dir}">
<head>
<meta charset="utf-8">
<title>${title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1, viewport-fit=cover">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
<meta name="description" content="${texts.preview.description}">
<meta property="og:type" content="website">
<meta property="og:title" content="${texts.preview.title}">
<meta property="og:description" content="${texts.preview.description}">
<link rel="icon" type="image/svg+xml" href="${favicon.href}">
<link rel="stylesheet" href="${tokens.href}">
<link rel="stylesheet" href="${style.href}">${styleElement(brand)}
<script src="${script.href}" defer blocking="render"></script>
${
  waits &&
  html`<noscript><meta http-equiv="refresh" content="3"></noscript>
`
}</head>
<body>
<header>
${brand !== undefined && brandOf(brand)}
${switchOf(texts, here)}
</header>
<main class="${tone}"${waits && html` data-waits aria-live="polite"`}>
<div class="icon">${icon}</div>
<h1>${title}</h1>
<p>${text}</p>
${below}
${act !== undefined && html`<div class="act">${act}</div>`}
</main>
</body>
</html>
`

/** The logo says what its alternative says: the name. It comes with the page, so no request tells whose page was opened. */
const brandOf = ({ name, logo }: Brand): Html =>
  logo === undefined
    ? html`<p class="brand" dir="auto">${name}</p>`
    : html`<p class="brand"><img src="data:image/png;base64,${logo.png}" width="${logo.width}" height="${logo.height}" alt="${name}"></p>`

/** The brand's colour, in both schemes; nothing else may be said by it. */
const styleOf = (brand: Brand | undefined): string => {
  if (brand?.color === undefined) return ""
  const rule = (scheme: "light" | "dark") => {
    const { brand: color, soft, on } = shadesOf(brand.color ?? "", scheme)
    return `:root{--brand:${color};--brand-soft:${soft};--on-brand:${on}}`
  }
  return `${rule("light")}@media (prefers-color-scheme:dark){${rule("dark")}}`
}

const styleElement = (brand: Brand | undefined): Html => {
  const style = styleOf(brand)
  // Made of colours alone, so it is its own markup.
  return style === "" ? html`` : new Html(`\n<style>${style}</style>`)
}

/** Links, so that it works without scripts; each in its own language, for who reads no other. */
const switchOf = (texts: Reader["texts"], here: string): Html => html`<nav aria-label="${texts.language}">
<details>
<summary>${icons.globe}<span>${texts.name}</span></summary>
<ul>
${Object.values(languages).map(
  ({ lang, name }) =>
    html`<li><a href="${here}${here.includes("?") ? "&" : "?"}lang=${lang}" lang="${lang}" hreflang="${lang}"${lang === texts.lang && html` aria-current="true"`}>${name}</a></li>
`
)}</ul>
</details>
</nav>`

/** Nothing but our own files may run or be shown, nobody may frame a page, keep it, list it, or learn its address. */
const pageHeaders = (signInUrl: string | undefined, style: string): Readonly<Record<string, string>> => ({
  "cache-control": "no-store",
  "content-security-policy": [
    "default-src 'none'",
    "script-src 'self'",
    `style-src 'self'${style === "" ? "" : ` 'sha256-${createHash("sha256").update(style).digest("base64")}'`}`,
    // A logo is in the page itself.
    "img-src 'self' data:",
    "connect-src 'self'",
    `form-action 'self'${signInUrl === undefined ? "" : ` ${new URL(signInUrl).origin}`}`,
    "base-uri 'none'",
    "frame-ancestors 'none'"
  ].join("; "),
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "x-robots-tag": "noindex"
})
