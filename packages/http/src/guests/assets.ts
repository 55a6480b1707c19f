/** The style, script and icon of the guest pages. Their addresses change with their content, so that browsers may keep them. */
import { createHash } from "node:crypto"
import { readFileSync } from "node:fs"
import { type StaticFile, staticFile } from "../server/StaticFile.ts"

const TYPES = {
  "guest.css": "text/css; charset=utf-8",
  "guest.js": "text/javascript; charset=utf-8",
  "icon.svg": "image/svg+xml"
}

interface Asset {
  /** Where pages find it. */
  readonly href: string
  readonly path: string
  readonly answer: StaticFile
}

const load = (name: keyof typeof TYPES): Asset => {
  const body = readFileSync(new URL(`./assets/${name}`, import.meta.url), "utf8")
  const hash = createHash("sha256").update(body).digest("base64url").slice(0, 16)
  const path = `/assets/${name}`
  const headers = { "cache-control": "public, max-age=31536000, immutable", "x-content-type-options": "nosniff" }
  return { href: `${path}?${hash}`, path, answer: staticFile(TYPES[name], body, headers) }
}

export const style = load("guest.css")
export const script = load("guest.js")
export const favicon = load("icon.svg")
