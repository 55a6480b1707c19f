/** What an API key is limited to. */
import { describe, expect, it } from "@effect/vitest"
import { Effect, Result, Schema } from "effect"
import { ApiKeys } from "../src/access/ApiKeys.ts"
import { permit, permitApiKey, permitApiKeys } from "../src/lock/AccessPolicy.ts"
import type { Lock } from "../src/lock/Lock.ts"
import { commandTable } from "../src/lock/LockCommands.ts"
import { allows, isWithin, type Limits, reaches, SCOPES, Scope } from "../src/values/Limits.ts"
import type { Principal } from "../src/values/Principal.ts"
import { controlledStore, over } from "./controlledStore.ts"
import { created, type Fact, given } from "./scenario.ts"

const few = Schema.Struct({
  scopes: Schema.optionalKey(Schema.Array(Scope)),
  locks: Schema.optionalKey(Schema.Array(Schema.Literals([6, 7, 8])))
})
const lock = given({ ...created, ownerId: "ada", orgId: "org-1" } as Fact).lock() as Lock
const organization = (limits: Limits): Principal => ({ _tag: "Organization", orgId: lock.orgId ?? "", limits })
const actions = Object.keys(commandTable) as ReadonlyArray<keyof typeof commandTable>
const permitted = (limits: Limits) =>
  actions.filter((action) => Result.isSuccess(permit(organization(limits), lock, action)))

it.prop("limits only take away, and the more the narrower they are", [few, few], ([limits, others]) => {
  const all = permitted({})
  expect(all).toEqual(expect.arrayContaining(permitted(limits)))
  if (isWithin(limits, others)) expect(permitted(others)).toEqual(expect.arrayContaining(permitted(limits)))
})

it.prop("a key is within others exactly when nothing of it is beyond them", [few, few], ([limits, others]) => {
  const managing = (of: Limits) => Result.isSuccess(permitApiKeys(organization(of)))
  const beyond = SCOPES.some((scope) =>
    [undefined, 6, 7, 8].some(
      (lockId) =>
        scope !== "admin" &&
        allows(limits, scope) &&
        reaches(limits, lockId) &&
        !(allows(others, scope) && reaches(others, lockId))
    )
  )
  if (isWithin(limits, others)) expect([beyond, managing(limits) && !managing(others)]).toEqual([false, false])
  expect(isWithin(limits, limits)).toBe(true)
  expect(Result.isSuccess(permitApiKey(organization(others), limits))).toBe(isWithin(limits, others))
})

it("every scope but admin lets its own column through, and admin all of it", () => {
  const column = (scope: Scope) => actions.filter((action) => commandTable[action].scope === scope)
  const anyone = actions.filter((action) => commandTable[action].who === "anyone")
  const all = permitted({})
  for (const scope of SCOPES.filter((scope) => scope !== "admin")) {
    expect(permitted({ scopes: [scope] }).toSorted()).toEqual(
      all.filter((action) => column(scope).includes(action) || anyone.includes(action)).toSorted()
    )
  }
  expect(permitted({ scopes: ["admin"] })).toEqual(all)
  expect(permitted({ scopes: ["admin"], locks: [lock.lockId + 1] })).toEqual(anyone)
})

describe("a limited key in the log", () => {
  it.effect("comes with its limits; scopes of a later version give nothing", () =>
    Effect.gen(function* () {
      const { store } = yield* controlledStore
      const keys = yield* over(ApiKeys, ApiKeys.layer(), store)
      const { keyId, secret } = yield* keys.create("acme", { limits: { scopes: ["open"], locks: [7] } })
      const acme = { _tag: "Organization", orgId: "acme" }
      const limits = { scopes: ["open"], locks: [7] }
      expect(yield* keys.principalOf(secret, 0)).toEqual({ ...acme, keyId, limits })
      expect((yield* keys.of("acme")).map((key) => key.limits)).toEqual([limits])
      const [stored] = yield* store.feed(0, 10)
      const later = { ...stored?.data, keyId: "later", limited: { hash: "h", scopes: ["paint", "open"] } }
      yield* store.write({
        append: [
          {
            streamId: "organization-acme",
            expectedVersion: 1,
            events: [
              {
                type: "ApiKeyCreated",
                data: later,
                eventId: "e",
                at: 0,
                orgId: "",
                principal: { _tag: "System" },
                commandId: "c"
              }
            ]
          }
        ]
      })
      expect((yield* keys.of("acme")).at(-1)?.limits).toEqual({ scopes: ["open"] })
    })
  )

  it.effect("is none to a server that knows of no limits: the hash is not where it looks", () =>
    Effect.gen(function* () {
      const { store } = yield* controlledStore
      const keys = yield* over(ApiKeys, ApiKeys.layer(), store)
      yield* keys.create("acme", { limits: { scopes: ["open"] } })
      yield* keys.create("acme", {})
      const hashes = (yield* store.feed(0, 10)).map(({ data }) => data["hash"])
      expect(hashes).toEqual(["", expect.stringMatching(/./)])
    })
  )
})
