/** A right ends with its source, for every credential and every change of hands, on two servers; and it is back with it. */
import { describe, expect, it } from "@effect/vitest"
import { Context, Effect, Result, Schema } from "effect"
import { TempKeyLinks } from "../src/guest/TempKeyLinks.ts"
import { stands } from "../src/lock/AccessPolicy.ts"
import { giverOf, type Hands } from "../src/lock/Giver.ts"
import { LockQueries } from "../src/locks/LockQueries.ts"
import { Locks } from "../src/locks/Locks.ts"
import { SharedCredentials } from "../src/temp-key/SharedCredentials.ts"
import { SharedDoors } from "../src/temp-key/SharedDoors.ts"
import type { Principal } from "../src/values/Principal.ts"
import { Explanations } from "../src/why/Explanations.ts"
import { guest, pinKey, thingOf, uuidOf } from "./shared.ts"
import { makeWorld } from "./world.ts"

const ann = { _tag: "User", userId: "ann" } as const
const ben = { _tag: "User", userId: "ben" } as const
const org1 = { _tag: "Organization", orgId: "org-1" } as const
const org2 = { _tag: "Organization", orgId: "org-2" } as const
const operator = { _tag: "Super" } as const
const holder = { _tag: "User", userId: "holder" } as const

const Owner = Schema.Literals(["ann", "ben", ""])
const Org = Schema.Literals(["org-1", "org-2", ""])
const Step = Schema.TaggedUnion({
  SetOwner: { userId: Owner },
  SetOrganization: { orgId: Org },
  /** The holder's key goes, if it is there, and is there again, given by somebody who may now. */
  Key: { by: Schema.Literals(["owner", "organization", "operator"]), stays: Schema.Boolean },
  /** By the giver of nothing: it is whose it was. */
  Update: {}
})

/** What a former side may not do, said once more and otherwise than the rule: by what each giver rests on. */
const mayGive = (giver: Principal, then: Hands, now: Hands): boolean => {
  if (giver._tag === "User") return now.ownerId === giver.userId
  if (giver._tag === "Organization") return now.orgId === giver.orgId
  return [then.ownerId || now.ownerId, then.orgId || now.orgId].join() === [now.ownerId, now.orgId].join()
}

const HOUR = 3_600_000
const BEGIN = Date.parse("2026-08-31T09:00:00Z")
const window = { validFrom: "2026-08-01T00:00:00Z", validUntil: "2036-08-01T00:00:00Z" }
const lockId = 1

/** A lock of ann's and of org-1's, two servers, and of each giver a temp key and a shared key with a PIN. */
const makeHouse = Effect.gen(function* () {
  const world = yield* makeWorld
  const servers = [yield* world.quiet(), yield* world.quiet()] as const
  let asked = 0
  /** Every question an hour later than the one before, so that no budget runs out; by turns, at one server and the other. */
  const next = () => {
    asked++
    const services = servers[asked % 2 === 0 ? 0 : 1]
    return { services, context: { commandId: `asked-${asked}`, at: BEGIN + asked * HOUR }, asked }
  }
  const command = (principal: Principal, request: object) => {
    const { services, context } = next()
    return Context.get(services, Locks).execute({ lockId, principal, ...context, ...request } as never)
  }
  return { next, command, held: world.shadow.held }
})

const isDone = <A, E extends { readonly _tag: string }>(
  effect: Effect.Effect<A, E>,
  ...refusals: ReadonlyArray<string>
) =>
  Effect.map(Effect.result(effect), (result) => {
    if (Result.isFailure(result)) expect(refusals).toContain(result.failure._tag)
    return Result.isSuccess(result)
  })

describe("what somebody gave", () => {
  it.live.prop(
    "opens for as long as they may give it, whatever the credential, and again when they may again",
    [Schema.Array(Step).check(Schema.isMaxLength(6))],
    ([steps]) =>
      Effect.gen(function* () {
        const { next, command } = yield* makeHouse
        yield* command(operator, { _tag: "CreateLock", index: 1, uuid: thingOf(1), ownerId: "ann" })
        yield* command(operator, { _tag: "SetOrganization", orgId: "org-1" })
        let hands = { ownerId: "ann", orgId: "org-1" }
        const first = hands
        const givers: ReadonlyArray<Principal> = [ann, org1, { ...org1, userId: "ben" }, operator]
        const pins: Array<string> = []
        for (const [index, by] of givers.entries()) {
          yield* command(by, { _tag: "CreateTempKey", tempKeyUuid: uuidOf(index), accessMode: "public", ...window })
          const { services, context } = next()
          const doors = [{ lockId: String(lockId), accessMethod: "both" as const }]
          const made = yield* Context.get(services, SharedCredentials).share(
            { ...context, principal: by, uuid: uuidOf(100 + index), ...window, doors },
            pinKey
          )
          pins.push(made.pin ?? "")
        }
        let key: { readonly by: Principal; readonly of: Hands } | undefined

        const expectations = Effect.gen(function* () {
          for (const [index, by] of givers.entries()) {
            const may = mayGive(by, first, hands)
            expect(stands(giverOf(by, first), hands)).toBe(may)
            const at = next()
            const links = Context.get(at.services, TempKeyLinks)
            const opening = { ...at.context, principal: guest }
            expect(yield* isDone(links.open({ ...opening, link: uuidOf(index) }), "TempKeyWithdrawn")).toBe(may)
            const view = yield* links.view(uuidOf(index), undefined, at.context.at)
            expect(view.status).toBe(may ? "valid" : "withdrawn")
            const use = command(operator, { _tag: "UseTempKey", tempKeyUuid: uuidOf(index) })
            expect(yield* isDone(use, "TempKeyWithdrawn")).toBe(may)
            const door = next()
            const doors = Context.get(door.services, SharedDoors)
            const byLink = { ...door.context, principal: guest, uuid: uuidOf(100 + index), doorId: 1 }
            expect(yield* isDone(doors.open(byLink), "DoorWithdrawn")).toBe(may)
            const { context, asked } = next()
            const networks = [`2001:db8:${asked.toString(16)}::/48`]
            const byPin = { ...context, principal: guest, lockId, pin: pins[index] ?? "", networks }
            expect(yield* isDone(doors.openByPin(byPin, pinKey), "PinRefused")).toBe(may)
            const { explain } = Context.get(at.services, Explanations)
            for (const tempKeyUuid of [uuidOf(index), uuidOf(100 + index)]) {
              const subject = { _tag: "TempKey", tempKeyUuid } as const
              const explained = yield* explain(operator, lockId, { subject, at: next().context.at })
              expect([explained.allowed, explained.rule]).toEqual(may ? [true, "valid"] : [false, "withdrawn"])
            }
          }
          const now = next()
          const listed = yield* Context.get(now.services, LockQueries).tempKeys(operator, lockId, now.context.at)
          for (const { uuid, status, withdrawn } of listed.tempKeys) {
            const may = mayGive(givers[Number(uuid.slice(-1))] ?? operator, first, hands)
            expect([status, withdrawn]).toEqual(may ? ["valid", undefined] : ["not-yet-valid", true])
          }
          const may = key !== undefined && mayGive(key.by, key.of, hands)
          expect(yield* isDone(command(holder, { _tag: "OpenLock" }), "AccessDenied")).toBe(may)
          const { explain } = Context.get(now.services, Explanations)
          const subject = { _tag: "User", userId: "holder" } as const
          expect((yield* explain(operator, lockId, { subject, at: next().context.at })).allowed).toBe(may)
        })

        yield* expectations
        for (const step of steps) {
          switch (step._tag) {
            case "SetOwner":
              yield* command(operator, step)
              hands = { ...hands, ownerId: step.userId }
              break
            case "SetOrganization":
              yield* command(operator, step)
              hands = { ...hands, orgId: step.orgId }
              break
            case "Update":
              for (const index of givers.keys()) {
                const validUntil = `${2036 + next().asked}-01-01T00:00:00Z`
                yield* command(operator, { _tag: "UpdateTempKey", tempKeyUuid: uuidOf(index), validUntil })
              }
              break
            case "Key": {
              if (key !== undefined) yield* command(operator, { _tag: "RemoveKey", keyUuid: "key-1" })
              key = undefined
              if (!step.stays) break
              const owner = { _tag: "User", userId: hands.ownerId } as const
              const organization = { _tag: "Organization", orgId: hands.orgId } as const
              const by = { owner, organization, operator }[step.by]
              const add = command(by, { _tag: "AddKey", keyUuid: "key-1", userId: "holder" })
              if (yield* isDone(add, "AccessDenied")) key = { by, of: hands }
            }
          }
          yield* expectations
        }
      }),
    { arbitrary: { runs: 25 } }
  )
})

describe("what somebody gave at a lock that is retired", () => {
  it.live.each(["owner", "organization", "operator"] as const)(
    "opens nothing more, nor the lock that has its thing next: it was retired by its %s",
    (retiring) =>
      Effect.gen(function* () {
        const { next, command, held } = yield* makeHouse
        yield* command(operator, { _tag: "CreateLock", index: 1, uuid: thingOf(1), ownerId: "ann" })
        // Where it has an organization, it is for that to retire it.
        if (retiring !== "owner") yield* command(operator, { _tag: "SetOrganization", orgId: "org-1" })
        const by = { owner: ann, organization: org1, operator }[retiring]
        yield* command(by, { _tag: "AddKey", keyUuid: "key-1", userId: "holder" })
        yield* command(by, { _tag: "CreateTempKey", tempKeyUuid: uuidOf(1), accessMode: "public", ...window })
        const at = next()
        const doors = [{ lockId: String(lockId), accessMethod: "both" as const }]
        const { pin } = yield* Context.get(at.services, SharedCredentials).share(
          { ...at.context, principal: by, uuid: uuidOf(101), ...window, doors },
          pinKey
        )
        /** What each credential is answered. */
        const tried = Effect.gen(function* () {
          const { services, context, asked } = next()
          const opening = { ...context, principal: guest }
          const networks = [`2001:db8:${asked.toString(16)}::/48`]
          const shared = Context.get(services, SharedDoors)
          return yield* Effect.forEach(
            [
              Context.get(services, TempKeyLinks).open({ ...opening, link: uuidOf(1) }),
              command(operator, { _tag: "UseTempKey", tempKeyUuid: uuidOf(1) }),
              command(holder, { _tag: "OpenLock" }),
              shared.open({ ...next().context, principal: guest, uuid: uuidOf(101), doorId: 1 }),
              shared.openByPin({ ...next().context, principal: guest, lockId, pin: pin ?? "", networks }, pinKey)
            ] as ReadonlyArray<Effect.Effect<unknown, { readonly _tag: string }>>,
            (open) => Effect.map(Effect.result(open), Result.isSuccess)
          )
        })
        expect(yield* tried).toEqual([true, true, true, true, true])
        yield* command(by, { _tag: "RetireLock" })
        yield* command(operator, { _tag: "RetireLock" })
        expect(yield* tried).toEqual([false, false, false, false, false])
        yield* command(operator, { _tag: "CreateLock", index: 1, uuid: thingOf(1), ownerId: "ann", lockId: 2 })
        expect(yield* tried).toEqual([false, false, false, false, false])
        expect(Object.keys(yield* held(thingOf(1)))).toEqual([])
      })
  )
})

describe("two sources", () => {
  it("the owner's and the organization's do not end with each other", () => {
    const sold = { ownerId: "ben", orgId: "org-1" }
    expect([ann, ben, org1, org2].map((by) => stands(giverOf(by, sold), sold))).toEqual([false, true, true, false])
  })

  it("an organization is one, whichever key or user it came with", () => {
    expect(giverOf({ ...org1, userId: "ann" }, {})).toEqual(giverOf(org1, { ownerId: "ben" }))
  })

  it("the empty id has no rights, and the operator gives for nobody where nobody is", () => {
    expect(stands(giverOf({ _tag: "User", userId: "" }, {}), { ownerId: "" })).toBe(false)
    expect(giverOf(operator, { ownerId: "", orgId: "" })).toEqual({ _tag: "Operator" })
    expect(stands({ _tag: "Operator" }, { ownerId: "ann", orgId: "org-1" })).toBe(true)
  })

  it("what the operator gave ends with either of those for whom it was", () => {
    const giver = giverOf(operator, { ownerId: "ann", orgId: "org-1" })
    expect(stands(giver, { ownerId: "ann", orgId: "org-1" })).toBe(true)
    expect(stands(giver, { ownerId: "ben", orgId: "org-1" })).toBe(false)
    expect(stands(giver, { ownerId: "ann", orgId: "org-2" })).toBe(false)
    expect(stands(giver, { orgId: "org-1" })).toBe(false)
  })
})
