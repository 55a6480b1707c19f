/**
 * The console's style, its component, and Lit, which the component is written with: served from its own package, file by
 * file, and found through an import map. Nothing is built, and no other host is asked.
 */
import { createHash } from "node:crypto"
import { createRequire } from "node:module"
import { pathToFileURL } from "node:url"
import { type Asset, assetAt } from "../pages/Asset.ts"

const lit = createRequire(import.meta.url).resolve("lit")
/** As Lit itself finds what it is made of. */
const { resolve } = createRequire(lit)

const own = (name: string) => assetAt(new URL(`./assets/${name}`, import.meta.url), `/console/assets/${name}`)

/** A file that a package exports, as it is for browsers in use: what is for Node or development lies in folders beside it. */
const from = (specifier: string, name: string) =>
  assetAt(
    new URL(pathToFileURL(resolve(specifier)).href.replace(/(?:\/node)?(?:\/development)?\/([^/]+)$/, "/$1")),
    `/console/assets/lit/${name}`
  )

export const style = own("console.css")
export const script = own("console.js")

/** What the modules of Lit call each other; the last is named by its place beside another. */
const modules = {
  lit: from(lit, "lit.js"),
  "lit-html": from("lit-html", "lit-html.js"),
  "lit-html/is-server.js": from("lit-html/is-server.js", "is-server.js"),
  "lit-element/lit-element.js": from("lit-element/lit-element.js", "lit-element.js"),
  "@lit/reactive-element": from("@lit/reactive-element", "reactive-element.js")
}
const beside = from("@lit/reactive-element/css-tag.js", "css-tag.js")

export const assets: ReadonlyArray<Asset> = [style, script, beside, ...Object.values(modules)]

/** Stands in every page, so that its script finds Lit; and what allows it. */
export const importMap = JSON.stringify({
  imports: Object.fromEntries(Object.entries(modules).map(([name, { href }]) => [name, href]))
})
export const importMapHash = `sha256-${createHash("sha256").update(importMap).digest("base64")}`
