/** Events to pull and to follow: from where a cursor is, as far as they go, or for as long as somebody reads. */
import { cursorOf, PartnerFeed, SHADOW_UPDATE, ShadowUpdates, telling } from "@latchkey/core"
import { Effect, Stream } from "effect"
import type { Api } from "../api/Api.ts"
import { LONGEST_WAIT } from "../api/Parts.ts"
import { Authenticator } from "../auth/Authentication.ts"
import { json } from "../server/Answer.ts"
import type { Call, Handlers } from "../server/Routes.ts"
import { serverSentEvents } from "../server/ServerSentEvents.ts"

export const makeEventHandlers = Effect.gen(function* () {
  const feed = yield* PartnerFeed
  const updates = yield* ShadowUpdates
  const { begin, envelopes, page } = yield* telling
  const { authenticate } = yield* Authenticator

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
      if (query.types?.includes(SHADOW_UPDATE) !== true) return yield* serverSentEvents(told)
      const live = updates.follow(whose, filter.lockIds).pipe(
        Stream.takeUntilEffect(() => Effect.isFailure(authenticate(call.headers)), { excludeLast: true }),
        // Without an id: who comes back goes on behind the last event that has one.
        Stream.map((envelope) => ({ event: SHADOW_UPDATE, data: JSON.stringify(envelope) }))
      )
      return yield* serverSentEvents(Stream.merge(told, live, { haltStrategy: "either" }))
    })
  }

  return handlers
})

/** Where the client left off, if it comes back. */
const lastEventId = ({ headers }: Call): string | undefined => {
  const id = headers["last-event-id"]
  return id === undefined || id === "" ? undefined : String(id)
}
