/** Lists of temp keys, long ones too, say how the keys are now. */
import { evolve, initial, type Lock, nextChangeAt, statusAt, type TempKeyNow, tempKeysOf } from "@latchkey/core"
import { expect, it } from "vitest"
import { tempKeyList } from "../src/locks/TempKeyList.ts"
import { organization } from "./harness/callers.ts"
import { startInProcess } from "./harness/inProcess.ts"
import { createLock, newUuid, tempKey } from "./harness/locks.ts"
import { callsOf } from "./harness/request.ts"

const uuid = "0b0e8400-e29b-41d4-a716-446655440000"
const about = { lockId: 7, lockUuid: uuid, timestamp: "2026-08-31T08:00:00.000Z" }
const keyUuid = (n: number) => `7e3b0000-0000-4000-8000-${String(n).padStart(12, "0")}`

const lockWith = (count: number): Lock => {
  const created = evolve(initial, { _tag: "LockCreated", ...about, uuid, index: 1 })
  const lock = Array.from({ length: count }).reduce<Lock | undefined>(
    (lock, _, n) =>
      evolve(lock, {
        _tag: "TempKeyCreated",
        ...about,
        tempKeyUuid: keyUuid(n),
        accessMode: "public",
        allowedUserIds: [],
        validFrom: "2026-08-31T09:00:00Z",
        validUntil: "2026-08-31T17:00:00Z",
        maxUses: null,
        createdBy: "ada"
      }),
    created
  )
  return lock ?? expect.unreachable("an event left no lock")
}

/** As the core has it: the same object for as long as the key is as it was. */
const keysAt = (lock: Lock, now: number): ReadonlyArray<TempKeyNow> =>
  tempKeysOf(lock).map((key) => ({ ...key, status: statusAt(key, now), nextChangeAt: nextChangeAt(key, now) }))

const listOf = (lock: Lock, keys: ReadonlyArray<TempKeyNow>) => {
  const listed: { readonly tempKeys: ReadonlyArray<{ readonly status: string; readonly usedCount: number }> } =
    JSON.parse(String(tempKeyList(lock, keys, false).body))
  return listed.tempKeys
}

const at = (time: string) => Date.parse(`2026-08-31T${time}:00Z`)

it.each([1, 99, 100, 250])("of %i keys", (count) => {
  const lock = lockWith(count)
  const [early, open, late] = [keysAt(lock, at("08:00")), keysAt(lock, at("10:00")), keysAt(lock, at("17:00"))]
  for (const [keys, status] of [
    [early, "not-yet-valid"],
    [open, "valid"],
    [[...open], "valid"],
    [late, "expired"],
    [open, "valid"]
  ] as const) {
    expect(listOf(lock, keys).map((key) => key.status)).toEqual(Array(count).fill(status))
  }
  const oneLater = [...open.slice(1), ...late.slice(0, 1)]
  expect(listOf(lock, oneLater).at(-1)?.status).toBe("expired")
  const used = evolve(lock, { _tag: "TempKeyUsed", ...about, tempKeyUuid: keyUuid(count - 1), usedCount: 1 })
  const counts = used && listOf(used, keysAt(used, at("10:00"))).map((key) => key.usedCount)
  expect(counts).toEqual([...Array(count - 1).fill(0), 1])
  const deleted = evolve(lock, { _tag: "TempKeyDeleted", ...about, tempKeyUuid: keyUuid(0), deletedBy: "ada" })
  expect(deleted && listOf(deleted, keysAt(deleted, at("10:00")))).toHaveLength(count - 1)
  expect(listOf(lock, open.slice(1))).toHaveLength(count - 1)
})

it("say where keys to several doors are, also once the first is made", () => {
  const lock = lockWith(200)
  const keys = keysAt(lock, at("10:00"))
  for (const [hasOthers, path] of [
    [false, null],
    [true, "/temp-keys?lockId=7"]
  ] as const)
    expect(JSON.parse(String(tempKeyList(lock, keys, hasOthers).body)).severalDoors).toBe(path)
})

it("a page at a time they are the whole list, and what is not a page is refused", async () => {
  await using server = await startInProcess()
  const lock = await createLock(server.url)
  const uuids = Array.from({ length: 5 }, newUuid)
  for (const tempKeyUuid of uuids)
    expect((await lock.post("create-temp-key", tempKey({ tempKeyUuid }))).status).toBe(200)
  const ask = async (query: string) => {
    const { status, text } = await callsOf(server.url, organization)("GET", `${lock.path}/temp-keys${query}`)
    return { status, ...JSON.parse(text) }
  }
  const uuidsOf = (answer: Awaited<ReturnType<typeof ask>>): ReadonlyArray<string> =>
    answer.tempKeys.map(({ uuid }: { readonly uuid: string }) => uuid)
  const all = await ask("")
  expect([uuidsOf(all), all.more, all.nextCursor]).toEqual([uuids, false, null])
  const listed: Array<string> = []
  for (let query = "?limit=2"; query !== ""; ) {
    const page = await ask(query)
    listed.push(...uuidsOf(page))
    expect(page.more).toBe(page.nextCursor !== null)
    query = page.nextCursor === null ? "" : `?limit=2&cursor=${page.nextCursor}`
  }
  expect(listed).toEqual(uuids)
  for (const bad of ["limit=0", "limit=1001", "limit=x", "cursor=x", "cursor="])
    expect([bad, (await ask(`?${bad}`)).status]).toEqual([bad, 400])
})

it.each([
  ["limt=2", "limt"],
  ["limit=2&stat=expired", "stat"]
])("of a lock refuse a filter that there is not: %s", async (query, field) => {
  const { url } = await startInProcess()
  const { get } = await createLock(url)
  const { status, body } = await get(`temp-keys?${query}`)
  expect([status, body.details]).toEqual([400, [{ field, message: expect.stringMatching(/known/) }]])
})
