/** The rules of a lock, command by command: what follows, what the device is told, and what is refused. */
import { describe, expect, it } from "@effect/vitest"
import { actorOf, mayBePassed, mayPass, recordedAt } from "../src/lock/Decision.ts"
import {
  LockNotFound,
  ResidentExists,
  ResidentNotFound,
  ResidentNotNamed,
  UuidUnchanged
} from "../src/lock/LockError.ts"
import { clock, created, type Fact, given, happened, lockId, lockUuid, millis, type Request } from "./scenario.ts"

const tempKeyUuid = "7e3b0000-0000-4000-8000-00000000000a"

describe("CreateLock", () => {
  const request = { _tag: "CreateLock", index: 1, uuid: lockUuid } as const

  it("creates a lock that did not exist", () => {
    given()
      .when(request)
      .leadsTo([{ _tag: "LockCreated", index: 1, keys: [] }])
  })

  it("keeps everything that the caller gave", () => {
    const about = {
      index: 3,
      serialNumber: "SN-1",
      vendorName: "Acme",
      ownerId: "ada",
      keys: [{ uuid: "key-1", indexNumber: 1 }]
    }
    given()
      .when({ ...request, ...about })
      .leadsTo([{ _tag: "LockCreated", ...about, reconciled: true }])
  })

  it("makes a user the owner of the lock that they create", () => {
    given()
      .when(request, { principal: { _tag: "User", userId: "ada" } })
      .leadsTo([{ _tag: "LockCreated", index: 1, keys: [], ownerId: "ada" }])
  })

  it("makes the lock an organization's that creates it, and the user beside its API key no owner", () => {
    given()
      .when(request, { principal: { _tag: "Organization", orgId: "org-1", userId: "ada" } })
      .leadsTo([{ _tag: "LockCreated", index: 1, keys: [], orgId: "org-1" }])
  })

  it("gives the lock of a super key no owner and no organization", () => {
    given()
      .when(request, { principal: { _tag: "Super", userId: "ada" } })
      .leadsTo([{ _tag: "LockCreated", index: 1, keys: [] }])
  })

  it("changes nothing about a lock that exists", () => {
    given(created)
      .when({ ...request, uuid: tempKeyUuid, ownerId: "bob" })
      .isAlreadySo()
  })
})

describe("a lock that does not exist", () => {
  it.each<Request>([
    { _tag: "AddKey", keyUuid: "key-1" },
    { _tag: "RemoveKey", keyUuid: "key-1" },
    { _tag: "WriteKey", keyUuid: "key-1" },
    { _tag: "OpenLock" },
    { _tag: "SetOwner", userId: "ada" },
    { _tag: "SetOrganization", orgId: "org-1" },
    { _tag: "ChangeLockUuid", newUuid: lockUuid },
    { _tag: "AddResident", name: "Ada" },
    { _tag: "RemoveResident", userId: "ada" },
    {
      _tag: "CreateTempKey",
      tempKeyUuid,
      accessMode: "public",
      allowedUserIds: [],
      validFrom: clock("09:00"),
      validUntil: clock("10:00")
    },
    { _tag: "UpdateTempKey", tempKeyUuid },
    { _tag: "DeleteTempKey", tempKeyUuid },
    { _tag: "UseTempKey", tempKeyUuid },
    { _tag: "OpenWithTempKey", tempKeyUuid }
  ])("refuses $_tag", (request) => {
    given().when(request).isRefused(new LockNotFound({ lockId }))
  })
})

describe("SetOwner and SetOrganization", () => {
  it("set what was not set, and change what was", () => {
    given(created)
      .when({ _tag: "SetOwner", userId: "ada" })
      .leadsTo([{ _tag: "OwnerSet", userId: "ada" }])
    given(created)
      .when({ _tag: "SetOrganization", orgId: "org-1" })
      .leadsTo([{ _tag: "OrganizationSet", orgId: "org-1" }])
    given(created, { _tag: "OwnerSet", userId: "ada" })
      .when({ _tag: "SetOwner", userId: "bob" })
      .leadsTo([{ _tag: "OwnerSet", userId: "bob" }])
    given(created, { _tag: "OrganizationSet", orgId: "org-1" })
      .when({ _tag: "SetOrganization", orgId: "org-2" })
      .leadsTo([{ _tag: "OrganizationSet", orgId: "org-2" }])
  })

  it("leave an unchanged value as it is", () => {
    given({ ...created, ownerId: "ada" } as Fact)
      .when({ _tag: "SetOwner", userId: "ada" })
      .isAlreadySo()
    given({ ...created, orgId: "org-1" } as Fact)
      .when({ _tag: "SetOrganization", orgId: "org-1" })
      .isAlreadySo()
  })
})

describe("ChangeLockUuid", () => {
  const newUuid = "11111111-0000-4000-8000-000000000001"

  it("changes the uuid and remembers the former one", () => {
    given(created)
      .when({ _tag: "ChangeLockUuid", newUuid })
      .leadsTo([{ _tag: "LockUuidChanged", newUuid, previousUuid: lockUuid, ended: true }])
  })

  it("is followed by events under the new uuid", () => {
    given(created, { _tag: "LockUuidChanged", newUuid, previousUuid: lockUuid })
      .when({ _tag: "SetOwner", userId: "ada" })
      .leadsTo([{ _tag: "OwnerSet", userId: "ada" }])
    expect(given(created, { _tag: "LockUuidChanged", newUuid, previousUuid: lockUuid }).lock()?.uuid).toBe(newUuid)
  })

  it("is refused for the uuid that the lock has, in upper or lower case", () => {
    for (const same of [lockUuid, lockUuid.toUpperCase()]) {
      given(created)
        .when({ _tag: "ChangeLockUuid", newUuid: same })
        .isRefused(new UuidUnchanged({ lockId, uuid: lockUuid }))
    }
  })
})

describe("AddResident", () => {
  const ada: Fact = {
    _tag: "ResidentAdded",
    userId: "ada",
    name: "Ada",
    email: "ada@example.org",
    phoneNumber: "+31 1"
  }

  it("adds the resident with all that is known of them", () => {
    given(created)
      .when({ _tag: "AddResident", userId: "ada", name: "Ada", email: "ada@example.org", phoneNumber: "+31 1" })
      .leadsTo([ada])
  })

  it("names a resident without a userId after the command", () => {
    given(created)
      .when({ _tag: "AddResident", name: "Ada" })
      .leadsTo([{ _tag: "ResidentAdded", userId: "command-1", name: "Ada" }])
  })

  it.each<Request>([
    { _tag: "AddResident", name: "Somebody", userId: "ada" },
    { _tag: "AddResident", name: "Somebody", email: "ada@example.org" },
    { _tag: "AddResident", name: "Somebody", phoneNumber: "+31 1" },
    { _tag: "AddResident", name: "Somebody", email: "other@example.org", phoneNumber: "+31 1" }
  ])("is refused for somebody who is there already: %o", (request) => {
    given(created, ada)
      .when(request)
      .isRefused(new ResidentExists({ lockId, userId: "ada" }))
  })

  it("is refused when the same command comes again without a receipt", () => {
    given(created, { _tag: "ResidentAdded", userId: "command-1", name: "Ada" })
      .when({ _tag: "AddResident", name: "Ada" })
      .isRefused(new ResidentExists({ lockId, userId: "command-1" }))
  })

  it("tells residents with different userIds apart, whatever they share", () => {
    given(created, ada)
      .when({ _tag: "AddResident", userId: "eve", name: "Ada", email: "ada@example.org", phoneNumber: "+31 1" })
      .leadsTo([{ _tag: "ResidentAdded", userId: "eve", name: "Ada", email: "ada@example.org", phoneNumber: "+31 1" }])
  })

  it("tells residents without a userId apart by email and phone number", () => {
    given(created, ada)
      .when({ _tag: "AddResident", name: "Ada", email: "ada@example.com", phoneNumber: "+31 2" })
      .leadsTo([
        { _tag: "ResidentAdded", userId: "command-1", name: "Ada", email: "ada@example.com", phoneNumber: "+31 2" }
      ])
  })

  it("does not take two residents for one because neither gave an email or a phone number", () => {
    given(created, { _tag: "ResidentAdded", userId: "ada", name: "Ada" })
      .when({ _tag: "AddResident", name: "Bob" })
      .leadsTo([{ _tag: "ResidentAdded", userId: "command-1", name: "Bob" }])
  })
})

describe("RemoveResident", () => {
  const two = given(
    created,
    { _tag: "ResidentAdded", userId: "ada", name: "Ada", email: "home@example.org", phoneNumber: "+31 1" },
    { _tag: "ResidentAdded", userId: "bob", name: "Bob", email: "home@example.org", phoneNumber: "+31 2" },
    { _tag: "ResidentAdded", userId: "eve", name: "Eve" }
  )
  const bob: Fact = { _tag: "ResidentRemoved", userId: "bob", email: "home@example.org" }

  it.each<Request>([
    { _tag: "RemoveResident", userId: "bob" },
    { _tag: "RemoveResident", phoneNumber: "+31 2" },
    { _tag: "RemoveResident", email: "home@example.org", phoneNumber: "+31 2" },
    { _tag: "RemoveResident", userId: "bob", email: "home@example.org" }
  ])("removes the one resident that matches: %o", (request) => {
    two.when(request).leadsTo([bob])
  })

  it("removes a resident without an email", () => {
    two.when({ _tag: "RemoveResident", userId: "eve" }).leadsTo([{ _tag: "ResidentRemoved", userId: "eve" }])
  })

  it("is refused when it names nobody, or more than one", () => {
    two.when({ _tag: "RemoveResident" }).isRefused(new ResidentNotNamed({ lockId, matches: 0 }))
    two
      .when({ _tag: "RemoveResident", email: "home@example.org" })
      .isRefused(new ResidentNotNamed({ lockId, matches: 2 }))
  })

  it.each<Request>([
    { _tag: "RemoveResident", userId: "mallory" },
    { _tag: "RemoveResident", email: "mallory@example.org" },
    { _tag: "RemoveResident", phoneNumber: "+31 9" },
    { _tag: "RemoveResident", userId: "eve", email: "home@example.org" },
    { _tag: "RemoveResident", userId: "ada", phoneNumber: "+31 2" }
  ])("is refused when nobody on the lock matches: %o", (request) => {
    two.when(request).isRefused(new ResidentNotFound({ lockId }))
  })
})

describe("what is put down to whom", () => {
  it.each([
    [{ _tag: "User", userId: "ada" }, "ada"],
    [{ _tag: "Organization", orgId: "org-1" }, "org-1"],
    [{ _tag: "Organization", orgId: "org-1", userId: "ada" }, "ada"],
    [{ _tag: "Super" }, "*"],
    [{ _tag: "Super", userId: "ada" }, "ada"],
    [{ _tag: "Guest" }, "guest"],
    [{ _tag: "System" }, "system"]
  ] as const)("%o is %s", (principal, actor) => {
    expect(actorOf(principal)).toBe(actor)
  })
})

describe("when something happened", () => {
  it("is the time of the command, but not before the last event: a clock may have been set back", () => {
    const lock = given(created).lock()
    expect(recordedAt(lock, { at: millis("09:00") })).toBe(millis("09:00"))
    expect(recordedAt(lock, { at: millis("07:00") })).toBe(millis("08:00"))
    expect(recordedAt(undefined, { at: millis("07:00") })).toBe(millis("07:00"))
  })
})

describe("a device command in doubt", () => {
  const opened = happened({ _tag: "LockOpenRequested" })
  const used = happened({ _tag: "TempKeyUsed", tempKeyUuid, usedCount: 1 })

  it("may be passed, unless it counts a use", () => {
    expect(mayBePassed([opened, happened({ _tag: "KeyAdded", keyUuid: "key-1" })])).toBe(true)
    expect(mayBePassed([opened, used])).toBe(false)
    expect(mayBePassed([])).toBe(true)
  })

  it("is passed by nothing that changes who may give it, or to which hardware", () => {
    expect(mayPass([happened({ _tag: "OwnerSet", userId: "bob" })])).toBe(false)
    expect(mayPass([happened({ _tag: "OrganizationSet", orgId: "other" })])).toBe(false)
    expect(mayPass([happened({ _tag: "LockUuidChanged", newUuid: "new", previousUuid: lockUuid })])).toBe(false)
    expect(mayPass([happened({ _tag: "ResidentAdded", userId: "bob", name: "Bob" }), used])).toBe(true)
    expect(mayPass([used, opened])).toBe(false)
  })

  it("is passed by the removal of a key: a revocation never waits", () => {
    expect(mayPass([happened({ _tag: "KeyRemoved", keyUuid: "key-1" })])).toBe(true)
    expect(mayPass([happened({ _tag: "KeyAdded", keyUuid: "key-1" })])).toBe(false)
  })
})
