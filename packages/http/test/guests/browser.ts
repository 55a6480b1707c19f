/** Chromium, as guests have it in their pockets and on their desks. Says what is missing where there is none. */
import { existsSync } from "node:fs"
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core"

const executablePath = process.env["CHROMIUM"] ?? "/usr/bin/chromium"

export const launch = async (): Promise<Browser> => {
  if (!existsSync(executablePath)) {
    throw new Error(
      `The tests of the guest pages need Chromium at ${executablePath}: run scripts/install-services, or name it by CHROMIUM.`
    )
  }
  return chromium.launch({
    executablePath,
    args: [
      "--headless",
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync"
    ]
  })
}

export const phone: BrowserContextOptions = {
  viewport: { width: 390, height: 844 },
  deviceScaleFactor: 2,
  isMobile: true,
  hasTouch: true
}
export const desktop: BrowserContextOptions = { viewport: { width: 1280, height: 800 } }
export const withoutScripts: BrowserContextOptions = { javaScriptEnabled: false }
export const dark: BrowserContextOptions = { colorScheme: "dark" }

/** The middle of the knob, at rest and at the end; doors count from 0. */
const ends = async (page: Page, door: number) => {
  const box = await page.locator(".slide").nth(door).boundingBox()
  if (box === null) throw new Error("There is no slider on the page")
  const y = box.y + box.height / 2
  return { from: { x: box.x + box.height / 2, y }, to: { x: box.x + box.width - box.height / 2, y } }
}

/** Slides with the mouse as a person does, and holds at the end until told otherwise. */
export const slideWithMouse = async (page: Page, part = 1, door = 0): Promise<void> => {
  const { from, to } = await ends(page, door)
  await page.mouse.move(from.x, from.y)
  await page.mouse.down()
  await page.mouse.move(from.x + (to.x - from.x) * part, to.y, { steps: 12 })
}

/** The same with a finger; answers how to lift it. */
export const slideWithFinger = async (page: Page, part = 1, door = 0): Promise<() => Promise<void>> => {
  const { from, to } = await ends(page, door)
  const touch = await page.context().newCDPSession(page)
  const send = (type: "touchStart" | "touchMove" | "touchEnd", touchPoints: Array<{ x: number; y: number }>) =>
    touch.send("Input.dispatchTouchEvent", { type, touchPoints })
  await send("touchStart", [from])
  for (let step = 1; step <= 12; step++) {
    await send("touchMove", [{ x: from.x + ((to.x - from.x) * part * step) / 12, y: from.y }])
  }
  return async () => void (await send("touchEnd", []))
}
