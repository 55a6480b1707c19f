/** The console in a real browser: on a phone and at a desk, with scripts and without. */
import { Effect } from "effect"
import type { Browser, BrowserContextOptions, Page } from "playwright-core"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { launch, phone, withoutScripts } from "../guests/browser.ts"
import { API_KEYS } from "../harness/callers.ts"
import { type InProcess, startInProcess } from "../harness/inProcess.ts"
import { createLock, historyOf, makeShared, shared } from "../harness/locks.ts"
import { desk, visitConsole } from "./operatorsBrowser.ts"

let browser: Browser
let server: InProcess
beforeAll(async () => {
  server = await startInProcess()
  browser = await launch()
})
afterAll(async () => {
  await browser?.close()
  await server?.stop()
})

const [{ secret = "" } = {}] = API_KEYS
const visit = (options: BrowserContextOptions, run: (page: Page) => Promise<void>) =>
  visitConsole({ browser, url: server.url, secret }, options, run)

describe.each(
  Object.entries({ "a desk": desk, "a phone": phone, "a desk without scripts": { ...desk, ...withoutScripts } })
)("on %s", (_, options) => {
  it("somebody sees why the door did not open, asks the rules, and opens it", async () => {
    const lock = await createLock(server.url)
    const past = { validFrom: "2020-01-01T00:00:00Z", validUntil: "2020-01-02T00:00:00Z", description: "Mr Miller" }
    const { uuid } = await makeShared(server.url, shared(lock.lockId, past))
    await fetch(`${server.url}/temp-keys/${uuid}/doors/1/open`, {
      method: "POST",
      headers: { accept: "application/json" }
    })
    await visit(options, async (page) => {
      await page.goto(`${server.url}/console/locks/${lock.lockId}`)
      const line = page.getByRole("row", { name: "Refused: temp key Mr Miller" })
      expect(await line.textContent()).toContain("The key had expired.")
      await line.getByRole("link", { name: "Why?" }).click()
      await page.getByText("It was refused.").waitFor()
      await page.goto(`${server.url}/console/locks/${lock.lockId}`)
      await page.getByRole("link", { name: "Open the door" }).click()
      await page.getByRole("button", { name: "Open the door" }).click()
      await page.getByText("Done.").waitFor()
      expect((await historyOf(lock)).filter(({ type }) => type === "LockOpenRequested")).toHaveLength(1)
    })
  })
})

it("the page of a lock is live: what happens appears, a dead connection is shown, and the page catches up", async () => {
  const lock = await createLock(server.url)
  await visit(desk, async (page) => {
    await page.goto(`${server.url}/console/locks/${lock.lockId}`)
    await page.getByText("Live: this page updates by itself").waitFor()
    await lock.post("SetOwner", { userId: "the-new-owner" })
    await page.getByText("Owner set: the-new-owner").waitFor()
    await page.context().setOffline(true)
    await page.getByText("Connection lost").waitFor()
    await lock.post("SetOwner", { userId: "the-next-owner" })
    await page.context().setOffline(false)
    await page.getByText("Owner set: the-next-owner").waitFor()
    await page.getByText("Live: this page updates by itself").waitFor()
  })
})

it("a page that connects anew stays live, whatever its earlier connection was about to do", async () => {
  const lock = await createLock(server.url)
  await visit(desk, async (page) => {
    // What a page does a moment after an event is done when the test says so.
    await page.addInitScript(`
      window.due = []
      const { setTimeout } = window
      window.setTimeout = (run, millis) => (millis === 250 ? window.due.push(run) : setTimeout(run, millis))`)
    await page.goto(`${server.url}/console/locks/${lock.lockId}`)
    const live = page.getByText("Live: this page updates by itself")
    await live.waitFor()
    await lock.post("SetOwner", { userId: "the-new-owner" })
    // Asked from outside: a page that waits for something itself may evaluate nothing under its policy.
    await expect.poll(() => page.evaluate("due.length"), { timeout: 100_000 }).toBe(1)
    await page.evaluate("dispatchEvent(new Event('online'))")
    await page.getByText("Owner set: the-new-owner").waitFor()
    const frames = "new Promise((resume) => requestAnimationFrame(() => requestAnimationFrame(resume)))"
    await page.evaluate(frames)
    await page.evaluate("due[0]()")
    await page.evaluate(frames)
    expect(await live.isVisible()).toBe(true)
  })
})

it("a session ends with its key, also on a page that is live", async () => {
  const { keyId, secret } = await Effect.runPromise(server.apiKeys.create("org-1", {}))
  const lock = await createLock(server.url)
  await visit(desk, async (page) => {
    await page.context().clearCookies()
    await page.goto(`${server.url}/console/locks/${lock.lockId}`)
    await page.getByLabel("API key or token").fill(secret)
    await page.getByRole("button", { name: "Sign in" }).click()
    await page.getByText("Live: this page updates by itself").waitFor()
    await Effect.runPromise(server.apiKeys.revoke(keyId))
    await lock.post("SetOwner", { userId: "the-new-owner" })
    await page.getByText("Not live any more.").waitFor()
    await page.reload()
    await page.getByRole("heading", { name: "Sign in" }).waitFor()
  })
})

it("a key for the cleaner is made by keyboard alone", async () => {
  const lock = await createLock(server.url)
  await visit(desk, async (page) => {
    const press = async (...keys: ReadonlyArray<string>) => {
      for (const key of keys) await page.keyboard.press(key)
    }
    await page.goto(`${server.url}/console/temp-keys/new?doors=${lock.lockId}`)
    await page.getByRole("button", { name: "Next" }).focus()
    await press("Enter")
    await page.getByLabel("Tuesdays").focus()
    await press("Space")
    await page.getByLabel("From", { exact: true }).last().fill("09:00")
    await page.getByLabel("To", { exact: true }).fill("11:00")
    await press("Enter")
    await page.getByText("Tuesdays 09:00–11:00, in Europe/Athens").waitFor()
    await page.getByLabel("What you call it").focus()
    await page.keyboard.type("Cleaner")
    await press("Enter")
    await page.getByRole("heading", { name: "The temp key is made" }).waitFor()
    expect(await page.getByRole("img", { name: "The link as a QR code" }).count()).toBe(1)
  })
})
