/** Broken copies of the ports in memory. */
import { MemoryDeviceShadow, MemoryEventStore, MemoryPresence, MemoryReadModel } from "@latchkey/core/memory"
import { Effect } from "effect"
import { brokenCopy } from "./broken.ts"

const modules = { MemoryDeviceShadow, MemoryEventStore, MemoryPresence, MemoryReadModel }
type Modules = typeof modules

/** A copy of a module in which a piece of its source, or of another file of its folder, is replaced; loaded when it is run. */
export const copyIn = <K extends keyof Modules>(
  module: K,
  find: string,
  replace: string,
  file = `${module}.ts`
): Effect.Effect<Modules[K]> => {
  const url = brokenCopy(`${module}.ts`, find, replace, file)
  return Effect.promise(() => import(url))
}
