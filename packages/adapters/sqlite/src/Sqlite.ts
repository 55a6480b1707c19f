/** The embedded default: event store, read model and presence in two SQLite files of one folder. */

import { existsSync, statSync } from "node:fs"
import { join } from "node:path"
import { EventStore, Presence, ReadModel, type ReadModelUnavailable, StoreUnavailable } from "@latchkey/core"
import { Context, Effect, Layer, Option, Schedule } from "effect"
import { makeFolder } from "./Database.ts"
import * as ReadModelFile from "./ReadModelFile.ts"
import * as SqliteEventStore from "./SqliteEventStore.ts"
import * as SqlitePresence from "./SqlitePresence.ts"
import * as SqliteReadModel from "./SqliteReadModel.ts"
import { temporaryFolder } from "./temporaryFolder.ts"
import { keepWitness, readWitness, type Witness } from "./Witness.ts"

export { type BackupFailed, backup } from "./Backup.ts"
export { keepWitness, readWitness, type Witness } from "./Witness.ts"

export interface SqliteOptions {
  /**
   * Where `latchkey.db` (the event log: back this up) and `read-model.db` (made from it) are kept; created when it is
   * not there. `:memory:` keeps nothing beyond the life of the layer.
   */
  readonly folder: string
  /** `false`: fails when there is no log in the folder. */
  readonly create?: boolean
  /** A backup was restored: a log that does not hold all that was once seen there is taken as it is. */
  readonly restored?: boolean
}

/** Milliseconds between looks at how far the log goes, to remember it outside of the log. */
const WITNESS_EVERY = 1000

/**
 * Several processes, and several layers of one process, may use a folder at the same time. Fails with one sentence
 * that says what to mend when the files cannot be used.
 *
 * @example
 * ```ts
 * const store = Sqlite.layer({ folder: "./locks" })
 * const latchkey = await createLatchkey({ store, shadow: LocalShadow.layer({ folder: "./locks" }) })
 * ```
 */
export const layer = ({
  folder,
  create = true,
  restored = false
}: SqliteOptions): Layer.Layer<EventStore | ReadModel | Presence, StoreUnavailable | ReadModelUnavailable> =>
  Layer.effectContext(
    Effect.gen(function* () {
      const durable = folder !== ":memory:"
      if (durable && !create) yield* requireLog(folder)
      // Reads and writes come from different threads, which cannot share a database in memory without waiting on each other.
      const path = yield* durable ? keptFolder(folder) : temporaryFolder
      const file = join(path, LOG)
      const store = yield* SqliteEventStore.make({ file, durable })
      const rows = yield* ReadModelFile.make(
        join(path, "read-model.db"),
        (position) => {
          if (position > (readWitness(file)?.position ?? 0)) keepWitness(file, { position })
        },
        // The log is read without waiting. While it cannot be, nothing is known to be wrong.
        (seen) => Option.getOrElse(Effect.runSync(Effect.option(holds(store, seen))), () => true)
      )
      const readModel = SqliteReadModel.make(rows)
      if (durable) yield* witnessed(file, store, { ...rows, reset: readModel.reset }, restored)
      return Context.make(EventStore, store).pipe(
        Context.add(ReadModel, readModel),
        Context.add(Presence, SqlitePresence.make(rows))
      )
    })
  )

/**
 * The log alone, to read it: nothing is created or changed, no matter who writes it meanwhile. Of a log that an older Latchkey
 * wrote, what it holds now.
 */
export const reader = ({ folder }: Pick<SqliteOptions, "folder">): Layer.Layer<EventStore, StoreUnavailable> =>
  Layer.effect(EventStore, Effect.andThen(requireLog(folder), SqliteEventStore.makeReader(join(folder, LOG))))

const LOG = "latchkey.db"

const requireLog = (folder: string) =>
  Effect.suspend(() => {
    if (existsSync(join(folder, LOG))) return Effect.void
    const isFile = statSync(folder, { throwIfNoEntry: false })?.isDirectory() === false
    const message = isFile ? aFile(folder) : `There is no log in ${folder}. Name the data folder.`
    return Effect.fail(new StoreUnavailable({ message }))
  })

const aFile = (folder: string): string => `${folder} is a file, or lies below one. Name a folder for the data.`

/** Refuses a log that does not hold what it once held, and remembers from now on what it holds. */
const witnessed = Effect.fnUntraced(function* (
  file: string,
  store: EventStore["Service"],
  readModel: Pick<ReadModelFile.ReadModelFile, "seen"> & Pick<ReadModel["Service"], "reset">,
  restored: boolean
) {
  // What was seen is read before the log: a server beside this process moves all of them on.
  const seen = [readWitness(file), yield* readModel.seen] as const
  const [witness, projected] = seen
  const isSameLog = witness === undefined || (yield* holds(store, witness))
  let isWhole = isSameLog && (yield* holds(store, projected))
  if (isSameLog && !isWhole && witness?.eventId !== undefined && witness.position >= projected.position) {
    // The log is the one that was here, further than the read model goes: so that one is not.
    yield* Effect.logWarning("The read model was made from another log: filling it again from this one")
    yield* readModel.reset
    isWhole = true
  }

  let kept = seen[0]?.position
  const keep = Effect.gen(function* () {
    const head = yield* store.head
    if (head === kept) return
    const [newest] = yield* store.feed(head - 1, 1)
    keepWitness(file, { position: head, ...(newest && { eventId: newest.eventId }) })
    kept = head
    // Who uses the store is told what is wrong with it.
  }).pipe(Effect.ignore)

  if (!isWhole) {
    const position = Math.max(...seen.map((witness) => witness?.position ?? 0))
    if (!restored) {
      return yield* new StoreUnavailable({
        message: `The log ${file} is not the one that was here: that one reached event ${position} or later, this one reaches ${yield* store.head}, or holds other events. Restore the newest backup. If you just did, start once with LATCHKEY_RESTORED=yes.`
      })
    }
    yield* Effect.logWarning("The event log was restored: filling the read model again")
    yield* readModel.reset
    kept = undefined
  } else if (restored) {
    yield* Effect.logWarning("LATCHKEY_RESTORED is set, and no backup was restored: unset it, it hides a lost log")
  }
  yield* keep
  yield* Effect.forkScoped(Effect.repeat(keep, Schedule.spaced(WITNESS_EVERY)))
  yield* Effect.addFinalizer(() => keep)
})

const holds = (store: EventStore["Service"], { position, eventId }: Witness) =>
  position === 0
    ? Effect.succeed(true)
    : Effect.map(
        store.feed(position - 1, 1),
        ([event]) => event !== undefined && (eventId === undefined || event.eventId === eventId)
      )

/** For its owner alone: the log holds the ids of temp keys, and anyone who knows one may open a door. */
const keptFolder = (folder: string) =>
  Effect.try({
    try: () => {
      makeFolder(folder)
      return folder
    },
    catch: (cause) => {
      const isFile = cause instanceof Error && "code" in cause && (cause.code === "EEXIST" || cause.code === "ENOTDIR")
      return new StoreUnavailable({
        message: isFile
          ? aFile(folder)
          : `The data folder ${folder} cannot be made (${cause instanceof Error ? cause.message : cause}). Name another, or let this process write there.`,
        cause
      })
    }
  })
