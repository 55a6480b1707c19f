/** What the events of a lock make of it. */
import { describe, expect, it } from "@effect/vitest"
import { HashMap, HashSet } from "effect"
import { evolve, initial } from "../src/lock/Evolve.ts"
import { type Lock, tempKeysOf } from "../src/lock/Lock.ts"
import type { LockEvent } from "../src/lock/LockEvent.ts"
import { clock, created, type Fact, given, happened, lockId, lockUuid, millis } from "./scenario.ts"

const tempKeyUuid = "7e3b0000-0000-4000-8000-00000000000a"
const ADA = "ada00000-0000-4000-8000-00000000000a"
const BOB = "b0b00000-0000-4000-8000-00000000000b"
const publicKey: Fact = {
  _tag: "TempKeyCreated",
  tempKeyUuid,
  accessMode: "public",
  allowedUserIds: [],
  validFrom: clock("09:00"),
  validUntil: clock("17:00"),
  maxUses: 2,
  createdBy: "ada"
}
describe("the state of a lock", () => {
  const history: ReadonlyArray<Fact> = [
    {
      _tag: "LockCreated",
      index: 3,
      serialNumber: "SN-1",
      vendorName: "Acme",
      ownerId: "ada",
      orgId: "org-1",
      keys: [{ uuid: "key-0", indexNumber: 0, userId: "ada" }]
    },
    { _tag: "KeyAdded", keyUuid: "key-1", keyIndexNumber: 1, userId: "bob" },
    { _tag: "KeyAdded", keyUuid: "key-2" },
    { _tag: "KeyRemoved", keyUuid: "key-0", keyIndexNumber: 0 },
    { _tag: "ResidentAdded", userId: "ada", name: "Ada", email: "ada@example.org", phoneNumber: "+31 1" },
    { _tag: "ResidentAdded", userId: "bob", name: "Bob" },
    { _tag: "ResidentRemoved", userId: "bob" },
    { _tag: "KeyWriteRequested", keyUuid: "key-1" },
    { ...publicKey, description: "Plumber" } as Fact,
    { _tag: "TempKeyUpdated", tempKeyUuid: tempKeyUuid.toUpperCase(), changes: { maxUses: 5 }, updatedBy: "ada" },
    { _tag: "TempKeyUsed", tempKeyUuid: tempKeyUuid.toUpperCase(), usedCount: 1 },
    { ...publicKey, tempKeyUuid: BOB } as Fact,
    { _tag: "TempKeyDeleted", tempKeyUuid: BOB.toUpperCase(), deletedBy: "ada" },
    { _tag: "OwnerSet", userId: "bob" },
    { _tag: "OrganizationSet", orgId: "org-2" },
    { _tag: "LockUuidChanged", newUuid: ADA, previousUuid: lockUuid },
    { _tag: "LockOpenRequested" }
  ]

  /** The operator gave for those who had the lock. */
  const forAda = { _tag: "Operator", ownerId: "ada", orgId: "org-1" }

  it("is what its events left of it", () => {
    const lock = given(...history).lock()
    if (lock === undefined) throw new Error("the lock was created")
    const { tempKeys, deletedTempKeys, ...rest } = lock
    expect(rest).toStrictEqual({
      lockId,
      uuid: ADA,
      version: history.length,
      index: 3,
      serialNumber: "SN-1",
      vendorName: "Acme",
      ownerId: "bob",
      orgId: "org-2",
      keys: [
        { uuid: "key-1", indexNumber: 1, userId: "bob", giver: forAda },
        { uuid: "key-2", giver: forAda }
      ],
      // On other hardware.
      hardware: [{ uuid: "key-1", indexNumber: 1 }, { uuid: "key-2" }],
      residents: [{ userId: "ada", name: "Ada", email: "ada@example.org", phoneNumber: "+31 1", addedVersion: 5 }],
      pendingCommands: [],
      recentOutcomes: [],
      owners: [
        { from: 1, since: millis("08:00"), id: "ada" },
        { from: 14, since: millis("08:00"), id: "bob" }
      ],
      organizations: [
        { from: 1, since: millis("08:00"), id: "org-1" },
        { from: 15, since: millis("08:00"), id: "org-2" }
      ],
      mayHoldOthers: true,
      thingSince: millis("08:00"),
      changedAt: millis("08:00")
    })
    expect(Array.from(HashMap.values(tempKeys))).toStrictEqual([
      {
        uuid: tempKeyUuid,
        id: "",
        accessMode: "public",
        allowedUserIds: [],
        validFrom: clock("09:00"),
        validUntil: clock("17:00"),
        maxUses: 5,
        usedCount: 1,
        description: "Plumber",
        createdAt: clock("08:00"),
        createdBy: "ada",
        createdVersion: 9,
        giver: forAda
      }
    ])
    expect(Array.from(deletedTempKeys)).toStrictEqual([BOB])
    expect(HashSet.has(deletedTempKeys, tempKeyUuid)).toBe(false)
  })

  it("has a bare lock no more than it was created with", () => {
    const { tempKeys, deletedTempKeys, ...rest } = given({ _tag: "LockCreated" }).lock() as Lock
    expect(rest).toStrictEqual({
      lockId,
      uuid: lockUuid,
      version: 1,
      keys: [],
      hardware: [],
      residents: [],
      pendingCommands: [],
      recentOutcomes: [],
      owners: [{ from: 1, since: millis("08:00") }],
      organizations: [{ from: 1, since: millis("08:00") }],
      changedAt: millis("08:00")
    })
    expect(HashMap.size(tempKeys)).toBe(0)
    expect(HashSet.size(deletedTempKeys)).toBe(0)
  })

  it("lists temp keys in the order of their creation", () => {
    const uuids = [BOB, ADA, tempKeyUuid]
    const lock = given(created, ...uuids.map((uuid): Fact => ({ ...publicKey, tempKeyUuid: uuid }) as Fact)).lock()
    expect(lock && tempKeysOf(lock).map((key) => key.uuid)).toStrictEqual(uuids)
  })

  it("counts versions and remembers when it last changed", () => {
    const later: LockEvent = happened({ _tag: "LockOpenRequested" }, "10:30")
    expect(evolve(given(created).lock(), later)).toMatchObject({ version: 2, changedAt: millis("10:30") })
  })

  it("is not created a second time", () => {
    const lock = given(created, { _tag: "OwnerSet", userId: "ada" }, {
      ...created,
      ownerId: "bob",
      index: 9
    } as Fact).lock()
    expect(lock).toMatchObject({ ownerId: "ada", index: 1, version: 3 })
  })

  it("does not begin with anything but LockCreated", () => {
    expect(evolve(initial, happened({ _tag: "OwnerSet", userId: "ada" }))).toBeUndefined()
  })

  it("takes changes to temp keys that it does not know without harm", () => {
    const lock = given(
      created,
      { _tag: "TempKeyUsed", tempKeyUuid, usedCount: 1 },
      { _tag: "TempKeyDeleted", tempKeyUuid, deletedBy: "ada" }
    ).lock()
    expect(lock && tempKeysOf(lock)).toStrictEqual([])
    expect(lock?.version).toBe(3)
  })
})
