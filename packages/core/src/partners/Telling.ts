/** What somebody asks of an organization's events, and what they are told of them: by whom it may be, from where on, and how it looks. */
import { Duration, Effect, Schema } from "effect"
import { seesLinks } from "../lock/AccessPolicy.ts"
import { LockId } from "../lock/Lock.ts"
import type { AccessDenied } from "../lock/LockError.ts"
import type { StoreUnavailable } from "../streams/EventStore.ts"
import type { Principal } from "../values/Principal.ts"
import { cursorOf, type InvalidCursor, positionOf } from "./Cursor.ts"
import { CurrentOrigin, type Envelope, envelopeOf } from "./Envelope.ts"
import { PartnerFeed, type ToldFilter } from "./PartnerFeed.ts"
import { SHADOW_UPDATE } from "./ShadowUpdates.ts"
import { eventsFor } from "./Tenant.ts"
import { type Told, toldTypes, withoutLink } from "./Told.ts"

const known = new Set(toldTypes)

/** A type of events that partners are told of. */
const ToldType = Schema.String.check(
  Schema.makeFilter((type) => known.has(type) || `must be one of ${toldTypes.join(", ")}`, {
    expected: "a type of events"
  })
)

/** The same, and what is in no log and told live: to those who follow, and to webhooks. */
export const LiveType = Schema.Union([ToldType, Schema.Literal(SHADOW_UPDATE)])

/** Which events are asked for, and from where on. */
export const tellingFields = {
  /** A cursor that was answered before; `now`: from here on; left out: from the beginning. */
  after: Schema.optionalKey(Schema.String),
  /** All unless given. */
  types: Schema.optionalKey(Schema.Array(ToldType)),
  lockId: Schema.optionalKey(LockId),
  /** For super keys: the organization; all of them unless given. */
  orgId: Schema.optionalKey(Schema.NonEmptyString)
}
const AboutEvents = Schema.Struct(tellingFields)
export type AboutEvents = typeof AboutEvents.Type

/** A question for a page of events. */
export const EventsQuery = Schema.Struct({
  ...tellingFields,
  /** 100 unless given. */
  limit: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1_000 }))),
  /** Seconds to wait for the first event; none unless given. */
  wait: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 30 })))
})
export type EventsQuery = typeof EventsQuery.Type

/** A page of an organization's events. */
export interface EventsPage {
  readonly events: ReadonlyArray<Envelope>
  /** Where to go on. */
  readonly nextCursor: string
  readonly more: boolean
}

const LIMIT = 100

/** Tells of events: a page of them, or where to follow them from. */
export const telling = Effect.gen(function* () {
  const feed = yield* PartnerFeed
  const origin = yield* CurrentOrigin

  /** Whose events, and from where on. */
  const begin = Effect.fnUntraced(function* (
    principal: Principal,
    { orgId, ...asked }: AboutEvents,
    cursor = asked.after
  ): Effect.fn.Return<
    { readonly whose: string; readonly filter: ToldFilter; readonly after: number },
    AccessDenied | InvalidCursor | StoreUnavailable
  > {
    const { whose, lockIds } = yield* Effect.fromResult(eventsFor(principal, orgId, asked.lockId))
    const filter: ToldFilter = { types: asked.types && new Set(asked.types), lockIds }
    if (cursor === undefined) return { whose, filter, after: 0 }
    if (cursor === "now") return { whose, filter, after: yield* feed.head }
    const after = yield* Effect.fromResult(positionOf(whose, cursor))
    yield* feed.mustExist(after)
    return { whose, filter, after }
  })

  /** Events as this principal is told them: of keys that are not for temp keys without links. */
  const envelopes = (principal: Principal, whose: string): ((told: Told) => Envelope) =>
    seesLinks(principal)
      ? (told) => envelopeOf(told, whose, origin)
      : (told) => envelopeOf(withoutLink(told), whose, origin)

  const page = Effect.fnUntraced(function* (
    principal: Principal,
    { limit = LIMIT, wait = 0, ...asked }: EventsQuery
  ): Effect.fn.Return<EventsPage, AccessDenied | InvalidCursor | StoreUnavailable> {
    const { whose, filter, after } = yield* begin(principal, asked)
    const { told, upTo, more } = yield* feed.wait(whose, after, limit, Duration.seconds(wait), filter)
    return {
      events: told.map(envelopes(principal, whose)),
      nextCursor: cursorOf(whose, upTo),
      more
    }
  })

  return { begin, envelopes, page }
})
