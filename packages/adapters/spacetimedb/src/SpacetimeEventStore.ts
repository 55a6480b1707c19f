/** The event store: writes are reducers, reads are procedures that are asked for page after page. */
import {
  type AppendError,
  CommandExists,
  type EventStore,
  type NewEvent,
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

/** The largest number that the module takes for a version or a limit. */
const MAX = 2 ** 32 - 1
/**
 * Characters of event data in one append. SpacetimeDB ends a connection that sends more than 32 MB at once, and with it
 * everything else that is under way there.
 */
const LARGEST_APPEND = 10_000_000
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

  return {
    read: (streamId, afterVersion, limit) =>
      pages(limit, afterVersion, (after, limit) =>
        after >= MAX ? EMPTY : read("read_stream", { stream: streamId, after, limit })
      ),

    readAll: (afterPosition, limit, prefix = "") =>
      pages(limit, afterPosition, (after, limit) => read("read_feed", { after: BigInt(after), limit, prefix })),

    head: Effect.mapBoth(read("feed_head", {}), { onSuccess: Number, onFailure: unavailable }),

    streams: (prefix, after, limit) =>
      Effect.mapError(read("list_streams", { prefix, after, limit: limited(limit) }), unavailable),

    append: (stream, expected, events, receipt) =>
      Effect.flatMap(toWire(events), (events) =>
        write("append", { stream, expected, events, ...receiptOf(receipt) })
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

    prepare: (expected, events, { streamId, commandId, thing, deadline }, receipt) =>
      Effect.flatMap(toWire(events), (events) =>
        write("prepare", { stream: streamId, expected, events, commandId, thing, deadline, ...receiptOf(receipt) })
      ).pipe(
        Effect.catchTag(
          "Refused",
          (refused): Effect.Effect<undefined, AppendError | CommandExists> =>
            refused.refusal.code === "CommandExists"
              ? Effect.fail(new CommandExists(refused.refusal))
              : refusedAppend(refused)
        ),
        Effect.catchTag("Unavailable", (error) => Effect.fail(unavailable(error))),
        Effect.asVoid
      ),

    commit: (commandId, thing) =>
      Effect.flatMap(Clock.currentTimeMillis, (at) => settle(write("commit", { commandId, thing, at }))),

    discard: (commandId) => settle(write("discard", { commandId })),

    release: (commandId) => done(write("release", { commandId })),

    unsettled: (before) =>
      Effect.mapBoth(read("unsettled", { before }), {
        onSuccess: (reservations) => reservations.map(({ stream: streamId, ...rest }) => ({ ...rest, streamId })),
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

const refusedAppend = (refused: Refused): Effect.Effect<never, VersionConflict | StreamReserved | ReceiptExists> => {
  const { refusal } = refused
  switch (refusal.code) {
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
