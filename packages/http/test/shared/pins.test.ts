/** `POST /locks/{id}/open-with-pin`: what it answers, what it tells nobody, and how many guesses there are. */
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Effect } from "effect"
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest"
import { parseProxies } from "../../src/server/CallerAddress.ts"
import { apiKey, type Credentials, nobody, organization, otherOrganization, owner } from "../harness/callers.ts"
import { expectAsPublished, publishedStatuses } from "../harness/contract.ts"
import { type InProcess, startInProcess } from "../harness/inProcess.ts"
import { createLock, furnishedLock, historyOf, makeShared, newLockId, shared } from "../harness/locks.ts"
import { configured, runToEnd, startServer, temporaryFolder } from "../harness/process.ts"
import { callsOf } from "../harness/request.ts"
import { everyRoute } from "../harness/routes.ts"

const OPEN = "POST /locks/{id}/open-with-pin"
const MINUTE = 60_000

let server: InProcess
/** Behind a proxy on this machine, so that callers have addresses of their own. */
beforeAll(async () => {
  const proxies = parseProxies("127.0.0.1")
  server = await startInProcess(proxies === undefined ? {} : { proxies })
})
afterAll(() => server.stop())
afterEach(() => void vi.useRealTimers())

const seen = new Set<number>()
let addresses = 0

/** Somebody who never called before. */
const somebody = (): Credentials => ({
  "x-forwarded-for": `198.51.${Math.floor(++addresses / 250)}.${(addresses % 250) + 1}`
})

const enter = async (lockId: number, pin: unknown, headers: Credentials = somebody(), url = server.url) => {
  const answer = await callsOf(url)("POST", `/locks/${lockId}/open-with-pin`, { body: { pin }, headers })
  expectAsPublished(OPEN, answer)
  seen.add(answer.status)
  return answer
}
const wrong = (pin: string): string => (pin === "00000000" ? "11111111" : "00000000")
const statusesOf = async (answers: ReadonlyArray<Promise<{ readonly status: number }>>) =>
  (await Promise.all(answers)).map(({ status }) => status)
const later = (millis: number) => vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + millis })

describe("the right PIN", () => {
  it("opens, says whether the lock is connected, and is in the history of the lock without the PIN", async () => {
    const { pin, ...lock } = await furnishedLock(server.url)
    expect((await enter(lock.lockId, pin)).body).toEqual({ success: true, offline: true })
    await Effect.runPromise(server.shadow.report({ _tag: "Presence", thing: lock.uuid, online: true, at: Date.now() }))
    expect((await enter(lock.lockId, pin)).body).toEqual({ success: true, offline: false })
    const history = await historyOf(lock)
    expect(history.map(({ type }) => type).slice(-2)).toEqual(["LockOpenRequested", "LockOpenRequested"])
    expect(history.at(-1)?.event?.data["reason"]).toBe("PIN, door 1")
    const log = JSON.stringify(await Effect.runPromise(server.store.feed(0, 10_000)))
    expect(log).not.toContain(`"${pin}"`)
    expect(server.log.join("\n")).not.toContain(pin)
  })

  it("opens once when the request is repeated, and the receipt gives the PIN away to nobody", async () => {
    const { pin, ...lock } = await furnishedLock(server.url)
    const headers = { ...somebody(), "idempotency-key": "at-the-door" }
    expect((await enter(lock.lockId, pin, headers)).status).toBe(200)
    expect((await enter(lock.lockId, pin, headers)).status).toBe(200)
    expect((await historyOf(lock)).filter(({ type }) => type === "LockOpenRequested")).toHaveLength(1)
    expect((await enter(lock.lockId, wrong(pin), headers)).status).toBe(401)
  })

  it("is not spent, and nothing is recorded, while the device cannot be told: 502", async () => {
    const { pin, ...lock } = await furnishedLock(server.url)
    const caller = somebody()
    await Effect.runPromise(server.shadow.setMode("reject"))
    try {
      for (const _ of Array.from({ length: 10 })) expect((await enter(lock.lockId, pin, caller)).status).toBe(502)
    } finally {
      await Effect.runPromise(server.shadow.setMode("ok"))
    }
    expect((await historyOf(lock)).map(({ type }) => type)).not.toContain("LockOpenRequested")
    expect((await enter(lock.lockId, pin, caller)).status).toBe(200)
  })
})

describe("every refusal is the same", () => {
  const hour = 60 * MINUTE
  const at = (millis: number) => new Date(Date.now() + millis).toISOString()

  it("in bytes, whatever the reason", async () => {
    const make = async (given: Readonly<Record<string, unknown>>, accessMethod = "code") => {
      const { lockId } = await createLock(server.url)
      const doors = [{ lockId: String(lockId), accessMethod }]
      return { lockId, ...(await makeShared(server.url, shared(lockId, { doors, ...given }))) }
    }
    const valid = await make({})
    const expired = await make({ validUntil: at(-hour) })
    const early = await make({ validFrom: at(hour) })
    const revoked = await make({})
    expect((await callsOf(server.url, organization)("DELETE", `/temp-keys/${revoked.uuid}`)).status).toBe(200)
    const withdrawn = await make({})
    await callsOf(server.url, organization)("POST", `/locks/${withdrawn.lockId}/SetOrganization`, {
      body: { orgId: "org-9" }
    })
    const linkOnly = await make({}, "key")
    const answers = await Promise.all([
      enter(valid.lockId, wrong(valid.pin ?? "")),
      enter(valid.lockId, (valid.pin ?? "").slice(0, 4)),
      enter(expired.lockId, expired.pin),
      enter(early.lockId, early.pin),
      enter(revoked.lockId, revoked.pin),
      enter(withdrawn.lockId, withdrawn.pin),
      enter(linkOnly.lockId, valid.pin),
      enter((await createLock(server.url)).lockId, valid.pin),
      enter(newLockId(), valid.pin)
    ])
    const told = answers.map(({ status, text, headers }) => {
      const { date: _, ...rest } = Object.fromEntries(headers)
      return JSON.stringify([status, text, rest])
    })
    expect(new Set(told).size).toBe(1)
    expect(answers[0]).toMatchObject({ status: 401, body: { error: "Invalid PIN" } })
    expect((await enter(valid.lockId, valid.pin)).status).toBe(200)
  })

  it.each([
    ["12345678", apiKey("no key")],
    ["12345678", { authorization: "Bearer x" }]
  ])("also to whoever signs in wrongly", async (pin, headers) => {
    const { status, body } = await enter(newLockId(), pin, { ...somebody(), ...headers })
    expect([status, body.error]).toEqual([401, "Invalid PIN"])
  })

  it.each([undefined, null, 12345678, "", "123", "123456789", "12a4", "１２３４"])(
    "but what is no PIN is a bad request, and does not count: %s",
    async (pin) => {
      const { lockId } = await createLock(server.url)
      const caller = somebody()
      for (const _ of Array.from({ length: 6 })) {
        const { status, body } = await enter(lockId, pin, caller)
        expect([status, body.details?.[0]?.field]).toEqual([400, "pin"])
      }
    }
  )
})

describe("guesses", () => {
  it("of which there are a thousand at once: five are looked at, and the right PIN works when the answer says so", async () => {
    const { pin, lockId } = await furnishedLock(server.url)
    const caller = somebody()
    // It is the same instant until it is later: a thousand guesses take long on a busy machine.
    later(0)
    const guesses = Array.from({ length: 1000 }, (_, n) => String(n).padStart(8, "9")).filter((guess) => guess !== pin)
    const before = await Effect.runPromise(server.store.head)
    const statuses = await statusesOf(guesses.map((guess) => enter(lockId, guess, caller)))
    expect(statuses.filter((status) => status === 401)).toHaveLength(5)
    expect(statuses.filter((status) => status === 429)).toHaveLength(guesses.length - 5)
    const counted = await Effect.runPromise(server.store.feed(before, 5000))
    // Each counts on the caller and on the lock.
    expect(counted.map(({ type }) => type)).toEqual(Array.from({ length: 10 }, () => "PinRefused"))

    const refused = await enter(lockId, pin, caller)
    const wait = Number(refused.headers.get("retry-after"))
    expect(refused.status).toBe(429)
    expect(wait).toBeGreaterThan(110)
    expect(wait).toBeLessThanOrEqual(120)
    later((wait - 2) * 1000)
    expect((await enter(lockId, pin, caller)).status).toBe(429)
    later(2_000)
    expect((await enter(lockId, pin, caller)).status).toBe(200)
    // One guess has come back, and no more.
    expect(await statusesOf([enter(lockId, wrong(pin), caller)])).toEqual([401])
    expect(await statusesOf([enter(lockId, pin, caller)])).toEqual([429])
  })

  it("at many locks count on one caller", async () => {
    const caller = somebody()
    const statuses: Array<number> = []
    for (const _ of Array.from({ length: 6 })) statuses.push((await enter(newLockId(), "12345678", caller)).status)
    expect(statuses).toEqual([401, 401, 401, 401, 401, 429])
  })

  it("of a stranger lock out neither other callers nor the keypad", async () => {
    const { pin, lockId } = await furnishedLock(server.url)
    const stranger = somebody()
    await statusesOf(Array.from({ length: 20 }, () => enter(lockId, wrong(pin), stranger)))
    expect((await enter(lockId, pin, stranger)).status).toBe(429)
    expect((await enter(lockId, pin)).status).toBe(200)
    expect((await enter(lockId, pin, { ...stranger, ...organization })).status).toBe(200)
    expect((await enter(lockId, pin, { ...stranger, ...owner })).status).toBe(200)
  })

  it("of many strangers lock the lock for strangers, half a minute for each guess, but not for its keypad", async () => {
    const { pin, lockId } = await furnishedLock(server.url)
    const statuses = await statusesOf(Array.from({ length: 120 }, () => enter(lockId, wrong(pin))))
    expect(statuses.filter((status) => status === 401)).toHaveLength(100)
    const refused = await enter(lockId, pin)
    const wait = Number(refused.headers.get("retry-after"))
    expect(refused.status).toBe(429)
    expect(wait).toBeLessThanOrEqual(30)
    expect((await enter(lockId, pin, { ...somebody(), ...organization })).status).toBe(200)
    // To an API key of somebody else the lock is a stranger's.
    expect((await enter(lockId, pin, { ...somebody(), ...otherOrganization })).status).toBe(429)
    later(wait * 1000)
    expect((await enter(lockId, pin)).status).toBe(200)
  })

  it("at a keypad count for that lock alone", async () => {
    const [one, two] = [await furnishedLock(server.url), await furnishedLock(server.url)]
    const statuses = await statusesOf(
      Array.from({ length: 15 }, () => enter(one.lockId, wrong(one.pin), { ...nobody, ...organization }))
    )
    expect(statuses.filter((status) => status === 401)).toHaveLength(10)
    expect((await enter(one.lockId, one.pin, organization)).status).toBe(429)
    expect((await enter(two.lockId, two.pin, organization)).status).toBe(200)
    expect((await enter(one.lockId, one.pin)).status).toBe(200)
  })

  it("at one keypad leave another keypad of the same organization its own", async () => {
    const { pin, lockId } = await furnishedLock(server.url)
    const { secret } = await Effect.runPromise(server.apiKeys.create("org-1", { name: "back door" }))
    await statusesOf(Array.from({ length: 12 }, () => enter(lockId, wrong(pin), { ...somebody(), ...organization })))
    expect((await enter(lockId, pin, { ...somebody(), ...organization })).status).toBe(429)
    expect((await enter(lockId, pin, { ...somebody(), ...apiKey(secret) })).status).toBe(200)
  })

  it("from all networks of one home count together, and shut the lock for nobody else", async () => {
    const { pin, lockId } = await furnishedLock(server.url)
    const regular = somebody()
    expect((await enter(lockId, pin, regular)).status).toBe(200)
    const home = Array.from({ length: 256 }, (_, n) => ({ "x-forwarded-for": `2001:db8:7:${n.toString(16)}::1` }))
    const statuses = await statusesOf(home.map((from) => enter(lockId, wrong(pin), from)))
    expect(statuses.filter((status) => status === 401)).toHaveLength(10)
    expect((await enter(lockId, pin)).status).toBe(200)
    // Even when strangers have used up what there is for them, who was there before opens.
    await statusesOf(Array.from({ length: 120 }, () => enter(lockId, wrong(pin))))
    expect((await enter(lockId, pin)).status).toBe(429)
    expect((await enter(lockId, pin, regular)).status).toBe(200)
  })

  it("by everybody about locks that are not there fill no store", async () => {
    const before = await Effect.runPromise(server.store.head)
    const nowhere = newLockId()
    await statusesOf(Array.from({ length: 300 }, () => enter(nowhere, "12345678")))
    expect((await Effect.runPromise(server.store.head)) - before).toBeLessThanOrEqual(2 * 100 + 50)
  })
})

const OTHER_KEY = "another key of at least 32 bytes, really"

describe("a restart", () => {
  it("forgets no guess, and knows the PINs by the key beside the data", async () => {
    using folder = temporaryFolder()
    const environment = configured(folder.path)
    const { pin, lockId } = await (async () => {
      await using first = await startServer(environment)
      const lock = await furnishedLock(first.url)
      expect((await enter(lock.lockId, lock.pin, nobody, first.url)).status).toBe(200)
      const answers = Array.from({ length: 50 }, () => enter(lock.lockId, wrong(lock.pin), nobody, first.url))
      expect((await statusesOf(answers)).filter((status) => status === 401)).toHaveLength(5)
      await first.kill()
      return lock
    })()
    const file = join(folder.path, "pin.key")
    expect(statSync(file).mode & 0o777).toBe(0o600)
    const key = readFileSync(file, "utf8")
    {
      await using second = await startServer(environment)
      expect(readFileSync(file, "utf8")).toBe(key)
      expect((await enter(lockId, pin, nobody, second.url)).status).toBe(429)
      expect((await enter(lockId, pin, organization, second.url)).status).toBe(200)
      expect(second.output()).not.toContain("made under another key")
    }
    {
      // The key may also be given, and the file is then not read.
      writeFileSync(file, "short")
      await using third = await startServer({ ...environment, LATCHKEY_PIN_KEY: key.trim() })
      expect((await enter(lockId, pin, organization, third.url)).status).toBe(200)
    }
    {
      // Nor is another made in the place of one that PINs rest on.
      rmSync(file)
      const { code, output } = await runToEnd(environment)
      expect(code).toBe(1)
      expect(output).toMatch(/LATCHKEY_DATA: the key for PINs.*it is gone, and the PINs of 1 temp keys/)
      expect(existsSync(file)).toBe(false)
    }
  })

  it("does not begin with another key than before, until an operator says that it is meant", async () => {
    using folder = temporaryFolder()
    const environment = configured(folder.path)
    const { pin, lockId } = await (async () => {
      await using first = await startServer(environment)
      return await furnishedLock(first.url)
    })()
    const refused = "PINs of 1 temp keys were made under another one"
    const given = await runToEnd({ ...environment, LATCHKEY_PIN_KEY: OTHER_KEY })
    expect([given.code, given.output]).toEqual([1, expect.stringMatching(`^latchkey: LATCHKEY_PIN_KEY: .*${refused}`)])
    writeFileSync(join(folder.path, "pin.key"), OTHER_KEY)
    for (const witness of ["kept", "of an older Latchkey, which kept none"]) {
      if (witness !== "kept") rmSync(join(folder.path, "pin.witness"))
      const { code, output } = await runToEnd(environment)
      expect([witness, code]).toEqual([witness, 1])
      expect(output.trim()).toMatch(new RegExp(`^latchkey: LATCHKEY_DATA: .*${refused}.*LATCHKEY_RESTORED=yes$`))
    }
    for (const once of [{ LATCHKEY_RESTORED: "yes" }, {}]) {
      await using meant = await startServer({ ...environment, ...once })
      expect((await enter(lockId, pin, organization, meant.url)).status).toBe(401)
      expect(meant.output()).toContain("PINs of 1 temp keys were made under another key and open nothing")
    }
  })

  it("is none for a server beside it: two on one folder have one key, and count together", async () => {
    using folder = temporaryFolder()
    const environment = configured(folder.path)
    const [one, two] = await Promise.all([startServer(environment), startServer(environment)])
    await using _one = one
    await using _two = two
    const { pin, lockId } = await furnishedLock(one.url)
    expect((await enter(lockId, pin, nobody, two.url)).status).toBe(200)
    const guesses = Array.from({ length: 40 }, (_, n) =>
      enter(lockId, wrong(pin), nobody, n % 2 === 0 ? one.url : two.url)
    )
    expect((await statusesOf(guesses)).filter((status) => status === 401)).toHaveLength(5)
    expect(await statusesOf([enter(lockId, pin, nobody, one.url), enter(lockId, pin, nobody, two.url)])).toEqual([
      429, 429
    ])
  })

  it("does not begin with a key that is none", async () => {
    using folder = temporaryFolder()
    writeFileSync(join(folder.path, "pin.key"), "short")
    const { code, output } = await runToEnd(configured(folder.path))
    expect(code).toBe(1)
    expect(output).toContain("LATCHKEY_DATA: the key for PINs")
    expect(output.trim().split("\n")).toHaveLength(1)
  })
})

it("answers 503 while the store is down, 500 when it breaks, 413 and 415 to bodies that are none", async () => {
  const { pin, lockId } = await furnishedLock(server.url)
  try {
    server.faults.store = "down"
    expect((await enter(lockId, pin)).status).toBe(503)
    server.faults.store = "defect"
    expect((await enter(lockId, pin)).status).toBe(500)
  } finally {
    server.faults.store = "ok"
  }
  expect((await enter(lockId, "9".repeat(70_000))).status).toBe(413)
  expect((await enter(lockId, pin, { ...somebody(), "content-type": "text/plain" })).status).toBe(415)
})

it("answers 422 to an idempotency key that was used for another request", async () => {
  const { pin, lockId, path } = await furnishedLock(server.url)
  const headers = { ...organization, "idempotency-key": "used" }
  expect((await enter(lockId, pin, headers)).status).toBe(200)
  const other = await callsOf(server.url)("POST", `${path}/open-with-pin`, { body: { pin, also: "this" }, headers })
  seen.add(other.status)
  expect(other.status).toBe(422)
})

// Last: what the declaration and the contract promise has all been seen, and nothing else.
it("answers no other status than these", () => {
  expect([...seen].sort()).toEqual(everyRoute.find(({ name }) => name === OPEN)?.statuses)
  expect([...seen]).toEqual(expect.arrayContaining([...publishedStatuses(OPEN)]))
})
