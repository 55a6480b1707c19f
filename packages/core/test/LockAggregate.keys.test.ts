/** The rules of a lock about its keys and about opening it: what follows, what the device is told, what is refused. */
import { describe, it } from "@effect/vitest"
import { KeyExists, KeyNotFound, KeyNotNamed, SlotTaken } from "../src/lock/LockError.ts"
import { created, type Fact, given, lockId, millis, type Request } from "./scenario.ts"

const stamp = { commandId: "command-1", issuedAt: millis("09:00") }

describe("AddKey", () => {
  const inSlotOne: Fact = { _tag: "KeyAdded", keyUuid: "key-1", keyIndexNumber: 1 }

  it("adds the key and has the device add it", () => {
    given(created)
      .when({ _tag: "AddKey", keyUuid: "key-1", keyIndexNumber: 1, userId: "ada" })
      .leadsTo([{ _tag: "KeyAdded", keyUuid: "key-1", keyIndexNumber: 1, userId: "ada", reconciled: true }], {
        _tag: "AddKey",
        ...stamp,
        seq: 2,
        keyUuid: "key-1",
        keyIndexNumber: 1
      })
  })

  it("needs neither slot nor user, and takes no slot from a key that has none either", () => {
    given(created, { _tag: "KeyAdded", keyUuid: "key-1" })
      .when({ _tag: "AddKey", keyUuid: "key-2" })
      .leadsTo([{ _tag: "KeyAdded", keyUuid: "key-2", reconciled: true }], {
        _tag: "AddKey",
        ...stamp,
        seq: 3,
        keyUuid: "key-2"
      })
  })

  it("takes slot 0 like any other", () => {
    given(created, { _tag: "KeyAdded", keyUuid: "key-0", keyIndexNumber: 0 })
      .when({ _tag: "AddKey", keyUuid: "key-1", keyIndexNumber: 0 })
      .isRefused(new SlotTaken({ lockId, keyIndexNumber: 0, keyUuid: "key-0" }))
  })

  it("is refused when the key is on the lock already, in whichever slot", () => {
    given(created, inSlotOne)
      .when({ _tag: "AddKey", keyUuid: "key-1", keyIndexNumber: 2 })
      .isRefused(new KeyExists({ lockId, keyUuid: "key-1" }))
  })

  it("is refused when the key came with the lock", () => {
    given({ ...created, keys: [{ uuid: "key-1" }] } as Fact)
      .when({ _tag: "AddKey", keyUuid: "key-1" })
      .isRefused(new KeyExists({ lockId, keyUuid: "key-1" }))
  })

  it("is refused when another key has the slot", () => {
    given(created, inSlotOne)
      .when({ _tag: "AddKey", keyUuid: "key-2", keyIndexNumber: 1 })
      .isRefused(new SlotTaken({ lockId, keyIndexNumber: 1, keyUuid: "key-1" }))
  })

  it("is refused in a slot that a removed key may still be in, and elsewhere for that key itself", () => {
    const leaving = given(created, inSlotOne, { _tag: "KeyRemoved", keyUuid: "key-1", keyIndexNumber: 1 })
    const refusal = new SlotTaken({ lockId, keyIndexNumber: 1, keyUuid: "key-1", leaving: true })
    leaving.when({ _tag: "AddKey", keyUuid: "key-2", keyIndexNumber: 1 }).isRefused(refusal)
    leaving.when({ _tag: "AddKey", keyUuid: "key-1", keyIndexNumber: 2 }).isRefused(refusal)
  })

  it("gives a removed key its slot back", () => {
    given(created, inSlotOne, { _tag: "KeyRemoved", keyUuid: "key-1", keyIndexNumber: 1 })
      .when({ _tag: "AddKey", keyUuid: "key-1", keyIndexNumber: 1 })
      .leadsTo([{ ...inSlotOne, reconciled: true }], {
        _tag: "AddKey",
        ...stamp,
        seq: 4,
        keyUuid: "key-1",
        keyIndexNumber: 1
      })
  })
})

describe("RemoveKey", () => {
  const two = given(
    created,
    { _tag: "KeyAdded", keyUuid: "key-1", keyIndexNumber: 1 },
    { _tag: "KeyAdded", keyUuid: "key-2" }
  )
  const first = { keyUuid: "key-1", keyIndexNumber: 1 }

  it.each<[string, Request]>([
    ["uuid", { _tag: "RemoveKey", keyUuid: "key-1" }],
    ["slot", { _tag: "RemoveKey", keyIndexNumber: 1 }],
    ["both", { _tag: "RemoveKey", keyUuid: "key-1", keyIndexNumber: 1 }]
  ])("removes the key named by %s", (_, request) => {
    two.when(request).leadsTo([{ _tag: "KeyRemoved", ...first, reconciled: true }])
  })

  it("removes a key that has no slot", () => {
    two
      .when({ _tag: "RemoveKey", keyUuid: "key-2" })
      .leadsTo([{ _tag: "KeyRemoved", keyUuid: "key-2", reconciled: true }])
  })

  it("is refused when it names no key", () => {
    two.when({ _tag: "RemoveKey" }).isRefused(new KeyNotNamed({ lockId }))
  })

  it("names the key by its holder, and is refused when they hold several", () => {
    const removed = { keyUuid: "key-3", reconciled: true } as const
    const bobs = given(
      created,
      { _tag: "KeyAdded", keyUuid: "key-1", keyIndexNumber: 1 },
      { _tag: "KeyAdded", keyUuid: "key-2" },
      { _tag: "KeyAdded", keyUuid: "key-3", userId: "bob" }
    )
    const byHolder: Request = { _tag: "RemoveKey", userId: "bob" }
    bobs.when(byHolder).leadsTo([{ _tag: "KeyRemoved", ...removed }])
    bobs.when({ ...byHolder, keyUuid: "key-3" }).leadsTo([{ _tag: "KeyRemoved", ...removed }])
    bobs.when({ ...byHolder, keyUuid: "key-1" }).isRefused(new KeyNotFound({ lockId }))
    bobs.when({ ...byHolder, userId: "ann" }).isRefused(new KeyNotFound({ lockId }))
    const several = given(
      created,
      { _tag: "KeyAdded", keyUuid: "key-3", userId: "bob" },
      { _tag: "KeyAdded", keyUuid: "key-4", userId: "bob" }
    )
    several.when(byHolder).isRefused(new KeyNotNamed({ lockId, matches: 2 }))
  })

  it.each<Request>([
    { _tag: "RemoveKey", keyUuid: "key-3" },
    { _tag: "RemoveKey", keyIndexNumber: 2 },
    { _tag: "RemoveKey", keyUuid: "key-1", keyIndexNumber: 2 },
    { _tag: "RemoveKey", keyUuid: "key-2", keyIndexNumber: 1 }
  ])("is refused when the lock has no such key: %o", (request) => {
    two.when(request).isRefused(new KeyNotFound({ lockId }))
  })
})

describe("WriteKey", () => {
  const two = given(
    created,
    { _tag: "KeyAdded", keyUuid: "key-1", keyIndexNumber: 1 },
    { _tag: "KeyAdded", keyUuid: "key-2" }
  )
  const written = { keyUuid: "key-1", keyIndexNumber: 1 }
  const expiresAt = millis("09:01")

  it("has the device write the key into its slot within a minute", () => {
    two.when({ _tag: "WriteKey", keyUuid: "key-1" }).leadsTo([{ _tag: "KeyWriteRequested", ...written }], {
      _tag: "WriteKey",
      ...stamp,
      seq: 4,
      expiresAt,
      ...written
    })
  })

  it("may name the slot that the key has", () => {
    two.when({ _tag: "WriteKey", ...written }).leadsTo([{ _tag: "KeyWriteRequested", ...written }], {
      _tag: "WriteKey",
      ...stamp,
      seq: 4,
      expiresAt,
      ...written
    })
  })

  it("may name a free slot for a key that has none, or no slot at all", () => {
    const free = { keyUuid: "key-2", keyIndexNumber: 2 }
    two
      .when({ _tag: "WriteKey", ...free })
      .leadsTo([{ _tag: "KeyWriteRequested", ...free }], { _tag: "WriteKey", ...stamp, seq: 4, expiresAt, ...free })
    two.when({ _tag: "WriteKey", keyUuid: "key-2" }).leadsTo([{ _tag: "KeyWriteRequested", keyUuid: "key-2" }], {
      _tag: "WriteKey",
      ...stamp,
      seq: 4,
      expiresAt,
      keyUuid: "key-2"
    })
  })

  it("is refused when no such key is on the lock, or not in that slot", () => {
    two.when({ _tag: "WriteKey", keyUuid: "key-3" }).isRefused(new KeyNotFound({ lockId }))
    two.when({ _tag: "WriteKey", keyUuid: "key-1", keyIndexNumber: 2 }).isRefused(new KeyNotFound({ lockId }))
  })

  it("is refused when it would overwrite another key", () => {
    two
      .when({ _tag: "WriteKey", keyUuid: "key-2", keyIndexNumber: 1 })
      .isRefused(new SlotTaken({ lockId, keyIndexNumber: 1, keyUuid: "key-1" }))
  })
})

describe("OpenLock", () => {
  it("has the device open within ten seconds", () => {
    given(created)
      .when({ _tag: "OpenLock", reason: "guest", requestId: "request-1" })
      .leadsTo([{ _tag: "LockOpenRequested", reason: "guest", requestId: "request-1", via: "API" }], {
        _tag: "OpenLock",
        ...stamp,
        seq: 2,
        expiresAt: millis("09:00:10")
      })
  })

  it("opens every time, and needs no reason", () => {
    given(created, { _tag: "LockOpenRequested" })
      .when({ _tag: "OpenLock" })
      .leadsTo([{ _tag: "LockOpenRequested", via: "API" }], {
        _tag: "OpenLock",
        ...stamp,
        seq: 3,
        expiresAt: millis("09:00:10")
      })
  })
})

describe("LockDevice", () => {
  it("has the device lock within ten seconds, every time, whatever it was", () => {
    given(created, { _tag: "LockDeviceRequested" })
      .when({ _tag: "LockDevice", reason: "leaving" })
      .leadsTo([{ _tag: "LockDeviceRequested", reason: "leaving" }], {
        _tag: "LockDevice",
        ...stamp,
        seq: 3,
        expiresAt: millis("09:00:10")
      })
  })
})

describe("OpenDoor", () => {
  it("opens a door for who shows a key to several, and says how", () => {
    const door = { credentialUuid: "5a5a0000-0000-4000-8000-000000000001", doorId: 2 }
    given(created)
      .when({ _tag: "OpenDoor", ...door, via: "PIN", giver: { _tag: "Operator" } })
      .leadsTo([{ _tag: "LockOpenRequested", via: "PIN", ...door }], {
        _tag: "OpenLock",
        ...stamp,
        seq: 2,
        expiresAt: millis("09:00:10"),
        byGuest: true
      })
  })
})
