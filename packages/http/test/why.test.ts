/** Why, over HTTP: explanations and simulations, and that neither changes anything. */
import { Effect } from "effect"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { HOLDER, OWNER, owner, STRANGER, superKey } from "./harness/callers.ts"
import { type InProcess, startInProcess } from "./harness/inProcess.ts"
import { FURNITURE, type FurnishedLock, furnishedLock, historyOf, newUuid, stateOf } from "./harness/locks.ts"
import { callsOf } from "./harness/request.ts"

let server: InProcess
beforeAll(async () => void (server = await startInProcess()))
afterAll(() => server.stop())

interface Explained {
  readonly allowed: boolean
  readonly rule: string
  readonly recorded: { readonly outcome: string; readonly eventId: string } | null
  readonly facts: { readonly events: ReadonlyArray<{ readonly type: string; readonly version: number }> }
}
const explain = async (lock: FurnishedLock, query: Readonly<Record<string, string>>): Promise<Explained> => {
  const { status, body } = await callsOf(server.url, owner)("GET", `${lock.path}/explain?${new URLSearchParams(query)}`)
  expect([status, body]).toEqual([200, body])
  return body as unknown as Explained
}

describe("explain", () => {
  it("says of a temp key what decides now, and what that rests on", async () => {
    const lock = await furnishedLock(server.url)
    const { tempKeyUuid } = lock
    await lock.post("update-temp-key", {
      tempKeyUuid,
      maxUses: 1,
      accessMode: "user-whitelist",
      allowedUserIds: [OWNER]
    })
    expect(await explain(lock, { tempKeyUuid })).toMatchObject({
      lockId: lock.lockId,
      asked: { tempKeyUuid },
      version: 6,
      allowed: false,
      rule: "whitelist",
      recorded: null,
      facts: {
        tempKey: { uuid: tempKeyUuid, maxUses: 1, usedCount: 0, status: "valid", allowedUserIds: [OWNER] },
        events: [
          { type: "TempKeyCreated", version: 4, principal: { type: "Organization", orgId: "org-1" } },
          { type: "TempKeyUpdated", version: 6 }
        ]
      }
    })
    expect(await explain(lock, { tempKeyUuid, userId: OWNER })).toMatchObject({ allowed: true, rule: "valid" })
  })

  it("says of every attempt what happened, by its id and by its instant", async () => {
    const lock = await furnishedLock(server.url)
    const { tempKeyUuid } = lock
    await lock.post("update-temp-key", { tempKeyUuid, maxUses: 1 })
    expect((await lock.post("use-temp-key", { tempKeyUuid })).status).toBe(200)
    expect((await lock.post("use-temp-key", { tempKeyUuid, userId: STRANGER })).status).toBe(400)

    const timestamp = String((await historyOf(lock)).at(-1)?.event?.data["timestamp"])
    const used = await explain(lock, { tempKeyUuid, at: timestamp })
    expect(used).toMatchObject({ allowed: true, recorded: { outcome: "used", version: 7 } })
    expect(await explain(lock, { attemptId: used.recorded?.eventId ?? "" })).toEqual(used)

    const stream = `attempts-${lock.lockId}-${timestamp.slice(0, 10)}`
    const [kept] = await Effect.runPromise(server.store.read(stream, 0, 10))
    const refused = await explain(lock, { attemptId: kept?.eventId ?? "" })
    expect(refused).toMatchObject({ allowed: false, rule: "max-uses", asked: { userId: STRANGER } })
  })

  it("says of keys and users whether the lock knows them", async () => {
    const lock = await furnishedLock(server.url)
    expect(await explain(lock, { keyUuid: FURNITURE.key })).toMatchObject({ allowed: true, rule: "key-on-lock" })
    expect(await explain(lock, { keyUuid: FURNITURE.key, userId: OWNER })).toMatchObject({ rule: "key-of-another" })
    expect(await explain(lock, { keyUuid: "other" })).toMatchObject({ allowed: false, rule: "no-such-key" })
    expect(await explain(lock, { userId: HOLDER })).toMatchObject({ allowed: true, rule: "key-holder" })
    expect(await explain(lock, { userId: STRANGER })).toMatchObject({
      rule: "no-right",
      message: "The user neither owns the lock nor holds a key on it. Add a key of theirs with AddKey."
    })
    expect(await explain(lock, { userId: OWNER, at: "2001-01-01T00:00:00Z" })).toMatchObject({ rule: "no-such-lock" })
  })

  it.each<[string, Readonly<Record<string, string>>, string]>([
    ["nothing", {}, "tempKeyUuid"],
    ["two things", { tempKeyUuid: newUuid(), keyUuid: "key" }, "tempKeyUuid"],
    ["an attempt at another time", { attemptId: "x", at: "2026-01-01T00:00:00Z" }, "at"],
    ["a PIN with a user", { pinOf: newUuid(), userId: OWNER }, "userId"],
    ["a PIN itself", { pinAttempt: "12345678" }, "pinAttempt"],
    ["no uuid", { tempKeyUuid: "key-1" }, "tempKeyUuid"],
    ["no instant", { userId: OWNER, at: "yesterday" }, "at"]
  ])("refuses to be asked about %s, and says what is wrong", async (_, query, field) => {
    const lock = await furnishedLock(server.url)
    const { status, body } = await callsOf(server.url, owner)(
      "GET",
      `${lock.path}/explain?${new URLSearchParams(query)}`
    )
    expect([status, body.details?.map(({ field }) => field)]).toEqual([400, [field]])
  })

  it("says of a shared key, and of the PIN that was entered last, what decided", async () => {
    const lock = await furnishedLock(server.url)
    const call = callsOf(server.url, superKey)
    const shared = await call("POST", "/temp-keys", {
      body: {
        validFrom: new Date(Date.now() - 60_000).toISOString(),
        validUntil: new Date(Date.now() + 60_000).toISOString(),
        doors: [{ lockId: String(lock.lockId), accessMethod: "code" }]
      }
    })
    const { uuid: tempKeyUuid, pin } = shared.body as unknown as { readonly uuid: string; readonly pin: string }
    expect(await explain(lock, { tempKeyUuid })).toMatchObject({ allowed: false, rule: "pin-needed" })
    expect(await explain(lock, { pinOf: tempKeyUuid })).toMatchObject({ allowed: true, asked: { pinOf: tempKeyUuid } })
    const enter = async (pin: string) => (await call("POST", `${lock.path}/open-with-pin`, { body: { pin } })).status
    expect(await enter(pin)).toBe(200)
    expect(await explain(lock, { pinAttempt: "last" })).toMatchObject({ allowed: true, recorded: { outcome: "used" } })
    expect(await enter(pin === "00000000" ? "00000001" : "00000000")).toBe(401)
    const refused = await explain(lock, { pinAttempt: "last" })
    expect(refused).toMatchObject({ allowed: false, rule: "unknown-pin", recorded: { outcome: "pin-refused" } })
    expect(JSON.stringify(refused)).not.toContain(pin)
  })

  it("knows no attempt that nobody made", async () => {
    const lock = await furnishedLock(server.url)
    const { status, body } = await callsOf(server.url, owner)("GET", `${lock.path}/explain?attemptId=nothing`)
    expect([status, body.error]).toEqual([404, "Attempt not found"])
  })
})

describe("simulate-update-temp-key", () => {
  it("tells what an update would have changed, and changes nothing", async () => {
    const lock = await furnishedLock(server.url)
    const { tempKeyUuid } = lock
    for (const userId of [OWNER, HOLDER]) await lock.post("use-temp-key", { tempKeyUuid, userId })
    await lock.post("update-temp-key", { tempKeyUuid, accessMode: "user-whitelist", allowedUserIds: [OWNER] })
    await lock.post("use-temp-key", { tempKeyUuid, userId: STRANGER })
    const before = await stateOf(lock)
    const simulate = async (update: object) =>
      (await lock.post("simulate-update-temp-key", { tempKeyUuid, ...update })).body
    expect(await simulate({ allowedUserIds: [STRANGER], accessMode: "user-whitelist" })).toMatchObject({
      accepted: 2,
      refused: 1,
      wouldRefuseCount: 2,
      wouldAcceptCount: 1,
      wouldRefuse: [
        { userId: OWNER, reason: "not-on-whitelist" },
        { userId: HOLDER, reason: "not-on-whitelist" }
      ],
      wouldAccept: [{ userId: STRANGER, reason: "not-on-whitelist" }],
      mayLackSome: false
    })
    expect(await simulate({ maxUses: 1 })).toMatchObject({ wouldRefuse: [{ userId: HOLDER, reason: "used-up" }] })
    expect(await stateOf(lock)).toBe(before)
  })

  it("is refused as the update would be", async () => {
    const lock = await furnishedLock(server.url)
    const { tempKeyUuid } = lock
    const refused = async (update: object) => {
      const { status, body } = await lock.post("simulate-update-temp-key", { tempKeyUuid, ...update })
      return [status, body.error]
    }
    expect(await refused({ validUntil: "2001-01-01T00:00Z" })).toEqual([400, "Empty validity window"])
    expect(await refused({ tempKeyUuid: newUuid() })).toEqual([404, "Temp key not found"])
    expect(await refused({ maxUses: 0 })).toEqual([400, "Invalid request"])
  })
})
