import type { EventStore, Presence, ReadModel, StoreUnavailable } from "@latchkey/core"
import { MemoryPresence, MemoryReadModel } from "@latchkey/core/memory"
import { Layer } from "effect"
import * as FileStore from "./FileStore.ts"

/** Events and records in a file; rows, which are made from the events at every start, and presence in memory. */
export const latchkeyStore = ({
  FILE_STORE = "store.db"
}: Readonly<Record<string, string | undefined>>): Layer.Layer<EventStore | ReadModel | Presence, StoreUnavailable> =>
  Layer.mergeAll(FileStore.layer(FILE_STORE), MemoryReadModel.layer, MemoryPresence.layer)
