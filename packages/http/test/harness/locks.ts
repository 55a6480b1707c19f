/** Locks to test on: each with a number of its own, so that no test meets another's. */
import { expect } from "vitest"
import { HOLDER, OWNER, organization, superKey } from "./callers.ts"
import { type Answer, type AnswerBody, callsOf } from "./request.ts"

let lastLock = 0
let lastUuid = 0

export const newUuid = (): string => `${(++lastUuid).toString(16).padStart(8, "0")}-0000-4000-8000-000000000000`

/** A lock of the organization `org-1`, and how to talk about it. */
export interface TestLock {
  readonly lockId: number
  readonly uuid: string
  readonly path: string
  /** A command by the organization. */
  readonly post: (command: string, body?: unknown, headers?: Readonly<Record<string, string>>) => Promise<Answer>
  /** A question by the operator, whom no change of the lock shuts out. */
  readonly get: (question: string) => Promise<Answer>
}

/** A number that no lock has yet. */
export const newLockId = (): number => ++lastLock

export const lockAt = (url: string, lockId: number, uuid = newUuid()): TestLock => {
  const path = `/locks/${lockId}`
  return {
    lockId,
    uuid,
    path,
    post: (command, body = {}, headers = {}) =>
      callsOf(url, organization)("POST", `${path}/${command}`, { body, headers }),
    get: (question) => callsOf(url, superKey)("GET", `${path}/${question}`)
  }
}

/** Says what was answered instead. */
const expectStatus = ({ status, text }: Answer, expected: number): void => expect(status, text).toBe(expected)

/** Creates a lock without anything on it. */
export const createLock = async (url: string): Promise<TestLock> => {
  const lock = lockAt(url, newLockId())
  expectStatus(await lock.post("CreateLock", { index: 1, uuid: lock.uuid }), 201)
  return lock
}

/** What a furnished lock has on it. */
export const FURNITURE = { key: "key-of-holder", slot: 1, resident: "resident-1" }

export interface FurnishedLock extends TestLock {
  /** A public temp key, valid for a day. */
  readonly tempKeyUuid: string
  /** A key of several doors, of which the lock is the first: by link and by PIN. */
  readonly sharedUuid: string
  readonly pin: string
}

/** Creates a lock with an owner, a key of the holder's in slot 1, a resident and a temp key: version 5. */
export const furnishedLock = async (url: string): Promise<FurnishedLock> => {
  const lock = lockAt(url, newLockId())
  const tempKeyUuid = newUuid()
  expectStatus(await lock.post("CreateLock", { index: 1, uuid: lock.uuid }), 201)
  expectStatus(await lock.post("SetOwner", { userId: OWNER }), 200)
  const resident = { name: "Ada", email: "ada@example.org", phoneNumber: "+49 30 1", userId: FURNITURE.resident }
  expectStatus(await lock.post("AddResident", resident), 200)
  expectStatus(await lock.post("create-temp-key", tempKey({ tempKeyUuid })), 200)
  const key = { keyUuid: FURNITURE.key, keyIndexNumber: FURNITURE.slot, userId: HOLDER }
  expectStatus(await lock.post("AddKey", key), 200)
  const { uuid, pin } = await makeShared(url, shared(lock.lockId))
  return { ...lock, tempKeyUuid, sharedUuid: uuid, pin: pin ?? "" }
}

/** The body of `POST /temp-keys`: one door, by link and by PIN, valid since yesterday, until tomorrow. */
export const shared = (lockId: number, given: Readonly<Record<string, unknown>> = {}) => ({
  validFrom: new Date(Date.now() - 86_400_000).toISOString(),
  validUntil: new Date(Date.now() + 86_400_000).toISOString(),
  doors: [{ lockId: String(lockId), accessMethod: "both" }],
  ...given
})

/** Makes a key of several doors, as the organization. */
export const makeShared = async (
  url: string,
  body: unknown
): Promise<{ readonly id: string; readonly uuid: string; readonly pin: string | null }> => {
  const answer = await callsOf(url, organization)("POST", "/temp-keys", { body })
  expectStatus(answer, 201)
  return JSON.parse(answer.text)
}

/** The body of create-temp-key: valid since yesterday, until tomorrow. */
export const tempKey = (given: Readonly<Record<string, unknown>> = {}) => ({
  tempKeyUuid: newUuid(),
  accessMode: "public",
  validFrom: new Date(Date.now() - 86_400_000).toISOString(),
  validUntil: new Date(Date.now() + 86_400_000).toISOString(),
  ...given
})

/** Every event of the lock, page by page. */
export const historyOf = async (lock: Pick<TestLock, "get">): Promise<NonNullable<AnswerBody["events"]>> => {
  const first = await lock.get("events")
  expect(first.status).toBe(200)
  const events = [...(first.body.events ?? [])]
  for (let page = 2; page <= (first.body.totalPages ?? 1); page++) {
    events.push(...((await lock.get(`events?page=${page}`)).body.events ?? []))
  }
  return events
}

/** What must be the same before and after something that changes nothing. */
export const stateOf = async (lock: Pick<TestLock, "get">): Promise<string> =>
  (await Promise.all(["details", "events", "temp-keys"].map(async (question) => (await lock.get(question)).text))).join(
    "\n"
  )

/** The versions of a stream without a gap and without a doubled one. */
export const versionsUpTo = (count: number): ReadonlyArray<number> =>
  Array.from({ length: count }, (_, index) => index + 1)
