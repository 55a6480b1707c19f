/** The client in Chromium, on a page and in a worker of another origin: with the origin's leave, and without. */
import { once } from "node:events"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { fileURLToPath } from "node:url"
import type { Browser, Page } from "playwright-core"
import { rolldown } from "rolldown"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { launch } from "./guests/browser.ts"
import { OWNER } from "./harness/callers.ts"
import { type InProcess, startInProcess } from "./harness/inProcess.ts"
import { newLockId, newUuid } from "./harness/locks.ts"

const apiKey = "key-of-org-1-which-has-32-bytes-or-more"

/** What a program in a browser does with the client. */
const APP = `
import { createClient, LatchkeyError } from "/client.js"

export const story = async ({ baseUrl, apiKey, id, uuid, ownerId }) => {
  const latchkey = createClient({ baseUrl, apiKey })
  const params = { id }
  const created = await latchkey.createLock({ params, payload: { index: 1, uuid, ownerId, keys: [] } })
  await latchkey.describeLock({ params, headers: { "if-match": '"1"' }, payload: { name: "Front door" } })
  const refused = await latchkey.getLockDetails({ params: { id: id + 500_000 } }).catch((error) => error)
  const versions = []
  for await (const { events } of latchkey.listLockEvents.pages({ params, query: { limit: 1 } }))
    versions.push(...events.map(({ version }) => version))
  const told = []
  for await (const event of latchkey.streamEvents({ query: { lockId: id } })) {
    told.push(event["detail-type"])
    if (told.length === 2) break
  }
  const aborted = await latchkey
    .streamEvents({ query: { after: "now" } }, { signal: AbortSignal.timeout(200) })
    .next()
    .catch(({ name }) => name)
  return {
    version: created.version,
    refused: [refused instanceof LatchkeyError, refused.code, refused.error],
    versions,
    told,
    aborted
  }
}
`
const WORKER = `
import { story } from "/app.js"
onmessage = ({ data }) => story(data).then(postMessage, (error) => postMessage(String(error)))
`

let browser: Browser
let client: string
beforeAll(async () => {
  const bundle = await rolldown({
    input: fileURLToPath(new URL("../src/client.ts", import.meta.url)),
    platform: "browser",
    tsconfig: false
  })
  const { output } = await bundle.generate({ format: "esm", codeSplitting: false, minify: true })
  await bundle.close()
  client = output[0].code
  browser = await launch()
})
afterAll(() => browser.close())

/** A site of its own origin, whose page is empty. */
const startSite = async () => {
  const files: Readonly<Record<string, string>> = { "/client.js": client, "/app.js": APP, "/worker.js": WORKER }
  const site = createServer(({ url = "/" }, response) => {
    const script = files[url]
    response.writeHead(200, { "content-type": script === undefined ? "text/html" : "text/javascript" })
    response.end(script ?? "<!doctype html><title>app</title>")
  })
  site.listen(0, "127.0.0.1")
  await once(site, "listening")
  return {
    origin: `http://127.0.0.1:${(site.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: async () => {
      site.closeAllConnections()
      site.close()
      await once(site, "close")
    }
  }
}

const asked = (server: InProcess) =>
  JSON.stringify({ baseUrl: server.url, apiKey, id: newLockId(), uuid: newUuid(), ownerId: OWNER })

const lived = {
  version: 1,
  refused: [true, 404, "Lock not found"],
  versions: [1, 2],
  told: ["LockCreated", "LockDescribed"],
  aborted: "TimeoutError"
}

const open = async (origin: string): Promise<Page> => {
  const page = await browser.newPage()
  await page.goto(origin)
  return page
}

it("is a bundle for browsers that needs nothing of Node", () => {
  expect(client).not.toMatch(/from\s*"node:|require\("node:|\bBuffer\.from\b|process\.versions/)
})

describe("from an origin that the server names", () => {
  it.each([
    ["on a page", (asked: string) => `import("/app.js").then(({ story }) => story(${asked}))`],
    [
      "in a worker",
      (asked: string) => `new Promise((resolve, reject) => {
        const worker = new Worker("/worker.js", { type: "module" })
        worker.onmessage = ({ data }) => resolve(data)
        worker.onerror = ({ message }) => reject(new Error(message))
        worker.postMessage(${asked})
      })`
    ]
  ])("lives a lock's life %s", async (_, script) => {
    await using site = await startSite()
    await using server = await startInProcess({ corsOrigins: [site.origin] })
    const page = await open(site.origin)
    expect(await page.evaluate(script(asked(server)))).toEqual(lived)
    await page.close()
  })

  it("cannot use the session of somebody who is signed in to the console", async () => {
    await using site = await startSite()
    await using server = await startInProcess({ corsOrigins: [site.origin] })
    const page = await browser.newPage()
    await page.goto(`${server.url}/console`)
    await page.getByLabel(/key/i).fill(apiKey)
    await page.getByRole("button").click()
    await page.waitForURL(`${server.url}/console`)
    await page.goto(site.origin)
    const ask = (path: string, credentials: string) =>
      page.evaluate(
        `fetch("${server.url}${path}", { credentials: "${credentials}" }).then(({ status }) => status, () => "not readable")`
      )
    expect(await ask("/console", "include")).toBe("not readable")
    expect(await ask("/locks", "include")).toBe("not readable")
    expect(await ask("/locks", "same-origin")).toBe(401)
    await page.close()
  })
})

it("has no answer from an origin that the server does not name", async () => {
  await using site = await startSite()
  await using server = await startInProcess({ corsOrigins: ["https://app.example.org"] })
  const page = await open(site.origin)
  const script = `import("/client.js").then(({ createClient }) =>
    createClient({ baseUrl: "${server.url}", apiKey: "${apiKey}", retries: 0 }).getOverview().catch(({ name }) => name))`
  expect(await page.evaluate(script)).toBe("NoAnswer")
  await page.close()
})
