/** What the endpoints of lists across locks do. */
import { instantOf, LockSearch } from "@latchkey/core"
import { Effect } from "effect"
import type { Api } from "../api/Api.ts"
import type { Handlers } from "../server/Routes.ts"

export const makeListHandlers = Effect.gen(function* () {
  const search = yield* LockSearch

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
      }))
  }
  return handlers
})
