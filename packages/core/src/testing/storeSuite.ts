/**
 * The conformance suite of event stores: an adapter's test file calls it and needs little else.
 *
 * `storeCases` are its cases as values, to run without a test runner.
 */
import type { Effect, Scope } from "effect"
import { type PortSuiteOptions, registerCases } from "./portCase.ts"
import { batchCases } from "./store-suite/batches.ts"
import { changesCases } from "./store-suite/changes.ts"
import { faultCases } from "./store-suite/faults.ts"
import { feedCases } from "./store-suite/feed.ts"
import type { StoreCase, StorePlace } from "./store-suite/fixture.ts"
import { openerCases } from "./store-suite/openers.ts"
import { propertyCases } from "./store-suite/properties.ts"
import { recordCases } from "./store-suite/records.ts"
import { sizeCases } from "./store-suite/sizes.ts"
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
  ...sizeCases,
  ...propertyCases,
  ...faultCases
]

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
  options: PortSuiteOptions = {}
): void => registerCases(`store: ${name}`, storeCases, place, options)
