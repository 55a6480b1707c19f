/** The guest pages in a real browser: on a phone and at a desk, with scripts and without. */

import { createServer, type Server } from "node:http"
import { createRequire } from "node:module"
import type { AddressInfo } from "node:net"
import type { AxeResults } from "axe-core"
import { Effect } from "effect"
import type { Browser, BrowserContextOptions, Page } from "playwright-core"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { languages } from "../../src/guests/texts/languages.ts"
import { OWNER, organization, STRANGER, stranger, token } from "../harness/callers.ts"
import { type InProcess, startInProcess } from "../harness/inProcess.ts"
import { createLock, historyOf, newUuid, type TestLock, tempKey } from "../harness/locks.ts"
import { callsOf } from "../harness/request.ts"
import { dark, desktop, launch, phone, slideWithFinger, slideWithMouse, withoutScripts } from "./browser.ts"
import { connect, type GuestLink, makeLink } from "./guest.ts"
import { LOGO } from "./logo.ts"

let browser: Browser
let server: InProcess
/** Where guests sign in: it knows them by the button that they press. */
let signInSite: Server
beforeAll(async () => {
  signInSite = createServer(signInPage).listen(0, "127.0.0.1")
  await new Promise((resolve) => signInSite.once("listening", resolve))
  const { port } = signInSite.address() as AddressInfo
  server = await startInProcess({
    signInUrl: `http://127.0.0.1:${port}/sign-in`,
    // A colour that is hard to read by, as it is.
    brand: { name: "Harbour Hotel", color: "#ffcc00", logo: { png: LOGO, width: 120, height: 40 } }
  })
  browser = await launch()
})
afterAll(async () => {
  await browser?.close()
  signInSite?.close()
  await server?.stop()
})

const signInPage: Parameters<typeof createServer>[1] = (request, response) => {
  let body = ""
  request.on("data", (chunk) => (body += chunk))
  request.on("end", () => {
    const returnTo = new URLSearchParams(body).get("return_to")
    const form = (userId: string) =>
      `<form method="post" action="${server.url}${returnTo}/sign-in"><input type="hidden" name="token" value="${token({ sub: userId })}"><button>I am ${userId}</button></form>`
    response.writeHead(200, { "content-type": "text/html" })
    response.end(`<!doctype html><title>Sign in</title>${form(OWNER)}${form(STRANGER)}`)
  })
}

const kinds: Readonly<Record<string, BrowserContextOptions>> = {
  "a phone": phone,
  "a desktop": desktop,
  "a phone without scripts": { ...phone, ...withoutScripts },
  "a desktop without scripts": { ...desktop, ...withoutScripts }
}

/** Runs in a browser window of its own, in which nothing may go wrong unseen. */
const visit = async (
  options: BrowserContextOptions,
  url: string,
  run: (page: Page) => Promise<void>,
  prepare: (page: Page) => Promise<unknown> = async () => {}
) => {
  const context = await browser.newContext(options)
  context.setDefaultTimeout(100_000)
  const page = await context.newPage()
  await prepare(page)
  const faults: Array<string> = []
  page.on("pageerror", ({ message }) => faults.push(message))
  page.on("console", (message) => message.text().includes("Content Security Policy") && faults.push(message.text()))
  try {
    await page.goto(url)
    await run(page)
    expect(faults).toEqual([])
  } finally {
    await context.close()
  }
}

/** Counts the forms that the page sends, and lets the test move its clock. */
const watched = async (page: Page) => {
  await page.clock.install()
  await page.addInitScript(`
    window.sent = 0
    const { submit } = HTMLFormElement.prototype
    HTMLFormElement.prototype.submit = function () {
      window.sent += 1
      submit.call(this)
    }
    addEventListener("submit", () => (window.sent += 1), true)`)
}

/** Longer than the slider must be held: whatever a watched page was about to send, it has sent. */
const expectNothingSent = async (page: Page, { url }: GuestLink) => {
  await page.clock.runFor(2_000)
  expect([page.url(), await page.evaluate("window.sent")]).toEqual([url, 0])
}

/** The page of a new key to several doors. */
const keyToDoors = async (doors: ReadonlyArray<object>): Promise<string> => {
  const { validFrom, validUntil } = tempKey()
  const made = await callsOf(server.url, organization)("POST", "/temp-keys", {
    body: { validFrom, validUntil, doors, showPin: true }
  })
  expect(made.status).toBe(201)
  return `${server.url}/temp-keys/${made.body.uuid}`
}

const heading = (page: Page) => page.locator("h1").textContent()

/** Opens as a person would with what the page offers. */
const openBy = async (page: Page, options: BrowserContextOptions, door = 0): Promise<void> => {
  if (options.javaScriptEnabled === false) return page.getByRole("button", { name: "Open" }).nth(door).click()
  await page.locator(".slide").nth(door).scrollIntoViewIfNeeded()
  if (options.hasTouch !== true) return slideWithMouse(page, 1, door)
  await slideWithFinger(page, 1, door)
}

const confirmed = (page: Page) => page.waitForURL(/\/confirmation/)

describe.each(Object.entries(kinds))("on %s", (_, options) => {
  it("a guest opens the door, and sees it confirmed", async () => {
    const link = await makeLink(server, { maxUses: 2 })
    await connect(server, link.lock)
    await visit(options, link.url, async (page) => {
      expect(await heading(page)).toBe("Your key is ready")
      expect(await page.locator("main").textContent()).toContain("You can open 2 more times.")
      await openBy(page, options)
      await confirmed(page)
      expect(await heading(page)).toBe("The door is opening")
      expect(await link.opens()).toBe(1)
    })
  })

  it("a guest sees what the lock says: with scripts on the page that is there, else when it is loaded again", async () => {
    const link = await makeLink(server)
    await connect(server, link.lock)
    await visit(options, link.url, async (page) => {
      await openBy(page, options)
      await confirmed(page)
      const hasScripts = options.javaScriptEnabled !== false
      if (hasScripts) await page.evaluate("window.isTheSame = true")
      const { commandId } = JSON.parse((await link.lock.get("details")).text).pendingCommands[0]
      const about = { thing: link.lock.uuid, commandId, at: Date.now() }
      await Effect.runPromise(server.shadow.report({ _tag: "CommandOutcome", ...about, outcome: "done" }))
      await page.getByRole("heading", { name: "The door is open", exact: true }).waitFor()
      expect(await page.locator("[data-waits]").count()).toBe(0)
      if (hasScripts) expect(await page.evaluate("window.isTheSame")).toBe(true)
    })
  })

  it.each([
    ["Your key has expired", { validFrom: "2020-01-01T00:00Z", validUntil: "2020-01-02T00:00Z" }],
    ["Your key does not work yet", { validFrom: "2098-01-01T00:00Z", validUntil: "2099-01-01T00:00Z" }],
    ["Your key has been used up", { maxUses: 1 }],
    ["Your key was withdrawn", {}],
    ["We do not know this key", {}]
  ] as const)("%s: the page says so, and offers nothing to open with", async (title, given) => {
    const link = await makeLink(server, given)
    if (title.includes("used up")) await link.lock.post("use-temp-key", { tempKeyUuid: link.uuid })
    if (title.includes("withdrawn")) await link.lock.post("delete-temp-key", { tempKeyUuid: link.uuid })
    const url = title.includes("know") ? `${server.url}/temp-keys/${newUuid()}` : link.url
    await visit(options, url, async (page) => {
      expect(await heading(page)).toBe(title)
      expect(await page.locator("form, button, input").count()).toBe(0)
    })
  })

  it("a key that ends while its page is open says so when it is used", async () => {
    const link = await makeLink(server)
    await visit(options, link.url, async (page) => {
      await link.lock.post("delete-temp-key", { tempKeyUuid: link.uuid })
      await openBy(page, options)
      await page.getByText("Your key was withdrawn").first().waitFor()
      expect(await link.opens()).toBe(0)
    })
  })

  it("a named user signs in elsewhere, comes back and opens; another learns that the key is not theirs", async () => {
    const link = await makeLink(server, { accessMode: "user-whitelist", allowedUserIds: [OWNER] })
    for (const [userId, title] of [
      [STRANGER, "This key is not for you"],
      [OWNER, "Your key is ready"]
    ] as const) {
      await visit(options, link.url, async (page) => {
        expect(await heading(page)).toBe("Please sign in")
        await page.getByRole("button", { name: "Sign in" }).click()
        await page.getByRole("button", { name: userId }).click()
        await page.getByText(title).first().waitFor()
        expect(page.url()).toBe(link.url)
        if (userId === STRANGER) return
        await openBy(page, options)
        await confirmed(page)
      })
    }
    expect(await link.opens()).toBe(1)
  })

  it("a lock that cannot be reached is said to be so, and the same page tries again", async () => {
    const link = await makeLink(server, { maxUses: 1 })
    await visit(options, link.url, async (page) => {
      await Effect.runPromise(server.shadow.setMode("reject"))
      try {
        await openBy(page, options)
        await page.getByText("The lock could not be reached").first().waitFor()
        if (options.javaScriptEnabled !== false) expect(page.url()).toBe(link.url)
      } finally {
        await Effect.runPromise(server.shadow.setMode("ok"))
      }
      await page.waitForLoadState()
      await page.mouse.up()
      await openBy(page, options)
      await confirmed(page)
      expect(await link.opens()).toBe(1)
    })
  })

  it("a lock that is not connected is said to be so before and after", async () => {
    const link = await makeLink(server)
    await visit(options, link.url, async (page) => {
      expect(await page.locator(".notice").textContent()).toContain("The lock is not connected right now")
      await openBy(page, options)
      await confirmed(page)
      expect(await heading(page)).toBe("The lock is not connected")
    })
  })

  it("going back after opening opens nothing, and then the door can be opened again", async () => {
    const link = await makeLink(server)
    await connect(server, link.lock)
    await visit(options, link.url, async (page) => {
      await openBy(page, options)
      await confirmed(page)
      await page.goBack()
      await page.getByText("Your key is ready").first().waitFor()
      expect(await link.opens()).toBe(1)
      await page.mouse.up()
      await openBy(page, options)
      await confirmed(page)
      expect(await link.opens()).toBe(2)
      await page.getByRole("link", { name: "Open again" }).click()
      expect(page.url()).toBe(link.url)
      expect(await link.opens()).toBe(2)
    })
  })
})

describe.each(Object.entries(kinds))("a key with several doors, on %s", (_, options) => {
  it("has a control for each that its link opens, and opens that one", async () => {
    const [front, flat, safe] = [
      await createLock(server.url),
      await createLock(server.url),
      await createLock(server.url)
    ]
    for (const lock of [front, flat]) await connect(server, lock)
    const url = await keyToDoors([
      { lockId: String(front.lockId), label: "Front door" },
      { lockId: String(flat.lockId), label: "Flat 4" },
      { lockId: String(safe.lockId), label: "Key safe", accessMethod: "code" }
    ])
    const opensOf = async (lock: TestLock) =>
      (await historyOf(lock)).filter(({ type }) => type === "LockOpenRequested").length
    await visit(options, url, async (page) => {
      expect(await page.locator("h2").allTextContents()).toEqual(["Front door", "Flat 4", "Key safe"])
      expect(await page.locator("section").nth(2).locator("form, input").count()).toBe(0)
      await openBy(page, options, 1)
      await confirmed(page)
      expect(await heading(page)).toBe("The door is opening")
      expect(await Promise.all([front, flat, safe].map(opensOf))).toEqual([0, 1, 0])
      await page.goBack()
      await page.getByRole("heading", { name: "Front door" }).waitFor()
      await page.mouse.up()
      await openBy(page, options, 0)
      await confirmed(page)
      expect(await Promise.all([front, flat, safe].map(opensOf))).toEqual([1, 1, 0])
    })
  })
})

describe("a tap that comes twice", () => {
  it("opens once", async () => {
    const link = await makeLink(server)
    await visit({ ...phone, ...withoutScripts }, link.url, async (page) => {
      await page.getByRole("button").dblclick({ noWaitAfter: true })
      // The second tap breaks off what the first has begun to load.
      await expect.poll(() => page.url()).toMatch(/\/confirmation/)
      expect(await link.opens()).toBe(1)
    })
  })

  it("opens once when the confirmation is asked for again by sending the form again", async () => {
    const link = await makeLink(server)
    await visit({ ...desktop, ...withoutScripts }, link.url, async (page) => {
      const ticket = await page.locator("[name=ticket]").getAttribute("value")
      await page.getByRole("button").click()
      await confirmed(page)
      const again = await link.open({ ticket: ticket ?? "" })
      expect(server.url + again.headers.get("location")).toBe(page.url())
      expect(await link.opens()).toBe(1)
    })
  })
})

describe("the slider", () => {
  const onSlider = async (run: (page: Page, link: GuestLink) => Promise<void>, opens: number, options = desktop) => {
    const link = await makeLink(server)
    const slide = async (page: Page) => {
      await run(page, link)
      if (opens > 0) await confirmed(page)
      else await expectNothingSent(page, link)
      expect(await link.opens()).toBe(opens)
    }
    await visit(options, link.url, slide, watched)
  }

  it("opens nothing when it is let go before its end, or at its end too soon", async () => {
    await onSlider(async (page) => {
      await slideWithMouse(page, 0.8)
      await page.clock.runFor(800)
      await page.mouse.up()
      await slideWithMouse(page)
      await page.mouse.up()
      expect(await page.locator("input").inputValue()).toBe("0")
    }, 0)
    await onSlider(
      async (page) => {
        const lift = await slideWithFinger(page)
        await lift()
      },
      0,
      phone
    )
  })

  it("opens when its end is pressed and held, for who cannot drag", async () => {
    await onSlider(async (page) => {
      const box = await page.locator(".slide").boundingBox()
      if (box === null) return expect.fail("no slider")
      await page.mouse.move(box.x + box.width - 20, box.y + box.height / 2)
      await page.mouse.down()
    }, 1)
  })

  it("opens by the keyboard when it is moved step by step, not at one stroke", async () => {
    await onSlider(async (page) => {
      await page.getByRole("slider").focus()
      await page.keyboard.press("End")
    }, 0)
    await onSlider(async (page) => {
      await page.getByRole("slider").focus()
      for (let step = 0; step < 100; step++) await page.keyboard.press("ArrowRight")
    }, 1)
  })

  it("has a name, an explanation and a state for who does not see it", async () => {
    await onSlider(async (page) => {
      const slider = page.getByRole("slider", { name: "Open the door: Slide to open" })
      expect(await slider.getAttribute("aria-describedby")).toBe("how-0")
      expect(await page.getByRole("status").count()).toBe(1)
    }, 0)
  })

  it("leaves room for the button when its script does not arrive", async () => {
    const link = await makeLink(server)
    const context = await browser.newContext(phone)
    context.setDefaultTimeout(100_000)
    try {
      const page = await context.newPage()
      await page.route("**/guest.js*", (route) => route.abort())
      await page.goto(link.url)
      await page.getByRole("button", { name: "Open the door" }).click()
      await confirmed(page)
      expect(await link.opens()).toBe(1)
    } finally {
      await context.close()
    }
  })
})

/** Everything that a script can do to a page short of asking the server by itself: what it does, and then lets go of. */
const crawler = [
  `(() => {
  const all = (selector) => Array.from(document.querySelectorAll(selector))
  for (const template of all("template")) document.body.append(template.content.cloneNode(true))
  for (const input of all("input")) {
    input.value = "100"
    for (const type of ["pointerdown", "mousedown", "touchstart", "focus", "input", "change"]) {
      for (let n = 0; n < 5; n++) input.dispatchEvent(new Event(type, { bubbles: true }))
    }
  }
})()`,
  `(() => {
  const all = (selector) => Array.from(document.querySelectorAll(selector))
  for (const type of ["pointerup", "mouseup", "touchend", "click"]) {
    for (const element of all("*")) element.dispatchEvent(new Event(type, { bubbles: true }))
  }
  for (const element of all("a, button, input, main, div, span")) element.click()
  for (const form of all("form")) form.submit()
})()`
]

describe("programs that look at links", () => {
  it("which run scripts, submit forms, press, click and type, open nothing", async () => {
    const link = await makeLink(server)
    const crawl = async (page: Page) => {
      for (const part of crawler) {
        await page.evaluate(part)
        await expectNothingSent(page, link)
      }
      // Some drive a whole browser: what they do then looks like a person's doing, but it does not last.
      const box = await page.locator(".slide").first().boundingBox()
      if (box === null) return expect.fail("no slider")
      for (const part of [0.05, 0.5, 0.97]) {
        await page.mouse.click(box.x + box.width * part, box.y + box.height / 2, { clickCount: 2 })
        for (const key of ["Enter", "Space", "End", "Tab"]) await page.keyboard.press(key)
      }
      await expectNothingSent(page, link)
      expect(await link.opens()).toBe(0)
    }
    await visit(desktop, link.url, crawl, watched)
  })

  it("which fetch them ahead of the guest, open nothing", async () => {
    const link = await makeLink(server)
    const elsewhere = createServer((_, response) => {
      const rules = JSON.stringify({ prerender: [{ urls: [link.url] }], prefetch: [{ urls: [link.url] }] })
      response.writeHead(200, { "content-type": "text/html" })
      response.end(
        `<link rel="prefetch" href="${link.url}"><link rel="prerender" href="${link.url}"><script type="speculationrules">${rules}</script><iframe src="${link.url}"></iframe>`
      )
    }).listen(0, "127.0.0.1")
    await new Promise((resolve) => elsewhere.once("listening", resolve))
    const context = await browser.newContext(desktop)
    context.setDefaultTimeout(100_000)
    try {
      const { port } = elsewhere.address() as AddressInfo
      const page = await context.newPage()
      // Nobody may put the page under what a guest clicks.
      const refused = page.waitForEvent("console", (message) => message.text().includes("frame-ancestors 'none'"))
      const fetched = context.waitForEvent("response", async (response) => {
        const headers = await response.request().allHeaders()
        return response.url() === link.url && headers["sec-purpose"]?.includes("prefetch") === true
      })
      await page.goto(`http://127.0.0.1:${port}/`)
      await refused
      await fetched
      expect(await link.opens()).toBe(0)
    } finally {
      await context.close()
      elsewhere.close()
    }
  })
})

describe("every page", () => {
  const axe = createRequire(import.meta.url).resolve("axe-core")
  /** What is there for everyone who has everything said to them: a door that is described, and a week. */
  const place = {
    name: "Room 12",
    timeZone: "Europe/Athens",
    address: "Harbour Street 1, Chania",
    contact: "Reception, +30 28210 00000",
    instructions: "Second floor,\nto the left."
  }
  const every = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
  const always = { timeZone: "Europe/Athens", windows: [{ days: every, from: "00:00", to: "00:00" }] }

  const examine = async (page: Page, name: string) => {
    await page.addScriptTag({ path: axe })
    // What is shown on request is there, too.
    await page.evaluate('document.querySelectorAll("details").forEach((details) => (details.open = true))')
    const { violations } = (await page.evaluate("axe.run()")) as AxeResults
    expect(violations.map(({ id, nodes }) => `${name}: ${id} ${nodes.map(({ html }) => html).join()}`)).toEqual([])
    const [scroll, client] = await page.evaluate<[number, number]>(
      "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
    expect([name, scroll]).toEqual([name, client])
  }

  /** A link for each state that a page can show, and who looks at it: with all that can be said of a door. */
  const states = async (): Promise<
    ReadonlyArray<readonly [name: string, url: string, headers?: Readonly<Record<string, string>>]>
  > => {
    const confirmation = async (link: GuestLink) => server.url + (await link.open()).headers.get("location")
    const online = await makeLink(server, { maxUses: 3, schedule: always })
    await connect(server, online.lock)
    expect((await online.lock.post("describe-lock", place)).status).toBe(200)
    const deleted = await makeLink(server)
    await deleted.lock.post("delete-temp-key", { tempKeyUuid: deleted.uuid })
    const forOwner = await makeLink(server, { accessMode: "user-whitelist", allowedUserIds: [OWNER] })
    return [
      ["valid", online.url],
      ["opened", await confirmation(online)],
      ["offline", (await makeLink(server)).url],
      ["opened offline", await confirmation(await makeLink(server))],
      ["nothing opened", `${online.url}/confirmation`],
      ["expired", (await makeLink(server, { validFrom: "2020-01-01T00:00Z", validUntil: "2020-01-02T00:00Z" })).url],
      ["not yet", (await makeLink(server, { validFrom: "2098-01-01T00:00Z", validUntil: "2099-01-01T00:00Z" })).url],
      ["deleted", deleted.url],
      ["unknown", `${server.url}/temp-keys/${newUuid()}`],
      ["sign-in", forOwner.url],
      ["not for you", forOwner.url, stranger],
      [
        "several doors",
        await keyToDoors([online, deleted].map(({ lock }) => ({ lockId: String(lock.lockId), accessMethod: "both" })))
      ]
    ]
  }

  it.each(Object.entries(languages))(
    "is accessible in %s, in every state, and fits the width of a small phone",
    async (language, { lang, locale }) => {
      const context = await browser.newContext({ ...phone, viewport: { width: 320, height: 568 }, bypassCSP: true })
      context.setDefaultTimeout(100_000)
      try {
        const page = await context.newPage()
        for (const [name, url, headers = {}] of await states()) {
          await page.setExtraHTTPHeaders({ "accept-language": lang, ...headers })
          await page.goto(url)
          expect(await page.locator("html").getAttribute("lang")).toBe(locale)
          await examine(page, `${language} ${name}`)
        }
      } finally {
        await context.close()
      }
    }
  )

  it.each([
    ["on a phone", phone],
    ["on a phone at night", { ...phone, ...dark }],
    ["on a desktop", desktop],
    ["on a desktop at night", { ...desktop, ...dark }]
  ])("%s is accessible, in every state, and fits its width", async (_, options) => {
    // The tool is put into the page past the page's own rules, which are right to refuse it.
    const withTool = { ...options, bypassCSP: true }
    for (const [name, url, extraHTTPHeaders = {}] of await states()) {
      await visit({ ...withTool, extraHTTPHeaders }, url, (page) => examine(page, name))
    }
    await visit(withTool, (await makeLink(server)).url, async (page) => {
      await Effect.runPromise(server.shadow.setMode("reject"))
      try {
        await openBy(page, options)
        await page.getByText("The lock could not be reached").first().waitFor()
      } finally {
        await Effect.runPromise(server.shadow.setMode("ok"))
      }
      await examine(page, "not reached")
    })
  })

  it("shows times as the guest's clock does where the door's is not known; without scripts in UTC, and says so", async () => {
    const link = await makeLink(server, { validUntil: "2099-08-31T22:30:00Z" })
    const athens = { ...phone, timezoneId: "Europe/Athens", locale: "en-GB" }
    await visit(athens, link.url, async (page) => {
      expect(await page.locator("time").textContent()).toMatch(/^Tuesday,? 1 September 2099 at 01:30$/)
    })
    await visit({ ...athens, ...withoutScripts }, link.url, async (page) => {
      expect(await page.locator("time").textContent()).toMatch(/^Monday,? 31 August 2099 at 22:30 UTC$/)
    })
  })
})

describe("on a phone's screen", () => {
  /** What has moved without the guest's doing, as the browser measures it; and the frames in which it was looked at. */
  const watchShifts = (page: Page) =>
    page.addInitScript(`
    window.shifts = []
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) window.shifts.push(entry.value)
    }).observe({ type: "layout-shift", buffered: true })`)
  const shiftsOn = (page: Page) =>
    page.evaluate<ReadonlyArray<number>>(
      "new Promise((seen) => requestAnimationFrame(() => requestAnimationFrame(() => seen(window.shifts))))"
    )

  it.each(Object.values(languages).map(({ lang, locale }) => [lang, locale] as const))(
    "in %s the slider is where a thumb is, whatever is above, and nothing moves by itself",
    async (_, locale) => {
      const link = await makeLink(server)
      await connect(server, link.lock)
      const instructions = "Go through the gate, and then up the stairs.\n".repeat(12)
      const said = { name: "The room with the view of the old harbour and the lighthouse", instructions }
      expect((await link.lock.post("describe-lock", said)).status).toBe(200)
      const seen = async (page: Page) => {
        const box = await page.locator(".slide").boundingBox()
        if (box === null) return expect.fail("no slider")
        expect(box.y).toBeGreaterThan(844 / 2)
        expect(box.y + box.height).toBeLessThanOrEqual(844)
        expect(await shiftsOn(page)).toEqual([])
        await slideWithFinger(page)
        await confirmed(page)
        expect(await shiftsOn(page)).toEqual([])
      }
      await visit({ ...phone, locale }, link.url, seen, watchShifts)
    }
  )
})

describe("a guest who reads another language", () => {
  it.each([
    ["with scripts", phone],
    ["without scripts", { ...phone, ...withoutScripts }]
  ])("finds it by the switch, %s, and keeps it while opening the door", async (_, options) => {
    const link = await makeLink(server)
    await connect(server, link.lock)
    await visit({ ...options, locale: "de-DE" }, link.url, async (page) => {
      expect(await heading(page)).toBe("Ihr Schlüssel ist bereit")
      await page.locator("summary").click()
      await page.getByRole("link", { name: "Ελληνικά" }).click()
      await page.getByRole("heading", { name: "Το κλειδί σας είναι έτοιμο" }).waitFor()
      expect(await page.locator("html").getAttribute("lang")).toBe("el-GR")
      await page.goto(link.url)
      expect(await heading(page)).toBe("Το κλειδί σας είναι έτοιμο")
      if (options === phone) await slideWithFinger(page)
      else await page.getByRole("button", { name: "Άνοιγμα της πόρτας" }).click()
      await confirmed(page)
      expect(await heading(page)).toBe("Η πόρτα ανοίγει")
      await page.locator("summary").click()
      await page.getByRole("link", { name: "Français" }).click()
      await page.getByText("La serrure").first().waitFor()
      expect(page.url()).toContain("opened=")
      expect(await link.opens()).toBe(1)
    })
  })
})
