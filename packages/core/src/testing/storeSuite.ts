/**
 * The conformance suite of event stores: an adapter's test file calls it and needs little else.
 *
 * `storeCases` are its cases as values, for whoever runs them without a test runner.
 */
import { describe, it } from "@effect/vitest"
import { Effect, Random, type Scope } from "effect"
import { batchCases } from "./store-suite/batches.ts"
import { changesCases } from "./store-suite/changes.ts"
import { faultCases } from "./store-suite/faults.ts"
import { feedCases } from "./store-suite/feed.ts"
import type { StoreCase, StorePlace } from "./store-suite/fixture.ts"
import { openerCases } from "./store-suite/openers.ts"
import { propertyCases } from "./store-suite/properties.ts"
import { recordCases } from "./store-suite/records.ts"
import { streamCases } from "./store-suite/streams.ts"

export type { StoreCase, StoreFaults, StorePlace } from "./store-suite/fixture.ts"

/** Everything that the port promises, as cases that any store passes. */
export const storeCases: ReadonlyArray<StoreCase> = [
  ...streamCases,
  ...batchCases,
  ...feedCases,
  ...recordCases,
  ...changesCases,
  ...openerCases,
  ...propertyCases,
  ...faultCases
]

export interface StoreSuiteOptions {
  /** Milliseconds that a case may take; 20,000 unless given. */
  readonly timeout?: number
  /** For what is drawn at random: that of a run that failed, to see it again. */
  readonly seed?: number
}

/**
 * Registers the tests. Each takes a place of its own from `place`, which may be the same for all of them where making one
 * is slow: nobody else may write to it meanwhile.
 *
 * @example
 * ```ts
 * storeSuite("memory", Effect.sync(() => {
 *   const open = MemoryEventStore.layerOf(MemoryEventStore.make())
 *   return { open, reopen: open }
 * }))
 * ```
 */
export const storeSuite = (
  name: string,
  place: Effect.Effect<StorePlace, unknown, Scope.Scope>,
  { timeout = 20_000, seed }: StoreSuiteOptions = {}
): void => {
  describe(`store: ${name}`, () => {
    for (const one of storeCases) {
      const tried = Effect.gen(function* () {
        const kept = yield* place
        if (one.needs !== undefined && kept.faults?.[one.needs] === undefined) return one.needs
        const drawn = seed ?? (yield* Random.nextInt)
        yield* one.run(kept, drawn).pipe(Effect.onError(() => Effect.logError(`${one.name}: seed ${drawn}`)))
        return undefined
      })
      it(
        one.name,
        async (context) => {
          const missing = await Effect.runPromise(Effect.scoped(tried), { signal: context.signal })
          if (missing !== undefined) context.skip(`The place has no hook ${missing}.`)
        },
        timeout
      )
    }
  })
}
