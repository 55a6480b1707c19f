/**
 * A lock's history as it is read: who did what, with which key, at which door; filtered, in either order, a page at a time.
 * What a page costs is bounded: one that finds little in a long stretch says where to go on.
 */
import { Effect, Option } from "effect"
import { seesLinks } from "../lock/AccessPolicy.ts"
import { withoutLinks, withoutPeople } from "../lock/EventRows.ts"
import { type Lock, streamOfLock, tempKeyIdOf } from "../lock/Lock.ts"
import { fromStored, type LockEvent, type OpenedVia, openedVia, toWire, type WireEvent } from "../lock/LockEvent.ts"
import { edgesFor, viewOf } from "../lock/OwnTime.ts"
import type { Times } from "../lock/Period.ts"
import type { EventStore, StoredEvent, StoreUnavailable } from "../streams/EventStore.ts"
import { lastVersion } from "../streams/LastVersion.ts"
import { PAGE } from "../streams/Turns.ts"
import type { Principal, ShownPrincipal } from "../values/Principal.ts"
import { cursorAt, type HistoryQuery, PAGE_SIZE, type Place, placeIn } from "./HistoryQuery.ts"
import { idsOfShared } from "./Links.ts"

/** An event of a lock as it is shown. */
export interface HistoryEvent {
  readonly version: number
  readonly eventId: string
  readonly type: string
  /** Epoch milliseconds. */
  readonly at: number
  /** The organization that it happened for; `""` when there is none. */
  readonly orgId: string
  /** Who did it; to those whose time it was not, only what kind of somebody. */
  readonly principal: ShownPrincipal
  /** As published; `undefined` for what a later version of Latchkey wrote. */
  readonly wire: WireEvent | undefined
  /** What the lock was opened with. */
  readonly via?: OpenedVia
  /** What the temp key is called that it is about, or that opened: no secret, as its link is. */
  readonly tempKeyId?: string
  /** Which door of the temp key it is. */
  readonly door?: number
}

/** Of a question that is filtered, or where not all is for the one who asks, a page may hold fewer events than asked for, or none, and still have a cursor. */
export interface HistoryPage {
  /** All that there are, whatever is asked for. */
  readonly totalEvents: number
  /** Counts from 1. */
  readonly page: number
  readonly pageSize: number
  readonly events: ReadonlyArray<HistoryEvent>
  /** Where to go on; none when this was all. */
  readonly nextCursor: string | undefined
}

/** Most events that one page looks at. */
export const MOST_LOOKED_AT = 1_000

/** A page of a lock's history, as far as it is the principal's to see. */
export const readHistory = Effect.fnUntraced(function* (
  store: EventStore["Service"],
  principal: Principal,
  lock: Pick<Lock, "lockId" | "version" | "owners" | "organizations" | "tempKeys">,
  query: HistoryQuery
) {
  const { page = 1, limit = PAGE_SIZE, cursor } = query
  const stream = streamOfLock(lock.lockId)
  const seen = edgesFor(principal, lock)
  const place = cursor === undefined ? undefined : placeIn(cursor)
  const order = place?.order ?? query.order ?? "asc"
  /** As published, a page is so many versions; any other looks further until it is full. */
  let left = place !== undefined || isFiltered(query) ? MOST_LOOKED_AT : limit
  const edges = yield* edgesOf(store, stream, seen, query, place)
  let { low, high } = page > 1 ? { ...edges, low: Math.min(edges.low + (page - 1) * limit, edges.high) } : edges
  const events: Array<HistoryEvent> = []
  while (low < high && left > 0 && events.length < limit) {
    const step = Math.min(PAGE, left, isFiltered(query) ? PAGE : limit - events.length)
    const from = order === "asc" ? low : Math.max(low, high - step)
    const read = yield* store.read(stream, from, Math.min(step, high - from))
    if (read.length === 0) break
    const idOf = yield* namesOfKeys(store, lock, read)
    for (const stored of order === "asc" ? read : read.toReversed()) {
      if (events.length === limit) break
      if (order === "asc") low = stored.version
      else high = stored.version - 1
      left--
      const event = shownTo(principal, lock, stored, idOf)
      if (event !== undefined && isMeant(query, event)) events.push(event)
    }
    // A history may be long: others go on in between.
    yield* Effect.yieldNow
  }
  const number = place === undefined ? page : place.page + 1
  return {
    totalEvents: seen.high - seen.low,
    page: number,
    pageSize: limit,
    events,
    nextCursor: low < high ? cursorAt({ order, version: order === "asc" ? low : high + 1, page: number }) : undefined
  } satisfies HistoryPage
})

/** Whether events between the edges may not be meant. */
const isFiltered = ({ types, actor }: HistoryQuery): boolean => (types ?? actor) !== undefined

/** The versions that are asked for: those after `low`, up to `high`. Times in a stream are in order. */
const edgesOf = Effect.fnUntraced(function* (
  store: EventStore["Service"],
  stream: string,
  seen: { readonly low: number; readonly high: number },
  { from, to }: HistoryQuery,
  place: Place | undefined
) {
  const before = (at: number) => lastVersion(store, stream, (stored) => stored.at < at)
  const low = from === undefined || place?.order === "asc" ? seen.low : Math.max(seen.low, yield* before(from))
  const high = to === undefined || place?.order === "desc" ? seen.high : Math.min(seen.high, yield* before(to))
  if (place === undefined) return { low, high }
  return place.order === "asc"
    ? { low: Math.max(low, place.version), high }
    : { low, high: Math.min(high, place.version - 1) }
})

/** What the temp key is called that an event is about; `undefined` when it is about none, or about one that is gone. */
export type NameOfKey = (event: LockEvent, stored: StoredEvent) => string | undefined

/** Events name their temp keys by ids that are no secrets; of old ones the lock, or the key, is asked. */
export const namesOfKeys = (
  store: EventStore["Service"],
  lock: Pick<Lock, "tempKeys">,
  read: ReadonlyArray<StoredEvent>
): Effect.Effect<NameOfKey, StoreUnavailable> =>
  Effect.map(
    idsOfShared(
      store,
      read.flatMap(({ data: { credentialUuid, tempKeyId } }) =>
        typeof credentialUuid === "string" && tempKeyId === undefined ? [credentialUuid] : []
      )
    ),
    (ids): NameOfKey =>
      (event, { commandId }) => {
        if ("tempKeyId" in event && event.tempKeyId !== undefined) return event.tempKeyId
        if (event._tag === "TempKeyCreated") return commandId
        if ("tempKeyUuid" in event) return tempKeyIdOf(lock, event.tempKeyUuid)
        return event._tag === "LockOpenRequested" ? ids.get(event.credentialUuid ?? "") : undefined
      }
  )

/** The event as it is shown to the principal; `undefined` when there is none to them. */
export const shownTo = (
  principal: Principal,
  times: Times,
  stored: StoredEvent,
  idOf: NameOfKey
): HistoryEvent | undefined => {
  const view = viewOf(principal, times, stored)
  if (view === "nothing") return undefined
  const event = historyEventOf(stored, idOf, seesLinks(principal))
  if (view === "all") return event
  const { version, eventId, type, at, wire } = event
  const { _tag } = stored.principal
  return { version, eventId, type, at, orgId: "", principal: { _tag }, wire: wire && withoutPeople(wire) }
}

const withoutLinksOf = (wire: WireEvent): WireEvent => ({ ...wire, data: withoutLinks(wire.data) }) as WireEvent

const historyEventOf = (stored: StoredEvent, idOf: NameOfKey, withLinks: boolean): HistoryEvent => {
  const { version, eventId, type, at, orgId, principal } = stored
  const event = Option.getOrUndefined(fromStored(stored))
  const tempKeyId = event && idOf(event, stored)
  const published = event && toWire(event)
  const wire = published && (withLinks ? published : withoutLinksOf(published))
  const shown = { version, eventId, type, at, orgId, principal, wire, ...(tempKeyId && { tempKeyId }) }
  if (event?._tag !== "LockOpenRequested") return shown
  const via = openedVia(event)
  return { ...shown, ...(via && { via }), ...(event.doorId !== undefined && { door: event.doorId }) }
}

const isMeant = ({ types, actor }: HistoryQuery, { type, principal }: HistoryEvent): boolean =>
  (types === undefined || types.some((meant) => meant === type)) && (actor === undefined || isActor(principal, actor))

const isActor = ({ _tag, ...ids }: HistoryEvent["principal"], actor: string): boolean =>
  Object.values(ids).includes(actor) || (isNameless(_tag) && _tag.toLowerCase() === actor)

const isNameless = (_tag: Principal["_tag"]): boolean => _tag === "Guest" || _tag === "System" || _tag === "Super"
