/** The page of the API's description: it asks no other host for anything, and nothing on it sends anything there. */
import { createHash } from "node:crypto"
import { Effect } from "effect"
import { HttpRouter } from "effect/http"
import { HttpApiScalar } from "effect/http-api"
import { Api } from "../api/Api.ts"
import { favicon } from "../pages/Asset.ts"
import { type StaticFile, staticFile } from "../server/StaticFile.ts"

/** Beyond those that Effect declares: the page offers to upload the description, to ask an agent, and to install a client. */
const scalar = {
  withDefaultFonts: false,
  telemetry: false,
  hideClientButton: true,
  showDeveloperTools: "never",
  documentDownloadType: "none",
  agent: { disabled: true },
  mcp: { disabled: true },
  customCss: 'a[href^="https://www.scalar.com"] { display: none }',
  favicon: favicon.href
}

/** HttpApiScalar renders for the stock router only, so its page is asked for there, once. */
export const docsPage: Effect.Effect<StaticFile> = Effect.promise(async () => {
  const { handler, dispose } = HttpRouter.toWebHandler(HttpApiScalar.layer(Api, { scalar }), { disableLogger: true })
  try {
    const page = await (await handler(new Request("http://localhost/docs"))).text()
    return staticFile("text/html; charset=utf-8", page, {
      "cache-control": "no-cache",
      "content-security-policy": policyOf(page),
      "referrer-policy": "no-referrer",
      "x-content-type-options": "nosniff"
    })
  } finally {
    await dispose()
  }
})

/** Only the scripts of the page itself run; it writes its styles itself, and asks this server for answers to examples. */
const policyOf = (page: string): string => {
  const scripts = Array.from(page.matchAll(/<script>([\s\S]*?)<\/script>/g), ([, script = ""]) => script)
  const hashes = scripts.map((script) => `'sha256-${createHash("sha256").update(script).digest("base64")}'`)
  return [
    "default-src 'none'",
    `script-src ${hashes.join(" ")}`,
    "style-src 'unsafe-inline'",
    "img-src 'self' data:",
    "font-src data:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'"
  ].join("; ")
}
