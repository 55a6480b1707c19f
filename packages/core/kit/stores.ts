/** Broken event stores: each keeps all promises of the port but one. */
import { Effect } from "effect"
import { FLAWS, groupedStore } from "./groupedStore.ts"
import { brokenBatches } from "./stores/batches.ts"
import { brokenChanges } from "./stores/changes.ts"
import { brokenConditions } from "./stores/conditions.ts"
import type { BrokenStore } from "./stores/fixture.ts"
import { brokenPositions } from "./stores/positions.ts"
import { brokenReading } from "./stores/reading.ts"
import { brokenRecords } from "./stores/records.ts"
import { brokenStorage } from "./stores/storage.ts"

export const brokenStores: ReadonlyArray<BrokenStore> = [
  ...FLAWS.map((flaw): BrokenStore => ({ name: flaw, place: Effect.sync(() => groupedStore(flaw)) })),
  ...brokenConditions,
  ...brokenBatches,
  ...brokenPositions,
  ...brokenReading,
  ...brokenStorage,
  ...brokenRecords,
  ...brokenChanges
]
