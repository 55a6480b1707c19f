/** An event store that keeps everything in this process's memory: complete, fast, and gone when the process ends. */
import { Clock, Effect, Layer, Option, Stream } from "effect"
import {
  CommandExists,
  EventStore,
  type NewEvent,
  type Receipt,
  ReceiptExists,
  type Receipted,
  type Reservation,
  type Settlement,
  type Snapshot,
  type StoredEvent,
  StreamReserved,
  VersionConflict
} from "../ports/EventStore.ts"

interface Prepared {
  reservation: Reservation
  readonly events: ReadonlyArray<NewEvent>
  readonly receipt: Receipt | undefined
}

const discarded: Settlement = { _tag: "Discarded" }
const nothing: ReadonlyArray<StoredEvent> = []

/** A store of its own, empty. Every step is synchronous, so each operation is atomic. */
const make = (): EventStore["Service"] => {
  const feed: Array<StoredEvent> = []
  const streams = new Map<string, Array<StoredEvent>>()
  const receipts = new Map<string, Receipted>()
  /** Ids of receipts that expire, oldest first. */
  const expiring = new Set<string>()
  const snapshots = new Map<string, Snapshot>()
  const prepared = new Map<string, Prepared>()
  /** By stream: at most one prepared append holds it. */
  const holders = new Map<string, Prepared>()
  const settlements = new Map<string, Settlement>()
  /** By command id: the thing that it was last prepared for. */
  const things = new Map<string, string>()
  const sleepers = new Set<() => void>()

  const versionOf = (streamId: string): number => streams.get(streamId)?.length ?? 0

  /** The receipt with this id, unless it has expired: then it goes. */
  const receiptAt = (id: string, now: number): Receipted | undefined => {
    const found = receipts.get(id)
    if (found?.expiresAt === undefined || found.expiresAt > now) return found
    receipts.delete(id)
    return undefined
  }

  const hindrance = (now: number, streamId: string, receipt: Receipt | undefined, plain: boolean) => {
    if (receipt !== undefined && receiptAt(receipt.id, now) !== undefined) return new ReceiptExists({ id: receipt.id })
    const held = holders.get(streamId)?.reservation
    return held === undefined || (plain && held.released) ? undefined : new StreamReserved(held)
  }

  const reuse = (commandId: string) =>
    prepared.has(commandId) || settlements.get(commandId)?._tag === "Committed"
      ? new CommandExists({ commandId })
      : undefined

  const conflict = (streamId: string, expected: number) => {
    const actual = versionOf(streamId)
    return actual === expected ? undefined : new VersionConflict({ streamId, expected, actual })
  }

  const write = (now: number, streamId: string, events: ReadonlyArray<NewEvent>, receipt: Receipt | undefined) => {
    const firstVersion = versionOf(streamId) + 1
    if (events.length > 0) {
      let stream = streams.get(streamId)
      if (stream === undefined) streams.set(streamId, (stream = []))
      for (const event of events) {
        const stored = { ...event, streamId, version: stream.length + 1, position: feed.length + 1 }
        stream.push(stored)
        feed.push(stored)
      }
      for (const wake of sleepers) wake()
    }
    const version = versionOf(streamId)
    // A receipt id that another append took while this one was prepared stays with that append.
    if (receipt !== undefined && receiptAt(receipt.id, now) === undefined) {
      const { id, fingerprint, expiresAt } = receipt
      const kept = { id, fingerprint, streamId, firstVersion, version }
      receipts.set(id, expiresAt === undefined ? kept : { ...kept, expiresAt })
      if (expiresAt !== undefined) {
        expiring.add(id)
        forgetExpired(now)
      }
    }
    return { version, position: feed.length }
  }

  const forgetExpired = (now: number) => {
    for (const id of expiring) {
      if (receiptAt(id, now) !== undefined) return
      expiring.delete(id)
    }
  }

  const settle = (commandId: string, how: (prepared: Prepared) => Settlement) =>
    Effect.sync(() => {
      const pending = prepared.get(commandId)
      if (pending === undefined) return settlements.get(commandId) ?? discarded
      prepared.delete(commandId)
      holders.delete(pending.reservation.streamId)
      const settlement = how(pending)
      settlements.set(commandId, settlement)
      return settlement
    })

  /** Answers when the head lies after `position`: at once, or with the append that moves it there. */
  const headAfter = (position: number) =>
    Effect.callback<number>((resume) => {
      const answer = () => {
        if (feed.length <= position) return
        sleepers.delete(answer)
        resume(Effect.succeed(feed.length))
      }
      sleepers.add(answer)
      answer()
      return Effect.sync(() => sleepers.delete(answer))
    })

  return {
    read: (streamId, afterVersion, limit) =>
      Effect.sync(() => streams.get(streamId)?.slice(afterVersion, afterVersion + limit) ?? nothing),

    readAll: (afterPosition, limit, prefix) =>
      Effect.sync(() =>
        prefix === undefined
          ? feed.slice(afterPosition, afterPosition + limit)
          : feed
              .slice(afterPosition)
              .filter(({ streamId }) => streamId.startsWith(prefix))
              .slice(0, limit)
      ),

    head: Effect.sync(() => feed.length),

    streams: (prefix, after, limit) =>
      Effect.sync(() =>
        Array.from(streams.keys())
          .filter((id) => id.startsWith(prefix) && id > after)
          .sort()
          .slice(0, limit)
      ),

    append: (streamId, expectedVersion, events, receipt) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => {
        const refused = hindrance(now, streamId, receipt, true) ?? conflict(streamId, expectedVersion)
        return refused === undefined ? Effect.succeed(write(now, streamId, events, receipt)) : Effect.fail(refused)
      }),

    prepare: (expectedVersion, events, reservation, receipt) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => {
        const { streamId, commandId } = reservation
        const refused =
          hindrance(now, streamId, receipt, false) ?? reuse(commandId) ?? conflict(streamId, expectedVersion)
        if (refused !== undefined) return Effect.fail(refused)
        const pending = { reservation: { ...reservation, released: false }, events, receipt }
        prepared.set(commandId, pending)
        things.set(commandId, reservation.thing)
        holders.set(streamId, pending)
        return Effect.void
      }),

    commit: (commandId, thing) =>
      Effect.flatMap(Clock.currentTimeMillis, (acceptedAt) =>
        things.get(commandId) !== thing
          ? Effect.succeed(discarded)
          : settle(commandId, ({ reservation, events, receipt }) => {
              const accepted = events.map((event) => ({ ...event, acceptedAt }))
              return { _tag: "Committed", ...write(acceptedAt, reservation.streamId, accepted, receipt) }
            })
      ),

    discard: (commandId) => settle(commandId, () => discarded),

    release: (commandId) =>
      Effect.sync(() => {
        const pending = prepared.get(commandId)
        if (pending !== undefined) pending.reservation = { ...pending.reservation, released: true }
      }),

    unsettled: (before) =>
      Effect.sync(() =>
        Array.from(prepared.values(), ({ reservation }) => reservation).filter(
          ({ released, deadline }) => released || deadline < before
        )
      ),

    receipt: (id) => Effect.map(Clock.currentTimeMillis, (now) => Option.fromUndefinedOr(receiptAt(id, now))),

    snapshot: (streamId) => Effect.sync(() => Option.fromUndefinedOr(snapshots.get(streamId))),

    saveSnapshot: (streamId, snapshot) =>
      Effect.sync(() => {
        const { version } = snapshots.get(streamId) ?? { version: 0 }
        if (snapshot.version >= version) snapshots.set(streamId, snapshot)
      }),

    changes: Stream.unfold(-1, (seen) => Effect.map(headAfter(seen), (head) => [head, head] as const))
  }
}

/** Every build of the layer is an empty store. */
export const layer: Layer.Layer<EventStore> = Layer.sync(EventStore, make)
