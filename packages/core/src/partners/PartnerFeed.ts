/**
 * The feed of one organization, or of all, as partners are told it: in order, each event once. Who waits is woken by the one
 * reader of the process, and only by events of its own organization.
 */
import { Clock, Context, Duration, Effect, Latch, Layer, Option, type Scope, Stream } from "effect"
import { OPERATOR } from "../access/ApiKeys.ts"
import { streamOfLock } from "../lock/Lock.ts"
import { Departures } from "../locks/Departures.ts"
import { EventStore, type StoredEvent, type StoreUnavailable } from "../streams/EventStore.ts"
import { Feed } from "../streams/Feed.ts"
import { CurrentBackground } from "../streams/Workers.ts"
import { InvalidCursor } from "./Cursor.ts"
import { isOfShared, type Told, toldOf, toldOfShared } from "./Told.ts"

/** Which events somebody is told of: all, unless given. */
export interface ToldFilter {
  readonly types?: ReadonlySet<string> | undefined
  readonly lockIds?: ReadonlySet<number> | undefined
}

/** Whether the filter lets an event through. */
export const lets = ({ types, lockIds }: ToldFilter, { data, lockId }: Told): boolean =>
  (types === undefined || types.has(data.type)) &&
  (lockIds === undefined || (lockId !== undefined && lockIds.has(lockId)))

/** A page of a feed. */
export interface ToldPage {
  readonly told: ReadonlyArray<Told>
  /** Everything up to here has been looked at. */
  readonly upTo: number
  /** Whether there may be more. */
  readonly more: boolean
}

/** Events that are read for one page, at most: who filters much out goes on with another. */
const SCANNED = 5_000
const PAGE = 1_000
/** How often those who wait look where no reader runs in the background. */
const LOOK_EVERY = Duration.seconds(1)
/** Temp keys whose ids are remembered. */
const MOST_IDS = 10_000
/** Events that are kept for those who are woken: this many, and as many again. */
const RECENT = 1_000
/** Events that are read at once for those who share them, and how many such pages are kept. */
const SHARED_PAGE = 100
const MOST_PAGES = 32
/** How many events a stream reads at once: what a client has not read yet is in memory. */
const STREAM_PAGE = 100

/** The events of an organization, `*` for all; see the top of this module. */
export class PartnerFeed extends Context.Service<
  PartnerFeed,
  {
    /** The position behind everything that has happened. */
    readonly head: Effect.Effect<number, StoreUnavailable>
    /** The events after a position, `limit` at most. */
    readonly page: (
      orgId: string,
      after: number,
      limit: number,
      filter?: ToldFilter
    ) => Effect.Effect<ToldPage, StoreUnavailable>
    /** The same, but if there is none yet, waits so long for the first. */
    readonly wait: (
      orgId: string,
      after: number,
      limit: number,
      patience: Duration.Duration,
      filter?: ToldFilter
    ) => Effect.Effect<ToldPage, StoreUnavailable>
    /** Pages of events, and then whatever comes; none of them is empty. */
    readonly follow: (
      orgId: string,
      after: number,
      filter?: ToldFilter
    ) => Stream.Stream<ReadonlyArray<Told>, StoreUnavailable>
    /** Stored events after a position, some of them, and whether there are more. Those who go on from about the same place share them. */
    readonly read: (
      orgId: string,
      after: number
    ) => Effect.Effect<{ readonly events: ReadonlyArray<StoredEvent>; readonly more: boolean }, StoreUnavailable>
    /** What a stored event tells in this feed; `undefined`: nothing. */
    readonly tell: (orgId: string, stored: StoredEvent) => Effect.Effect<Told | undefined, StoreUnavailable>
    /** Hands over every event that comes, for as long as the scope lives. */
    readonly listen: (orgId: string, take: (stored: StoredEvent) => void) => Effect.Effect<void, never, Scope.Scope>
    /** Fails when nothing is there yet, behind which this position could be; `field` is what holds its cursor. */
    readonly mustExist: (position: number, field?: string) => Effect.Effect<void, InvalidCursor | StoreUnavailable>
  }
>()("@latchkey/core/PartnerFeed") {
  static readonly layer = Layer.effect(
    PartnerFeed,
    Effect.suspend(() => make)
  ).pipe(Layer.provide(Feed.layer))
}

const make = Effect.gen(function* () {
  const store = yield* EventStore
  const feed = yield* Feed
  const background = yield* CurrentBackground
  /** Those who wait, by organization. */
  const waiting = new Map<string, Set<(stored: StoredEvent) => void>>()
  /** The last events that came, without a gap: who is woken need not read them. */
  let recent: ReadonlyArray<StoredEvent> = []
  let coming: Array<StoredEvent> = []

  const tellAll = (orgId: string, stored: StoredEvent): void => {
    for (const take of waiting.get(orgId) ?? []) take(stored)
  }
  const { catchUp } = yield* feed.register(
    {},
    (stored) => {
      coming.push(stored)
      if (coming.length === RECENT) [recent, coming] = [coming, []]
      if (stored.orgId !== "") tellAll(stored.orgId, stored)
      tellAll(OPERATOR, stored)
    },
    yield* store.head
  )

  /** Events of an organization after a position: of those that came lately, from memory. */
  const readAfter = (orgId: string, after: number, size: number) => {
    const [oldest] = recent.length > 0 ? recent : coming
    if (oldest === undefined || after + 1 < oldest.position)
      return store.feed(after, size, orgId === OPERATOR ? undefined : { orgId })
    const found: Array<StoredEvent> = []
    for (let at = after + 1 - oldest.position; found.length < size; at++) {
      const stored = at < recent.length ? recent[at] : coming[at - recent.length]
      if (stored === undefined) break
      if (orgId === OPERATOR || stored.orgId === orgId) found.push(stored)
    }
    return Effect.succeed<ReadonlyArray<StoredEvent>>(found)
  }

  /** Whole pages that were read last: what they hold stays as it is. */
  let pages: ReadonlyArray<{
    readonly orgId: string
    readonly after: number
    readonly events: ReadonlyArray<StoredEvent>
  }> = []
  const read = Effect.fnUntraced(function* (orgId: string, after: number) {
    for (const page of pages) {
      if (page.orgId !== orgId || page.after > after) continue
      const events = page.events.filter(({ position }) => position > after)
      if (events.length > 0) return { events, more: true }
    }
    const events = yield* store.feed(after, SHARED_PAGE, orgId === OPERATOR ? undefined : { orgId })
    const more = events.length === SHARED_PAGE
    if (more) pages = [{ orgId, after, events }, ...pages.slice(0, MOST_PAGES - 1)]
    return { events, more }
  })

  const listen = (orgId: string, take: (stored: StoredEvent) => void) =>
    Effect.acquireRelease(
      Effect.sync(() => {
        // One of its own: the same function may listen twice.
        const listener = (stored: StoredEvent) => take(stored)
        const others = waiting.get(orgId)
        if (others === undefined) waiting.set(orgId, new Set([listener]))
        else others.add(listener)
        return listener
      }),
      (listener) =>
        Effect.sync(() => {
          const all = waiting.get(orgId)
          all?.delete(listener)
          if (all?.size === 0) waiting.delete(orgId)
        })
    )

  /** One for each who waits: a stream may run many times. */
  const wakes = (orgId: string) =>
    Effect.suspend(() => {
      const latch = Latch.makeUnsafe(true)
      return Effect.as(
        listen(orgId, () => latch.openUnsafe()),
        latch
      )
    })

  /** What a departure tells in this feed: the event with which the lock left. */
  const departureIn = Effect.fnUntraced(function* (orgId: string, stored: StoredEvent) {
    const left = Departures.decode(stored)
    // All hear of it by the event itself.
    if (orgId === OPERATOR || left === undefined) return undefined
    const [moved] = yield* store.read(streamOfLock(left.lockId), left.version - 1, 1)
    if (moved === undefined) return undefined
    return toldOf({ ...moved, position: stored.position, orgId: stored.orgId })
  })

  /** Ids of temp keys by their streams. */
  const tempKeyIds = new Map<string, string>()
  const tempKeyIdOf = Effect.fnUntraced(function* ({ streamId, version, commandId }: StoredEvent) {
    if (version === 1) return commandId
    const known = tempKeyIds.get(streamId)
    if (known !== undefined) return known
    const [first] = yield* store.read(streamId, 0, 1)
    if (first === undefined) return undefined
    if (tempKeyIds.size === MOST_IDS) tempKeyIds.clear()
    tempKeyIds.set(streamId, first.commandId)
    return first.commandId
  })

  /** What events tell that many are told of: those that came lately, and those that webhooks share. */
  const shared = new WeakMap<StoredEvent, Told | undefined>()
  const sharedOf = (stored: StoredEvent): Told | undefined => {
    if (shared.has(stored)) return shared.get(stored)
    const told = toldOf(stored)
    shared.set(stored, told)
    return told
  }

  const tell = (orgId: string, stored: StoredEvent) =>
    isPlain(stored) ? Effect.succeed(sharedOf(stored)) : tellMore(orgId, stored)

  /** What is told of more than the event itself. */
  const tellMore = Effect.fnUntraced(function* (orgId: string, stored: StoredEvent) {
    if (isDeparture(stored)) return yield* departureIn(orgId, stored)
    const id = yield* tempKeyIdOf(stored)
    return id === undefined ? undefined : toldOfShared(stored, id)
  })

  /** @param isWoken whether what has come since may be told from memory: the newest may be a moment away */
  const page = Effect.fnUntraced(function* (
    orgId: string,
    after: number,
    limit: number,
    filter: ToldFilter = {},
    isWoken = false
  ) {
    const plainOf = isWoken ? sharedOf : toldOf
    const isFiltered = filter.types !== undefined || filter.lockIds !== undefined
    const told: Array<Told> = []
    let upTo = after
    for (let scanned = 0; scanned < SCANNED; ) {
      const size = isFiltered ? PAGE : limit - told.length
      const events = yield* isWoken
        ? readAfter(orgId, upTo, size)
        : store.feed(upTo, size, orgId === OPERATOR ? undefined : { orgId })
      for (const stored of events) {
        const one = isPlain(stored) ? plainOf(stored) : yield* tellMore(orgId, stored)
        upTo = stored.position
        if (one === undefined || !lets(filter, one)) continue
        told.push(one)
        if (told.length === limit) return { told, upTo, more: stored !== events.at(-1) || events.length === size }
      }
      scanned += events.length
      if (events.length < size) return { told, upTo, more: false }
      yield* Effect.yieldNow
    }
    return { told, upTo, more: true }
  })

  /**
   * Waits for the latch, and where nothing opens it by itself, looks. Who is woken goes on when everybody has heard of what
   * has come, also those who keep which API keys are good.
   */
  const grown = (latch: Latch.Latch) =>
    Effect.suspend(() =>
      background.isRunning()
        ? Effect.andThen(latch.await, Effect.yieldNow)
        : Effect.andThen(Effect.timeoutOption(latch.await, LOOK_EVERY), catchUp())
    )

  const wait = Effect.fnUntraced(function* (
    orgId: string,
    after: number,
    limit: number,
    patience: Duration.Duration,
    filter?: ToldFilter
  ) {
    const latch = yield* wakes(orgId)
    const until = (yield* Clock.currentTimeMillis) + Duration.toMillis(patience)
    let [position, isWoken] = [after, false]
    while (true) {
      yield* latch.close
      const found = yield* page(orgId, position, limit, filter, isWoken)
      isWoken = true
      const left = until - (yield* Clock.currentTimeMillis)
      if (found.told.length > 0 || left <= 0) return found
      position = found.upTo
      if (found.more) continue
      if (Option.isNone(yield* Effect.timeoutOption(grown(latch), left))) return found
    }
  }, Effect.scoped)

  const follow = (orgId: string, after: number, filter?: ToldFilter) =>
    Stream.unwrap(
      Effect.map(wakes(orgId), (latch) => {
        let position = after
        const next = Effect.gen(function* () {
          while (true) {
            yield* latch.close
            const found = yield* page(orgId, position, STREAM_PAGE, filter, true)
            position = found.upTo
            if (found.told.length > 0) return found.told
            if (!found.more) yield* grown(latch)
          }
        })
        return Stream.fromEffectRepeat(next)
      })
    )

  return PartnerFeed.of({
    head: store.head,
    page,
    wait,
    follow,
    read,
    tell,
    listen: (orgId, take) => Effect.asVoid(listen(orgId, take)),
    mustExist: Effect.fnUntraced(function* (position, field = "after") {
      if (position > (yield* store.head)) return yield* new InvalidCursor({ field })
    })
  })
})

/** Whether what an event tells is all in the event. */
const isPlain = (stored: StoredEvent): boolean => !isDeparture(stored) && !isOfShared(stored)

const isDeparture = ({ streamId }: StoredEvent): boolean => Departures.idOf(streamId) !== undefined
