/**
 * Fills an empty store with an export, every field as it was. Each page is checked, and then appended, while the next one is
 * read; until the whole export has shown itself to be one, the store holds a part, and nothing starts on it. One that was
 * interrupted goes on with the same file.
 */
import { beginImport, EventStore, endImport, holdsPart, importFeed, type StoredEvent } from "@latchkey/core"
import { Console, Effect, FileSystem, Schema, Stdio, Stream } from "effect"
import { encodeLine } from "./Envelope.ts"
import { BrokenExport, CHUNK_BYTES, cannotRead, type Page, readEvents } from "./readExport.ts"
import { withProgress } from "./withProgress.ts"

const NOTHING_DONE = "Nothing was imported: import a file just as an export wrote it."
const EMPTY_STORE =
  "an empty store, such as an empty folder as LATCHKEY_DATA or a new schema as LATCHKEY_POSTGRES_SCHEMA, and do not start a server on it first"

/** There are events already, whose positions an import would take. */
export class StoreNotEmpty extends Schema.TaggedError<StoreNotEmpty>()("StoreNotEmpty", {}) {
  override get message() {
    return `The store already holds events. Import into ${EMPTY_STORE}.`
  }
}

/** The store holds a part of the export. */
export class ImportStopped extends Schema.TaggedError<ImportStopped>()("ImportStopped", { reason: Schema.String }) {
  override get message() {
    return `${this.reason} The import stopped halfway, and nothing starts on the store. To go on, import the same file again, or a whole one of the same log.`
  }
}

/** The store holds a part of another export. */
export class OtherExport extends Schema.TaggedError<OtherExport>()("OtherExport", { name: Schema.String }) {
  override get message() {
    return `The store holds a part of another export than ${this.name}: import that one, or import into ${EMPTY_STORE}.`
  }
}

/** Answers how many events were imported. `-` is stdin. */
export const importEvents = Effect.fnUntraced(function* (path: string) {
  const store = yield* EventStore
  const reached = yield* store.head
  if (reached > 0 && !(yield* holdsPart(store))) return yield* new StoreNotEmpty()
  const { source, size } = yield* opened(path)
  // From here on nobody starts over what is there, however this ends, unless nothing was imported, or all.
  yield* beginImport(store)
  let isBegun = reached > 0
  let last: Page | undefined
  // Another import may have filled it meanwhile, and is not ended by this one.
  const endEmpty = Effect.flatMap(store.head, (head) => (head > 0 ? Effect.void : endImport(store)))
  const take = Effect.fnUntraced(function* (page: Page) {
    last = page
    const events = page.events.filter(({ position }) => position > reached)
    if (!(yield* isThere(page.events.slice(0, page.events.length - events.length)))) {
      return yield* new OtherExport({ name: source.name })
    }
    isBegun ||= events.length > 0
    yield* importFeed(store, events)
  })
  yield* withProgress("Importing", size, (onBytes) =>
    // While one page is written, the next one is read.
    Stream.runForEach(Stream.buffer(readEvents(source), { capacity: 1 }), (page) =>
      Effect.map(take(page), () => onBytes(page.bytes))
    )
  ).pipe(
    Effect.andThen(() =>
      last === undefined || last.count < reached ? new OtherExport({ name: source.name }) : Effect.void
    ),
    Effect.andThen(() => endImport(store)),
    Effect.mapError((error) => {
      if (error._tag === "OtherExport") return error
      if (isBegun) return new ImportStopped({ reason: error.message })
      return new BrokenExport({ message: `${error.message} ${NOTHING_DONE}` })
    }),
    Effect.onInterrupt(() =>
      isBegun ? Console.error(`latchkey: ${new ImportStopped({ reason: "Interrupted." }).message}`) : Effect.void
    ),
    Effect.onError(() => (isBegun ? Effect.void : Effect.ignore(endEmpty)))
  )
  if (last?.isSealed === false) yield* Effect.logWarning(ofFirstEdition(source.name, last.doubles))
  return last?.count ?? 0
})

/** Whether the store holds these events, each as it is. */
const isThere = Effect.fnUntraced(function* (events: ReadonlyArray<StoredEvent>) {
  const store = yield* EventStore
  const [first] = events
  if (first === undefined) return true
  const stored = yield* store.feed(first.position - 1, events.length)
  return events.every((event, n) => stored[n] !== undefined && encodeLine(stored[n]) === encodeLine(event))
})

/** The export, and how many bytes it has, as far as that is known. */
const opened = Effect.fnUntraced(function* (path: string) {
  if (path === "-") {
    const { stdin } = yield* Stdio.Stdio
    return { source: { name: "stdin", bytes: Stream.toAsyncIterable(stdin) }, size: 0 }
  }
  const fs = yield* FileSystem.FileSystem
  const { size } = yield* Effect.mapError(fs.stat(path), ({ message }) => cannotRead(path, message))
  const bytes = Stream.toAsyncIterable(fs.stream(path, { chunkSize: CHUNK_BYTES }))
  return { source: { name: path, bytes }, size: Number(size) }
})

const ofFirstEdition = (name: string, doubles: number): string =>
  `${name} has no last line to show that it is complete; exports of the first edition never do` +
  (doubles === 0 ? "" : `; it repeats ${doubles} event ids, which stay as they are`)
