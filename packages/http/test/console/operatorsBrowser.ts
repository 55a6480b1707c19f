/** Chromium at the console, signed in. */
import type { Browser, BrowserContextOptions, Page } from "playwright-core"
import { expect } from "vitest"

/** A desk, somewhere. */
export const desk: BrowserContextOptions = { viewport: { width: 1440, height: 900 }, timezoneId: "Europe/Athens" }

/** Somebody signs in, in a browser window of their own, in which nothing may go wrong unseen. */
export const visitConsole = async (
  { browser, url, secret }: { readonly browser: Browser; readonly url: string; readonly secret: string },
  options: BrowserContextOptions,
  run: (page: Page) => Promise<void>
): Promise<void> => {
  const context = await browser.newContext(options)
  const page = await context.newPage()
  // What is waited for comes: how late, a busy machine decides.
  page.setDefaultTimeout(100_000)
  const faults: Array<string> = []
  page.on("pageerror", ({ message }) => faults.push(message))
  page.on("console", (message) => message.text().includes("Content Security Policy") && faults.push(message.text()))
  try {
    await page.goto(`${url}/console`)
    await page.getByLabel("API key or token").fill(secret)
    await page.getByRole("button", { name: "Sign in" }).click()
    await page.waitForURL(`${url}/console`)
    await run(page)
    expect(faults).toEqual([])
  } finally {
    await context.close()
  }
}
