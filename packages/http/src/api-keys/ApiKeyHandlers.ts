/** What the endpoints of API keys do. */
import { type ApiKeys, managedApiKeys, millisOf } from "@latchkey/core"
import { Effect } from "effect"
import type { Api } from "../api/Api.ts"
import { contextOf, type Handlers } from "../server/Routes.ts"
import { apiKeyInfo } from "./apiKeyInfo.ts"

/** Most keys that one answer lists. */
const MOST_LISTED = 1_000

export const makeApiKeyHandlers: Effect.Effect<Handlers<typeof Api>["api-keys"], never, ApiKeys> = Effect.map(
  managedApiKeys,
  ({ list, create, revoke }) => ({
    "api-keys": ({ query, call }) =>
      Effect.map(list(call.principal, query.orgId), (keys) => ({
        status: 200,
        body: { apiKeys: keys.slice(-MOST_LISTED).map(apiKeyInfo), more: keys.length > MOST_LISTED }
      })),
    "create-api-key": ({ payload: { expiresAt, ...request }, call }) =>
      Effect.map(
        create({ ...request, ...(expiresAt !== undefined && { expiresAt: millisOf(expiresAt) }) }, contextOf(call)),
        ({ key, secret = null }) => ({ status: 201, body: { success: true, ...apiKeyInfo(key), key: secret } })
      ),
    "revoke-api-key": ({ params, call }) =>
      Effect.map(revoke(params.keyId, contextOf(call)), (revoked) => ({
        status: 200,
        body: { success: true, ...apiKeyInfo(revoked) }
      }))
  })
)
