/** Every endpoint at every status that it can answer, against the published contract. */
import { commandTable } from "@latchkey/core"
import { Effect } from "effect"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import partners from "../contract/partners.json" with { type: "json" }
import {
  bearer,
  type Credentials,
  HOLDER,
  nobody,
  OWNER,
  organization,
  owner,
  STRANGER,
  stranger,
  superKey,
  token
} from "./harness/callers.ts"
import { expectAsPublished, publishedEndpoints, publishedStatuses } from "./harness/contract.ts"
import { type InProcess, startInProcess } from "./harness/inProcess.ts"
import { FURNITURE, type FurnishedLock, furnishedLock, newLockId, newUuid, tempKey } from "./harness/locks.ts"
import { callsOf } from "./harness/request.ts"
import { commandsByRoute, declaredRoutes, everyRoute, goodRequest } from "./harness/routes.ts"

let server: InProcess
/** One at which organizations may hardly ask for anything. */
let poor: InProcess
beforeAll(async () => {
  server = await startInProcess()
  poor = await startInProcess({ budgets: { orgKB: { burst: 1, every: 86_400_000 } } })
})
afterAll(() => Promise.all([server.stop(), poor.stop()]))

const CREATE = "POST /locks/{id}/CreateLock"
const OF_USERS = ["GET", "DELETE"].map((method) => `${method} /users/{id}/keys`)
const RESUME = "POST /locks/{id}/resume-temp-key"
const OWNED = "GET /users/{id}/owned-locks"
const PROGRESS = "GET /locks/{id}/BulkAddKeys/{instanceId}"

const COMMAND = "GET /locks/{id}/commands/{commandId}"
const EXPLAIN = "GET /locks/{id}/explain"
const ATTEMPTS = "GET /locks/{id}/attempts"
const AUDITS = ["GET /locks/{id}/audit.csv", "GET /locks/{id}/audit.ndjson"]
const SIMULATE = "POST /locks/{id}/simulate-update-temp-key"

it("declares every endpoint of the contract, and no other but the progress of bulk requests and commands, the forms of guests, why, the life of temp keys, partners, and API keys", () => {
  const forms = ["open", "doors/{doorId}/open", "sign-in"].map((form) => `GET /temp-keys/{uuid}/${form}`)
  const ofPartners = everyRoute.map(({ name }) => name).filter((name) => /webhooks|^GET \/events/.test(name))
  for (const name of Object.keys(partners)) {
    for (const method of ["GET", "POST", "PATCH", "DELETE"]) {
      if (name.startsWith(`${method} `)) expect(ofPartners.join(" ")).toContain(name.split(" · ")[0])
    }
  }
  const keys = ["GET /api-keys", "POST /api-keys", "DELETE /api-keys/{keyId}"]
  const life = ["suspend", "resume", "new-link", "reissue-pin"].map((step) => `POST /temp-keys/{uuid}/${step}`)
  const ofLocks = ["suspend-temp-key", "resume-temp-key", "change-temp-key-link"].map(
    (path) => `POST /locks/{id}/${path}`
  )
  const ofKeys = ["PATCH /temp-keys/{uuid}", ...life, ...ofLocks]
  const more = [
    ...keys,
    ...ofKeys,
    ...ofPartners,
    "GET /temp-keys/{uuid}/calendar.ics",
    "GET /attention",
    "GET /brand",
    "PUT /brand",
    "DELETE /brand",
    "GET /locks",
    "GET /overview",
    "POST /locks/{id}/describe-lock",
    "POST /locks/{id}/LockDevice",
    "POST /locks/{id}/move-claim",
    "POST /locks/{id}/remove-inherited-keys",
    "POST /locks/{id}/retire-lock",
    "POST /locks/{id}/sync",
    "GET /locks/{id}/exposure",
    "GET /locks/{id}/presence",
    ...OF_USERS,
    PROGRESS,
    COMMAND,
    EXPLAIN,
    ATTEMPTS,
    ...AUDITS,
    SIMULATE,
    "POST /temp-keys/{uuid}/sign-in",
    ...forms
  ]
  expect(everyRoute.map(({ name }) => name).sort()).toEqual([...publishedEndpoints, ...more].sort())
})

/** A token of an issuer whose keys are to be fetched. */
const signedElsewhere = bearer(token({ sub: OWNER }, "any", { alg: "RS256", kid: "1" }))

/** The event of a good command on a furnished lock; `null` when it is so already. */
const eventOf = (name: string): string | null | undefined => {
  const command = commandsByRoute.get(name)
  return name === CREATE || name === RESUME ? null : command && commandTable[command.tag].event
}

interface Special {
  readonly title: string
  readonly status: number
  readonly body: (lock: FurnishedLock) => unknown
  readonly as?: Credentials
  /** What is asked before, by the organization. */
  readonly after?: (lock: FurnishedLock) => ReadonlyArray<readonly [command: string, body: unknown]>
  readonly lockId?: () => number
  /** The field that `details` names. */
  readonly field?: string
}

const TUESDAYS = { timeZone: "Europe/Athens", windows: [{ days: ["tuesday"], from: "09:00", to: "11:00" }] }
const yesterday = new Date(Date.now() - 86_400_000).toISOString()
const tomorrow = new Date(Date.now() + 86_400_000).toISOString()
const unknownTempKey = { title: "no such temp key", status: 404, body: () => ({ tempKeyUuid: newUuid() }) }
const ofTheTempKey = ({ tempKeyUuid }: FurnishedLock) => ({ tempKeyUuid })
const updated = (changes: Readonly<Record<string, unknown>>) => (lock: FurnishedLock) =>
  [["update-temp-key", { tempKeyUuid: lock.tempKeyUuid, ...changes }]] as const

/** What each endpoint answers besides, to a request of the right shape. */
const specials: Readonly<Record<string, ReadonlyArray<Special>>> = {
  [CREATE]: [
    { title: "a new lock", status: 201, lockId: newLockId, body: () => ({ index: 1, uuid: newUuid() }) },
    { title: "on the device of another", status: 409, lockId: newLockId, body: ({ uuid }) => ({ index: 1, uuid }) },
    {
      title: "a new lock with all that it may have",
      status: 201,
      lockId: newLockId,
      body: () => ({
        index: 1,
        uuid: newUuid(),
        serialNumber: "SN-1",
        vendorName: "Acme",
        ownerId: OWNER,
        keys: [{ uuid: "a", indexNumber: 1, userId: OWNER }, { uuid: "b" }]
      })
    },
    {
      title: "a user's own lock",
      status: 201,
      lockId: newLockId,
      as: owner,
      body: () => ({ index: 1, uuid: newUuid() })
    },
    {
      title: "another user's lock",
      status: 403,
      as: stranger,
      lockId: newLockId,
      body: () => ({ index: 1, uuid: newUuid(), ownerId: OWNER })
    }
  ],
  "POST /locks/{id}/AddKey": [
    { title: "key on the lock", status: 400, field: "keyUuid", body: () => ({ keyUuid: FURNITURE.key }) },
    {
      title: "slot taken",
      status: 400,
      field: "keyIndexNumber",
      body: () => ({ keyUuid: "new", keyIndexNumber: FURNITURE.slot })
    }
  ],
  "POST /locks/{id}/RemoveKey": [
    { title: "by slot", status: 200, body: () => ({ keyIndexNumber: FURNITURE.slot }) },
    { title: "by its holder", status: 200, body: () => ({ userId: HOLDER }) },
    { title: "no key named", status: 400, field: "keyUuid", body: () => ({}) },
    { title: "no such key", status: 404, body: () => ({ keyUuid: "unknown" }) },
    { title: "no key in the slot", status: 404, body: () => ({ keyIndexNumber: 7 }) }
  ],
  "POST /locks/{id}/WriteKey": [
    { title: "no such key", status: 404, body: () => ({ keyUuid: "unknown" }) },
    { title: "key in another slot", status: 404, body: () => ({ keyUuid: FURNITURE.key, keyIndexNumber: 7 }) }
  ],
  "POST /locks/{id}/OpenLock": [{ title: "without a body's fields", status: 200, body: () => ({}) }],
  "POST /locks/{id}/SetOwner": [{ title: "already so", status: 200, body: () => ({ userId: OWNER }) }],
  "POST /locks/{id}/SetOrganization": [{ title: "already so", status: 200, body: () => ({ orgId: "org-1" }) }],
  "POST /locks/{id}/ChangeLockUuid": [
    { title: "same uuid", status: 409, field: "newUuid", body: ({ uuid }) => ({ newUuid: uuid }) },
    { title: "same uuid in capitals", status: 409, body: ({ uuid }) => ({ newUuid: uuid.toUpperCase() }) },
    { title: "by an organization", status: 403, as: organization, body: () => ({ newUuid: newUuid() }) }
  ],
  "POST /locks/{id}/AddResident": [
    { title: "a name is enough", status: 200, body: () => ({ name: "Ida" }) },
    { title: "already there", status: 400, body: () => ({ name: "Ada", userId: FURNITURE.resident }) }
  ],
  "POST /locks/{id}/RemoveResident": [
    { title: "by email", status: 200, body: () => ({ email: "ada@example.org" }) },
    { title: "by phone number", status: 200, body: () => ({ phoneNumber: "+49 30 1" }) },
    { title: "nobody named", status: 400, field: "userId", body: () => ({}) },
    { title: "not there", status: 400, body: () => ({ userId: "unknown" }) }
  ],
  "POST /locks/{id}/create-temp-key": [
    { title: "by the owner", status: 200, as: owner, body: () => tempKey() },
    {
      title: "for named users, any number of uses",
      status: 200,
      body: () => tempKey({ accessMode: "user-whitelist", allowedUserIds: [OWNER], maxUses: null })
    },
    {
      title: "ends before it begins",
      status: 400,
      field: "validUntil",
      body: () => tempKey({ validFrom: tomorrow, validUntil: yesterday })
    },
    {
      title: "ends when it begins",
      status: 400,
      field: "validUntil",
      body: () => tempKey({ validFrom: tomorrow, validUntil: tomorrow })
    },
    { title: "uuid already used", status: 400, field: "tempKeyUuid", body: (lock) => tempKey(ofTheTempKey(lock)) },
    {
      title: "whitelist without users",
      status: 400,
      field: "allowedUserIds",
      body: () => tempKey({ accessMode: "user-whitelist" })
    },
    { title: "with a schedule", status: 200, body: () => tempKey({ schedule: TUESDAYS }) },
    {
      title: "in a time zone that nobody knows",
      status: 400,
      field: "schedule.timeZone",
      body: () => tempKey({ schedule: { ...TUESDAYS, timeZone: "Europe/Atlantis" } })
    }
  ],
  "POST /locks/{id}/update-temp-key": [
    unknownTempKey,
    { title: "nothing named", status: 200, body: ofTheTempKey },
    {
      title: "a schedule alone",
      status: 200,
      body: ({ tempKeyUuid }) => ({ tempKeyUuid, schedule: TUESDAYS })
    },
    {
      title: "ends before it begins",
      status: 400,
      field: "validUntil",
      body: ({ tempKeyUuid }) => ({ tempKeyUuid, validUntil: "2001-01-01T00:00Z" })
    },
    {
      title: "whitelist without users",
      status: 400,
      field: "allowedUserIds",
      body: ({ tempKeyUuid }) => ({ tempKeyUuid, accessMode: "user-whitelist" })
    }
  ],
  "POST /locks/{id}/delete-temp-key": [
    unknownTempKey,
    {
      title: "deleted before",
      status: 404,
      after: (lock) => [["delete-temp-key", ofTheTempKey(lock)]],
      body: ofTheTempKey
    }
  ],
  "POST /locks/{id}/use-temp-key": [
    unknownTempKey,
    { title: "by the owner", status: 403, as: owner, body: ofTheTempKey },
    { title: "by nobody in particular", status: 200, body: ofTheTempKey },
    {
      title: "expired",
      status: 400,
      after: updated({ validUntil: "2026-01-01T00:00:00Z", validFrom: "2025-01-01T00:00:00Z" }),
      body: ofTheTempKey
    },
    {
      title: "not yet valid",
      status: 400,
      after: updated({ validFrom: new Date(Date.now() + 3_600_000).toISOString() }),
      body: ofTheTempKey
    },
    {
      title: "used up",
      status: 400,
      after: (lock) => [...updated({ maxUses: 1 })(lock), ["use-temp-key", ofTheTempKey(lock)]],
      body: ofTheTempKey
    },
    {
      title: "not on the whitelist",
      status: 400,
      field: "userId",
      after: updated({ accessMode: "user-whitelist", allowedUserIds: [OWNER] }),
      body: ({ tempKeyUuid }) => ({ tempKeyUuid, userId: STRANGER })
    }
  ]
}

describe.each(declaredRoutes)("$name", (route) => {
  const { name, method, statuses } = route
  const seen = new Set<number>()

  /** Sends to the server, and checks whatever it answers. */
  const send = async (path: string, body: unknown, headers: Credentials, url = server.url) => {
    const answer = await callsOf(url)(method, path, { ...(body === undefined ? {} : { body }), headers })
    seen.add(answer.status)
    // Audits are files.
    if (!AUDITS.includes(name) || answer.status >= 400) expectAsPublished(name, answer)
    return answer
  }
  const sendGood = (lock: FurnishedLock, headers: Credentials) => {
    const { path, body } = goodRequest(route, lock)
    return send(path, body, headers)
  }
  /** The same request about a lock that nobody has asked about before, so that no cache has it. */
  const sendAboutUnknown = (lock: FurnishedLock) => {
    const { path, body } = goodRequest(route, lock)
    return send(
      name === OWNED ? "/users/unknown/owned-locks" : path.replace(lock.path, `/locks/${newLockId()}`),
      body,
      superKey
    )
  }

  it("succeeds as published", async () => {
    const lock = await furnishedLock(server.url)
    if (name === PROGRESS) {
      const { instanceId } = (await lock.post("BulkAddKeys", { keys: [{ keyUuid: "another-key" }] })).body
      expect((await send(`${lock.path}/BulkAddKeys/${instanceId}`, undefined, organization)).status).toBe(200)
      return
    }
    if (name === COMMAND) {
      const { commandId } = JSON.parse((await lock.post("OpenLock")).text)
      expect((await send(`${lock.path}/commands/${commandId}`, undefined, organization)).status).toBe(200)
      return
    }
    const { status, body } = await sendGood(lock, superKey)
    expect(status).toBe(200)
    const type = eventOf(name)
    if (type === undefined) return
    expect(body).toMatchObject({ success: true, aggregateId: String(lock.lockId), version: type === null ? 5 : 6 })
    expect(body.event?.type ?? null).toBe(type)
  })

  it("answers 401 to nobody", async () => {
    expect((await sendGood(await furnishedLock(server.url), nobody)).status).toBe(401)
  })

  if (statuses.includes(403) && name !== CREATE)
    it("answers 403 to a stranger", async () => {
      expect((await sendGood(await furnishedLock(server.url), stranger)).status).toBe(403)
    })

  if (statuses.includes(404))
    it("answers 404 about what is not there", async () => {
      expect((await sendAboutUnknown(await furnishedLock(server.url))).status).toBe(404)
    })

  it("answers 400 with details to a bad address", async () => {
    const lock = await furnishedLock(server.url)
    const { path, body } = goodRequest(route, lock)
    const answer = await send(
      path.replace(lock.path, "/locks/0").replace(`/users/${OWNER}`, "/users/%00"),
      body,
      superKey
    )
    expect(answer.status).toBe(400)
    expect(answer.body.details?.map(({ field }) => field)).toEqual(["id"])
  })

  it("answers 503 while sign-in or the store is down, and 500 when something breaks", async () => {
    const lock = await furnishedLock(server.url)
    await using withoutIssuer = await startInProcess({ jwt: { _tag: "Jwks", url: new URL("http://127.0.0.1:1/") } })
    const { path, body } = goodRequest(route, lock)
    expect((await send(path, body, signedElsewhere, withoutIssuer.url)).status).toBe(503)
    try {
      server.faults.store = "down"
      expect((await sendAboutUnknown(lock)).status).toBe(name === OWNED ? 404 : 503)
      server.faults.store = "defect"
      server.faults.readModel = "defect"
      expect((await sendAboutUnknown(lock)).status).toBe(500)
    } finally {
      server.faults.store = "ok"
      server.faults.readModel = "ok"
    }
  })

  if (statuses.includes(422))
    it("answers 422 to an idempotency key that was used for something else", async () => {
      const lock = await furnishedLock(server.url)
      const key = { ...superKey, "idempotency-key": `used-${newUuid()}` }
      expect(
        (await callsOf(server.url)("POST", `${lock.path}/SetOwner`, { body: { userId: "u" }, headers: key })).status
      ).toBe(200)
      expect((await sendGood(lock, key)).status).toBe(422)
    })

  if (method !== "GET") {
    it("answers 413 to a body over 64 KB, and 415 to one that is not JSON where it takes one", async () => {
      const { path } = goodRequest(route, await furnishedLock(server.url))
      expect((await send(path, { filler: "x".repeat(70_000) }, superKey)).status).toBe(413)
      const text = await send(path, "{}", { ...superKey, "content-type": "text/plain" })
      expect(text.status).toBe(route.takesBody ? 415 : 400)
    })
  }

  if (statuses.includes(412))
    it("answers 412 when the lock is not at the version of If-Match", async () => {
      const answer = await sendGood(await furnishedLock(server.url), { ...superKey, "if-match": '"99"' })
      expect([answer.status, answer.body.error, answer.body.version]).toEqual([412, "Version moved", 5])
    })

  if (statuses.includes(409))
    it("answers 409 once the lock is retired", async () => {
      const lock = await furnishedLock(server.url)
      expect((await lock.post("retire-lock", {}, superKey)).status).toBe(200)
      const answer = await sendGood(lock, superKey)
      expect([answer.status, answer.body.error]).toEqual([409, "Lock retired"])
    })

  if (statuses.includes(502))
    it("answers 502 while the shadow refuses", async () => {
      const lock = await furnishedLock(server.url)
      await Effect.runPromise(server.shadow.setMode("reject"))
      try {
        const { status, body } = await sendGood(lock, superKey)
        expect(status).toBe(502)
        expect([body.error, body.message]).toEqual(Array(2).fill("Failed to update device shadow"))
      } finally {
        await Effect.runPromise(server.shadow.setMode("ok"))
      }
    })

  it.each(specials[name] ?? [])(
    "answers $status: $title",
    async ({ status, body, as = superKey, after, lockId, field }) => {
      const lock = await furnishedLock(server.url)
      for (const [command, before] of after?.(lock) ?? []) expect((await lock.post(command, before)).status).toBe(200)
      const path = goodRequest(route, lock).path.replace(lock.path, `/locks/${lockId?.() ?? lock.lockId}`)
      const answer = await send(path, body(lock), as)
      expect(answer.status).toBe(status)
      if (field !== undefined) expect(answer.body.details?.map((detail) => detail.field)).toEqual([field])
    }
  )

  it("answers 429 to who has asked for too much", async () => {
    const { path, body } = goodRequest(route, await furnishedLock(server.url))
    const call = callsOf(poor.url, organization)
    // All that there is goes to one question.
    await call("GET", "/users/nobody/owned-locks")
    const answer = await call(route.method, path, body === undefined ? {} : { body })
    expectAsPublished(name, answer)
    seen.add(answer.status)
    expect([answer.status, answer.body.error]).toEqual([429, "Too many requests"])
    expect(Number(answer.headers.get("retry-after"))).toBeGreaterThan(0)
  })

  // Last: what the declaration and the contract promise has all been seen, and nothing else.
  it("answers no other status than these", () => {
    expect([...seen].sort()).toEqual([...statuses])
    expect([...seen]).toEqual(expect.arrayContaining([...publishedStatuses(name)]))
  })
})

it("says so when the read model is down, and serves the rest", async () => {
  const lock = await furnishedLock(server.url)
  server.faults.readModel = "down"
  try {
    const answer = await callsOf(server.url, owner)("GET", `/users/${OWNER}/owned-locks`)
    expect(answer.status).toBe(200)
    expect(answer.body).toEqual({ locks: [], totalCount: 0, source: "unavailable" })
    expect((await lock.post("SetOwner", { userId: STRANGER })).status).toBe(200)
  } finally {
    server.faults.readModel = "ok"
  }
})

it("pages the history by hundreds, and answers an empty page past the end", async () => {
  const lock = await furnishedLock(server.url)
  for (let n = 0; n < 100; n++) await lock.post("SetOwner", { userId: `user-${n}` })
  const pages = await Promise.all([1, 2, 3].map((page) => lock.get(`events?page=${page}`)))
  for (const page of pages) expectAsPublished("GET /locks/{id}/events", page)
  expect(pages.map(({ body }) => body.events?.length)).toEqual([100, 5, 0])
  expect(pages.map(({ body }) => body.totalPages)).toEqual([2, 2, 2])
})
