/** The rules of a lock about its temp keys: what follows from each command, and what is refused. */
import { describe, expect, it } from "@effect/vitest"
import { tempKeysOf } from "../src/lock/Lock.ts"
import {
  EmptyWhitelist,
  EmptyWindow,
  NotOnWhitelist,
  TempKeyExists,
  TempKeyNotFound,
  TempKeyNotValid
} from "../src/lock/LockError.ts"
import { clock, created, type Fact, given, lockId, millis } from "./scenario.ts"

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
const whitelistKey: Fact = { ...publicKey, accessMode: "user-whitelist", allowedUserIds: [ADA] }
const used = (usedCount: number): Fact => ({ _tag: "TempKeyUsed", tempKeyUuid, usedCount })
const deleted: Fact = { _tag: "TempKeyDeleted", tempKeyUuid, deletedBy: "ada" }
const unknown = new TempKeyNotFound({ lockId, tempKeyUuid })

describe("CreateTempKey", () => {
  const terms = {
    accessMode: "public",
    allowedUserIds: [],
    validFrom: clock("10:00"),
    validUntil: clock("12:00")
  } as const
  const request = { _tag: "CreateTempKey", tempKeyUuid, ...terms } as const

  it("creates a key without a limit or a whitelist unless one is given", () => {
    const { allowedUserIds: _, ...bare } = request
    given(created)
      .when(bare)
      .leadsTo([
        { _tag: "TempKeyCreated", tempKeyUuid, ...terms, maxUses: null, createdBy: "*", tempKeyId: "command-1" }
      ])
  })

  it("claims its link, which no other key may ever have", () => {
    given(created)
      .when({ ...request, tempKeyUuid: tempKeyUuid.toUpperCase() })
      .claims(`link/${tempKeyUuid}`)
  })

  it("keeps limit, whitelist, description, and who created it", () => {
    const more = { accessMode: "user-whitelist", allowedUserIds: [ADA], maxUses: 7, description: "Plumber" } as const
    given(created)
      .when({ ...request, ...more }, { principal: { _tag: "Organization", orgId: "org-1" } })
      .leadsTo([{ _tag: "TempKeyCreated", tempKeyUuid, ...terms, ...more, createdBy: "org-1", tempKeyId: "command-1" }])
  })

  it("is refused when the window is empty or runs backwards", () => {
    for (const validUntil of [clock("10:00"), clock("09:00")]) {
      given(created)
        .when({ ...request, validUntil })
        .isRefused(new EmptyWindow({ lockId, tempKeyUuid }))
    }
  })

  it("is refused when nobody is on the whitelist", () => {
    given(created)
      .when({ ...request, accessMode: "user-whitelist" })
      .isRefused(new EmptyWhitelist({ lockId, tempKeyUuid }))
  })

  it("is refused for a uuid that is or was a key of the lock, in upper or lower case", () => {
    const made: Fact = { _tag: "TempKeyCreated", tempKeyUuid, ...terms, maxUses: null, createdBy: "*" }
    const deleted: Fact = { _tag: "TempKeyDeleted", tempKeyUuid, deletedBy: "*" }
    for (const same of [tempKeyUuid, tempKeyUuid.toUpperCase()]) {
      const refusal = new TempKeyExists({ lockId, tempKeyUuid: same })
      given(created, made)
        .when({ ...request, tempKeyUuid: same })
        .isRefused(refusal)
      given(created, made, deleted)
        .when({ ...request, tempKeyUuid: same })
        .isRefused(refusal)
    }
  })
})

describe("SuspendTempKey and ResumeTempKey", () => {
  const suspended: Fact = { _tag: "TempKeySuspended", tempKeyUuid, suspendedBy: "*" }

  it("suspend and resume, each once", () => {
    const [suspend, resume] = [
      { _tag: "SuspendTempKey", tempKeyUuid },
      { _tag: "ResumeTempKey", tempKeyUuid }
    ] as const
    given(created, publicKey).when(suspend).leadsTo([suspended])
    given(created, publicKey, suspended).when(suspend).isAlreadySo()
    given(created, publicKey, suspended)
      .when(resume)
      .leadsTo([{ _tag: "TempKeyResumed", tempKeyUuid, resumedBy: "*" }])
    given(created, publicKey).when(resume).isAlreadySo()
    given(created).when(suspend).isRefused(new TempKeyNotFound({ lockId, tempKeyUuid }))
  })

  it("a suspended key is not valid, and says that it is suspended", () => {
    given(created, publicKey, suspended)
      .when({ _tag: "UseTempKey", tempKeyUuid }, { at: millis("11:00") })
      .isRefused(new TempKeyNotValid({ lockId, tempKeyUuid, status: "not-yet-valid", suspended: true }))
  })
})

describe("ChangeTempKeyLink", () => {
  const newTempKeyUuid = "9a1c0d52-6f1e-4b7a-8c33-5e0f7d2b4c11"
  const changed: Fact = { _tag: "TempKeyLinkChanged", tempKeyUuid, newTempKeyUuid, changedBy: "*" }

  it("gives the key another link, which it claims", () => {
    const change = given(created, publicKey).when({ _tag: "ChangeTempKeyLink", tempKeyUuid, newTempKeyUuid })
    change.leadsTo([changed])
    change.claims(`link/${newTempKeyUuid}`)
  })

  it("the link before opens nothing, and is nobody's any more", () => {
    const at = { at: millis("11:00") }
    given(created, publicKey, changed)
      .when({ _tag: "OpenWithTempKey", tempKeyUuid }, at)
      .isRefused(new TempKeyNotValid({ lockId, tempKeyUuid, status: "deleted" }))
    const { maxUses: _, createdBy: __, ...terms } = publicKey as Extract<Fact, { _tag: "TempKeyCreated" }>
    given(created, publicKey, changed)
      .when({ ...terms, _tag: "CreateTempKey" })
      .isRefused(new TempKeyExists({ lockId, tempKeyUuid }))
    given(created, publicKey, changed)
      .when({ _tag: "ChangeTempKeyLink", tempKeyUuid: newTempKeyUuid, newTempKeyUuid: tempKeyUuid })
      .isRefused(new TempKeyExists({ lockId, tempKeyUuid }))
  })
})

describe("UpdateTempKey", () => {
  it("records only what changed, and who changed it", () => {
    given(created, publicKey)
      .when(
        {
          _tag: "UpdateTempKey",
          tempKeyUuid: tempKeyUuid.toUpperCase(),
          validUntil: clock("18:00"),
          maxUses: 2,
          accessMode: "public"
        },
        { principal: { _tag: "User", userId: "ada" } }
      )
      .leadsTo([{ _tag: "TempKeyUpdated", tempKeyUuid, changes: { validUntil: clock("18:00") }, updatedBy: "ada" }])
  })

  it("changes nothing when nothing would change", () => {
    given(created, publicKey).when({ _tag: "UpdateTempKey", tempKeyUuid }).isAlreadySo()
    given(created, publicKey)
      .when({ _tag: "UpdateTempKey", tempKeyUuid, validFrom: "2026-08-31T09:00Z", maxUses: 2 })
      .isAlreadySo()
  })

  it("takes a limit away only when it says so", () => {
    given(created, publicKey)
      .when({ _tag: "UpdateTempKey", tempKeyUuid, maxUses: null })
      .leadsTo([{ _tag: "TempKeyUpdated", tempKeyUuid, changes: { maxUses: null }, updatedBy: "*" }])
  })

  it("keeps the uses that there were", () => {
    given(created, publicKey, used(1), used(2), {
      _tag: "TempKeyUpdated",
      tempKeyUuid,
      changes: { maxUses: 3 },
      updatedBy: "ada"
    })
      .when({ _tag: "UseTempKey", tempKeyUuid })
      .leadsTo([used(3)])
  })

  it("is refused for a key that is unknown or deleted", () => {
    given(created).when({ _tag: "UpdateTempKey", tempKeyUuid, maxUses: 1 }).isRefused(unknown)
    given(created, publicKey, deleted).when({ _tag: "UpdateTempKey", tempKeyUuid, maxUses: 1 }).isRefused(unknown)
  })

  it("is refused when the result is no key", () => {
    given(created, publicKey)
      .when({ _tag: "UpdateTempKey", tempKeyUuid, validFrom: clock("17:00") })
      .isRefused(new EmptyWindow({ lockId, tempKeyUuid }))
    given(created, publicKey)
      .when({ _tag: "UpdateTempKey", tempKeyUuid, validUntil: clock("09:00") })
      .isRefused(new EmptyWindow({ lockId, tempKeyUuid }))
    given(created, publicKey)
      .when({ _tag: "UpdateTempKey", tempKeyUuid, accessMode: "user-whitelist" })
      .isRefused(new EmptyWhitelist({ lockId, tempKeyUuid }))
    given(created, whitelistKey)
      .when({ _tag: "UpdateTempKey", tempKeyUuid, allowedUserIds: [] })
      .isRefused(new EmptyWhitelist({ lockId, tempKeyUuid }))
  })
})

describe("DeleteTempKey", () => {
  it("deletes the key and remembers by whom", () => {
    given(created, publicKey)
      .when(
        { _tag: "DeleteTempKey", tempKeyUuid: tempKeyUuid.toUpperCase() },
        { principal: { _tag: "User", userId: "bob" } }
      )
      .leadsTo([{ _tag: "TempKeyDeleted", tempKeyUuid, deletedBy: "bob" }])
  })

  it("is refused for a key that is unknown or deleted", () => {
    given(created).when({ _tag: "DeleteTempKey", tempKeyUuid }).isRefused(unknown)
    given(created, publicKey, deleted).when({ _tag: "DeleteTempKey", tempKeyUuid }).isRefused(unknown)
  })

  it("leaves the other keys as they are", () => {
    const other: Fact = { ...publicKey, tempKeyUuid: ADA }
    const lock = given(created, publicKey, other, deleted).lock()
    expect(lock && tempKeysOf(lock).map((key) => key.uuid)).toStrictEqual([ADA])
  })
})

describe("UseTempKey", () => {
  it("counts the use", () => {
    given(created, publicKey)
      .when({ _tag: "UseTempKey", tempKeyUuid })
      .leadsTo([used(1)])
    given(created, publicKey, used(1))
      .when({ _tag: "UseTempKey", tempKeyUuid: tempKeyUuid.toUpperCase() })
      .leadsTo([used(2)])
  })

  it("remembers who used it, if they said so", () => {
    given(created, whitelistKey)
      .when({ _tag: "UseTempKey", tempKeyUuid, userId: ADA })
      .leadsTo([{ _tag: "TempKeyUsed", tempKeyUuid, userId: ADA, usedCount: 1 }])
  })

  it("is refused for a key that is unknown or deleted", () => {
    given(created).when({ _tag: "UseTempKey", tempKeyUuid }).isRefused(unknown)
    given(created, publicKey, deleted).when({ _tag: "UseTempKey", tempKeyUuid }).isRefused(unknown)
  })

  it.each([
    ["before the window", [publicKey], "08:59:59.999", "not-yet-valid"],
    ["at the end of the window", [publicKey], "17:00", "expired"],
    ["after the last use", [publicKey, used(1), used(2)], "12:00", "used-up"]
  ] as const)("is refused %s", (_, facts, time, status) => {
    given(created, ...facts)
      .when({ _tag: "UseTempKey", tempKeyUuid }, { at: millis(time) })
      .isRefused(new TempKeyNotValid({ lockId, tempKeyUuid, status }))
  })

  it("is refused for a user who is not on the whitelist, and for nobody in particular", () => {
    const refusal = new NotOnWhitelist({ lockId, tempKeyUuid })
    given(created, whitelistKey).when({ _tag: "UseTempKey", tempKeyUuid, userId: BOB }).isRefused(refusal)
    given(created, whitelistKey).when({ _tag: "UseTempKey", tempKeyUuid }).isRefused(refusal)
  })
})

describe("OpenWithTempKey", () => {
  it("uses the key and has the device open, in one append", () => {
    given(created, publicKey)
      .when({ _tag: "OpenWithTempKey", tempKeyUuid, userId: ADA })
      .leadsTo(
        [
          { _tag: "TempKeyUsed", tempKeyUuid, userId: ADA, usedCount: 1 },
          { _tag: "LockOpenRequested", via: "link" }
        ],
        {
          _tag: "OpenLock",
          commandId: "command-1",
          issuedAt: millis("09:00"),
          seq: 4,
          expiresAt: millis("09:00:10"),
          byGuest: true
        }
      )
  })

  it("is refused as UseTempKey is, and then opens nothing", () => {
    given(created).when({ _tag: "OpenWithTempKey", tempKeyUuid }).isRefused(unknown)
    given(created, whitelistKey)
      .when({ _tag: "OpenWithTempKey", tempKeyUuid, userId: BOB })
      .isRefused(new NotOnWhitelist({ lockId, tempKeyUuid }))
    given(created, publicKey)
      .when({ _tag: "OpenWithTempKey", tempKeyUuid }, { at: millis("17:00") })
      .isRefused(new TempKeyNotValid({ lockId, tempKeyUuid, status: "expired" }))
  })

  it("says of a deleted key that it was deleted; to UseTempKey there is no such key", () => {
    const deleted = given(created, publicKey, { _tag: "TempKeyDeleted", tempKeyUuid, deletedBy: "org-1" })
    deleted
      .when({ _tag: "OpenWithTempKey", tempKeyUuid: tempKeyUuid.toUpperCase() })
      .isRefused(new TempKeyNotValid({ lockId, tempKeyUuid: tempKeyUuid.toUpperCase(), status: "deleted" }))
    deleted.when({ _tag: "UseTempKey", tempKeyUuid }).isRefused(unknown)
  })
})
