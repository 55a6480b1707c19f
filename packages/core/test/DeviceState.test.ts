/** What the read model keeps of a lock. */
import { describe, expect, it } from "@effect/vitest"
import { lockFeed } from "@latchkey/core/testing"
import { Option } from "effect"
import { type Lock, lockOfStream, streamOfLock } from "../src/lock/Lock.ts"
import { evolve } from "../src/lock/LockAggregate.ts"
import { fromStored, toStored } from "../src/lock/LockEvent.ts"
import { type DeviceState, project } from "../src/read-model/DeviceState.ts"
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

const row: DeviceState = {
  lockId,
  lockUuid,
  thingName: lockUuid,
  serialNumber: "SN-1",
  ownerId: "ada",
  orgId: "org-1",
  keysCount: 2,
  residentCount: 1,
  lastEvent: "LockCreated",
  lastUpdated: 0
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
    expect(project(stored(created))?.row(undefined)).toStrictEqual({
      ...row,
      residentCount: 0,
      lastUpdated: millis("09:00")
    })
    expect(project(stored({ _tag: "LockCreated" }))?.row(undefined)).toStrictEqual({
      ...row,
      serialNumber: null,
      ownerId: null,
      orgId: null,
      keysCount: 0,
      residentCount: 0,
      lastUpdated: millis("09:00")
    })
  })

  it("does not begin with anything else", () => {
    expect(project(stored({ _tag: "OwnerSet", userId: "ada" }))?.row(undefined)).toBeUndefined()
  })

  it.each<[Fact, Partial<DeviceState>]>([
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
  ])("after %o shows %o, the event and its time", (fact, changed) => {
    expect(project(stored(fact))?.row(row)).toStrictEqual({
      ...row,
      ...changed,
      lastEvent: fact._tag,
      lastUpdated: millis("09:00")
    })
  })

  it("shows an event of a later version of Latchkey by its name", () => {
    const later = project(stored({ _tag: "LockOpenRequested" }, { type: "LockPainted" }))
    expect(later?.row(row)).toStrictEqual({ ...row, lastEvent: "LockPainted", lastUpdated: millis("09:00") })
    expect(later).toMatchObject({ users: [], tempKeyUuid: undefined })
  })

  it.prop("agrees with the state of the lock, whatever happened", [lockFeed], ([feed]) => {
    const rows = new Map<number, DeviceState | undefined>()
    const locks = new Map<number, Lock | undefined>()
    for (const event of feed) {
      const projected = project(event)
      const lock = lockOfStream(event.streamId) ?? 0
      rows.set(lock, projected?.row(rows.get(lock)))
      locks.set(
        lock,
        Option.match(fromStored(event), { onNone: () => undefined, onSome: (fact) => evolve(locks.get(lock), fact) })
      )
      const { keys = [], residents = [], ownerId = null, orgId = null, uuid } = locks.get(lock) ?? {}
      const counts = { keysCount: keys.length, residentCount: residents.length }
      expect(rows.get(lock)).toMatchObject({ ...counts, ownerId, orgId, lockUuid: uuid, lastEvent: event.type })
    }
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
    [{ _tag: "TempKeyUsed", tempKeyUuid: lockUuid, userId: "ada", usedCount: 1 }, []]
  ])("from %o: %o", (fact, users) => {
    expect(project(stored(fact))?.users).toEqual(users)
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
    expect(project(stored(created))).toMatchObject({ lockId, tempKeyUuid: lockUuid })
    expect(
      project(stored({ _tag: "TempKeyDeleted", tempKeyUuid: lockUuid, deletedBy: "ada" }))?.tempKeyUuid
    ).toBeUndefined()
  })
})

describe("a stream", () => {
  it("of something else than a lock means nothing to the read model", () => {
    expect(project(stored({ _tag: "LockCreated" }, { streamId: "organization-org-1" }))).toBeUndefined()
  })

  it("is named after its lock", () => {
    expect(streamOfLock(7)).toBe("lock-7")
    expect(lockOfStream("lock-7")).toBe(7)
    expect(lockOfStream("bulk-7")).toBeUndefined()
  })
})
