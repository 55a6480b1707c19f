/** Reads an export: its events in pages, and whether the whole of it is one unbroken feed. */
import { createReadStream } from "node:fs"
import { DatabaseSync } from "node:sqlite"
import type { StoredEvent } from "@latchkey/core"
import { Effect, Result, Schema, Stream } from "effect"
import { decodeLine } from "./Envelope.ts"

/** Bytes that are read at a time. */
const CHUNK = 256 * 1024
/** Characters in the longest line that is believed to be an event. */
const LONGEST_LINE = 64 * 1024 * 1024

/** The file cannot be read, or is not what an export wrote; `message` says where and why. */
export class BrokenExport extends Schema.TaggedError<BrokenExport>()("BrokenExport", { message: Schema.String }) {}

/** Whole events that follow each other in the file, and how many of its bytes have been read since the last page. */
export interface Page {
  readonly events: ReadonlyArray<StoredEvent>
  readonly bytes: number
}

/** An export, and the name by which its user knows it. */
export interface Source {
  readonly file: string
  readonly name: string
}

/** Fails at the first line that is no event. */
export const readEvents = (source: Source): Stream.Stream<Page, BrokenExport> =>
  Stream.fromAsyncIterable(pagesOf(source), (error) =>
    error instanceof BrokenExport
      ? error
      : new BrokenExport({ message: `Cannot read ${source.name}: ${error instanceof Error ? error.message : error}` })
  )

/** A line ends with `\n` and nothing else: JSON may hold the other separators of Unicode as they are. */
async function* pagesOf({ file, name }: Source): AsyncGenerator<Page> {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
  let line = 1
  let rest = ""
  const check = <A>(result: Result.Result<A, string>): A =>
    Result.getOrThrowWith(result, (reason) => brokenAt(name, line, reason))
  const text = (bytes?: Uint8Array) =>
    check(
      Result.try({
        try: () => decoder.decode(bytes, { stream: bytes !== undefined }),
        catch: () => "not UTF-8, here or soon after"
      })
    )
  for await (const chunk of createReadStream(file, { highWaterMark: CHUNK })) {
    const lines = (rest + text(chunk)).split("\n")
    rest = lines.pop() ?? ""
    const events: Array<StoredEvent> = []
    for (const one of lines) {
      events.push(check(decodeLine(one)))
      line += 1
    }
    if (rest.length > LONGEST_LINE) check(Result.fail("too long for an event"))
    yield { events, bytes: chunk.length }
  }
  rest += text()
  if (rest !== "") check(Result.fail("the file is cut off here"))
}

/**
 * Reads the whole file and answers how many events it holds. Fails unless positions count from 1, so do the versions
 * of each stream, and no event is there twice.
 */
export const validate = (source: Source, onBytes: (bytes: number) => void): Effect.Effect<number, BrokenExport> =>
  Effect.acquireUseRelease(
    Effect.sync(makeIdSet),
    (ids) => {
      const versions = new Map<string, number>()
      let count = 0
      const faultOf = ({ position, streamId, version, eventId }: StoredEvent): string | undefined => {
        const expected = (versions.get(streamId) ?? 0) + 1
        versions.set(streamId, expected)
        if (position !== count) return `position ${position} where ${count} belongs`
        if (version !== expected) return `version ${version} of ${streamId} where ${expected} belongs`
        return ids.add(eventId) ? undefined : `event id ${eventId} for the second time`
      }
      return readEvents(source).pipe(
        Stream.runForEach(({ events, bytes }) => {
          for (const event of events) {
            count += 1
            const fault = faultOf(event)
            if (fault !== undefined) return Effect.fail(brokenAt(source.name, count, fault))
          }
          return Effect.sync(() => onBytes(bytes))
        }),
        Effect.map(() => count)
      )
    },
    (ids) => Effect.sync(ids.close)
  )

/** Event ids of a feed of any length: in a temporary database, which SQLite moves to the disk as it grows. */
const makeIdSet = () => {
  const db = new DatabaseSync("")
  db.exec(`PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;
    CREATE TABLE ids (id TEXT PRIMARY KEY) STRICT, WITHOUT ROWID; BEGIN`)
  const insert = db.prepare("INSERT OR IGNORE INTO ids VALUES (?)")
  return {
    /** `false` when the id is there already. */
    add: (id: string) => insert.run(id).changes === 1,
    close: () => db.close()
  }
}

const brokenAt = (name: string, line: number, reason: string) =>
  new BrokenExport({ message: `${name}, line ${line}: ${reason}.` })
