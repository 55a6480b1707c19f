/** What the read model keeps of a lock. */
import { describe, expect, it } from "@effect/vitest"
import { lockFeed } from "@latchkey/core/testing"
import { Option } from "effect"
import { evolve } from "../src/lock/Evolve.ts"
import { type Lock, lockOfStream, streamOfLock } from "../src/lock/Lock.ts"
import { fromStored, toStored } from "../src/lock/LockEvent.ts"
import { type LockFact, lockKey } from "../src/read-model/LockFact.ts"
import {
  type DeviceRow,
  devices,
  heldKeys,
  type KeyRow,
  lastEvents,
  lockTables,
  nameOnLock,
  tempKeys,
  users,
  usersInOrganizations
} from "../src/read-model/LockTables.ts"
import type { Table } from "../src/read-model/Table.ts"
import type { StoredEvent } from "../src/streams/EventStore.ts"
import { clock, type Fact, happened, lockId, lockUuid, millis } from "./scenario.ts"

const stored = (fact: Fact, envelope: Partial<StoredEvent> = {}): StoredEvent => ({
  ...toStored(happened(fact)),
  streamId: streamOfLock(lockId),
  version: 1,
  position: 1,
  eventId: "event-1",
  at: millis("09:00"),
  orgId: "",
  principal: { _tag: "System" },
  commandId: "command-1",
  ...envelope
})

const factOf = (event: StoredEvent): LockFact => {
  const fact = lockTables.factOf(event)
  if (fact === undefined) throw new Error("It is not about a lock")
  return fact
}
const factFrom = (fact: Fact, envelope?: Partial<StoredEvent>) => factOf(stored(fact, envelope))

/** Of tables whose rows do not depend on their names. */
const foldIn = <Row>(table: Table<LockFact, Row>, row: Row | undefined, fact: LockFact) => table.fold(row, fact, "")

const row: DeviceRow = {
  of: "all",
  lockId,
  lockUuid,
  thingName: lockUuid,
  serialNumber: "SN-1",
  ownerId: "ada",
  orgId: "org-1",
  keysCount: 2,
  residentCount: 1,
  deviceState: null,
  ownerSince: millis("09:00"),
  orgSince: millis("09:00"),
  said: {}
}

describe("the row of a lock", () => {
  it("begins with its creation", () => {
    const created: Fact = {
      _tag: "LockCreated",
      serialNumber: "SN-1",
      ownerId: "ada",
      orgId: "org-1",
      keys: [{ uuid: "1" }, { uuid: "2" }]
    }
    expect(foldIn(devices, undefined, factFrom(created))).toStrictEqual({
      ...row,
      residentCount: 0
    })
    expect(foldIn(devices, undefined, factFrom({ _tag: "LockCreated" }))).toStrictEqual({
      ...row,
      serialNumber: null,
      ownerId: null,
      orgId: null,
      keysCount: 0,
      residentCount: 0
    })
  })

  it("does not begin with anything else", () => {
    expect(foldIn(devices, undefined, factFrom({ _tag: "OwnerSet", userId: "ada" }))).toBeUndefined()
  })

  it.each<[Fact, Partial<DeviceRow>]>([
    [{ _tag: "LockCreated", ownerId: "bob" }, {}],
    [{ _tag: "OwnerSet", userId: "bob" }, { ownerId: "bob" }],
    [{ _tag: "OrganizationSet", orgId: "org-2" }, { orgId: "org-2" }],
    [
      { _tag: "LockUuidChanged", newUuid: "new", previousUuid: lockUuid },
      { lockUuid: "new", thingName: "new" }
    ],
    [{ _tag: "KeyAdded", keyUuid: "3" }, { keysCount: 3 }],
    [{ _tag: "KeyRemoved", keyUuid: "1" }, { keysCount: 1 }],
    [{ _tag: "ResidentAdded", userId: "bob", name: "Bob" }, { residentCount: 2 }],
    [{ _tag: "ResidentRemoved", userId: "ada" }, { residentCount: 0 }],
    [{ _tag: "LockOpenRequested" }, {}]
  ])("after %o shows %o", (fact, changed) => {
    expect(foldIn(devices, row, factFrom(fact))).toStrictEqual({ ...row, ...changed })
  })

  it("is not even looked at for an event that changes nothing else, or is of a later version of Latchkey", () => {
    for (const event of [
      factFrom({ _tag: "LockOpenRequested" }),
      factFrom({ _tag: "OwnerSet", userId: "ada" }, { type: "LockPainted" })
    ]) {
      for (const table of [devices, tempKeys, users, usersInOrganizations]) expect(table.keysOf(event)).toEqual([])
    }
  })

  it("is the very same when an event leaves it so", () => {
    expect(foldIn(devices, row, factFrom({ _tag: "LockCreated", ownerId: "bob" }))).toBe(row)
  })

  it.prop("agrees with the state of the lock, whatever happened", [lockFeed], ([feed]) => {
    const rows = new Map<number, DeviceRow | undefined>()
    const locks = new Map<number, Lock | undefined>()
    for (const event of feed) {
      const lock = lockOfStream(event.streamId) ?? 0
      rows.set(lock, foldIn(devices, rows.get(lock), factOf(event)))
      locks.set(
        lock,
        Option.match(fromStored(event), { onNone: () => undefined, onSome: (fact) => evolve(locks.get(lock), fact) })
      )
      const { keys = [], residents = [], ownerId = null, orgId = null, uuid } = locks.get(lock) ?? {}
      if (locks.get(lock)?.retired !== undefined) {
        expect(rows.get(lock)).toBeUndefined()
        continue
      }
      const counts = { keysCount: keys.length, residentCount: residents.length }
      expect(rows.get(lock)).toMatchObject({ ...counts, ownerId, orgId, lockUuid: uuid })
    }
  })
})

describe("the last event of a lock", () => {
  it.each(["LockOpenRequested", "LockPainted"])("is %s, at its time, whatever was before", (type) => {
    const later = factFrom({ _tag: "LockOpenRequested" }, { type })
    expect(lastEvents.keysOf(later)).toEqual([lockKey(lockId)])
    expect(foldIn(lastEvents, undefined, later)).toStrictEqual({ type, at: millis("09:00") })
  })
})

describe("keys", () => {
  it.prop("are those of the locks that were not retired, whatever happened", [lockFeed], ([feed]) => {
    const rows = new Map<string, KeyRow | undefined>()
    const locks = new Map<number, Lock | undefined>()
    for (const event of feed) {
      const fact = factOf(event)
      for (const key of heldKeys.keysOf(fact)) rows.set(key, heldKeys.fold(rows.get(key), fact, key))
      const { lockId } = fact
      locks.set(
        lockId,
        Option.match(fromStored(event), { onNone: () => undefined, onSome: (fact) => evolve(locks.get(lockId), fact) })
      )
    }
    const held = Array.from(locks.values()).flatMap(
      (lock): ReadonlyArray<readonly [string, KeyRow]> =>
        (lock?.keys ?? []).flatMap(({ uuid, indexNumber = null, userId }) =>
          lock === undefined
            ? []
            : [
                [
                  nameOnLock(lock.lockId, uuid),
                  { lockId: lock.lockId, keyUuid: uuid, keyIndexNumber: indexNumber, userId: userId || null }
                ]
              ]
        )
    )
    const there = Array.from(rows).flatMap(([key, row]) =>
      row === undefined || locks.get(row.lockId)?.retired !== undefined ? [] : [[key, row] as const]
    )
    expect(new Map(there)).toEqual(new Map(held))
  })

  it("have names of digits that sort as the locks do, however their ids are written", () => {
    const names = [
      nameOnLock(2, "🔑".repeat(255)),
      nameOnLock(10, "a"),
      nameOnLock(10, "b"),
      nameOnLock(11, "\u{10ffff}")
    ]
    expect(names.toSorted()).toEqual(names)
    for (const name of names) expect(name).toMatch(/^[0-9]{1,2048}$/)
    expect(nameOnLock(1, "ab")).not.toBe(nameOnLock(1, "a"))
  })

  it("are nobody's without a holder whose id a store can find, and none that are too long for one", () => {
    const rowsOf = (fact: Fact) =>
      heldKeys.keysOf(factFrom(fact)).map((key) => heldKeys.fold(undefined, factFrom(fact), key)?.userId)
    expect(rowsOf({ _tag: "KeyAdded", keyUuid: "1" })).toEqual([null])
    expect(rowsOf({ _tag: "KeyAdded", keyUuid: "1", userId: "" })).toEqual([null])
    expect(
      rowsOf({
        _tag: "LockCreated",
        keys: [{ uuid: "1" }, { uuid: "2", userId: "a".repeat(286) }, { uuid: "3", userId: "a" }]
      })
    ).toEqual([null, null, "a"])
    for (const fact of [
      { _tag: "KeyAdded", keyUuid: "🔑".repeat(286), userId: "ada" },
      { _tag: "OwnerSet", userId: "ada" }
    ] as const satisfies ReadonlyArray<Fact>)
      expect(rowsOf(fact)).toEqual([])
  })
})

describe("users that are known", () => {
  it.each<[Fact, ReadonlyArray<string>]>([
    [{ _tag: "LockCreated", ownerId: "ada", keys: [{ uuid: "1", userId: "bob" }, { uuid: "2" }] }, ["ada", "bob"]],
    [{ _tag: "LockCreated" }, []],
    [{ _tag: "OwnerSet", userId: "ada" }, ["ada"]],
    [{ _tag: "ResidentAdded", userId: "ada", name: "Ada" }, ["ada"]],
    [{ _tag: "KeyAdded", keyUuid: "1", userId: "ada" }, ["ada"]],
    [{ _tag: "KeyAdded", keyUuid: "1" }, []],
    // Too long for a store to find.
    [{ _tag: "LockCreated", ownerId: "a".repeat(286), keys: [{ uuid: "1", userId: "a".repeat(286) }] }, []],
    [{ _tag: "OwnerSet", userId: "🔑".repeat(286) }, []],
    [{ _tag: "TempKeyUsed", tempKeyUuid: lockUuid, userId: "ada", usedCount: 1 }, []]
  ])("from %o: %o", (fact, known) => {
    expect(users.keysOf(factFrom(fact))).toEqual(known)
    const ofOrganization = known.map((userId) => `5:org-1${userId}`)
    expect(usersInOrganizations.keysOf(factFrom(fact, { orgId: "org-1" }))).toEqual(ofOrganization)
  })

  it("are not written again when they are named again", () => {
    const named = factFrom({ _tag: "OwnerSet", userId: "ada" })
    const once = foldIn(users, undefined, named)
    expect(once).toBeDefined()
    expect(foldIn(users, once, named)).toBe(once)
  })
})

describe("a temp key", () => {
  it("belongs to the lock that created it, in lower case", () => {
    const terms = {
      accessMode: "public",
      allowedUserIds: [],
      validFrom: clock("09:00"),
      validUntil: clock("10:00"),
      maxUses: null
    } as const
    const created: Fact = { _tag: "TempKeyCreated", tempKeyUuid: lockUuid.toUpperCase(), ...terms, createdBy: "ada" }
    expect(tempKeys.keysOf(factFrom(created))).toEqual([lockUuid])
    expect(foldIn(tempKeys, undefined, factFrom(created))).toEqual({ lockId })
    expect(tempKeys.keysOf(factFrom({ ...created, tempKeyUuid: "a".repeat(286) }))).toEqual([])
    const deleted: Fact = { _tag: "TempKeyDeleted", tempKeyUuid: lockUuid, deletedBy: "ada" }
    expect(tempKeys.keysOf(factFrom(deleted))).toEqual([])
  })

  it("stays with the first lock that created it", () => {
    const first = { lockId: 3 }
    expect(foldIn(tempKeys, first, factFrom({ _tag: "LockOpenRequested" }))).toBe(first)
  })
})

describe("a stream", () => {
  it("of something else than a lock means nothing to the read model", () => {
    expect(lockTables.factOf(stored({ _tag: "LockCreated" }, { streamId: "organization-org-1" }))).toBeUndefined()
  })

  it("is named after its lock", () => {
    expect(streamOfLock(7)).toBe("lock-7")
    expect(lockOfStream("lock-7")).toBe(7)
    expect(lockOfStream("bulk-7")).toBeUndefined()
  })

  it("has keys that sort as the locks do by number", () => {
    const numbers = [1, 9, 10, 99, 100, 1_000_000, Number.MAX_SAFE_INTEGER]
    expect(numbers.map(lockKey).toSorted()).toEqual(numbers.map(lockKey))
  })
})
