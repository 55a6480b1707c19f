/** Whatever guests, API keys and owners do at once with a key: it is used no more often than it may be at that moment. */
import { describe, expect, it } from "@effect/vitest"
import { Context, Effect, HashMap, Option, Result } from "effect"
import fc from "fast-check"
import { TempKeyLinks } from "../src/guest/TempKeyLinks.ts"
import { evolveStored } from "../src/lock/Evolve.ts"
import type { Lock } from "../src/lock/Lock.ts"
import { statusAt } from "../src/lock/TempKey.ts"
import { clock, lockUuid, millis, operator, type Request } from "./scenario.ts"
import { create, makeWorld } from "./world.ts"

const tempKeyUuid = "7e3b0000-0000-4000-8000-00000000000a"
const noon = millis("12:00")

/** What somebody does: a guest opens (perhaps once more by the same page), an API key uses, an owner changes or deletes. */
type Act =
  | { readonly open: number }
  | { readonly request: Request }
  | { readonly shadow: "ok" | "reject" | "lose-answer" }

const act: fc.Arbitrary<Act> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ open: fc.integer({ min: 0, max: 5 }) }) },
  {
    weight: 3,
    arbitrary: fc.constantFrom<Act>({ request: { _tag: "UseTempKey", tempKeyUuid } })
  },
  {
    weight: 2,
    arbitrary: fc
      .constantFrom(1, 2, 3, null)
      .map((maxUses): Act => ({ request: { _tag: "UpdateTempKey", tempKeyUuid, maxUses } }))
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom<Act>(
      { request: { _tag: "DeleteTempKey", tempKeyUuid } },
      { request: { _tag: "UpdateTempKey", tempKeyUuid, validUntil: clock("11:00") } },
      { request: { _tag: "UpdateTempKey", tempKeyUuid, validUntil: clock("17:00") } }
    )
  },
  { weight: 1, arbitrary: fc.constantFrom<Act>({ shadow: "ok" }, { shadow: "reject" }, { shadow: "lose-answer" }) }
)

describe("a temp key", () => {
  it("is never used beyond its limit, by any interleaving of opens, uses, updates and deletion in two processes", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(act, { minLength: 1, maxLength: 8 }), { maxLength: 6 }), (rounds) =>
        Effect.runPromise(
          Effect.scoped(
            Effect.gen(function* () {
              const world = yield* makeWorld
              const execute = yield* world.process()
              yield* execute(create)
              yield* execute({
                _tag: "CreateTempKey",
                tempKeyUuid,
                accessMode: "public",
                validFrom: clock("09:00"),
                validUntil: clock("17:00"),
                maxUses: 2
              })
              const processes = [
                Context.get(yield* world.latchkey(), TempKeyLinks),
                Context.get(yield* world.latchkey(), TempKeyLinks)
              ] as const
              let commands = 0
              /** The version that each page was answered with. */
              const answers = new Map<number, Set<number>>()
              const perform = (act: Act) => {
                if ("shadow" in act) return world.shadow.setMode(act.shadow)
                const commandId = `act-${++commands}`
                if ("request" in act) {
                  return Effect.ignore(execute(act.request, { commandId, at: noon, principal: operator }))
                }
                const receipt = { id: `page-${act.open}`, fingerprint: "" }
                const which = processes[commands % 2 === 0 ? 0 : 1]
                return which
                  .open({ link: tempKeyUuid, commandId, at: noon, principal: { _tag: "Guest" }, receipt })
                  .pipe(
                    Effect.result,
                    Effect.tap((result) =>
                      Effect.sync(() => {
                        if (Result.isFailure(result)) return
                        const versions = answers.get(act.open) ?? new Set()
                        answers.set(act.open, versions.add(result.success.version))
                      })
                    )
                  )
              }
              for (const round of rounds) yield* Effect.all(round.map(perform), { concurrency: "unbounded" })

              const log = yield* world.store.read("lock-7", 0, 1_000)
              let lock: Lock | undefined
              for (const stored of log) {
                const key =
                  lock === undefined ? undefined : Option.getOrUndefined(HashMap.get(lock.tempKeys, tempKeyUuid))
                if (stored.type === "TempKeyUsed") {
                  expect(key === undefined ? "deleted" : statusAt(key, noon)).toBe("valid")
                  expect(stored.data["usedCount"]).toBe((key?.usedCount ?? 0) + 1)
                }
                lock = evolveStored(lock, stored)
              }
              // One page is one opening: every answer that it got names the same use, and no other page's.
              const opens = log.filter(({ type }) => type === "LockOpenRequested")
              const named = [...answers.values()].map((versions) => [...versions])
              for (const versions of named) expect(versions).toHaveLength(1)
              expect(named.flat().sort((a, b) => a - b)).toEqual(opens.map(({ version }) => version - 1))
              // What has expired since is no longer held; what is held was recorded.
              const recorded = new Set(opens.map(({ commandId }) => commandId))
              for (const commandId of Object.keys(yield* world.shadow.held(lockUuid)))
                expect(recorded).toContain(commandId)
            })
          )
        )
      ),
      { numRuns: 60 }
    )
  })
})
