/** Reads an export: its events in pages, and whether the whole of it is one unbroken feed. */
import { createHash } from "node:crypto"
import { createReadStream } from "node:fs"
import { fromStored, LockEvent, lockOfStream, type StoredEvent } from "@latchkey/core"
import { Effect, Option, Result, Schema, Stream } from "effect"
import { decodeLine, type Seal } from "./Envelope.ts"

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
  /** The last line, when it was there, and what it says of those before it is true. */
  readonly seal: Seal | undefined
}

/** An export, and the name by which its user knows it. */
export interface Source {
  readonly file: string
  readonly name: string
}

/**
 * Fails at the first line that is no event, and where the last one is missing or denies what came before. Exports of the
 * first edition have no such line, and their first event does not promise one.
 */
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
  const digest = createHash("sha256")
  let count = 0
  let isPromised = false
  let seal: Seal | undefined
  const take = (text: string): StoredEvent | undefined => {
    if (seal !== undefined) check(Result.fail("a line after the last one"))
    const decoded = check(decodeLine(text))
    if (decoded._tag === "Seal") {
      seal = decoded.seal
      const { events, sha256 } = seal
      if (events !== count) check(Result.fail(`${count} events where ${events} were exported`))
      if (sha256 !== digest.digest("hex")) check(Result.fail("its digest differs from that of what was exported"))
      return undefined
    }
    digest.update(`${text}\n`)
    count += 1
    if (count === 1) isPromised = decoded.isSealed
    return decoded.event
  }
  for await (const chunk of createReadStream(file, { highWaterMark: CHUNK })) {
    const lines = (rest + text(chunk)).split("\n")
    rest = lines.pop() ?? ""
    const events: Array<StoredEvent> = []
    for (const one of lines) {
      const event = take(one)
      if (event !== undefined) events.push(event)
      line += 1
    }
    if (rest.length > LONGEST_LINE) check(Result.fail("too long for an event"))
    yield { events, bytes: chunk.length, seal }
  }
  rest += text()
  if (rest !== "" || (isPromised && seal === undefined)) check(Result.fail("the file is cut off here"))
  if (count === 0 && seal === undefined) check(Result.fail("the file is empty"))
}

/** What an export holds. */
export interface Content {
  readonly events: number
  /** Events whose id an earlier one has. Only the first edition let that happen. */
  readonly doubles: number
  readonly isSealed: boolean
}

/**
 * Reads the whole file. Fails unless positions count from 1, and so do the versions of each stream: then nothing is
 * missing, and nothing is there twice.
 */
export const validate = Effect.fnUntraced(function* (source: Source, onBytes: (bytes: number) => void) {
  const versions = new Map<string, number>()
  const ids = new Set<string>()
  let count = 0
  let doubles = 0
  let firstDouble: { readonly line: number; readonly eventId: string } | undefined
  let last: Seal | undefined
  const faultOf = (event: StoredEvent): string | undefined => {
    const { position, streamId, version, type, eventId } = event
    if (ids.has(eventId)) {
      doubles += 1
      firstDouble ??= { line: count, eventId }
    } else ids.add(eventId)
    const expected = (versions.get(streamId) ?? 0) + 1
    versions.set(streamId, expected)
    if (position !== count) return `position ${position} where ${count} belongs`
    if (version !== expected) return `version ${version} of ${streamId} where ${expected} belongs`
    // What a later Latchkey wrote is kept as it is; what this one should understand, it must.
    const isKnown = lockOfStream(streamId) !== undefined && Object.hasOwn(LockEvent.cases, type)
    return isKnown && Option.isNone(fromStored(event)) ? `data that is none of ${type}` : undefined
  }
  yield* Stream.runForEach(readEvents(source), ({ events, bytes, seal }) => {
    last = seal
    for (const event of events) {
      count += 1
      const fault = faultOf(event)
      if (fault !== undefined) return Effect.fail(brokenAt(source.name, count, fault))
    }
    return Effect.sync(() => onBytes(bytes))
  })
  // How many the log held that was exported, the last line tells.
  if (last !== undefined && firstDouble !== undefined && doubles !== last.doubles) {
    const { line, eventId } = firstDouble
    return yield* brokenAt(source.name, line, `event id ${eventId}, which an earlier event already has`)
  }
  return { events: count, doubles, isSealed: last !== undefined } satisfies Content
})

const brokenAt = (name: string, line: number, reason: string) =>
  new BrokenExport({ message: `${name}, line ${line}: ${reason}.` })
