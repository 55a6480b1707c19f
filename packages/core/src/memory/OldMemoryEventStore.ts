/** An event store that keeps everything in this process's memory: complete, fast, and gone when the process ends. */
import { Clock, Effect, Layer, Option, Stream } from "effect"
import {
  AttemptExists,
  CommandExists,
  EventExists,
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
} from "../streams/OldEventStore.ts"

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
  /** What is beside the streams of locks, by the kind of its stream and by the lock that it is about. */
  const byKind = new Map<string, Array<StoredEvent>>()
  const aboutLock = new Map<number, Array<StoredEvent>>()
  const byEventId = new Map<string, StoredEvent>()
  const receipts = new Map<string, Receipted>()
  /** Ids of receipts that expire, oldest first. */
  const expiring = new Set<string>()
  const snapshots = new Map<string, Snapshot>()
  const prepared = new Map<string, Prepared>()
  /** By stream: at most one prepared append holds it. */
  const holders = new Map<string, Prepared>()
  /** By command id: how the last attempt at it ended. */
  const settlements = new Map<string, { readonly reservation: Reservation; readonly settlement: Settlement }>()
  const preparedEventIds = new Set<string>()
  const sleepers = new Set<() => void>()

  const versionOf = (streamId: string): number => streams.get(streamId)?.length ?? 0

  /** The receipt with this id, unless it has expired: then it goes. */
  const receiptAt = (id: string, now: number): Receipted | undefined => {
    const found = receipts.get(id)
    if (found?.expiresAt === undefined || found.expiresAt > now) return found
    receipts.delete(id)
    return undefined
  }

  const hindrance = (now: number, streamId: string, receipt: Receipt | undefined, mayPass: boolean) => {
    if (receipt !== undefined && receiptAt(receipt.id, now) !== undefined) return new ReceiptExists({ id: receipt.id })
    const held = holders.get(streamId)?.reservation
    return held === undefined || (mayPass && held.released) ? undefined : new StreamReserved(held)
  }

  const reuse = ({ commandId, attempt }: Omit<Reservation, "released">) => {
    const settled = settlements.get(commandId)
    if (prepared.has(commandId) || settled?.settlement._tag === "Committed") return new CommandExists({ commandId })
    const last = settled?.reservation.attempt ?? 0
    return attempt > last ? undefined : new AttemptExists({ commandId, attempt: last })
  }

  const double = (events: ReadonlyArray<NewEvent>) => {
    const ids = new Set<string>()
    for (const { eventId } of events) {
      if (ids.has(eventId) || byEventId.has(eventId) || preparedEventIds.has(eventId))
        return new EventExists({ eventId })
      ids.add(eventId)
    }
    return undefined
  }

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
        const at = Math.max(event.at, stream.at(-1)?.at ?? event.at)
        const stored = { ...event, at, streamId, version: stream.length + 1, position: feed.length + 1 }
        stream.push(stored)
        feed.push(stored)
        byEventId.set(event.eventId, stored)
        if (streamId.startsWith(LOCKS)) continue
        addTo(byKind, kindOf(streamId), stored)
        const { lockId } = stored.data
        if (typeof lockId === "number") addTo(aboutLock, lockId, stored)
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

  const settle = (commandId: string, attempt: number | undefined, how: (prepared: Prepared) => Settlement) =>
    Effect.sync(() => {
      const isMeant = ({ reservation }: { readonly reservation: Reservation }) =>
        attempt === undefined || reservation.attempt === attempt
      const pending = prepared.get(commandId)
      if (pending === undefined) {
        const settled = settlements.get(commandId)
        return settled !== undefined && isMeant(settled) ? settled.settlement : discarded
      }
      if (!isMeant(pending)) return discarded
      prepared.delete(commandId)
      holders.delete(pending.reservation.streamId)
      for (const { eventId } of pending.events) preparedEventIds.delete(eventId)
      const settlement = how(pending)
      settlements.set(commandId, { reservation: pending.reservation, settlement })
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

    readAll: (afterPosition, limit, prefix, lockId) =>
      Effect.sync(() => {
        if (prefix === undefined) return feed.slice(afterPosition, afterPosition + limit)
        const isWanted = ({ streamId, data }: StoredEvent) =>
          streamId.startsWith(prefix) && (lockId === undefined || data["lockId"] === lockId)
        if (isOneKind(prefix)) {
          const candidates = lockId === undefined ? byKind.get(kindOf(prefix)) : aboutLock.get(lockId)
          return after(candidates ?? [], afterPosition, limit, isWanted)
        }
        return after(feed, afterPosition, limit, isWanted)
      }),

    event: (eventId) => Effect.sync(() => Option.fromUndefinedOr(byEventId.get(eventId))),

    head: Effect.sync(() => feed.length),

    streams: (prefix, after, limit) =>
      Effect.sync(() =>
        Array.from(streams.keys())
          .filter((id) => id.startsWith(prefix) && id > after)
          .sort()
          .slice(0, limit)
      ),

    append: (streamId, expectedVersion, events, receipt, mayPass = false) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => {
        const refused =
          hindrance(now, streamId, receipt, mayPass) ?? double(events) ?? conflict(streamId, expectedVersion)
        return refused === undefined ? Effect.succeed(write(now, streamId, events, receipt)) : Effect.fail(refused)
      }),

    prepare: (expectedVersion, events, reservation, receipt) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => {
        const { streamId, commandId } = reservation
        const refused =
          hindrance(now, streamId, receipt, false) ??
          reuse(reservation) ??
          double(events) ??
          conflict(streamId, expectedVersion)
        if (refused !== undefined) return Effect.fail(refused)
        const pending = { reservation: { ...reservation, released: false }, events, receipt }
        prepared.set(commandId, pending)
        holders.set(streamId, pending)
        for (const { eventId } of events) preparedEventIds.add(eventId)
        return Effect.void
      }),

    commit: (commandId, thing, attempt) =>
      Effect.flatMap(Clock.currentTimeMillis, (acceptedAt) => {
        const known = prepared.get(commandId) ?? settlements.get(commandId)
        if (known?.reservation.thing !== thing) return Effect.succeed(discarded)
        return settle(commandId, attempt, ({ reservation, events, receipt }) => {
          const accepted = events.map((event) => ({ ...event, acceptedAt }))
          return { _tag: "Committed", ...write(acceptedAt, reservation.streamId, accepted, receipt) }
        })
      }),

    discard: ({ commandId, attempt }) => settle(commandId, attempt, () => discarded),

    release: (commandId, attempt) =>
      Effect.sync(() => {
        const pending = prepared.get(commandId)
        if (pending?.reservation.attempt === attempt) pending.reservation = { ...pending.reservation, released: true }
      }),

    unsettled: Effect.sync(() => Array.from(prepared.values(), ({ reservation }) => reservation)),

    receipt: (id) => Effect.map(Clock.currentTimeMillis, (now) => Option.fromUndefinedOr(receiptAt(id, now))),

    snapshot: (streamId) => Effect.sync(() => Option.fromUndefinedOr(snapshots.get(streamId))),

    saveSnapshot: (streamId, snapshot) =>
      Effect.sync(() => {
        const { version } = snapshots.get(streamId) ?? { version: 0 }
        if (snapshot.version >= version) snapshots.set(streamId, snapshot)
      }),

    importFeed: (events) =>
      Effect.suspend(() => {
        const [{ position } = { position: feed.length + 1 }] = events
        if (position !== feed.length + 1) {
          return Effect.fail(new VersionConflict({ streamId: "", expected: position - 1, actual: feed.length }))
        }
        for (const event of events) {
          const stream = streams.get(event.streamId) ?? []
          streams.set(event.streamId, stream)
          stream.push(event)
          feed.push(event)
          if (!byEventId.has(event.eventId)) byEventId.set(event.eventId, event)
        }
        for (const wake of sleepers) wake()
        return Effect.void
      }),

    changes: Stream.unfold(-1, (seen) => Effect.map(headAfter(seen), (head) => [head, head] as const))
  }
}

const LOCKS = "lock-"

const kindOf = (streamId: string): string => streamId.slice(0, streamId.indexOf("-") + 1)

/** Whether all streams whose ids start so are of one kind, and not those of locks. */
const isOneKind = (prefix: string): boolean => prefix.includes("-") && !prefix.startsWith(LOCKS)

const addTo = <K>(events: Map<K, Array<StoredEvent>>, key: K, stored: StoredEvent): void => {
  const there = events.get(key)
  if (there === undefined) events.set(key, [stored])
  else there.push(stored)
}

/** The wanted ones after a position, of events in the order of the feed. */
const after = (
  events: ReadonlyArray<StoredEvent>,
  position: number,
  limit: number,
  isWanted: (event: StoredEvent) => boolean
): ReadonlyArray<StoredEvent> => {
  let [from, to] = [0, events.length]
  while (from < to) {
    const middle = (from + to) >> 1
    if ((events[middle]?.position ?? 0) > position) to = middle
    else from = middle + 1
  }
  const found: Array<StoredEvent> = []
  for (let index = from; index < events.length && found.length < limit; index++) {
    const event = events[index]
    if (event !== undefined && isWanted(event)) found.push(event)
  }
  return found
}

/** Every build of the layer is an empty store. */
export const layer: Layer.Layer<EventStore> = Layer.sync(EventStore, make)
