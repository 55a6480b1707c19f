/** Each side of a lock sees its own time: examples, and what holds of any life of a lock. */
import { describe, expect, it } from "@effect/vitest"
import { Arbitrary, Option, Schema } from "effect"
import { concernsHardware, withoutPeople } from "../src/lock/EventRows.ts"
import { evolveStored, initial } from "../src/lock/Evolve.ts"
import type { Lock } from "../src/lock/Lock.ts"
import { fromStored, toStored, toWire } from "../src/lock/LockEvent.ts"
import { edgesFor, isOwnInstant, isOwnTime, shownTo, viewOf, wasEver } from "../src/lock/OwnTime.ts"
import type { StoredEvent } from "../src/streams/EventStore.ts"
import type { Principal } from "../src/values/Principal.ts"
import { clock, created, type Fact, happened, lockId, lockUuid, millis, operator } from "./scenario.ts"

const user = (userId: string): Principal => ({ _tag: "User", userId })
const organization = (orgId: string): Principal => ({ _tag: "Organization", orgId, keyId: "key-1", userId: "clerk" })
const ada = user("ada")
const ben = user("ben")
const seaside = organization("seaside")
const hilltop = organization("hilltop")

/** The facts as they are stored, a second apart, each done by somebody. */
const logOf = (facts: ReadonlyArray<readonly [Fact, Principal]>): ReadonlyArray<StoredEvent> =>
  facts.map(([fact, principal], index) => ({
    ...toStored(happened(fact, timeOf(index))),
    eventId: `event-${index + 1}`,
    at: millis(timeOf(index)),
    orgId: "",
    principal,
    commandId: `command-${index + 1}`,
    streamId: `lock-${lockId}`,
    version: index + 1,
    position: index + 1
  }))

const timeOf = (index: number): string => new Date(millis("08:00") + index * 1_000).toISOString().slice(11, 23)

const lockOf = (log: ReadonlyArray<StoredEvent>): Lock =>
  log.reduce<Lock | undefined>(evolveStored, initial) ?? expect.unreachable("no lock")

const opened: Fact = { _tag: "LockOpenRequested", via: "API" }
const keyAdded: Fact = { _tag: "KeyAdded", keyUuid: "key-1", keyIndexNumber: 1, userId: "zoe" }

it.each<[string, Principal, string]>([
  ["the operator", operator, "aa"],
  ["the organization that had it all the time", seaside, "aa"],
  ["the owner who asked, and has sold it", ada, "--"],
  ["the owner who bought it", ben, "-a"]
])(
  "of what became of an opening, whenever the lock says so, it is the time of the asking that counts: %s",
  (_, who, seen) => {
    const outcomeOf = (commandId: string, index: number): Fact => ({
      _tag: "CommandOutcomeReported",
      commandId,
      commandType: "OpenLock",
      outcome: "done",
      requestedAt: clock(timeOf(index)),
      acceptedAt: clock(timeOf(index)),
      reportedAt: clock(timeOf(index))
    })
    const log = logOf([
      [{ ...created, orgId: "seaside" } as Fact, seaside],
      [{ _tag: "OwnerSet", userId: "ada" }, seaside],
      [opened, ada],
      [{ _tag: "OwnerSet", userId: "ben" }, ada],
      [opened, ben],
      [outcomeOf("command-3", 2), { _tag: "System" }],
      [outcomeOf("command-5", 4), { _tag: "System" }]
    ])
    const lock = lockOf(log)
    const views = log.slice(5).map((stored) => ({ all: "a", hardware: "h", nothing: "-" })[viewOf(who, lock, stored)])
    expect(views.join("")).toBe(seen)
  }
)

describe("a flat that is let by an organization, sold, and goes to another organization", () => {
  const log = logOf([
    [{ ...created, orgId: "seaside" } as Fact, seaside],
    [keyAdded, seaside],
    [{ _tag: "OwnerSet", userId: "ada" }, seaside],
    [{ _tag: "ResidentAdded", userId: "ann", name: "Ann", email: "ann@example.org" }, ada],
    [keyAdded, ada],
    [opened, ada],
    [{ _tag: "OwnerSet", userId: "ben" }, ada],
    [opened, ben],
    [{ _tag: "OrganizationSet", orgId: "hilltop" }, operator],
    [opened, ben]
  ])
  const lock = lockOf(log)
  const views = (principal: Principal) =>
    log.map((stored) => ({ all: "a", hardware: "h", nothing: "-" })[viewOf(principal, lock, stored)]).join("")

  it.each<[string, Principal, string]>([
    ["the operator: everything", operator, "aaaaaaaaaa"],
    ["the seller: their own time, and the sale that they made", ada, "--aaaaa---"],
    ["the buyer: from the sale on, and the hardware", ben, "hh--h-aaaa"],
    ["the organization that stayed until then: its own time, and that it ended", seaside, "aaaaaaaah-"],
    ["the organization that came: from then on, and the hardware", hilltop, "hh--h---aa"],
    ["somebody else", user("eve"), "----------"],
    ["a user who is called as an organization is", user("seaside"), "----------"],
    ["a guest", { _tag: "Guest" }, "----------"]
  ])("%s", (_, principal, seen) => expect(views(principal)).toBe(seen))

  it("names no former resident to the buyer, who may still remove them", () => {
    expect(shownTo(ben, lock).residents).toEqual([{ userId: "ann", name: "", addedVersion: 4 }])
    expect(shownTo(seaside, lock).residents).toEqual(lock.residents)
  })

  it("tells instants apart as it does versions", () => {
    for (const { at, version } of log) {
      for (const principal of [ada, ben, seaside, hilltop, operator])
        expect(isOwnInstant(principal, lock, at)).toBe(isOwnTime(principal, lock, version))
    }
  })
})

it("what is shown of the hardware names nobody", () => {
  const [stored] = logOf([[keyAdded, ada]])
  if (stored === undefined) return expect.unreachable("nothing is stored")
  const event = Option.getOrUndefined(fromStored(stored))
  expect(event && withoutPeople(toWire(event)).data).toEqual({
    lockId,
    uuid: lockUuid,
    timestamp: clock("08:00"),
    keyUuid: "key-1",
    keyIndexNumber: 1
  })
  // What must be there stays, and is empty.
  const sold = withoutPeople(toWire(happened({ _tag: "OwnerSet", userId: "ben" })))
  expect(sold.data).toMatchObject({ userId: "" })
})

/** A life of a lock: who has it and who owns it changes, and other things happen in between. */
const Step = Schema.Union([
  Schema.Struct({ owner: Schema.Literals(["ada", "ben", ""]) }),
  Schema.Struct({ organization: Schema.Literals(["seaside", "hilltop", ""]) }),
  Schema.Struct({ other: Schema.Literals(["opened", "key"]) })
])
const Life = Schema.Array(Step).check(Schema.isMaxLength(30))
const factOf = (step: typeof Step.Type): Fact => {
  if ("owner" in step) return { _tag: "OwnerSet", userId: step.owner }
  if ("organization" in step) return { _tag: "OrganizationSet", orgId: step.organization }
  return step.other === "opened" ? opened : keyAdded
}

it.prop(
  "each sees all of their own time, and of the time of others nothing but hardware",
  [Arbitrary.schema(Life)],
  ([life]) => {
    const log = logOf([
      [{ ...created, ownerId: "ada" } as Fact, operator],
      ...life.map((step) => [factOf(step), operator] as const)
    ])
    const lock = lockOf(log)
    let owner: string | undefined = "ada"
    let org: string | undefined
    for (const stored of log) {
      const [ownerBefore, orgBefore] = [owner, org]
      const event = fromStored(stored)
      if (event._tag === "Some" && event.value._tag === "OwnerSet") owner = event.value.userId
      if (event._tag === "Some" && event.value._tag === "OrganizationSet") org = event.value.orgId
      for (const [principal, mine, before, now] of [
        [ada, "ada", ownerBefore, owner],
        [ben, "ben", ownerBefore, owner],
        [seaside, "seaside", orgBefore, org],
        [hilltop, "hilltop", orgBefore, org]
      ] as const) {
        const view = viewOf(principal, lock, stored)
        const isCurrent = (principal._tag === "User" ? lock.ownerId : lock.orgId) === mine
        if (now === mine) expect(view).toBe("all")
        else if (before === mine) expect(view).toBe("hardware")
        else expect(view).toBe(isCurrent && concernsHardware(stored) ? "hardware" : "nothing")
        const { low, high } = edgesFor(principal, lock)
        if (view !== "nothing") expect([stored.version > low, stored.version <= high]).toEqual([true, true])
        if (view !== "nothing") expect(wasEver(principal, lock)).toBe(true)
      }
      expect(viewOf(user(""), lock, stored)).toBe("nothing")
    }
  }
)

it("a lock remembers so many periods of a side, and one side's changes cost the other nothing", () => {
  const facts = Array.from({ length: 1_200 }, (_, n): readonly [Fact, Principal] => [
    { _tag: "OwnerSet", userId: `guest-${n}` },
    seaside
  ])
  const log = logOf([[{ ...created, orgId: "seaside" } as Fact, seaside], ...facts])
  const lock = lockOf(log)
  expect(lock.owners).toHaveLength(500)
  expect(log.every((stored) => viewOf(seaside, lock, stored) === "all")).toBe(true)
  expect(wasEver(user("guest-0"), lock)).toBe(false)
  expect(wasEver(user("guest-900"), lock)).toBe(true)
})
