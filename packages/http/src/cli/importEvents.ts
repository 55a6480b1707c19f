/** Fills an empty store with an export, every field as it was: first the whole file is checked, then it is appended. */
import { beginImport, EventStore, endImport, importFeed, refusePart } from "@latchkey/core"
import { Console, Effect, FileSystem, Schema, Stdio, Stream } from "effect"
import { BrokenExport, readEvents, validate } from "./readExport.ts"
import { withProgress } from "./withProgress.ts"

const EMPTY_STORE = "an empty store: set LATCHKEY_DATA to an empty folder, and do not start a server on it first"

/** There are events already, whose positions an import would take. */
export class StoreNotEmpty extends Schema.TaggedError<StoreNotEmpty>()("StoreNotEmpty", {}) {
  override get message() {
    return `The store already holds events. Import into ${EMPTY_STORE}.`
  }
}

/** The store holds a part of the export. */
export class ImportStopped extends Schema.TaggedError<ImportStopped>()("ImportStopped", { reason: Schema.String }) {
  override get message() {
    return `${this.reason} The import stopped halfway, and the store cannot be used. Import again into ${EMPTY_STORE}.`
  }
}

/** Answers how many events were imported. `-` is stdin. */
export const importEvents = Effect.fnUntraced(function* (path: string) {
  const store = yield* EventStore
  yield* refusePart(store)
  if ((yield* store.head) > 0) return yield* new StoreNotEmpty()
  // From here on nobody starts over what is there, however this ends, unless nothing was imported, or all.
  yield* beginImport(store)
  const { source, size, content } = yield* checked(path).pipe(
    Effect.mapError(({ message }) => new BrokenExport({ message: `${message} Nothing was imported.` })),
    Effect.onError(() => Effect.ignore(endImport(store)))
  )
  if (!content.isSealed) yield* Effect.logWarning(ofFirstEdition(source.name, content.doubles))
  yield* withProgress("Importing", size, (onBytes) =>
    Stream.runForEach(readEvents(source), ({ events, bytes }) =>
      Effect.map(importFeed(store, events), () => onBytes(bytes))
    )
  ).pipe(
    Effect.andThen(endImport(store)),
    Effect.mapError(({ message }) => new ImportStopped({ reason: message })),
    Effect.onInterrupt(() => Console.error(`latchkey: ${new ImportStopped({ reason: "Interrupted." }).message}`))
  )
  return content.events
}, Effect.scoped)

/** The export, read once to its end. */
const checked = Effect.fnUntraced(function* (path: string) {
  const source = path === "-" ? { file: yield* spooled, name: "stdin" } : { file: path, name: path }
  const fs = yield* FileSystem.FileSystem
  const size = yield* fs.stat(source.file).pipe(
    Effect.map((info) => Number(info.size)),
    Effect.mapError(cannotRead(source.name))
  )
  const content = yield* withProgress("Checking", size, (onBytes) => validate(source, onBytes))
  return { source, size, content }
})

const ofFirstEdition = (name: string, doubles: number): string =>
  `${name} has no last line to show that it is complete; exports of the first edition never do` +
  (doubles === 0 ? "" : `; it repeats ${doubles} event ids, which stay as they are`)

/** What comes from stdin is read twice, so it is kept until the command ends. */
const spooled = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const stdio = yield* Stdio.Stdio
  const file = yield* fs.makeTempFileScoped({ prefix: "latchkey-import-" })
  yield* Stream.run(stdio.stdin, fs.sink(file))
  return file
}).pipe(Effect.mapError(cannotRead("stdin")))

function cannotRead(source: string) {
  return (error: { readonly message: string }) =>
    new BrokenExport({ message: `Cannot read ${source}: ${error.message}` })
}
