/** Who may do what: the whole of it, as a table. */
import { describe, expect, it } from "@effect/vitest"
import { Result, Struct } from "effect"
import { type LockQuestion, permit, permitCreate, permitUser } from "../src/lock/AccessPolicy.ts"
import type { Lock } from "../src/lock/Lock.ts"
import { type CommandRow, commandTable, type Right } from "../src/lock/LockCommands.ts"
import { AccessDenied } from "../src/lock/LockError.ts"
import type { Principal } from "../src/values/Principal.ts"
import { created, type Fact, given } from "./scenario.ts"

/** A lock of org-1 that ada owns, with a key of bob's and eve as a resident. */
const lock = given(
  { ...created, ownerId: "ada", orgId: "org-1", keys: [{ uuid: "key-0" }] } as Fact,
  { _tag: "KeyAdded", keyUuid: "key-1", userId: "bob" },
  { _tag: "ResidentAdded", userId: "eve", name: "Eve" }
).lock() as Lock

const principals = {
  guest: { _tag: "Guest" },
  stranger: { _tag: "User", userId: "mallory" },
  resident: { _tag: "User", userId: "eve" },
  "key holder": { _tag: "User", userId: "bob" },
  owner: { _tag: "User", userId: "ada" },
  "other organization": { _tag: "Organization", orgId: "org-2" },
  "other organization, with the owner signed in": { _tag: "Organization", orgId: "org-2", userId: "ada" },
  "own organization": { _tag: "Organization", orgId: "org-1" },
  "super key": { _tag: "Super" },
  system: { _tag: "System" }
} as const satisfies { readonly [name: string]: Principal }

type Row = Readonly<Record<keyof typeof principals, boolean>>
const row = (marks: string): Row => {
  const names = Object.keys(principals)
  return Object.fromEntries(marks.split(" ").map((mark, index) => [names[index], mark === "✓"])) as Row
}

/* guest, stranger, resident, key holder, owner; other organization, the same with the owner signed in, own organization; super key, system */
const rights = {
  owner: row("· · · · ✓ · · ✓ ✓ ✓"),
  keeper: row("· · · · · · · ✓ ✓ ✓"),
  holder: row("· · · ✓ ✓ · · ✓ ✓ ✓"),
  ever: row("· · · · ✓ · · ✓ ✓ ✓"),
  organization: row("· · · · · · · ✓ ✓ ✓"),
  operator: row("· · · · · · · · ✓ ✓"),
  anyone: row("✓ ✓ ✓ ✓ ✓ ✓ ✓ ✓ ✓ ✓"),
  device: row("· · · · · · · · · ✓")
} satisfies { readonly [Name in Right | "ever"]: Row }

/** Which right a command takes is in its row of the table; `test/commands.test.ts` holds it against the documentation. */
const actions = {
  ...Struct.map(
    commandTable,
    Struct.lambda<RightOf>(({ who }) => who)
  ),
  "basic-info": "holder",
  details: "owner",
  commands: "holder",
  residents: "owner",
  events: "ever",
  attempts: "ever",
  audit: "ever",
  "temp-keys": "owner",
  "bulk-add-keys": "owner",
  "remove-inherited-keys": "owner",
  exposure: "owner",
  presence: "owner",
  explain: "ever",
  "simulate-update-temp-key": "owner"
} as const satisfies { readonly [Question in LockQuestion]: Right | "ever" }

interface RightOf extends Struct.Lambda {
  (row: CommandRow): Right
  readonly "~lambda.out": Right
}

describe.each(Struct.keys(actions))("%s", (action) => {
  it.each(Object.entries(rights[actions[action]]))("by %s: %s", (name, allowed) => {
    const permitted = permit(principals[name as keyof Row], lock, action)
    expect(Result.isSuccess(permitted)).toBe(allowed)
  })
})

describe("a refusal says what was asked, and what it requires", () => {
  const owner = "the owner or the organization of the lock"

  it.each([
    ["SetOrganization", "an API key of the lock's organization"],
    ["UseTempKey", "an API key of the lock's organization"],
    ["OpenLock", "the owner, a key holder or the organization of the lock"],
    ["basic-info", "the owner, a key holder or the organization of the lock"],
    ["RecordOutcome", "a device's own report"],
    ["RecordState", "a device's own report"],
    ["AddKey", owner],
    ["details", owner],
    ["events", `${owner}, now or at an earlier time`]
  ] as const)("%s takes %s", (action, needed) => {
    expect(permit(principals.stranger, lock, action)).toStrictEqual(Result.fail(new AccessDenied({ action, needed })))
  })
})

describe("once it has changed hands, a lock", () => {
  const sold = given(
    { ...created, ownerId: "ada", orgId: "org-1" } as Fact,
    { _tag: "OwnerSet", userId: "zoe" },
    { _tag: "OrganizationSet", orgId: "org-2" }
  ).lock() as Lock

  it.each([principals.owner, principals["own organization"]])(
    "tells its former side its history alone: %o",
    (former) => {
      expect(Result.isSuccess(permit(former, sold, "events"))).toBe(true)
      expect(Result.isSuccess(permit(former, sold, "explain"))).toBe(true)
      for (const action of Struct.keys(actions)) {
        if (actions[action] === "ever" || actions[action] === "anyone") continue
        expect(Result.isSuccess(permit(former, sold, action))).toBe(false)
      }
    }
  )
})

describe("a lock without owner and organization", () => {
  const bare = given(created).lock() as Lock

  it.each(Object.entries(principals))("is for operators only, not for: %s", (_, principal) => {
    const operator = principal._tag === "Super" || principal._tag === "System"
    expect(Result.isSuccess(permit(principal, bare, "OpenLock"))).toBe(operator)
    expect(Result.isSuccess(permit(principal, bare, "details"))).toBe(operator)
  })
})

describe("an organization whose id is the owner's, and a user whose id is the organization's", () => {
  it("are not taken for them", () => {
    expect(Result.isFailure(permit({ _tag: "Organization", orgId: "ada" }, lock, "details"))).toBe(true)
    expect(Result.isFailure(permit({ _tag: "User", userId: "org-1" }, lock, "details"))).toBe(true)
    expect(Result.isFailure(permit({ _tag: "Organization", orgId: "bob" }, lock, "OpenLock"))).toBe(true)
    expect(Result.isFailure(permit({ _tag: "Organization", orgId: "org-2", userId: "bob" }, lock, "OpenLock"))).toBe(
      true
    )
  })
})

describe("creating a lock", () => {
  const refused = Result.fail(
    new AccessDenied({ action: "CreateLock", needed: "an ownerId that is your own, or an API key" })
  )

  it("is not for guests", () => {
    const needed = "a user's token, or an API key"
    const refusal = Result.fail(new AccessDenied({ action: "CreateLock", needed }))
    expect(permitCreate(principals.guest, undefined, 7)).toStrictEqual(refusal)
  })

  it("is for users only for themselves", () => {
    expect(Result.isSuccess(permitCreate(principals.owner, undefined, 7))).toBe(true)
    expect(Result.isSuccess(permitCreate(principals.owner, "ada", 7))).toBe(true)
    expect(permitCreate(principals.owner, "bob", 7)).toStrictEqual(refused)
  })

  it.each(["own organization", "other organization", "super key", "system"] as const)(
    "is for anybody, by %s",
    (name) => {
      expect(Result.isSuccess(permitCreate(principals[name], "bob", 7))).toBe(true)
      expect(Result.isSuccess(permitCreate(principals[name], undefined, 7))).toBe(true)
    }
  )
})

describe("reading what belongs to a user", () => {
  const refused = Result.fail(
    new AccessDenied({ action: "Reading another user's locks", needed: "that user's own token, or an API key" })
  )

  it("is for that user, and not for another", () => {
    expect(Result.isSuccess(permitUser(principals.owner, "ada"))).toBe(true)
    expect(permitUser(principals.owner, "bob")).toStrictEqual(refused)
    expect(permitUser(principals.guest, "guest")).toStrictEqual(refused)
  })

  it.each(["own organization", "other organization", "super key", "system"] as const)("is for %s", (name) => {
    expect(Result.isSuccess(permitUser(principals[name], "ada"))).toBe(true)
  })
})
