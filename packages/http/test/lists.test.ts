/** Lists across locks: who is shown which, what a row tells, and how a list goes on. */
import { Effect } from "effect"
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest"
import * as callers from "./harness/callers.ts"
import { expectProblem } from "./harness/contract.ts"
import { type InProcess, startInProcess } from "./harness/inProcess.ts"
import {
  createLock,
  FURNITURE,
  furnishedLock,
  lockAt,
  makeShared,
  newLockId,
  shared,
  type TestLock
} from "./harness/locks.ts"
import { callsOf } from "./harness/request.ts"

let server: InProcess
beforeAll(async () => void (server = await startInProcess()))
afterAll(() => server.stop())

const get = async (path: string, who: callers.Credentials) => {
  const answer = await callsOf(server.url, who)("GET", path)
  expect([path, answer.status, answer.text]).toEqual([path, 200, expect.any(String)])
  return JSON.parse(answer.text)
}
const found = async (query: string, who: callers.Credentials = callers.organization): Promise<ReadonlyArray<number>> =>
  (await get(`/locks?${query}`, who)).locks.map(({ lockId }: { lockId: number }) => lockId)

/** A word that no other lock is called by. */
let words = 0
const newWord = () => `hotel${++words}x`

const named = async (name: string): Promise<TestLock> => {
  const lock = await createLock(server.url)
  expect((await lock.post("describe-lock", { name })).status).toBe(200)
  return lock
}

describe("what a lock is called, and where it is", () => {
  it("is said part by part, and shown in its details, its owner's list and lists of locks", async () => {
    const lock = await createLock(server.url)
    const word = newWord()
    const place = { name: `Room 12 ${word}`, timeZone: "Europe/Athens", address: "Harbour Street 1" }
    const described = await lock.post("describe-lock", {
      ...place,
      contact: "Reception",
      instructions: "Second floor."
    })
    expect(described.body.event).toMatchObject({ type: "LockDescribed", data: { name: place.name } })
    expect((await lock.post("describe-lock", { contact: null })).status).toBe(200)
    expect((await lock.get("details")).body).toMatchObject({ description: { ...place, instructions: "Second floor." } })
    expect((await lock.post("SetOwner", { userId: "guest-house" })).status).toBe(200)
    const owned = await get("/users/guest-house/owned-locks", callers.organization)
    expect(owned.locks).toMatchObject([{ lockUuid: lock.uuid, ...place }])
    const { locks, nextCursor } = await get(`/locks?q=${word}`, callers.organization)
    expect([locks, nextCursor]).toEqual([
      [
        {
          lockId: lock.lockId,
          uuid: lock.uuid,
          ...place,
          ownerId: "guest-house",
          organizationId: callers.ORG,
          online: false,
          battery: "unknown",
          attention: [],
          lastEvent: "OwnerSet",
          lastUpdated: expect.any(String)
        }
      ],
      null
    ])
  })

  it.each([
    [{ name: "" }, "name"],
    [{ name: "a".repeat(201) }, "name"],
    [{ timeZone: "Mars/Olympus" }, "timeZone"],
    [{ instructions: "a".repeat(2_001) }, "instructions"],
    [{ title: "Room" }, "title"]
  ])("is refused where it is no such thing: %o", async (body, field) => {
    const lock = await createLock(server.url)
    const answer = await lock.post("describe-lock", body)
    expect([answer.status, answer.body.details?.map(({ field }) => field)]).toEqual([400, [field]])
  })

  it("is not shown to those who come after, nor what they say to those before", async () => {
    const lock = await createLock(server.url)
    const [mine, theirs] = [newWord(), newWord()]
    expect((await lock.post("describe-lock", { name: mine, instructions: mine })).status).toBe(200)
    expect((await lock.post("SetOrganization", { orgId: callers.OTHER_ORG })).status).toBe(200)
    const other = callsOf(server.url, callers.otherOrganization)
    expect((await other("GET", `${lock.path}/details`)).body).toMatchObject({ description: {} })
    expect((await other("GET", `${lock.path}/events`)).text).not.toContain(mine)
    expect((await other("POST", `${lock.path}/describe-lock`, { body: { address: theirs } })).status).toBe(200)
    for (const word of [mine, theirs])
      expect([word, await found(`q=${word}`), (await lock.get("details")).text.includes(mine)]).toEqual([
        word,
        [],
        false
      ])
    expect(await found(`q=${theirs}`, callers.otherOrganization)).toEqual([lock.lockId])
    expect((await callsOf(server.url, callers.organization)("GET", `${lock.path}/events`)).text).not.toContain(theirs)
  })
})

describe("GET /locks", () => {
  it("shows users their own, organizations those that they have, and the operator all", async () => {
    const word = newWord()
    const [first, second] = [await named(`${word} 1`), await named(`${word} 2`)]
    expect((await second.post("SetOwner", { userId: word })).status).toBe(200)
    const foreign = lockAt(server.url, newLockId())
    const other = callsOf(server.url, callers.otherOrganization)
    expect((await other("POST", `${foreign.path}/CreateLock`, { body: { index: 1, uuid: foreign.uuid } })).status).toBe(
      201
    )
    expect((await other("POST", `${foreign.path}/describe-lock`, { body: { name: `${word} 3` } })).status).toBe(200)
    expect(await found(`q=${word}`)).toEqual([first.lockId, second.lockId])
    expect(await found(`q=${word}`, callers.otherOrganization)).toEqual([foreign.lockId])
    expect(await found(`q=${word}`, callers.superKey)).toEqual([first.lockId, second.lockId, foreign.lockId])
    expect(await found("", callers.user(word))).toEqual([second.lockId])
    expect(await found(`ownerId=${word}`)).toEqual([second.lockId])
    expect(await found(`ownerId=${word}`, callers.superKey)).toEqual([second.lockId])
    expect(await found(`ownerId=${word}`, callers.otherOrganization)).toEqual([])
    expect(await found(`ownerId=${callers.OWNER}`, callers.user(word))).toEqual([])
    const limits = { scopes: ["read"], locks: [second.lockId, foreign.lockId] } as const
    const { secret } = await Effect.runPromise(server.apiKeys.create(callers.ORG, { limits }))
    expect(await found("", callers.apiKey(secret))).toEqual([second.lockId])
  })

  it("goes on from page to page, and takes a cursor for the same question only", async () => {
    const word = newWord()
    const locks = [await named(`${word} a`), await named(`${word} b`), await named(`${word} c`)].map(
      ({ lockId }) => lockId
    )
    const seen: Array<number> = []
    let query = `q=${word}&limit=1`
    for (let cursor: string | null = ""; cursor !== null; query = `q=${word}&limit=1&after=${cursor}`) {
      const page = await get(`/locks?${query}`, callers.organization)
      seen.push(...page.locks.map(({ lockId }: { lockId: number }) => lockId))
      cursor = page.nextCursor
    }
    expect(seen).toEqual(locks)
    const { nextCursor } = await get(`/locks?q=${word}&limit=1`, callers.organization)
    for (const [bad, field] of [
      [`after=${nextCursor}`, "after"],
      [`sort=name&after=${nextCursor}`, "after"],
      [`q=other&after=${nextCursor}`, "after"],
      ["after=x", "after"],
      ["limit=0", "limit"],
      ["limit=201", "limit"],
      ["online=yes", "online"],
      ["battery=empty", "battery"],
      ["attention=fire", "attention"],
      [`q=${word}&sort=name`, "sort"],
      ["q=", "q"],
      ["owner=ada", "owner"]
    ]) {
      const answer = await callsOf(server.url, callers.organization)("GET", `/locks?${bad}`)
      expect([bad, answer.status, answer.body.details?.map(({ field }) => field)]).toEqual([bad, 400, [field]])
      expectProblem(400, answer.body)
    }
  })

  it("finds locks by the whole id of a key, of an owner, of whoever holds a key and of a resident, before those of that name", async () => {
    const word = newWord()
    const byName = await named(`${word} lounge`)
    const [owned, held, lived, keyed] = [
      await createLock(server.url),
      await createLock(server.url),
      await createLock(server.url),
      await createLock(server.url)
    ]
    await owned.post("SetOwner", { userId: word })
    await held.post("AddKey", { keyUuid: "key-of-somebody", keyIndexNumber: 1, userId: word })
    await lived.post("AddResident", { userId: word, name: "Somebody" })
    await keyed.post("AddKey", { keyUuid: word, keyIndexNumber: 1 })
    const all = [owned, held, lived, keyed, byName].map(({ lockId }) => lockId)
    expect(await found(`q=${word}`)).toEqual(all)
    expect(await found(`q=+${word}+`)).toEqual(all)
    expect(await found(`q=${word.slice(0, -1)}`)).not.toContain(owned.lockId)
    expect(await found(`q=${word}`, callers.otherOrganization)).toEqual([])
    expect(await found(`q=${word}`, callers.user(word))).toEqual([owned.lockId])
    expect(await found(`q=${word}&ownerId=${word}`)).toEqual([owned.lockId])
    expect(await found(`q=${word}&battery=low`)).toEqual([])
    // It is called so as well now: found once.
    await owned.post("describe-lock", { name: `${word} suite` })
    for (const limit of [1, 2, 3, 200]) {
      const seen: Array<number> = []
      for (let after: string | null = ""; after !== null; ) {
        const page = await get(`/locks?q=${word}&limit=${limit}${after && `&after=${after}`}`, callers.organization)
        expect(page.locks.length).toBeLessThanOrEqual(limit)
        seen.push(...page.locks.map(({ lockId }: { lockId: number }) => lockId))
        after = page.nextCursor
      }
      expect([limit, seen]).toEqual([limit, [held, lived, keyed, byName, owned].map(({ lockId }) => lockId)])
    }
    await keyed.post("RemoveKey", { keyUuid: word, keyIndexNumber: 1 })
    await lived.post("RemoveResident", { userId: word })
    expect(await found(`q=${word}`)).toEqual([held, byName, owned].map(({ lockId }) => lockId))
  })

  it("shows those that are named, of those that it would show anyway", async () => {
    const word = newWord()
    const [one, two, others] = [await named(`${word} one`), await named(`${word} two`), await createLock(server.url)]
    await others.post("SetOrganization", { orgId: callers.OTHER_ORG })
    await two.post("SetOwner", { userId: word })
    const ids = `ids=${two.lockId},${others.lockId},${one.lockId},${one.lockId}`
    expect(await found(ids)).toEqual([one.lockId, two.lockId])
    expect(await found(`${ids}&q=${word}+t`)).toEqual([two.lockId])
    expect(await found(`ids=${one.lockId}&q=${word}`)).toEqual([one.lockId])
    expect(await found(ids, callers.user(word))).toEqual([two.lockId])
    const { secret } = await Effect.runPromise(server.apiKeys.create(callers.ORG, { limits: { locks: [one.lockId] } }))
    expect(await found(ids, callers.apiKey(secret))).toEqual([one.lockId])
    for (const bad of ["ids=", "ids=x", "ids=1,", `ids=${Array(101).fill(1).join()}`])
      expect((await callsOf(server.url, callers.organization)("GET", `/locks?${bad}`)).status).toBe(400)
    const tooMany = await callsOf(server.url, callers.organization)(
      "GET",
      `/locks?ids=${Array(7_000).fill("x").join()}`
    )
    expect(tooMany.status).toBe(400)
    expect(JSON.parse(tooMany.text).details.length).toBeLessThan(110)
    expect(await found(`ids=${two.lockId}`, callers.apiKey(secret))).toEqual([])
  })

  it("finds locks by the whole link of a temp key, for those alone who may see it, and never logs it", async () => {
    const lock = await furnishedLock(server.url)
    const second = await createLock(server.url)
    const doors = [{ lockId: String(lock.lockId) }, { lockId: String(second.lockId) }]
    const { uuid } = await makeShared(server.url, shared(0, { doors }))
    const keyOf = async (scopes: ReadonlyArray<"read" | "temp-keys">, locks?: ReadonlyArray<number>) => {
      const limits = { scopes, ...(locks && { locks }) }
      const { secret } = await Effect.runPromise(server.apiKeys.create(callers.ORG, { limits }))
      return callers.apiKey(secret)
    }
    const whole = (link: string) => encodeURIComponent(`${server.url}/temp-keys/${link}?from=mail`)
    for (const [link, lockIds] of [
      [lock.tempKeyUuid, [lock.lockId]],
      [uuid, [lock.lockId, second.lockId]]
    ] as const) {
      expect(await found(`q=${link}`)).toEqual(lockIds)
      expect(await found(`q=${link.toUpperCase()}`)).toEqual(lockIds)
      expect(await found(`q=${whole(link)}`)).toEqual(lockIds)
      expect(await found(`q=${link}`, callers.superKey)).toEqual(lockIds)
      expect(await found(`q=${link}`, await keyOf(["read", "temp-keys"]))).toEqual(lockIds)
      expect(await found(`q=${link}`, await keyOf(["read"]))).toEqual([])
      expect(await found(`q=${link}`, callers.otherOrganization)).toEqual([])
      expect(await found(`q=${link.slice(0, -1)}`)).toEqual([])
      expect(await found(`q=${link}`, await keyOf(["read", "temp-keys"], [second.lockId]))).toEqual(
        lockIds.filter((lockId) => lockId === second.lockId)
      )
    }
    // What the seller has given, the buyer may not know.
    await lock.post("SetOrganization", { orgId: callers.OTHER_ORG })
    for (const link of [lock.tempKeyUuid, uuid]) expect(await found(`q=${link}`, callers.otherOrganization)).toEqual([])
    expect(await found(`q=${lock.tempKeyUuid}`)).toEqual([])
    const told = server.log.join("\n").toLowerCase()
    expect([told.includes(lock.tempKeyUuid), told.includes(uuid)]).toEqual([false, false])
  })

  it("tells when a lock was last opened to those whose time that was", async () => {
    const lock = await named(newWord())
    expect((await lock.post("OpenLock")).status).toBe(200)
    const row = async (who: callers.Credentials) =>
      (await get(`/locks?q=${lock.uuid}`, who)).locks[0] as { readonly lastOpenedAt?: string }
    expect((await row(callers.organization)).lastOpenedAt).toEqual(expect.any(String))
    expect((await lock.post("SetOrganization", { orgId: callers.OTHER_ORG })).status).toBe(200)
    expect(await row(callers.otherOrganization)).not.toHaveProperty("lastOpenedAt")
    expect((await row(callers.superKey)).lastOpenedAt).toEqual(expect.any(String))
  })

  it("finds locks whose keys may still open though they were removed", async () => {
    const lock = await createLock(server.url)
    const key = { keyUuid: FURNITURE.key, keyIndexNumber: 1 }
    expect((await lock.post("AddKey", key)).status).toBe(200)
    expect((await lock.post("RemoveKey", key)).status).toBe(200)
    expect(await found("attention=key-exposed&limit=200")).toContain(lock.lockId)
    expect(await found("attention=true&limit=200")).toContain(lock.lockId)
    expect(await found(`attention=false&limit=200`)).not.toContain(lock.lockId)
  })
})

describe("GET /attention", () => {
  interface Item {
    readonly kind: string
    readonly lockId?: number
    readonly webhookId?: string
  }
  const items = async (query: string, who: callers.Credentials): Promise<ReadonlyArray<Item>> =>
    (await get(`/attention?${query}`, who)).items
  /** The organization of a lock with a low battery, and with a key that was removed and may still be there. */
  const newTrouble = async () => {
    const orgId = newWord()
    const lock = await createLock(server.url)
    const key = { keyUuid: FURNITURE.key, keyIndexNumber: 1 }
    expect((await lock.post("AddKey", key)).status).toBe(200)
    expect((await lock.post("RemoveKey", key)).status).toBe(200)
    expect((await lock.post("SetOwner", { userId: orgId })).status).toBe(200)
    expect((await lock.post("SetOrganization", { orgId })).status).toBe(200)
    const reported = { state: { battery: 7 } }
    await Effect.runPromise(server.shadow.report({ _tag: "State", thing: lock.uuid, reported, at: Date.now() }))
    const { secret } = await Effect.runPromise(server.apiKeys.create(orgId, {}))
    const who = callers.apiKey(secret)
    const body = { name: `Room 12 ${orgId}` }
    expect((await callsOf(server.url, who)("POST", `${lock.path}/describe-lock`, { body })).status).toBe(200)
    await vi.waitUntil(async () => (await items("kind=battery-low", who)).length === 1, { timeout: 60_000 })
    return { lock, orgId, who }
  }

  it("says what needs somebody, since when, and what to do, to those whose it is", async () => {
    const { lock, orgId, who } = await newTrouble()
    const about = {
      since: expect.any(String),
      lockId: lock.lockId,
      name: `Room 12 ${orgId}`,
      advice: expect.any(String)
    }
    const exposed = { keyUuid: FURNITURE.key, keyIndexNumber: 1, since: expect.any(String) }
    const all = [
      { kind: "battery-low", ...about },
      { kind: "key-exposed", ...about, keys: [exposed], keysCount: 1 }
    ]
    expect(await get("/attention", who)).toEqual({ items: all, nextCursor: null })
    expect(await items("kind=key-exposed", who)).toEqual(all.slice(1))
    expect(await items("kind=wrong-pins", who)).toEqual([])
    expect(await items("limit=200", callers.superKey)).toEqual(expect.arrayContaining(all))
    expect(await items("", callers.user(newWord()))).toEqual([])
    const limits = { scopes: ["read"], locks: [lock.lockId] } as const
    const { secret } = await Effect.runPromise(server.apiKeys.create(orgId, { limits }))
    expect(await items("limit=1", callers.apiKey(secret))).toEqual(all)
    const overview = {
      ...{ locks: 1, online: 0, battery: { low: 1, good: 0, unknown: 0 }, lag: 0 },
      attention: {
        ...{ offline: 0, "battery-low": 1, "bolt-jammed": 0, "door-forced": 0, "door-left-open": 0 },
        ...{ "key-failed": 0, "key-foreign": 0, "key-exposed": 1, "wrong-pins": 0 }
      }
    }
    for (const one of [callers.apiKey(secret), callers.user(orgId)])
      expect(await get("/overview", one)).toEqual(overview)
    expect(await get("/overview", who)).toEqual({ ...overview, webhooks: { failing: 0, disabled: 0 } })
    const everything = await get("/overview", callers.superKey)
    expect(everything.attention["key-exposed"]).toBeGreaterThanOrEqual(1)
  })

  it("tells of webhooks that are disabled to those who manage them, before all else", async () => {
    const { orgId, who } = await newTrouble()
    const ask = callsOf(server.url, who)
    const made = await ask("POST", "/webhooks", { body: { url: "https://example.com/hook" } })
    expect([made.text, made.status]).toEqual([expect.any(String), 201])
    const { id } = JSON.parse(made.text)
    expect((await ask("POST", `/webhooks/${id}/disable`)).status).toBe(200)
    const disabled = {
      ...{
        kind: "webhook-disabled",
        since: expect.any(String),
        webhookId: id,
        url: "https://example.com/hook"
      },
      ...{ reason: "Disabled by request.", advice: expect.any(String) }
    }
    expect((await items("", who))[0]).toEqual(disabled)
    expect(await items("kind=webhook-disabled", who)).toEqual([disabled])
    expect(await items("kind=webhook-failing", who)).toEqual([])
    expect(await items("kind=webhook-disabled", callers.user(orgId))).toEqual([])
    expect((await get("/overview", who)).webhooks).toEqual({ failing: 0, disabled: 1 })
    expect((await ask("POST", `/webhooks/${id}/enable`)).status).toBe(200)
    expect(await items("kind=webhook-disabled", who)).toEqual([])
  })

  it("goes on from page to page, and takes a cursor for the same question only", async () => {
    const [{ lock, orgId, who }, second] = [await newTrouble(), await newTrouble()]
    const asOperator = callsOf(server.url, callers.superKey)
    const moved = await asOperator("POST", `${second.lock.path}/SetOrganization`, { body: { orgId } })
    expect([moved.text, moved.status]).toEqual([expect.any(String), 200])
    const seen: Array<number | undefined> = []
    let query = "limit=1"
    for (let cursor: string | null = ""; cursor !== null; query = `limit=1&after=${cursor}`) {
      const page: { readonly items: ReadonlyArray<Item>; readonly nextCursor: string | null } = await get(
        `/attention?${query}`,
        who
      )
      seen.push(...page.items.map(({ lockId }) => lockId))
      cursor = page.nextCursor
    }
    expect(seen).toEqual([lock.lockId, lock.lockId, second.lock.lockId, second.lock.lockId])
    const { nextCursor } = await get("/attention?limit=1", who)
    for (const [bad, field] of [
      [`kind=battery-low&after=${nextCursor}`, "after"],
      [`kind=webhook-disabled&after=${nextCursor}`, "after"],
      ["kind=fire", "kind"],
      ["limit=0", "limit"],
      ["q=room", "q"]
    ]) {
      const answer = await callsOf(server.url, who)("GET", `/attention?${bad}`)
      expect([bad, answer.status, answer.body.details?.map(({ field }) => field)]).toEqual([bad, 400, [field]])
    }
  })
})
