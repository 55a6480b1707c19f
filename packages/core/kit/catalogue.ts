/** Everything that the kit runs suites against: the right adapters, and the broken ones. */
import { MemoryDeviceShadow, MemoryStreams } from "@latchkey/core/memory"
import { storeSuite } from "@latchkey/core/testing"
import { Effect } from "effect"
import { groupedStore } from "./groupedStore.ts"
import { brokenShadows, shadowSuite } from "./shadows.ts"
import { brokenStores } from "./stores.ts"

interface Subject {
  readonly port: string
  readonly name: string
  readonly isRight: boolean
  /** Registers the suite's tests for it. */
  readonly suite: () => void
}

const memoryPlace = Effect.sync(() => {
  const open = MemoryStreams.layerOf(MemoryStreams.make())
  return { open, reopen: open }
})

export const subjects: ReadonlyArray<Subject> = [
  { port: "store", name: "memory", isRight: true, suite: () => storeSuite("memory", memoryPlace) },
  {
    port: "store",
    name: "in groups",
    isRight: true,
    suite: () =>
      storeSuite(
        "in groups",
        Effect.sync(() => groupedStore())
      )
  },
  { port: "device shadow", name: "memory", isRight: true, suite: () => shadowSuite(MemoryDeviceShadow) },
  ...brokenStores.map(({ name, place }) => ({
    port: "store",
    name,
    isRight: false,
    suite: () => storeSuite(name, Effect.promise(place))
  })),
  ...brokenShadows
]
