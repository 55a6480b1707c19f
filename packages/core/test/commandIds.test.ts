/** A command id is taken once, whatever it is used for: everything that is recorded under one id is what one command did. */
import { describe, expect, it } from "@effect/vitest"
import { Context, Effect } from "effect"
import { BulkAddKeys } from "../src/locks/BulkAddKeys.ts"
import { millis, operator } from "./scenario.ts"
import { guest, makeSharedWorld, organization, sharing, uuidOf } from "./shared.ts"

const ID = "019a0000-0000-7000-8000-000000000001"
const context = { commandId: ID, at: millis("09:00") }

type World = Effect.Success<typeof makeUses>

/** Two locks with shared credentials to each, another server, and each use of a command id at either of them. */
const makeUses = Effect.gen(function* () {
  const { process, another, latchkey } = yield* makeSharedWorld
  const pins: Array<string> = []
  for (const n of [1, 2]) {
    pins.push((yield* process.share(sharing([[n, "both"]]), uuidOf(n))).pin ?? "")
    yield* process.share(sharing([[n, "key"]]), uuidOf(10 + n))
  }
  const other = yield* another()
  const servers = [process, other] as const
  const { start } = Context.get(yield* latchkey(), BulkAddKeys)
  return {
    process: (n: number) => servers[n - 1] ?? process,
    start,
    wrong: pins.includes("00000000") ? "1" : "00000000"
  }
})

const uses: {
  readonly [name: string]: (world: World, n: number) => Effect.Effect<unknown, { readonly _tag: string }>
} = {
  "a command of a lock": ({ process }, n) =>
    process(n).execute({ _tag: "AddResident", name: "Ada", lockId: n, principal: organization, ...context }),
  "a device command": ({ process }, n) =>
    process(n).execute({ _tag: "OpenLock", lockId: n, principal: organization, ...context }),
  "many keys": ({ start }, n) => start({ lockId: n, principal: operator, keys: [{ keyUuid: `key-${n}` }], ...context }),
  "a shared key": ({ process }, n) => process(n).share(sharing([[n, "both"]]), uuidOf(20 + n), context),
  "a revocation": ({ process }, n) =>
    process(n).credentials.revoke({ principal: organization, ...context }, uuidOf(10 + n)),
  "an opening by a link": ({ process }, n) => process(n).open(uuidOf(n), 1, { principal: guest, ...context }),
  "a wrong PIN": ({ process, wrong }, n) => process(n).enter(n, wrong, context)
}

describe("a command id", () => {
  it.live.each(Object.keys(uses).flatMap((first) => Object.keys(uses).map((second) => [first, second] as const)))(
    "of %s does for nothing else: %s",
    ([first, second]) =>
      Effect.gen(function* () {
        const world = yield* makeUses
        yield* Effect.ignore(uses[first]?.(world, 1) ?? Effect.void)
        const failed = yield* Effect.flip(uses[second]?.(world, 2) ?? Effect.void)
        expect(failed).toMatchObject({ _tag: "CommandExists", commandId: ID })
      })
  )
})
