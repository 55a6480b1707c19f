/** Events to pull and to follow: from where a cursor is, as far as they go, or for as long as somebody reads. */
import { cursorOf, PartnerFeed, SHADOW_UPDATE, ShadowUpdates, type StoreUnavailable, telling } from "@latchkey/core"
import { Duration, Effect, Schedule, Stream } from "effect"
import type { Api } from "../api/Api.ts"
import { LONGEST_WAIT } from "../api/Parts.ts"
import { Authenticator } from "../auth/Authentication.ts"
import { json } from "../server/Answer.ts"
import type { Call, Handlers } from "../server/Routes.ts"
import { type ServerSentEvent, serverSentEvents } from "../server/ServerSentEvents.ts"

/** How often it is looked whether the key of a stream is still good, where nothing is told. */
const LOOK_EVERY = Duration.seconds(15)

export const makeEventHandlers = Effect.gen(function* () {
  const feed = yield* PartnerFeed
  const updates = yield* ShadowUpdates
  const { begin, envelopes, page } = yield* telling
  const { authenticate } = yield* Authenticator

  /** Ends when the caller may ask no longer, and not because that cannot be told. */
  const refused = ({ headers }: Call) =>
    authenticate(headers).pipe(
      Effect.catchTag(["StoreUnavailable", "KeysUnavailable"], () => Effect.void),
      Effect.repeat({ schedule: Schedule.spaced(LOOK_EVERY) }),
      Effect.ignore
    )

  const handlers: Handlers<typeof Api>["events"] = {
    events: Effect.fnUntraced(function* ({ query: { wait = 0, ...asked }, call }) {
      const answer = yield* page(call.principal, { ...asked, wait: Math.min(wait, LONGEST_WAIT) })
      // Who has waited may have lost the right meanwhile.
      if (wait > 0) yield* authenticate(call.headers)
      return json(200, answer)
    }),
    stream: Effect.fnUntraced(function* ({ query, call }) {
      const { principal } = call
      const { whose, filter, after } = yield* begin(principal, query, lastEventId(call))
      const pages = feed.follow(whose, after, filter).pipe(
        // A key that was revoked meanwhile is told nothing more.
        Stream.takeUntilEffect(() => Effect.isFailure(authenticate(call.headers)), { excludeLast: true }),
        Stream.flattenIterable
      )
      const envelopeOf = envelopes(principal, whose)
      const told = Stream.map(pages, (one) => ({
        id: cursorOf(whose, one.position),
        event: one.data.type,
        data: JSON.stringify(envelopeOf(one))
      }))
      const answer = (events: Stream.Stream<ServerSentEvent, StoreUnavailable>) =>
        serverSentEvents(Stream.interruptWhen(events, refused(call)), { from: cursorOf(whose, after) })
      if (query.types?.includes(SHADOW_UPDATE) !== true) return yield* answer(told)
      const live = updates.follow(whose, filter.lockIds).pipe(
        Stream.takeUntilEffect(() => Effect.isFailure(authenticate(call.headers)), { excludeLast: true }),
        // Without an id: who comes back goes on behind the last event that has one.
        Stream.map((envelope) => ({ event: SHADOW_UPDATE, data: JSON.stringify(envelope) }))
      )
      return yield* answer(Stream.merge(told, live, { haltStrategy: "either" }))
    })
  }

  return handlers
})

/** Where the client left off, if it comes back. */
const lastEventId = ({ headers }: Call): string | undefined => {
  const id = headers["last-event-id"]
  return id === undefined || id === "" ? undefined : String(id)
}
