/** The rules of a lock about its keys and about opening it: what follows, what the device is told, what is refused. */
import { describe, it } from "@effect/vitest"
import { KeyExists, KeyNotFound, KeyNotNamed, LockFull, SlotTaken } from "../src/lock/LockError.ts"
import { BOUNDS } from "../src/lock/RequestFields.ts"
import { clock, created, type Fact, given, lockId, millis, type Request } from "./scenario.ts"

const stamp = { commandId: "command-1", issuedAt: millis("09:00") }

/** The device holds a key, in slot 3, that nobody has added. */
const installerListed: Fact = {
  _tag: "KeysReported",
  keys: [{ keyUuid: "installer", keyIndexNumber: 3 }],
  seenAt: clock("08:00"),
  ignorable: true
}

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

  it("is refused on a lock that is full; a key that is not gone yet counts", () => {
    const filled = (count: number): Fact => ({
      _tag: "LockCreated",
      index: 1,
      keys: Array.from({ length: count }, (_, n) => ({ uuid: `key-${n + 1}` }))
    })
    const another: Request = { _tag: "AddKey", keyUuid: "another" }
    const full = new LockFull({ lockId, what: "keys", bound: BOUNDS.keys })
    given(filled(BOUNDS.keys)).when(another).isRefused(full)
    given(filled(BOUNDS.keys), { _tag: "KeyRemoved", keyUuid: "key-1" }).when(another).isRefused(full)
    given(filled(BOUNDS.keys - 1))
      .when(another)
      .leadsTo([{ _tag: "KeyAdded", keyUuid: "another", reconciled: true }], {
        _tag: "AddKey",
        ...stamp,
        seq: 2,
        keyUuid: "another"
      })
  })

  it("is refused in the slot of a key that nobody has added", () => {
    given(created, installerListed)
      .when({ _tag: "AddKey", keyUuid: "key-1", keyIndexNumber: 3 })
      .isRefused(new SlotTaken({ lockId, keyIndexNumber: 3, keyUuid: "installer", foreign: true }))
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

  it("removes a key by its uuid or slot, also one that has a holder", () => {
    const held = { keyUuid: "key-1", keyIndexNumber: 1 }
    for (const request of [{ keyUuid: "key-1" }, { keyIndexNumber: 1 }])
      given(created, { _tag: "KeyAdded", ...held, userId: "bob" })
        .when({ _tag: "RemoveKey", ...request })
        .leadsTo([{ _tag: "KeyRemoved", ...held, reconciled: true }])
  })

  it("of one that is on the hardware alone asks that it be removed there, by uuid, slot or both", () => {
    const listed = given(created, installerListed)
    for (const name of [{ keyUuid: "installer" }, { keyIndexNumber: 3 }, { keyUuid: "installer", keyIndexNumber: 3 }])
      listed.when({ _tag: "RemoveKey", ...name }).leadsTo([{ _tag: "KeysSyncRequested", keyUuid: "installer" }])
    for (const name of [
      { keyUuid: "another" },
      { keyIndexNumber: 4 },
      { keyUuid: "installer", keyIndexNumber: 4 },
      { keyUuid: "another", keyIndexNumber: 3 },
      { keyUuid: "installer", userId: "bob" }
    ])
      listed.when({ _tag: "RemoveKey", ...name }).isRefused(new KeyNotFound({ lockId }))
  })

  it("of one that is wanted comes before one in its slot that is on the hardware alone", () => {
    given(created, { _tag: "KeyAdded", keyUuid: "key-1", keyIndexNumber: 3 }, installerListed)
      .when({ _tag: "RemoveKey", keyIndexNumber: 3 })
      .leadsTo([{ _tag: "KeyRemoved", keyUuid: "key-1", keyIndexNumber: 3, reconciled: true }])
  })

  it("changes nothing about one that is being removed", () => {
    given(created, { _tag: "KeyAdded", ...first }, { _tag: "KeyRemoved", ...first, reconciled: true })
      .when({ _tag: "RemoveKey", keyUuid: "key-1" })
      .isAlreadySo()
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

describe("GiveUpKey", () => {
  const held = given(
    created,
    { _tag: "KeyAdded", keyUuid: "key-1", userId: "ann" },
    { _tag: "KeyAdded", keyUuid: "key-2", userId: "bob" },
    { _tag: "KeyAdded", keyUuid: "key-3", userId: "bob" }
  )

  it("removes the key of who gives it up, of all that they hold", () => {
    for (const keyUuid of ["key-2", "key-3"])
      held
        .when({ _tag: "GiveUpKey", keyUuid }, { principal: { _tag: "User", userId: "bob" } })
        .leadsTo([{ _tag: "KeyRemoved", keyUuid, reconciled: true }])
  })
})

describe("SyncKeys", () => {
  const two = given(created, { _tag: "KeyAdded", keyUuid: "key-1" }, { _tag: "KeyAdded", keyUuid: "key-2" })

  it("begins again with all keys, or with one", () => {
    two.when({ _tag: "SyncKeys" }).leadsTo([{ _tag: "KeysSyncRequested" }])
    two.when({ _tag: "SyncKeys", keyUuid: "key-2" }).leadsTo([{ _tag: "KeysSyncRequested", keyUuid: "key-2" }])
  })

  it("also with one that is on the hardware alone", () => {
    given(created, installerListed)
      .when({ _tag: "SyncKeys", keyUuid: "installer" })
      .leadsTo([{ _tag: "KeysSyncRequested", keyUuid: "installer" }])
  })

  it("is refused for a key that is not there, and changes nothing on a lock without keys", () => {
    two.when({ _tag: "SyncKeys", keyUuid: "key-3" }).isRefused(new KeyNotFound({ lockId }))
    given(created).when({ _tag: "SyncKeys" }).isAlreadySo()
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
