/** Every page of the console in a real browser: for everybody, small, and still. */
import { readFile } from "node:fs/promises"
import { createRequire } from "node:module"
import type { AxeResults } from "axe-core"
import { Effect } from "effect"
import type { Browser, Page } from "playwright-core"
import { afterAll, beforeAll, expect, it } from "vitest"
import { launch, phone } from "../guests/browser.ts"
import { API_KEYS } from "../harness/callers.ts"
import { type InProcess, startInProcess } from "../harness/inProcess.ts"
import { type Hotel, openHotel } from "./hotel.ts"
import { desk, visitConsole } from "./operatorsBrowser.ts"

let browser: Browser
let server: InProcess
let hotel: Hotel
let axe: string
const [{ secret = "" } = {}] = API_KEYS
beforeAll(async () => {
  server = await startInProcess({ webhooks: { loopback: true } })
  hotel = await openHotel(server)
  browser = await launch()
  axe = await readFile(createRequire(import.meta.url).resolve("axe-core"), "utf8")
})
afterAll(async () => {
  await browser?.close()
  await hotel?.[Symbol.asyncDispose]()
  await server?.stop()
})

/** Milliseconds: ends what hangs. Some fifty pages are looked at in four ways each, in a browser. */
const LONG = 1_200_000

/** Beside every page that a hotel has: those that are nobody's. */
const paths = () => [...hotel.paths, "/console/nowhere", "/console/locks/999999"]

/** At night only colours are others. */
const lights = { light: "", dark: `{ runOnly: ["color-contrast"] }` } as const
const sizes = { desk: { width: 1440, height: 900 }, phone: { width: 390, height: 844 } }

/** What axe and a ruler say of the page, at a desk and on a phone, by day and by night. */
const examine = async (page: Page, path: string) => {
  await page.evaluate(`document.querySelectorAll("details").forEach((details) => (details.open = true))`)
  await page.evaluate(`${axe};0`)
  for (const [size, viewport] of Object.entries(sizes)) {
    await page.setViewportSize(viewport)
    for (const colorScheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme })
      const { violations } = (await page.evaluate(`axe.run(${lights[colorScheme]})`)) as AxeResults
      const found = violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)])
      expect([path, size, colorScheme, found]).toEqual([path, size, colorScheme, []])
    }
    const [width, screen] = await page.evaluate<[number, number]>(
      "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
    expect([path, size, width]).toEqual([path, size, screen])
  }
}

it.each(["with scripts", "without scripts"])(
  "%s, no page breaks a rule of accessibility, is wider than the screen, or as large as 100 KB",
  { timeout: LONG },
  async (scripts) => {
    // The tool is put in past the page's own rules, which are right to refuse it. It is a script: only the page's are kept out.
    await visitConsole({ browser, url: server.url, secret }, { ...desk, bypassCSP: true }, async (page) => {
      if (scripts === "without scripts") await page.route("**/*.js", (route) => route.abort())
      for (const path of paths()) {
        const answer = await page.goto(server.url + path)
        expect([path, ((await answer?.body()) ?? "").length < 100_000]).toEqual([path, true])
        await examine(page, path)
      }
      await page.getByRole("button", { name: "Sign out" }).click()
      await page.getByRole("heading", { name: "Sign in" }).waitFor()
      await examine(page, "/console/sign-in")
    })
  }
)

it("nor does the first page of somebody who has no lock yet", { timeout: LONG }, async () => {
  const { secret } = await Effect.runPromise(server.apiKeys.create("org-without-locks", {}))
  await visitConsole({ browser, url: server.url, secret }, { ...desk, bypassCSP: true }, async (page) => {
    await page.getByRole("link", { name: "Set up a lock" }).waitFor()
    await examine(page, "/console, without a lock")
  })
})

/** Notes what moves without being asked to, from the first paint on. */
const watchShifts = `
  window.shifts = []
  new PerformanceObserver((list) => {
    for (const { hadRecentInput, sources } of list.getEntries())
      if (!hadRecentInput) window.shifts.push(...sources.map(({ node }) => (node?.outerHTML ?? node?.data ?? "").slice(0, 300)))
  }).observe({ type: "layout-shift", buffered: true })`

it.each(Object.entries({ "at a desk": desk, "on a phone": phone }))(
  "%s, nothing on a page shifts, also when it becomes live",
  { timeout: LONG },
  async (_, options) => {
    await visitConsole({ browser, url: server.url, secret }, options, async (page) => {
      await page.addInitScript(watchShifts)
      for (const path of paths()) {
        await page.goto(server.url + path)
        if ((await page.locator("latchkey-live").count()) > 0)
          await page.getByText("Live: this page updates by itself").waitFor()
        await page.evaluate("new Promise((resume) => requestAnimationFrame(() => requestAnimationFrame(resume)))")
        expect([path, await page.evaluate("window.shifts")]).toEqual([path, []])
      }
    })
  }
)
