/** `POST /temp-keys/{uuid}/open`: who may, what is answered in which form, and that one page opens once. */
import { Effect } from "effect"
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest"
import { bearer, OWNER, organization, owner, STRANGER, stranger, token, user } from "../harness/callers.ts"
import { expectProblem } from "../harness/contract.ts"
import { type InProcess, startInProcess } from "../harness/inProcess.ts"
import { historyOf, newUuid } from "../harness/locks.ts"
import { configured, startServer, temporaryFolder } from "../harness/process.ts"
import { type Answer, ask, connect, type GuestLink, HTML, JSON_TYPE, makeLink, ticketIn, titleOf } from "./guest.ts"

let server: InProcess
beforeAll(async () => void (server = await startInProcess()))
afterAll(() => server.stop())

const json = { accept: JSON_TYPE }
const day = 86_400_000
const inDays = (days: number) => new Date(Date.now() + days * day).toISOString()
const forOwner = { accessMode: "user-whitelist", allowedUserIds: [OWNER] }
const bodyOf = ({ text }: Answer) => JSON.parse(text)
const typesOf = async (link: GuestLink) => (await historyOf(link.lock)).map(({ type }) => type)

describe("a guest opens", () => {
  it("with a browser: 303 to the confirmation, and the use and the open are recorded together", async () => {
    const link = await makeLink(server)
    await connect(server, link.lock)
    const opened = await link.open({ ticket: ticketIn(await link.page()) })
    expect(opened.status).toBe(303)
    expect(opened.headers.get("location")).toBe(`/temp-keys/${link.uuid}/confirmation?opened=3`)
    expect(opened.headers.get("vary")).toBe("Accept, Accept-Language, Cookie")
    expect(opened.headers.get("cache-control")).toBe("no-store")
    expect(await typesOf(link)).toEqual(["LockCreated", "TempKeyCreated", "TempKeyUsed", "LockOpenRequested"])
    expect(Object.keys(await Effect.runPromise(server.shadow.held(link.lock.uuid)))).toHaveLength(1)
    expect(titleOf(await ask(server.url + opened.headers.get("location")))).toBe("The door is opening")
  })

  it("with an app: JSON, if that is what it asks for", async () => {
    const link = await makeLink(server)
    await connect(server, link.lock)
    const opened = await ask(`${link.url}/open`, { method: "POST", headers: json })
    expect([opened.status, opened.headers.get("content-type")]).toEqual([200, JSON_TYPE])
    const confirmation = `/temp-keys/${link.uuid}/confirmation?opened=3`
    expect(bodyOf(opened)).toEqual({ success: true, offline: false, usedCount: 1, confirmation })
    await connect(server, link.lock, false)
    expect(bodyOf(await link.open({}, json))).toMatchObject({ success: true, offline: true, usedCount: 2 })
  })

  it.each([
    ["*/*", 303],
    ["", 303],
    [HTML, 303],
    ["application/json", 200],
    ["application/json, text/plain, */*", 200],
    ["text/html;q=0.5, application/json", 200],
    ["application/json;q=0.5, text/html", 303]
  ])("and is answered in the form that %s asks for", async (accept, status) => {
    const link = await makeLink(server)
    expect((await ask(`${link.url}/open`, { method: "POST", headers: { accept } })).status).toBe(status)
  })

  it("with the link in capitals, too", async () => {
    const link = await makeLink(server)
    const opened = await ask(`${server.url}/temp-keys/${link.uuid.toUpperCase()}/open`, { method: "POST" })
    expect(opened.status).toBe(303)
    expect(await link.opens()).toBe(1)
  })

  it("and is told when the lock is not connected", async () => {
    const link = await makeLink(server)
    const location = (await link.open()).headers.get("location")
    expect(location).toBe(`/temp-keys/${link.uuid}/confirmation?opened=3&offline=true`)
    expect(titleOf(await ask(server.url + location))).toBe("The lock is not connected")
  })

  it("while the read model is down", async () => {
    const link = await makeLink(server)
    server.faults.readModel = "down"
    try {
      expect((await link.open()).status).toBe(303)
      expect((await link.page()).status).toBe(200)
    } finally {
      server.faults.readModel = "ok"
    }
    expect(await link.opens()).toBe(1)
  })
})

describe("a refusal", () => {
  const refusals = {
    expired: { given: { validFrom: inDays(-2), validUntil: inDays(-1) }, title: "Your key has expired" },
    "not-yet-valid": { given: { validFrom: inDays(1), validUntil: inDays(2) }, title: "Your key does not work yet" },
    "used-up": { given: { maxUses: 1 }, title: "Your key has been used up" },
    deleted: { given: {}, title: "Your key was withdrawn" }
  }

  it.each(Object.entries(refusals))("says that the key is %s, with 400", async (status, { given, title }) => {
    const link = await makeLink(server, given)
    if (status === "used-up") await link.lock.post("use-temp-key", { tempKeyUuid: link.uuid })
    if (status === "deleted") await link.lock.post("delete-temp-key", { tempKeyUuid: link.uuid })
    const before = await typesOf(link)
    const [forApp, forBrowser] = [await link.open({}, json), await link.open()]
    expect([forApp.status, forBrowser.status]).toEqual([400, 400])
    expectProblem(400, bodyOf(forApp))
    expect(bodyOf(forApp).message).toContain(`(${status})`)
    expect(titleOf(forBrowser)).toBe(title)
    expect(await typesOf(link)).toEqual(before)
  })

  it.each(["3f8e1c9a-5b2d-4e7f-8a6b-9c0d1e2f3a4b", "nonsense", "%00", "..%2f..", "%27%22%3E%3Cscript%3E"])(
    "of a key that never was is 404: %s",
    async (uuid) => {
      const url = `${server.url}/temp-keys/${uuid}`
      const forApp = await ask(`${url}/open`, { method: "POST", headers: json })
      expect(forApp.status).toBe(404)
      expectProblem(404, bodyOf(forApp))
      for (const path of ["", "/confirmation"]) {
        const page = await ask(url + path)
        expect([page.status, titleOf(page)]).toEqual([404, "We do not know this key"])
        expect(page.text).not.toContain("<script>")
      }
      const signIn = new URLSearchParams({ token: token({ sub: OWNER }) })
      const signedIn = await ask(`${url}/sign-in`, { method: "POST", body: signIn })
      expect([signedIn.status, signedIn.headers.get("set-cookie")]).toEqual([404, null])
    }
  )

  it("of a key for named users is 401 to nobody and 403 to others; those who are listed may", async () => {
    const link = await makeLink(server, forOwner)
    const statuses = async (headers: Readonly<Record<string, string>>) => [
      (await link.open({}, { ...json, ...headers })).status,
      (await link.open({}, headers)).status
    ]
    expect(await statuses({})).toEqual([401, 401])
    expect(await statuses(organization)).toEqual([401, 401])
    expect(await statuses(stranger)).toEqual([403, 403])
    expect(await statuses({ ...organization, ...stranger })).toEqual([403, 403])
    expect(await link.opens()).toBe(0)
    expect(await statuses(owner)).toEqual([200, 303])
    expect(await statuses({ ...organization, ...owner })).toEqual([200, 303])
    const used = (await historyOf(link.lock)).filter(({ type }) => type === "TempKeyUsed")
    expect(used.map(({ event }) => event?.data["userId"])).toEqual([OWNER, OWNER, OWNER, OWNER])
  })

  it("because of a bad token or API key is 401, also where none is needed", async () => {
    const link = await makeLink(server)
    for (const bad of [bearer("no-token"), { "x-api-key": "no-key" }, user(OWNER, { exp: 1 })]) {
      expect((await link.open({}, { ...json, ...bad })).status).toBe(401)
      expect((await link.page(bad)).status).toBe(401)
    }
    expect(await link.opens()).toBe(0)
  })

  it("of what cannot be read names the field, and opens nothing", async () => {
    const link = await makeLink(server)
    const bad = await link.open({ ticket: "too-short" }, json)
    expect([bad.status, bodyOf(bad).details[0].field]).toEqual([400, "ticket"])
    expect(titleOf(await link.open({ ticket: "too-short" }))).toBe("This page was out of date")
    const send = (contentType: string, body: string) =>
      ask(`${link.url}/open`, { method: "POST", headers: { ...json, "content-type": contentType }, body })
    expect((await send("text/plain", "ticket=x")).status).toBe(415)
    expect((await send(JSON_TYPE, "{")).status).toBe(400)
    expect((await send("application/x-www-form-urlencoded", "x".repeat(70_000))).status).toBe(413)
    expect((await ask(`${link.url}/confirmation?door=0`)).status).toBe(400)
    expect(await link.opens()).toBe(0)
  })

  it("because the device cannot be told is 502: the use is not spent, and the same page can try again", async () => {
    const link = await makeLink(server, { maxUses: 1 })
    const ticket = ticketIn(await link.page())
    await Effect.runPromise(server.shadow.setMode("reject"))
    const [forApp, forBrowser] = [await link.open({}, json), await link.open({ ticket })]
    await Effect.runPromise(server.shadow.setMode("ok"))
    expect([forApp.status, forBrowser.status]).toEqual([502, 502])
    expect(bodyOf(forApp).error).toBe("Failed to update device shadow")
    expect(titleOf(forBrowser)).toBe("The lock could not be reached")
    expect(await link.opens()).toBe(0)
    expect(ticketIn(forBrowser)).toBe(ticket)
    expect((await link.open({ ticket })).status).toBe(303)
  })

  it("because nobody knows whether the device was told is 502: the same page learns it, and opens once", async () => {
    await using slow = await startInProcess({ sendTimeout: 300 })
    const link = await makeLink(slow, { maxUses: 1 })
    const ticket = ticketIn(await link.page())
    await Effect.runPromise(slow.shadow.setMode("hang"))
    const inDoubt = await link.open({ ticket })
    expect([inDoubt.status, titleOf(inDoubt)]).toEqual([502, "The lock did not answer"])
    await Effect.runPromise(slow.shadow.setMode("ok"))
    await vi.waitUntil(async () => (await link.open({ ticket })).status === 303, { timeout: 60_000, interval: 100 })
    expect((await link.open({ ticket })).status).toBe(303)
    expect((await link.open()).status).toBe(400)
    expect(await link.opens()).toBe(1)
  })

  it("because the store is down is 503, and because something broke 500, in words that show nothing of the inside", async () => {
    const link = await makeLink(server)
    for (const [fault, status, title] of [
      ["down", 503, "We cannot do this right now"],
      ["defect", 500, "Something went wrong"]
    ] as const) {
      server.faults.store = fault
      try {
        const answers = [await link.page(), await link.open(), await link.open({}, json)]
        expect(answers.map(({ status }) => status)).toEqual([status, status, status])
        expect(answers.slice(0, 2).map(titleOf)).toEqual([title, title])
        for (const { text } of answers) expect(text).not.toContain("/srv/inside")
      } finally {
        server.faults.store = "ok"
      }
    }
  })
})

describe("one view of a page", () => {
  it("opens once, however often and however fast it is sent, and is answered the same", async () => {
    const link = await makeLink(server, { maxUses: 5 })
    const ticket = ticketIn(await link.page())
    const answers = await Promise.all(Array.from({ length: 12 }, () => link.open({ ticket })))
    answers.push(await link.open({ ticket }))
    expect(new Set(answers.map(({ status, headers }) => `${status} ${headers.get("location")}`)).size).toBe(1)
    expect(await link.opens()).toBe(1)
  })

  it("is confirmed again when the key is used up by then", async () => {
    const link = await makeLink(server, { maxUses: 1 })
    const ticket = ticketIn(await link.page())
    const first = await link.open({ ticket })
    expect((await link.open({ ticket })).headers.get("location")).toBe(first.headers.get("location"))
    expect((await link.open()).status).toBe(400)
  })

  it("opens once more in another view", async () => {
    const link = await makeLink(server)
    const tickets = [ticketIn(await link.page()), ticketIn(await link.page())]
    for (const ticket of tickets) expect((await link.open({ ticket })).status).toBe(303)
    expect(await link.opens()).toBe(2)
  })

  it("of one key opens nothing of another", async () => {
    const [one, other] = [await makeLink(server), await makeLink(server)]
    const ticket = ticketIn(await one.page())
    await one.open({ ticket })
    expect((await other.open({ ticket })).headers.get("location")).toContain(other.uuid)
    expect([await one.opens(), await other.opens()]).toEqual([1, 1])
  })

  it("is no history when it is confirmed, and is after ten seconds", async () => {
    const link = await makeLink(server)
    await connect(server, link.lock)
    const location = server.url + (await link.open()).headers.get("location")
    expect(titleOf(await ask(location))).toBe("The door is opening")
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 10_000 })
    try {
      const past = await ask(location)
      expect(titleOf(past)).toBe("The door was opened before")
      expect(past.text).toContain("Nothing was opened just now")
    } finally {
      vi.useRealTimers()
    }
  })

  it("is still known after the server was killed", async () => {
    using folder = temporaryFolder()
    const environment = configured(folder.path)
    const first = await startServer(environment)
    const link = await makeLink(first)
    const ticket = ticketIn(await link.page())
    const location = (await link.open({ ticket })).headers.get("location")
    await first.kill()
    await using second = await startServer(environment)
    const again = await ask(`${second.url}/temp-keys/${link.uuid}/open`, {
      method: "POST",
      body: new URLSearchParams({ ticket })
    })
    expect([again.status, again.headers.get("location")]).toEqual([303, location])
  })

  it("counts for an app by its Idempotency-Key; another guest's same one is of another key", async () => {
    const [one, other] = [await makeLink(server), await makeLink(server)]
    const once = { ...json, "idempotency-key": newUuid() }
    expect(bodyOf(await one.open({}, once)).usedCount).toBe(1)
    expect(bodyOf(await one.open({}, once)).usedCount).toBe(1)
    expect((await other.open({}, once)).status).toBe(200)
    expect([await one.opens(), await other.opens()]).toEqual([1, 1])
  })
})

describe("a confirmation", () => {
  const answered = async (link: GuestLink, said: { readonly outcome: "done" | "failed"; readonly began?: boolean }) => {
    const { pendingCommands } = JSON.parse((await link.lock.get("details")).text)
    const { commandId } = pendingCommands.at(-1)
    const report = { _tag: "CommandOutcome", thing: link.lock.uuid, commandId, at: Date.now(), ...said } as const
    await Effect.runPromise(server.shadow.report(report))
  }

  it.each([
    [{ outcome: "done" }, "The door is open", true],
    [{ outcome: "failed" }, "The door did not open", true],
    [{ outcome: "failed", began: false }, "does not count as a use", false]
  ] as const)("says what the lock has said: %j", async (said, words, isUsed) => {
    const link = await makeLink(server, { maxUses: 1 })
    await connect(server, link.lock)
    const location = server.url + (await link.open()).headers.get("location")
    const told = await ask(location)
    expect(told.text).toContain("data-waits")
    expect(told.text).toContain('<noscript><meta http-equiv="refresh"')
    const waiting = ask(`${location}&wait=20`)
    await answered(link, said)
    for (const page of [await waiting, await ask(location)]) {
      expect([page.status, page.text.includes(words)]).toEqual([200, true])
      expect(page.text).not.toMatch(/data-waits|http-equiv/)
      expect(page.text.includes("Open again")).toBe(!isUsed)
    }
  })

  it.each([
    [{ outcome: "done" }, { status: "done" }],
    [{ outcome: "failed" }, { status: "failed" }],
    [
      { outcome: "failed", began: false },
      { status: "failed", useReturned: true }
    ]
  ] as const)("tells apps, as JSON, what the lock has said: %j", async (said, told) => {
    const link = await makeLink(server)
    await connect(server, link.lock)
    const { confirmation } = bodyOf(await link.open({}, json))
    const asked = async (query = "") => ask(server.url + confirmation + query, { headers: json })
    const pending = await asked()
    expect([pending.headers.get("content-type"), pending.headers.get("vary")]).toEqual([
      JSON_TYPE,
      "Accept, Accept-Language, Cookie"
    ])
    expect(bodyOf(pending)).toEqual({ status: "pending", openedAt: expect.any(String) })
    const waiting = asked("&wait=20")
    await answered(link, said)
    const answer = { ...told, openedAt: expect.any(String), reportedAt: expect.any(String) }
    for (const { text } of [await waiting, await asked()]) expect(JSON.parse(text)).toEqual(answer)
    expect(bodyOf(await ask(`${link.url}/confirmation`, { headers: json }))).toEqual({ status: "none" })
  })

  it("waits no longer than it is asked to, and says that the lock is silent", async () => {
    const link = await makeLink(server)
    const location = server.url + (await link.open()).headers.get("location")
    expect(titleOf(await ask(`${location}&wait=1`))).toBe("The lock is not connected")
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 10_000 })
    try {
      expect(titleOf(await ask(`${location}&wait=1`))).toBe("The lock has not answered")
    } finally {
      vi.useRealTimers()
    }
    expect((await ask(`${location}&wait=31`)).status).toBe(400)
  })

  it("confirms nothing that was not", async () => {
    const link = await makeLink(server)
    for (const query of ["", "?opened=1", "?opened=2", "?opened=99", "?offline=true", "?door=1&offline="]) {
      const page = await ask(`${link.url}/confirmation${query}`)
      expect([page.status, titleOf(page)]).toEqual([200, "Nothing was opened"])
    }
  })
})

describe("fetching", () => {
  it("the page, its confirmation or the form's address opens nothing, by GET and by HEAD", async () => {
    const link = await makeLink(server)
    for (const method of ["GET", "HEAD", "OPTIONS"]) {
      for (const path of ["", "/open", "/confirmation", "/sign-in", "/open?ticket=AAAAAAAAAAAAAAAAAAAAAA"]) {
        await ask(link.url + path, { method, headers: { "sec-purpose": "prefetch;prerender", purpose: "preview" } })
      }
    }
    expect(await typesOf(link)).toEqual(["LockCreated", "TempKeyCreated"])
    for (const form of ["/open", "/doors/1/open", "/sign-in"]) {
      const { status, headers } = await ask(link.url + form)
      expect([status, headers.get("location")]).toEqual([303, `/temp-keys/${link.uuid}`])
    }
    const head = await ask(link.url, { method: "HEAD" })
    expect([head.status, head.text]).toEqual([200, ""])
  })
})

describe("a page", () => {
  it("may not be framed, kept, listed or scripted, and tells no other site its address", async () => {
    const link = await makeLink(server)
    const unknown = `${server.url}/temp-keys/${newUuid()}`
    for (const { headers } of [await link.page(), await ask(`${link.url}/confirmation`), await ask(unknown)]) {
      expect(headers.get("content-type")).toBe("text/html; charset=utf-8")
      expect(headers.get("content-security-policy")).toBe(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
      )
      expect(headers.get("referrer-policy")).toBe("no-referrer")
      expect(headers.get("cache-control")).toBe("no-store")
      expect(headers.get("x-robots-tag")).toBe("noindex")
      expect(headers.get("x-content-type-options")).toBe("nosniff")
    }
  })

  it("asks for nothing but our own files, which may be kept as long as they are the same", async () => {
    const link = await makeLink(server)
    const files = [...(await link.page()).text.matchAll(/(?:src|href)="([^"]+)"/g)]
      .map(([, file = ""]) => file)
      .filter((file) => !file.includes("lang=") && !file.endsWith("/calendar.ics"))
    expect(files).toHaveLength(4)
    for (const file of files) {
      const { status, headers, text } = await ask(server.url + file)
      expect([status, headers.get("cache-control")]).toEqual([200, "public, max-age=31536000, immutable"])
      expect(text).not.toMatch(/https?:\/\/(?!www\.w3\.org)/)
    }
  })

  it("says when the key works in UTC, and how often it still does", async () => {
    const given = { validFrom: "2026-01-01T00:00:00Z", validUntil: "2099-08-31T09:00Z" }
    const { text } = await (await makeLink(server, { ...given, maxUses: 1 })).page()
    expect(text).toContain('<time datetime="2099-08-31T09:00:00.000Z"')
    expect(text).toContain("31 August 2099")
    expect(text).toContain("09:00 UTC")
    expect(text).toContain("You can open 1 more time.")
    expect((await (await makeLink(server, given)).page()).text).not.toContain("more time")
  })
})

describe("a guest who opens too often", () => {
  it("is told when to try again: an app by 429, a browser on the page of the key", async () => {
    await using strict = await startInProcess({ budgets: { link: { burst: 2, every: 60_000 } } })
    const link = await makeLink(strict)
    const ticket = ticketIn(await link.page())
    expect((await link.open({ ticket })).status).toBe(303)
    expect((await link.open({}, json)).status).toBe(200)
    const refused = await link.open({}, json)
    expect(refused.status).toBe(429)
    expectProblem(429, bodyOf(refused))
    expect(bodyOf(refused).error).toBe("Too many openings")
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(50)
    const shown = await link.open({ ticket: ticketIn(await link.page()) })
    expect([shown.status, titleOf(shown)]).toEqual([429, "That was too often"])
    expect(Number(shown.headers.get("retry-after"))).toBeGreaterThan(50)
    expect(ticketIn(shown)).toBeTruthy()
    expect(await link.opens()).toBe(2)
    // Whoever holds another key is not concerned, nor is the organization of the lock.
    expect((await (await makeLink(strict)).open({}, json)).status).toBe(200)
    expect((await link.lock.post("OpenLock")).status).toBe(200)
  })
})

describe("whoever is not named", () => {
  it("gets no link of a key into the log", async () => {
    await using quiet = await startInProcess()
    const link = await makeLink(quiet)
    const stray = newUuid()
    for (const mode of ["reject", "ok"] as const) {
      await Effect.runPromise(quiet.shadow.setMode(mode))
      await link.open()
    }
    for (const fault of ["down", "defect"] as const) {
      quiet.faults.store = fault
      quiet.faults.readModel = fault === "down" ? "down" : "ok"
      for (const uuid of [link.uuid, stray]) await ask(`${quiet.url}/temp-keys/${uuid}/open`, { method: "POST" })
      await link.page()
    }
    quiet.faults.store = "ok"
    expect(quiet.log.length).toBeGreaterThan(0)
    for (const line of quiet.log) {
      expect(line).not.toContain(link.uuid)
      expect(line).not.toContain(stray)
    }
  })
})

it("a guest on the whitelist is not somebody else who was put there", async () => {
  const link = await makeLink(server, forOwner)
  await link.lock.post("update-temp-key", { tempKeyUuid: link.uuid, allowedUserIds: [STRANGER] })
  expect((await link.open({}, { ...json, ...owner })).status).toBe(403)
  expect((await link.open({}, { ...json, ...stranger })).status).toBe(200)
})
