/** The event store: writes are reducers, reads are procedures that are asked for page after page. */
import {
  AttemptExists,
  CommandExists,
  EventExists,
  type EventStore,
  type NewEvent,
  type PrepareError,
  type Receipt,
  ReceiptExists,
  type Settlement,
  type StoredEvent,
  StoreUnavailable,
  StreamReserved,
  VersionConflict
} from "@latchkey/core"
import { Clock, Effect, Option, Stream } from "effect"
import type { Head, ReadAnswer, WriteArguments } from "./Bindings.ts"
import { type Connection, type Refused, Unavailable } from "./Connection.ts"
import { HALF_IMPORTED } from "./schema.ts"

/** The largest number that the module takes for a version or a limit. */
const MAX = 2 ** 32 - 1
/**
 * Characters of event data in one append. SpacetimeDB ends a connection that sends more than 32 MB at once, and with it
 * everything else that is under way there.
 */
const LARGEST_APPEND = 10_000_000
/** Names of streams that are asked for at once. */
const STREAMS = 1_000
const limited = (count: number): number => Math.min(count, MAX)

export const make = ({ write, read, heard, heads }: Connection): EventStore["Service"] => {
  const settle = (settling: ReturnType<typeof write>): Effect.Effect<Settlement, StoreUnavailable> =>
    settling.pipe(
      Effect.map((head) => (head === undefined ? DISCARDED : committed(head))),
      Effect.catchTag("Refused", (refused) =>
        refused.refusal.code === "Committed" ? Effect.succeed(committed(refused.refusal)) : unexpected(refused)
      ),
      Effect.mapError(unavailable)
    )

  const readStream = (stream: string, afterVersion: number, limit: number) =>
    pages(limit, afterVersion, (after, limit) => (after >= MAX ? EMPTY : read("read_stream", { stream, after, limit })))

  /** Everything in the streams that start so: the feed has no index of them, their names have one. */
  const streamsOf = Effect.fnUntraced(function* (prefix: string) {
    const events: Array<StoredEvent> = []
    let after = ""
    while (true) {
      const streams = yield* Effect.mapError(read("list_streams", { prefix, after, limit: STREAMS }), unavailable)
      for (const stream of streams) events.push(...(yield* readStream(stream, 0, MAX)))
      if (streams.length < STREAMS) return events
      after = streams.at(-1) ?? after
    }
  })

  return {
    read: readStream,

    readAll: (afterPosition, limit, prefix = "", lockId) =>
      lockId === undefined
        ? pages(limit, afterPosition, (after, limit) => read("read_feed", { after: BigInt(after), limit, prefix }))
        : Effect.map(streamsOf(prefix), (events) =>
            events
              .filter(({ position, data }) => position > afterPosition && data["lockId"] === lockId)
              .sort((a, b) => a.position - b.position)
              .slice(0, limit)
          ),

    event: (eventId) =>
      Effect.mapBoth(read("find_event", { eventId }), {
        onSuccess: (found) => Option.map(Option.fromUndefinedOr(found), toStored),
        onFailure: unavailable
      }),

    head: Effect.mapBoth(read("feed_head", {}), { onSuccess: Number, onFailure: unavailable }),

    streams: (prefix, after, limit) =>
      Effect.mapError(read("list_streams", { prefix, after, limit: limited(limit) }), unavailable),

    append: (stream, expected, events, receipt, mayPass = false) =>
      Effect.flatMap(toWire(events), (events) =>
        write("append", { stream, expected, events, mayPass, ...receiptOf(receipt) })
      ).pipe(
        Effect.map((head) =>
          head === undefined
            ? { version: expected, position: heard() }
            : { version: head.version, position: Number(head.position) }
        ),
        Effect.catchTag("Refused", (refused) =>
          refused.refusal.code === "Appended"
            ? Effect.succeed({ version: refused.refusal.version, position: refused.refusal.position })
            : refusedAppend(refused)
        ),
        Effect.catchTag("Unavailable", (error) => Effect.fail(unavailable(error)))
      ),

    prepare: (expected, events, { streamId, commandId, attempt, thing, deadline }, receipt) =>
      Effect.flatMap(toWire(events), (events) =>
        write("prepare", {
          stream: streamId,
          expected,
          events,
          commandId,
          attempt,
          thing,
          deadline,
          ...receiptOf(receipt)
        })
      ).pipe(
        Effect.catchTag("Refused", (refused): Effect.Effect<undefined, PrepareError> => {
          switch (refused.refusal.code) {
            case "CommandExists":
              return Effect.fail(new CommandExists(refused.refusal))
            case "AttemptExists":
              return Effect.fail(new AttemptExists(refused.refusal))
            default:
              return refusedAppend(refused)
          }
        }),
        Effect.catchTag("Unavailable", (error) => Effect.fail(unavailable(error))),
        Effect.asVoid
      ),

    commit: (commandId, thing, attempt) =>
      Effect.flatMap(Clock.currentTimeMillis, (at) => settle(write("commit", { commandId, attempt, thing, at }))),

    discard: ({ commandId, attempt }) => settle(write("discard", { commandId, attempt })),

    release: (commandId, attempt) => done(write("release", { commandId, attempt })),

    unsettled: Effect.mapBoth(read("unsettled", {}), {
      onSuccess: (reservations) =>
        reservations
          .filter(({ commandId }) => commandId !== HALF_IMPORTED)
          .map(({ stream: streamId, ...rest }) => ({ ...rest, streamId })),
      onFailure: unavailable
    }),

    receipt: (id) =>
      Effect.mapBoth(read("find_receipt", { id }), {
        onSuccess: (found) =>
          Option.map(Option.fromUndefinedOr(found), ({ stream: streamId, expiresAt, ...rest }) => ({
            ...rest,
            streamId,
            ...(expiresAt === 0n ? {} : { expiresAt: Number(expiresAt) })
          })),
        onFailure: unavailable
      }),

    snapshot: (stream) =>
      Effect.mapBoth(read("find_snapshot", { stream }), {
        onSuccess: (found) => Option.map(Option.fromUndefinedOr(found), ({ version, state }) => ({ version, state })),
        onFailure: unavailable
      }),

    saveSnapshot: (stream, { version, state }) => done(write("save_snapshot", { stream, version, state })),

    importFeed: (events, last) =>
      Effect.flatMap(toWire(events), (wire) =>
        write("import_feed", {
          events: wire.map((event, index) => {
            const { streamId: stream = "", position = 0, version = 0 } = events[index] ?? {}
            return { ...event, stream, position: BigInt(position), version }
          }),
          last
        })
      ).pipe(
        Effect.catchTag("Refused", (refused) =>
          refused.refusal.code === "VersionConflict"
            ? Effect.fail(new VersionConflict(refused.refusal))
            : unexpected(refused)
        ),
        Effect.catchTag("Unavailable", (error) => Effect.fail(unavailable(error))),
        Effect.asVoid
      ),

    changes: Stream.mapError(heads, unavailable)
  }
}

const receiptOf = (receipt: Receipt | undefined) => ({
  receipt: receipt && { id: receipt.id, fingerprint: receipt.fingerprint },
  expiresAt: receipt?.expiresAt
})

type Page = ReadAnswer<"read_feed">
type Append = WriteArguments<"append">

/** Pages end where they would grow too big to send: asks on until there are `limit` events, or no more. */
const pages = Effect.fnUntraced(function* (
  limit: number,
  from: number,
  read: (after: number, limit: number) => Effect.Effect<Page, Unavailable>
) {
  const events: Array<StoredEvent> = []
  let after = from
  while (events.length < limit) {
    const page = yield* Effect.mapError(read(after, limited(limit - events.length)), unavailable)
    for (const event of page.events) events.push(toStored(event))
    if (!page.more) break
    after = Number(page.reached)
  }
  return events
})

const EMPTY = Effect.succeed<Page>({ events: [], reached: 0n, more: false })
const DISCARDED: Settlement = { _tag: "Discarded" }

const committed = ({
  version,
  position
}: Pick<Head, "version"> & { readonly position: bigint | number }): Settlement => ({
  _tag: "Committed",
  version,
  position: Number(position)
})

const done = (writing: Effect.Effect<unknown, Refused | Unavailable>): Effect.Effect<void, StoreUnavailable> =>
  writing.pipe(Effect.catchTag("Refused", unexpected), Effect.mapError(unavailable), Effect.asVoid)

const refusedAppend = (
  refused: Refused
): Effect.Effect<never, VersionConflict | StreamReserved | ReceiptExists | EventExists> => {
  const { refusal } = refused
  switch (refusal.code) {
    case "EventExists":
      return Effect.fail(new EventExists(refusal))
    case "VersionConflict":
      return Effect.fail(new VersionConflict(refusal))
    case "StreamReserved":
      return Effect.fail(new StreamReserved(refusal))
    case "ReceiptExists":
      return Effect.fail(new ReceiptExists(refusal))
    default:
      return unexpected(refused)
  }
}

const unexpected = ({ refusal }: Refused) =>
  Effect.die(new Error(`SpacetimeDB answered ${refusal.code} to another question`))

const unavailable = ({ message, cause }: Unavailable): StoreUnavailable => new StoreUnavailable({ message, cause })

const toWire = (events: ReadonlyArray<NewEvent>): Effect.Effect<Append["events"], Unavailable> =>
  Effect.suspend(() => {
    const wire = events.map((event) => ({
      ...event,
      data: JSON.stringify(event.data),
      principal: JSON.stringify(event.principal),
      acceptedAt: event.acceptedAt
    }))
    const size = wire.reduce((sum, { data }) => sum + data.length, 0)
    return size > LARGEST_APPEND ? Effect.fail(TOO_LARGE) : Effect.succeed(wire)
  })

const TOO_LARGE = new Unavailable({
  message: `One append to SpacetimeDB holds at most ${LARGEST_APPEND} characters of event data: append it in parts.`
})

const toStored = ({
  stream,
  position,
  data,
  principal,
  acceptedAt,
  ...event
}: Page["events"][number]): StoredEvent => ({
  ...event,
  streamId: stream,
  position: Number(position),
  data: JSON.parse(data),
  principal: JSON.parse(principal),
  ...(acceptedAt === undefined ? {} : { acceptedAt })
})
