/** The style and script of the guest pages. */
import { assetAt } from "../pages/Asset.ts"

export const style = assetAt(new URL("./assets/guest.css", import.meta.url), "/assets/guest.css")
export const script = assetAt(new URL("./assets/guest.js", import.meta.url), "/assets/guest.js")
