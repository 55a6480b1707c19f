/** Fills an empty store with an export, every field as it was: first the whole file is checked, then it is appended. */
import { type AppendError, EventStore, type StoredEvent } from "@latchkey/core"
import { Array as Arr, Console, Effect, FileSystem, Schema, Stdio, Stream } from "effect"
import { BrokenExport, readEvents, validate } from "./readExport.ts"
import { withProgress } from "./withProgress.ts"

const EMPTY_STORE = "an empty store: set LATCHKEY_DATA to an empty folder, and start no server before"

/** There are events already, whose positions an import would take. */
export class StoreNotEmpty extends Schema.TaggedError<StoreNotEmpty>()("StoreNotEmpty", {}) {
  override get message() {
    return `The store holds events already. Import into ${EMPTY_STORE}.`
  }
}

/** The store holds a part of the export. */
export class ImportStopped extends Schema.TaggedError<ImportStopped>()("ImportStopped", { reason: Schema.String }) {
  override get message() {
    return `${this.reason} The import stopped half way, and the store is of no use. Import again into ${EMPTY_STORE}.`
  }
}

/** Answers how many events were imported. `-` is stdin. */
export const importEvents = Effect.fnUntraced(function* (path: string) {
  const store = yield* EventStore
  if ((yield* store.head) > 0) return yield* new StoreNotEmpty()
  const source = path === "-" ? { file: yield* spooled, name: "stdin" } : { file: path, name: path }
  const fs = yield* FileSystem.FileSystem
  const size = yield* fs.stat(source.file).pipe(
    Effect.map((info) => Number(info.size)),
    Effect.mapError(cannotRead(source.name))
  )
  const count = yield* withProgress("Checking", size, (onBytes) => validate(source, onBytes)).pipe(
    Effect.mapError(({ message }) => new BrokenExport({ message: `${message} Nothing was imported.` }))
  )
  yield* withProgress("Importing", size, (onBytes) =>
    Stream.runForEach(readEvents(source), ({ events, bytes }) =>
      Effect.map(appendAll(store, events), () => onBytes(bytes))
    )
  ).pipe(
    Effect.mapError(({ message }) => new ImportStopped({ reason: message })),
    Effect.onInterrupt(() => Console.error(`latchkey: ${new ImportStopped({ reason: "Interrupted." }).message}`))
  )
  return count
}, Effect.scoped)

/** What comes from stdin is read twice, so it is kept until the command ends. */
const spooled = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const stdio = yield* Stdio.Stdio
  const file = yield* fs.makeTempFileScoped({ prefix: "latchkey-import-" })
  yield* Stream.run(stdio.stdin, fs.sink(file))
  return file
}).pipe(Effect.mapError(cannotRead("stdin")))

/**
 * Many appends at once, so that a store may commit them together. They are handed over in the order of their positions,
 * and each must come to lie at its own.
 */
const appendAll = (store: EventStore["Service"], events: ReadonlyArray<StoredEvent>) =>
  Effect.forEach(
    Arr.isReadonlyArrayNonEmpty(events) ? Arr.groupWith(events, sameStream) : [],
    (run) => append(store, run),
    {
      concurrency: "unbounded",
      discard: true
    }
  )

const sameStream = (a: StoredEvent, b: StoredEvent): boolean => a.streamId === b.streamId

const append = Effect.fnUntraced(function* (store: EventStore["Service"], run: Arr.NonEmptyReadonlyArray<StoredEvent>) {
  const { streamId, version } = run[0]
  const { position } = yield* store.append(streamId, version - 1, run).pipe(Effect.mapError(explain))
  if (position !== run.at(-1)?.position) return yield* Effect.fail({ message: WRITTEN_BY_OTHERS })
})

const WRITTEN_BY_OTHERS = "Another process wrote to the store at the same time."

const explain = (error: AppendError): { readonly message: string } =>
  error._tag === "StoreUnavailable" ? error : { message: WRITTEN_BY_OTHERS }

function cannotRead(source: string) {
  return (error: { readonly message: string }) =>
    new BrokenExport({ message: `Cannot read ${source}: ${error.message}` })
}
