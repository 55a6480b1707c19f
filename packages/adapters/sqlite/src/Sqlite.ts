/** The embedded default: event store and read model in two SQLite files of one folder. */

import { mkdirSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { EventStore, ReadModel, type ReadModelUnavailable, StoreUnavailable } from "@latchkey/core"
import { Context, Effect, Layer } from "effect"
import * as SqliteEventStore from "./SqliteEventStore.ts"
import * as SqliteReadModel from "./SqliteReadModel.ts"

export interface SqliteOptions {
  /**
   * Where `latchkey.db` (the event log: back this up) and `read-model.db` (made from it) are kept; created when it is
   * not there. `:memory:` keeps nothing beyond the life of the layer.
   */
  readonly folder: string
}

/**
 * Several processes, and several layers of one process, may use a folder at the same time. Fails with one sentence
 * that says what to mend when the files cannot be used.
 */
export const layer = ({
  folder
}: SqliteOptions): Layer.Layer<EventStore | ReadModel, StoreUnavailable | ReadModelUnavailable> =>
  Layer.effectContext(
    Effect.gen(function* () {
      const durable = folder !== ":memory:"
      const path = yield* durable ? keptFolder(folder) : temporaryFolder
      const store = yield* SqliteEventStore.make({ file: join(path, "latchkey.db"), durable })
      const readModel = yield* SqliteReadModel.make(join(path, "read-model.db"), yield* store.head)
      return Context.make(EventStore, store).pipe(Context.add(ReadModel, readModel))
    })
  )

/** For its owner alone: the log holds the ids of temp keys, and whoever knows one may open a door. */
const keptFolder = (folder: string) =>
  Effect.try({
    try: () => {
      mkdirSync(folder, { recursive: true, mode: 0o700 })
      return folder
    },
    catch: (cause) => {
      const isFile = cause instanceof Error && "code" in cause && (cause.code === "EEXIST" || cause.code === "ENOTDIR")
      return new StoreUnavailable({
        message: isFile
          ? `${folder} is a file, or lies below one. Name a folder for the data.`
          : `The data folder ${folder} cannot be made (${cause instanceof Error ? cause.message : cause}). Name another, or let this process write there.`,
        cause
      })
    }
  })

/** Reads and writes come from different threads, which cannot share a database in memory without waiting on each other. */
const temporaryFolder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "latchkey-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
)
