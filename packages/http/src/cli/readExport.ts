/** Reads an export: its events in pages, and whether the whole of it is one unbroken feed. */
import { createHash } from "node:crypto"
import { isImportable, LockEvent, lockOfStream, type StoredEvent } from "@latchkey/core"
import { Result, Schema, Stream } from "effect"
import { decodeLine, type Seal } from "./Envelope.ts"

/** Bytes of a page: a few batches. */
const PAGE_BYTES = 512 * 1024
/** Bytes that are looked through in one turn of the event loop: what has to be told to the store waits no longer. */
export const CHUNK_BYTES = 128 * 1024
const LINE_END = 0x0a
/** Characters in the longest line that is believed to be an event. */
const LONGEST_LINE = 64 * 1024 * 1024

/** The file cannot be read, or is not what an export wrote; `message` says where and why. */
export class BrokenExport extends Schema.TaggedError<BrokenExport>()("BrokenExport", { message: Schema.String }) {}

/** Whole events that follow each other, and what the export has shown itself to hold up to their end. */
export interface Page {
  readonly events: ReadonlyArray<StoredEvent>
  /** How many bytes have been read for it. */
  readonly bytes: number
  /** How many events there were, these included. */
  readonly count: number
  /** Of them, those whose id an earlier one has. Only the first edition let that happen. */
  readonly doubles: number
  /** The last line was there, and what it says of those before it is true. */
  readonly isSealed: boolean
}

/** An export, and the name by which its user knows it. */
export interface Source {
  readonly bytes: AsyncIterable<Uint8Array>
  readonly name: string
}

/**
 * The export to its end; the last page may hold no events. Fails at the first line that is no event, or not the next one:
 * positions count from 1, and so do the versions of each stream, so nothing is missing and nothing is there twice. Fails as
 * well where the last line is missing or denies what came before. Exports of the first edition have no such line, and their
 * first event does not promise one.
 */
export const readEvents = (source: Source): Stream.Stream<Page, BrokenExport> =>
  Stream.fromAsyncIterable(pagesOf(source), (error) =>
    error instanceof BrokenExport ? error : cannotRead(source.name, error instanceof Error ? error.message : `${error}`)
  )

/** The file, or what else it is, cannot be read to its end. */
export const cannotRead = (name: string, reason: string): BrokenExport =>
  new BrokenExport({ message: `Cannot read ${name}: ${reason}.` })

/** A line ends with `\n` and nothing else: JSON may hold the other separators of Unicode as they are. */
async function* pagesOf({ bytes, name }: Source): AsyncGenerator<Page> {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
  let line = 1
  const fail = (reason: string, at = line): never => {
    throw new BrokenExport({ message: `${name}, line ${at}: ${reason}.` })
  }
  const check = <A>(result: Result.Result<A, string>): A => Result.getOrElse(result, fail)
  const text = (chunk?: Uint8Array) =>
    check(
      Result.try({
        try: () => decoder.decode(chunk, { stream: chunk !== undefined }),
        catch: () => "not UTF-8, here or soon after"
      })
    )
  const digest = createHash("sha256")
  const order = orderOfEvents()
  let isPromised = false
  let seal: Seal | undefined
  let page: Array<StoredEvent> = []
  let size = 0
  const take = (text: string) => {
    if (seal !== undefined) fail("a line after the last one")
    const decoded = check(decodeLine(text))
    if (decoded._tag === "Seal") {
      seal = decoded.seal
      const { count } = order
      if (seal.events !== count) fail(`${count} events where ${seal.events} were exported`)
      return
    }
    const fault = order.take(decoded.event)
    if (fault !== undefined) fail(fault)
    if (order.count === 1) isPromised = decoded.isSealed
    page.push(decoded.event)
  }
  const taken = (): Page => {
    const { count, doubles } = order
    const done = { events: page, bytes: size, count, doubles, isSealed: seal !== undefined }
    page = []
    size = 0
    return done
  }
  let rest = ""
  /** The bytes of it: they are digested with the end of their line. */
  let undigested: Array<Uint8Array> = []
  for await (const chunk of bytes) {
    size += chunk.length
    const more = text(chunk)
    const end = more.lastIndexOf("\n")
    const whole = chunk.lastIndexOf(LINE_END) + 1
    if (end >= 0) {
      const lines = (rest + more.slice(0, end)).split("\n")
      for (const one of lines) {
        take(one)
        line += 1
      }
      rest = ""
      const digested = Buffer.concat([...undigested, chunk.subarray(0, whole)])
      undigested = []
      // The last line tells of those before it.
      const last = seal === undefined ? 0 : Buffer.byteLength(`${lines.at(-1)}\n`)
      digest.update(digested.subarray(0, digested.length - last))
      if (seal !== undefined && seal.sha256 !== digest.digest("hex"))
        fail("its digest differs from that of what was exported", line - 1)
    }
    rest += more.slice(end + 1)
    undigested.push(chunk.subarray(whole))
    if (rest.length > LONGEST_LINE) fail("too long for an event")
    if (size >= PAGE_BYTES) yield taken()
  }
  rest += text()
  if (rest !== "" || (isPromised && seal === undefined)) fail("the file is cut off here")
  if (order.count === 0 && seal === undefined) fail("the file is empty")
  const { firstDouble } = order
  // How many the log held that was exported, the last line tells.
  if (firstDouble !== undefined && seal !== undefined && order.doubles !== seal.doubles)
    fail(`event id ${firstDouble.eventId}, which an earlier event already has`, firstDouble.position)
  yield taken()
}

/** Events of locks are stored as they are: to decode one would only copy it. */
const isLockEvent = Schema.is(LockEvent)

/** Tells of each event of a log, from the first on, what is wrong with its place or its data. */
const orderOfEvents = () => {
  const versions = new Map<string, number>()
  const ids = new Set<string>()
  const order = {
    count: 0,
    doubles: 0,
    firstDouble: undefined as StoredEvent | undefined,
    take: (event: StoredEvent): string | undefined => {
      const { position, streamId, version, type, eventId, data } = event
      order.count += 1
      if (ids.has(eventId)) {
        order.doubles += 1
        order.firstDouble ??= event
      } else ids.add(eventId)
      const expected = (versions.get(streamId) ?? 0) + 1
      versions.set(streamId, expected)
      if (position !== order.count) return `position ${position} where ${order.count} belongs`
      if (version !== expected) return `version ${version} of ${streamId} where ${expected} belongs`
      // What a later Latchkey wrote is kept as it is; what this one should understand, it must.
      const isKnown = Object.hasOwn(LockEvent.cases, type) && lockOfStream(streamId) !== undefined
      if (isKnown && !isLockEvent({ ...data, _tag: type })) return `data that is none of ${type}`
      return isImportable(event) ? undefined : "data with a thing or a link whose name is too long, or not text"
    }
  }
  return order
}
