/** Files of pages: styles, scripts and pictures. Their addresses change with their content, so that browsers may keep them. */
import { createHash } from "node:crypto"
import { readFileSync } from "node:fs"
import { type StaticFile, staticFile } from "../server/StaticFile.ts"

/** A file that pages name. */
export interface Asset {
  /** Where pages find it. */
  readonly href: string
  readonly path: string
  readonly answer: StaticFile
}

const TYPES: Readonly<Record<string, string>> = {
  css: "text/css; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  svg: "image/svg+xml"
}

/** The file at `url`, served at `path`; what it is, its name says. */
export const assetAt = (url: URL, path: string): Asset => {
  const body = readFileSync(url, "utf8")
  const hash = createHash("sha256").update(body).digest("base64url").slice(0, 16)
  const type = TYPES[path.slice(path.lastIndexOf(".") + 1)] ?? "text/plain; charset=utf-8"
  const headers = { "cache-control": "public, max-age=31536000, immutable", "x-content-type-options": "nosniff" }
  return { href: `${path}?${hash}`, path, answer: staticFile(type, body, headers) }
}

/** The colours of all pages, in light and dark. */
export const tokens = assetAt(new URL("./assets/tokens.css", import.meta.url), "/assets/tokens.css")
export const favicon = assetAt(new URL("./assets/icon.svg", import.meta.url), "/assets/icon.svg")
