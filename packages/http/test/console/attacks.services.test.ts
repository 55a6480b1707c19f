/** What people who mean no good try at the console, on every page that a hotel has. */
import { Effect } from "effect"
import type { Browser } from "playwright-core"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { routes } from "../../src/console/routes.ts"
import { launch } from "../guests/browser.ts"
import { API_KEYS, organization } from "../harness/callers.ts"
import { type InProcess, startInProcess } from "../harness/inProcess.ts"
import { createLock, historyOf } from "../harness/locks.ts"
import { callsOf } from "../harness/request.ts"
import { type Hotel, openHotel } from "./hotel.ts"
import { browserAt, hiddenIn, signIn } from "./operator.ts"
import { desk, visitConsole } from "./operatorsBrowser.ts"

const SCRIPT = `'"></code></script><script>window.hacked=1</script><img src=x onerror=window.hacked=1>`

let browser: Browser
let server: InProcess
let hotel: Hotel
const [{ secret = "" } = {}, { secret: otherSecret = "" } = {}] = API_KEYS
beforeAll(async () => {
  server = await startInProcess({ webhooks: { loopback: true } })
  hotel = await openHotel(server, SCRIPT)
  browser = await launch()
})
afterAll(async () => {
  await browser?.close()
  await hotel?.[Symbol.asyncDispose]()
  await server?.stop()
})

/** Milliseconds: ends what hangs. Some fifty pages are loaded in a browser. */
const LONG = 600_000

/** What was done since, other than to keep what was refused. */
const doneSince = async (position: number) =>
  (await Effect.runPromise(server.store.feed(position, 500)))
    .filter(({ type, principal }) => principal._tag === "Organization" && !type.includes("Refused"))
    .map(({ type }) => type)

describe("on every page", () => {
  it("whatever a hotel calls its things is text, and none of it runs", { timeout: LONG }, async () => {
    await visitConsole({ browser, url: server.url, secret }, desk, async (page) => {
      let seen = 0
      for (const path of hotel.paths) {
        await page.goto(server.url + path)
        const [hacked, images, scripts, text] = await page.evaluate<[unknown, number, number, string]>(
          `[window.hacked, document.querySelectorAll("img").length, document.querySelectorAll("body script").length, document.body.textContent]`
        )
        expect([path, hacked, images, scripts]).toEqual([path, undefined, 0, 0])
        if (text.includes("onerror=window.hacked")) seen++
      }
      // It is there to be seen.
      expect(seen).toBeGreaterThan(20)
    })
  })

  it("somebody who is not signed in sees nothing, and nobody may frame, keep or look into what is seen", async () => {
    const operator = await signIn(server.url, secret)
    for (const path of hotel.paths) {
      const away = await browserAt(server.url).get(path)
      expect([path, away.status, away.text]).toEqual([path, 303, ""])
      const { headers } = await operator.get(path)
      expect([path, headers.get("x-frame-options"), headers.get("cache-control")]).toEqual([path, "DENY", "no-store"])
      const policy = headers.get("content-security-policy") ?? ""
      expect([path, policy.includes("frame-ancestors 'none'"), policy.includes("unsafe")]).toEqual([path, true, false])
    }
  })

  it("a form without the token of its session, or from a key that is for reading alone, changes nothing", async () => {
    const { secret: reading } = await Effect.runPromise(
      server.apiKeys.create("org-1", { limits: { scopes: ["read"] } })
    )
    const [reader, operator] = [await signIn(server.url, reading), await signIn(server.url, secret)]
    const { csrf = "" } = hiddenIn(await reader.get("/console"))
    const before = await Effect.runPromise(server.store.head)
    for (const path of hotel.paths) {
      const plain = path.split("?", 1)[0] ?? ""
      const { status, text } = await reader.get(path)
      expect([path, status < 500, text.includes(`<button class="bad">`)]).toEqual([path, true, false])
      const fields = { csrf, once: "01a22175-41d1-7666-96cc-a3e7610865eb", key: "somebody-elses", doors: "1" }
      // To search is no change.
      const sent = await reader.post(plain, fields)
      expect([path, sent.status]).toEqual([path, plain === "/console/locks" ? 303 : expect.toSatisfy(isRefusal)])
      expect([path, (await operator.post(plain, fields)).status]).toEqual([path, 403])
    }
    expect(await doneSince(before)).toEqual([])
  })
})

const isRefusal = (status: number) => status >= 400 && status < 500

it("two organizations in two tabs of a browser: the first tab shows and does nothing of the second", {
  timeout: LONG
}, async () => {
  const lock = await createLock(server.url)
  await visitConsole({ browser, url: server.url, secret }, desk, async (first) => {
    await first.goto(`${server.url}/console/locks/${lock.lockId}`)
    await first.getByText("Live: this page updates by itself").waitFor()
    const form = await first.context().newPage()
    await form.goto(`${server.url}/console/locks/${lock.lockId}/open`)
    const second = await first.context().newPage()
    await second.goto(`${server.url}/console/sign-in`)
    await second.getByLabel("API key or token").fill(otherSecret)
    await second.getByRole("button", { name: "Sign in" }).click()
    await second.getByText("Signed in as org-2").waitFor()
    // What was begun as the one is not done as the other.
    const before = (await historyOf(lock)).length
    await form.getByRole("button", { name: "Open the door" }).click()
    await form.getByText("This form is out of date").waitFor()
    expect(await historyOf(lock)).toHaveLength(before)
    // The page of the first goes on showing what was there, or nothing: the second may not see it.
    await lock.post("SetOwner", { userId: "seen-by-the-first-alone" })
    await first.reload()
    expect(await first.textContent("body")).not.toContain("seen-by-the-first-alone")
    expect((await callsOf(server.url, organization)("GET", `/locks/${lock.lockId}/details`)).status).toBe(200)
  })
})

it("every page is looked at", () => {
  // The events of a page, for its script, are no page.
  expect(hotel.paths.length).toBeGreaterThanOrEqual(Object.keys(routes).length - 1)
})
