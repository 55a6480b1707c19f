/** What the endpoints of lists across locks do. */
import { attending, instantOf, LockSearch, type NeedsAttention, Webhooks } from "@latchkey/core"
import { Effect } from "effect"
import type { Api } from "../api/Api.ts"
import type { Handlers } from "../server/Routes.ts"

export const makeListHandlers = Effect.gen(function* () {
  const search = yield* LockSearch
  const attended = yield* attending(yield* Webhooks)

  const handlers: Handlers<typeof Api>["lists"] = {
    locks: ({ query, call }) =>
      Effect.map(search.locks(call.principal, query, call.at), ({ locks, nextCursor = null }) => ({
        status: 200,
        body: {
          locks: locks.map(({ orgId, lastOpenedAt, lastUpdated, ...lock }) => ({
            ...lock,
            ...(orgId === undefined ? {} : { organizationId: orgId }),
            ...(lastOpenedAt === undefined ? {} : { lastOpenedAt: instantOf(lastOpenedAt) }),
            lastUpdated: instantOf(lastUpdated)
          })),
          nextCursor
        }
      })),
    attention: ({ query, call }) =>
      Effect.map(attended.attention(call.principal, query, call.at), ({ items, nextCursor = null }) => ({
        status: 200,
        body: {
          items: items.map(shown),
          nextCursor
        }
      })),
    overview: ({ call }) =>
      Effect.map(attended.overview(call.principal, call.at), ({ lag = null, ...counts }) => ({
        status: 200,
        body: { ...counts, lag }
      }))
  }
  return handlers
})

/** As it is answered: instants as text. */
const shown = (item: NeedsAttention["items"][number]) => {
  const since = instantOf(item.since)
  if (!("lockId" in item)) return { ...item, since }
  const { keys, ...rest } = item
  return { ...rest, since, ...(keys && { keys: keys.map((key) => ({ ...key, since: instantOf(key.since) })) }) }
}
