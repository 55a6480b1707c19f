/** What the endpoints of brands do. */
import { type Brand, Brands } from "@latchkey/core"
import { Effect } from "effect"
import type { Api } from "../api/Api.ts"
import { contextOf, type Handlers } from "../server/Routes.ts"

export const makeBrandHandlers: Effect.Effect<Handlers<typeof Api>["brand"], never, Brands> = Effect.map(
  Brands,
  ({ get, set, remove }) => ({
    get: ({ query, call }) => Effect.map(get(call.principal, query.orgId), shown),
    set: ({ query, payload, call }) => Effect.map(set(contextOf(call), payload, query.orgId), shown),
    remove: ({ query, call }) =>
      Effect.as(remove(contextOf(call), query.orgId), { status: 200, body: { success: true as const } })
  })
)

const shown = (brand: Brand | undefined) => ({
  status: 200,
  body: { name: brand?.name ?? null, color: brand?.color ?? null, logo: brand?.logo?.png ?? null }
})
