/** Everything that the kit runs suites against: the right adapters, and the broken ones. */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { MemoryDeviceShadow, MemoryEventStore } from "@latchkey/core/memory"
import { killSuite, storeSuite } from "@latchkey/core/testing"
import { Effect } from "effect"
import { groupedStore } from "./groupedStore.ts"
import { flaws } from "./killed.ts"
import { presences } from "./presences.ts"
import { readModels } from "./readModels.ts"
import { brokenShadows, shadowSuite } from "./shadows.ts"
import { brokenStores } from "./stores.ts"

export interface Subject {
  readonly port: string
  readonly name: string
  readonly isRight: boolean
  /** Registers the suite's tests for it. */
  readonly suite: () => void
  /** Milliseconds that a test of it may take, where that is more than of others. */
  readonly limit?: number
}

const temporaryFile = Effect.map(
  Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "latchkey-kit-"))),
    (folder) => Effect.sync(() => rmSync(folder, { recursive: true }))
  ),
  (folder) => join(folder, "store.db")
)

const killed = (flaw?: string): Subject => {
  const module = new URL(
    flaw === undefined ? "./killed.ts" : `./killed.ts?flaw=${encodeURIComponent(flaw)}`,
    import.meta.url
  )
  return {
    port: "killed store",
    name: flaw ?? "file",
    isRight: flaw === undefined,
    suite: () => killSuite("file", { module: module.href, place: temporaryFile, kills: [40] }),
    limit: 60_000
  }
}

const memoryPlace = Effect.sync(() => {
  const open = MemoryEventStore.layerOf(MemoryEventStore.make())
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
  ...readModels,
  ...presences,
  killed(),
  ...brokenStores.map(({ name, place }) => ({
    port: "store",
    name,
    isRight: false,
    suite: () => storeSuite(name, place)
  })),
  ...brokenShadows,
  ...flaws.map(killed)
]
