/** The conformance suite of read models: an adapter's test file calls it and needs little else. */
import type { Effect, Scope } from "effect"
import type { ReadModel } from "../read-model/ReadModel.ts"
import { type PortCase, type PortPlace, type PortSuiteOptions, registerCases } from "./portCase.ts"
import { cursorCases } from "./read-model/cursor.ts"
import { openerCases } from "./read-model/openers.ts"
import { propertyCases } from "./read-model/properties.ts"
import { rowCases } from "./read-model/rows.ts"

/** Every promise of the port. Each case begins with `reset`, so they may run over one and the same database. */
export const readModelCases: ReadonlyArray<PortCase<ReadModel>> = [
  ...rowCases,
  ...cursorCases,
  ...openerCases,
  ...propertyCases
]

/**
 * Registers the tests.
 *
 * @example
 * ```ts
 * readModelSuite("mine", Effect.map(temporaryFile, (path) => ({ open: MyModel.layer({ path }), reopen: MyModel.layer({ path }) })))
 * ```
 */
export const readModelSuite = (
  name: string,
  place: Effect.Effect<PortPlace<ReadModel>, unknown, Scope.Scope>,
  options: PortSuiteOptions = {}
): void => registerCases(`read model: ${name}`, readModelCases, place, options)
