/** Who somebody is: by kind and id together. Equal text makes nobody somebody else, and the empty id is nobody's. */
import { describe, expect, it } from "@effect/vitest"
import { Result } from "effect"
import { permit, permitCreate, permitUser } from "../src/lock/AccessPolicy.ts"
import type { Lock } from "../src/lock/Lock.ts"
import { admits } from "../src/lock/TempKey.ts"
import { isMaker } from "../src/temp-key/SharedCredential.ts"
import type { Principal } from "../src/values/Principal.ts"
import { created, type Fact, given, officeKey } from "./scenario.ts"

/** Names that a user's token, an organization, or nobody may have. */
const NAMES = ["*", "acme", "ann", "guest", "system", "Super", ""]
const principals: ReadonlyArray<Principal> = [
  ...NAMES.map((userId): Principal => ({ _tag: "User", userId })),
  ...NAMES.map((orgId): Principal => ({ _tag: "Organization", orgId })),
  ...NAMES.map((userId): Principal => ({ _tag: "Organization", orgId: "other", userId })),
  { _tag: "Guest" },
  { _tag: "Super" },
  { _tag: "Super", userId: "ann" },
  { _tag: "System" }
]
const isOperator = ({ _tag }: Principal) => _tag === "Super" || _tag === "System"
const said = (principal: Principal) => JSON.stringify(principal)
const lockOf = (...facts: ReadonlyArray<Fact>) => given(created as Fact, ...facts).lock() as Lock

/** Those whom a right is given to, beside the operators. */
const allowed = (may: (principal: Principal) => boolean) =>
  principals.filter((principal) => !isOperator(principal) && may(principal)).map(said)
const actions = ["details", "OpenLock", "AddKey", "CreateTempKey", "SetOwner", "basic-info"] as const

describe.each(NAMES)("%j", (name) => {
  const only = (principal: Principal) => (name === "" ? [] : [said(principal)])
  const theUser: Principal = { _tag: "User", userId: name }
  const theOrganization: Principal = { _tag: "Organization", orgId: name }

  it.each(actions)("as the owner is that user alone, for %s", (action) => {
    const lock = lockOf({ _tag: "OwnerSet", userId: name } as Fact)
    expect(allowed((principal) => Result.isSuccess(permit(principal, lock, action)))).toEqual(only(theUser))
  })

  it.each(actions)("as the organization is that organization alone, for %s", (action) => {
    const lock = lockOf({ _tag: "OrganizationSet", orgId: name } as Fact)
    expect(allowed((principal) => Result.isSuccess(permit(principal, lock, action)))).toEqual(only(theOrganization))
  })

  it("as the holder of a key is that user alone", () => {
    const lock = lockOf({ _tag: "KeyAdded", keyUuid: "key-1", userId: name } as Fact)
    expect(allowed((principal) => Result.isSuccess(permit(principal, lock, "OpenLock")))).toEqual(only(theUser))
  })

  it("as the maker of a shared key is who made it alone", () => {
    const madeBy = (grantedBy: Principal) => ({ grantedBy, doors: [] })
    expect(allowed((principal) => isMaker(principal, madeBy(theUser)))).toEqual(only(theUser))
    expect(allowed((principal) => isMaker(principal, madeBy(theOrganization)))).toEqual(only(theOrganization))
    for (const grantedBy of [{ _tag: "Super" }, { _tag: "Guest" }, { _tag: "System" }] as const)
      expect(allowed((principal) => isMaker(principal, madeBy(grantedBy)))).toEqual([])
  })

  it("as a user's locks are read by that user, and by organizations, which see their own", () => {
    const users = allowed((principal) => principal._tag === "User" && Result.isSuccess(permitUser(principal, name)))
    expect(users).toEqual(only(theUser))
    expect(Result.isSuccess(permitUser(theOrganization, "ann"))).toBe(name !== "")
  })

  it("creates locks, unless it is nobody", () => {
    expect(Result.isSuccess(permitCreate(theUser, undefined, 7))).toBe(name !== "")
    expect(Result.isSuccess(permitCreate(theUser, name, 7))).toBe(name !== "")
    expect(Result.isSuccess(permitCreate(theOrganization, undefined, 7))).toBe(name !== "")
  })

  it("on a whitelist is that user, unless it is nobody", () => {
    const key = { ...officeKey, accessMode: "user-whitelist", allowedUserIds: [name] } as const
    expect(admits(key, name)).toBe(name !== "")
  })
})
