/** Who may do what, case by case: what rests on who gave it, who is told of it, and what an API key is for. */
import { describe, expect, it } from "@effect/vitest"
import { Result } from "effect"
import {
  isHolder,
  isShown,
  mayKnowGuests,
  mayKnowLink,
  permit,
  permitApiKey,
  permitApiKeys,
  permitCreate,
  permitGiven,
  permitKey,
  permitLists,
  permitScope,
  permitUser,
  seesLinks,
  stands
} from "../src/lock/AccessPolicy.ts"
import type { Giver, Hands } from "../src/lock/Giver.ts"
import type { Lock } from "../src/lock/Lock.ts"
import { AccessDenied } from "../src/lock/LockError.ts"
import type { Limits } from "../src/values/Limits.ts"
import type { Principal } from "../src/values/Principal.ts"
import { created, type Fact, given } from "./scenario.ts"

const lockOf = (fields: object, ...facts: ReadonlyArray<Fact>) =>
  given({ ...created, ...fields } as Fact, ...facts).lock() as Lock

const user = (userId: string): Principal => ({ _tag: "User", userId })
const organization = (orgId: string, limits?: Limits, keyId?: string): Principal => ({
  _tag: "Organization",
  orgId,
  ...(limits && { limits }),
  ...(keyId !== undefined && { keyId })
})
const superKey = (limits?: Limits): Principal => ({ _tag: "Super", ...(limits && { limits }) })
const guest: Principal = { _tag: "Guest" }
const system: Principal = { _tag: "System" }

const yes = Result.succeed(undefined)
const no = (action: string, needed: string) => Result.fail(new AccessDenied({ action, needed }))

const byAda: Giver = { _tag: "User", userId: "ada" }
const byAcme: Giver = { _tag: "Organization", orgId: "acme" }
const hands = (ownerId?: string, orgId?: string): Hands => ({ ownerId, orgId })

describe("whether what somebody gave stands", () => {
  const both: Giver = { _tag: "Operator", ownerId: "ada", orgId: "acme" }

  it.each<[string, boolean, Giver, Hands]>([
    ["by the owner, who has it", true, byAda, hands("ada", "acme")],
    ["by the owner, who has sold it", false, byAda, hands("ben", "acme")],
    ["by the owner, when an organization of that name has it", false, byAda, hands("ben", "ada")],
    ["by the organization that has it", true, byAcme, hands("ada", "acme")],
    ["by an organization, when a user of that name has it", false, byAcme, hands("acme", "globex")],
    ["by nobody, on a lock that nobody has", false, { _tag: "Organization", orgId: "" }, hands("", "")],
    ["by the operator, for nobody", true, { _tag: "Operator" }, hands("ada", "acme")],
    ["by the operator, for an owner", true, { _tag: "Operator", ownerId: "ada" }, hands("ada")],
    ["by the operator, for an owner who has sold it", false, { _tag: "Operator", ownerId: "ada" }, hands("ben")],
    ["by the operator, for an organization", true, { _tag: "Operator", orgId: "acme" }, hands("ben", "acme")],
    ["by the operator, for one that has it no more", false, { _tag: "Operator", orgId: "acme" }, hands("ben")],
    ["by the operator, for both", true, both, hands("ada", "acme")],
    ["by the operator, for both, without the organization", false, both, hands("ada")],
    ["by the operator, for both, without the owner", false, both, hands("", "acme")]
  ])("%s: %s", (_, expected, giver, lock) => {
    expect(stands(giver, lock)).toBe(expected)
    const bare = { ...lockOf({}), ...lock } as Lock
    expect(permitGiven(giver, bare, "OpenLock")).toStrictEqual(
      expected ? yes : no("OpenLock", "the owner or the organization of the lock")
    )
    const key = { uuid: "key-1", userId: "zoe", giver }
    expect([isHolder(user("zoe"), key, lock), isHolder(user("ada"), key, lock)]).toEqual([expected, false])
  })
})

describe("the link of a temp key is told", () => {
  const bens = hands("ben", "globex")

  it.each<[string, Principal, Giver, Hands, boolean]>([
    ["to anybody, of a key that stands", user("zoe"), byAda, hands("ada"), true],
    ["to the operator", superKey(), byAda, bens, true],
    ["to Latchkey itself", system, byAda, bens, true],
    ["to who gave it, though it does not stand", user("ada"), byAda, bens, true],
    ["to the organization that gave it", organization("acme"), byAcme, bens, true],
    ["not to the new owner", user("ben"), byAda, bens, false],
    ["not to the new organization", organization("globex"), byAcme, bens, false],
    ["not to an organization that is called as the giver", organization("ada"), byAda, bens, false],
    ["not to a user who is called as the giver", user("acme"), byAcme, bens, false],
    ["not to a guest", guest, byAda, bens, false],
    [
      "of what the operator gave, not to the former owner",
      user("ada"),
      { _tag: "Operator", ownerId: "ada" },
      bens,
      false
    ]
  ])("%s", (_, principal, giver, lock, expected) => {
    expect(mayKnowLink(principal, giver, lock)).toBe(expected)
  })
})

describe("whom a temp key is for is told", () => {
  const sold = lockOf({ ownerId: "ada" }, { _tag: "OwnerSet", userId: "ben" })
  const before = { giver: byAda, createdVersion: 1 }

  it.each<[string, Principal, { readonly giver: Giver; readonly createdVersion: number }, boolean]>([
    [
      "to anybody who may ask, of what stands",
      user("zoe"),
      { giver: { _tag: "User", userId: "ben" }, createdVersion: 2 },
      true
    ],
    ["to whose time it was", user("ada"), before, true],
    ["not to whose it is since", user("ben"), before, false],
    ["to whose it is, of their own time", user("ben"), { giver: byAcme, createdVersion: 2 }, true],
    ["to the operator", superKey(), before, true]
  ])("%s", (_, principal, key, expected) => {
    expect(mayKnowGuests(principal, key, sold)).toBe(expected)
  })
})

describe("who may retire a lock", () => {
  const keeper = "an API key of the lock's organization, or its owner where it has none"

  it.each<[string, boolean, Principal, object]>([
    ["the owner of a lock without an organization", true, user("ada"), { ownerId: "ada" }],
    ["the owner of a lock whose organization is nobody", true, user("ada"), { ownerId: "ada", orgId: "" }],
    ["the owner of an organization's lock", false, user("ada"), { ownerId: "ada", orgId: "acme" }],
    ["its organization", true, organization("acme"), { ownerId: "ada", orgId: "acme" }],
    ["another user", false, user("ben"), { ownerId: "ada" }],
    ["the operator", true, superKey(), { ownerId: "ada" }]
  ])("%s: %s", (_, expected, principal, fields) => {
    const permitted = permit(principal, lockOf(fields), "RetireLock")
    expect(permitted).toStrictEqual(expected ? yes : no("RetireLock", keeper))
  })

  it("the operator alone takes a device away from other locks", () => {
    const lock = lockOf({ orgId: "acme" })
    expect(permit(organization("acme"), lock, "MoveClaim")).toStrictEqual(no("MoveClaim", "a super key"))
    expect(permit(superKey(), lock, "MoveClaim")).toStrictEqual(yes)
  })
})

describe("an API key", () => {
  const lock = lockOf({ orgId: "acme" })
  const scoped = (scope: string) => `an API key with the scope "${scope}"`

  it.each<[string, Limits, Result.Result<void, AccessDenied>]>([
    ["without limits opens", {}, yes],
    ["with the scope open opens", { scopes: ["open"] }, yes],
    ["with the scope admin opens", { scopes: ["admin"] }, yes],
    ["for this lock opens", { locks: [lock.lockId] }, yes],
    ["with the scope open, for this lock, opens", { scopes: ["open"], locks: [lock.lockId] }, yes],
    ["with other scopes does not open", { scopes: ["read", "keys"] }, no("OpenLock", scoped("open"))],
    ["without any scope does not open", { scopes: [] }, no("OpenLock", scoped("open"))],
    ["for another lock does not open", { locks: [lock.lockId + 1] }, no("OpenLock", "an API key for this lock")],
    ["with another scope, for no lock, does not open", { scopes: ["read"], locks: [] }, no("OpenLock", scoped("open"))]
  ])("%s", (_, limits, expected) => {
    expect(permit(organization("acme", limits), lock, "OpenLock")).toStrictEqual(expected)
    expect(permitKey(organization("acme", limits), "open", "OpenLock", lock.lockId)).toStrictEqual(expected)
  })

  it("for some locks is not for what is about all", () => {
    const some = organization("acme", { locks: [7] })
    expect(permitKey(some, "read", "Reading all")).toStrictEqual(no("Reading all", "an API key for all locks"))
    expect(permitKey(organization("acme", {}), "read", "Reading all")).toStrictEqual(yes)
    expect(permitScope(some, "read", "Reading some")).toStrictEqual(yes)
  })

  it("shows links if it is for temp keys, and the locks that it is for", () => {
    const sees = (limits: Limits) => seesLinks(organization("acme", limits))
    expect([sees({}), sees({ scopes: ["temp-keys"] }), sees({ scopes: ["read"] })]).toEqual([true, true, false])
    expect(seesLinks(user("ada"))).toBe(true)
    const shown = (limits: Limits) => isShown(organization("acme", limits), 7)
    expect([shown({}), shown({ locks: [7] }), shown({ locks: [8] })]).toEqual([true, true, false])
    expect(isShown(user("ada"), 7)).toBe(true)
  })

  it("creates locks that it is for", () => {
    const creating = (principal: Principal) => permitCreate(principal, undefined, 7)
    expect(creating(organization("acme", { scopes: ["open"] }))).toStrictEqual(no("CreateLock", scoped("admin")))
    expect(creating(superKey({ locks: [8] }))).toStrictEqual(no("CreateLock", "an API key for this lock"))
    expect(creating(organization(""))).toStrictEqual(no("CreateLock", "an organization with a name"))
    expect(creating(organization("acme", { scopes: ["admin"], locks: [7] }))).toStrictEqual(yes)
  })
})

describe("a user's locks and keys", () => {
  it("are read by a key for reading, and ended by one for keys", () => {
    const reads = organization("acme", { scopes: ["read"] })
    const keys = organization("acme", { scopes: ["keys"] })
    expect([permitUser(reads, "ada"), permitUser(keys, "ada", "keys")]).toStrictEqual([yes, yes])
    expect(permitUser(reads, "ada", "keys")).toStrictEqual(
      no("Removing a user's keys", 'an API key with the scope "keys"')
    )
    expect(permitUser(keys, "ada")).toStrictEqual(no("Reading a user's locks", 'an API key with the scope "read"'))
  })

  it("are nothing to an organization without a name", () => {
    const needed = "that user's own token, or an API key"
    expect(permitUser(organization(""), "ada")).toStrictEqual(no("Reading another user's locks", needed))
  })
})

describe("lists of locks are read by", () => {
  const refused = no("Reading locks", "a user's token, or an API key")

  it.each<[string, Principal, Result.Result<void, AccessDenied>]>([
    ["a user", user("ada"), yes],
    ["an organization", organization("acme"), yes],
    ["a key for reading", organization("acme", { scopes: ["read"], locks: [7] }), yes],
    [
      "no key for something else",
      organization("acme", { scopes: ["open"] }),
      no("Reading locks", 'an API key with the scope "read"')
    ],
    ["the operator", superKey(), yes],
    ["Latchkey itself", system, yes],
    ["no guest", guest, refused],
    ["no user without a name", user(""), refused],
    ["no organization without a name", organization(""), refused]
  ])("%s", (_, principal, expected) => {
    expect(permitLists(principal)).toStrictEqual(expected)
  })
})

describe("API keys of an organization are managed", () => {
  const action = "Managing API keys"
  const needsAdmin = no(action, 'an API key with the scope "admin"')
  const needsOwn = no(action, "an API key of that organization")
  const needsName = no(action, "the name of an organization; keys of the operator are made on the command line")
  const needsKey = no(action, "an API key")
  const acme = Result.succeed("acme")

  it.each<[string, Principal, string | undefined, Result.Result<string, AccessDenied>]>([
    ["by a key that the operator configured", organization("acme"), undefined, acme],
    ["by its own name", organization("acme"), "acme", acme],
    ["not of another", organization("acme"), "globex", needsOwn],
    ["not of nobody", organization("acme"), "", needsOwn],
    ["not by an organization without a name", organization(""), undefined, needsOwn],
    ["by a key that says so", organization("acme", { scopes: ["admin"] }, "key-1"), undefined, acme],
    ["not by a key of before there were scopes", organization("acme", undefined, "key-1"), undefined, needsAdmin],
    ["not by a key that says nothing of scopes", organization("acme", { locks: [7] }, "key-1"), undefined, needsAdmin],
    ["not by a key for something else", organization("acme", { scopes: ["keys"] }, "key-1"), undefined, needsAdmin],
    ["by the operator, who names it", superKey(), "acme", acme],
    ["not by the operator, who names none", superKey(), undefined, needsName],
    ["not by the operator, who names nobody", superKey(), "", needsName],
    ["not by the operator, for itself", superKey(), "*", needsName],
    ["not by a super key for something else", superKey({ scopes: ["read"] }), "acme", needsAdmin],
    ["by no user", user("acme"), undefined, needsKey],
    ["by no guest", guest, "acme", needsKey]
  ])("%s", (_, principal, asked, expected) => {
    expect(permitApiKeys(principal, asked)).toStrictEqual(expected)
  })

  it("none is made that can do more than the one it is made with", () => {
    const limits: Limits = { scopes: ["open"] }
    const refused = no("An API key that can do more than your own", "a key that can do as much itself")
    expect(permitApiKey(organization("acme"), {})).toStrictEqual(yes)
    expect(permitApiKey(organization("acme", limits), limits)).toStrictEqual(yes)
    expect(permitApiKey(organization("acme", limits), {})).toStrictEqual(refused)
  })
})

it("a temp key's link opens the lock even with an API key that has no scopes", () => {
  const limited = organization("globex", { scopes: [], locks: [] })
  expect(permit(limited, lockOf({ orgId: "acme" }), "OpenWithTempKey")).toStrictEqual(yes)
})
