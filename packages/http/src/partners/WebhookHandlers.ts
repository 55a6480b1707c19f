/** What the endpoints of webhooks do. */
import { instantOf, millisOf, tenantOf, Webhooks } from "@latchkey/core"
import { Effect } from "effect"
import type { Api } from "../api/Api.ts"
import { type Call, contextOf, type Handlers } from "../server/Routes.ts"
import { webhookInfo } from "./webhookInfo.ts"

export const makeWebhookHandlers = Effect.gen(function* () {
  const webhooks = yield* Webhooks

  const whose = ({ principal }: Call, orgId: string | undefined) =>
    Effect.fromResult(tenantOf(principal, orgId, "admin"))

  const create = Effect.fnUntraced(function* (
    call: Call,
    orgId: string | undefined,
    request: Parameters<typeof webhooks.create>[1]
  ) {
    const { shown, secret } = yield* webhooks.create(yield* whose(call, orgId), request, contextOf(call))
    return { status: 201, body: { ...webhookInfo(shown), secret } }
  })

  const handlers: Handlers<typeof Api>["webhooks"] = {
    create: ({ payload, query, call }) => create(call, query.orgId, payload),
    "create-for": ({ payload, params, call }) => create(call, params.orgId, payload),
    list: Effect.fnUntraced(function* ({ query, call }) {
      const all = yield* webhooks.list(yield* whose(call, query.orgId))
      return { status: 200, body: { webhooks: all.map(webhookInfo) } }
    }),
    get: Effect.fnUntraced(function* ({ params, query, call }) {
      return { status: 200, body: webhookInfo(yield* webhooks.get(yield* whose(call, query.orgId), params.id)) }
    }),
    change: Effect.fnUntraced(function* ({ params, query, payload, call }) {
      const shown = yield* webhooks.change(yield* whose(call, query.orgId), params.id, payload, contextOf(call))
      return { status: 200, body: webhookInfo(shown) }
    }),
    delete: Effect.fnUntraced(function* ({ params, query, call }) {
      yield* webhooks.remove(yield* whose(call, query.orgId), params.id, contextOf(call))
      return { status: 200, body: { success: true } }
    }),
    "rotate-secret": Effect.fnUntraced(function* ({ params, query, call }) {
      const rotated = yield* webhooks.rotate(yield* whose(call, query.orgId), params.id, contextOf(call))
      return { status: 200, body: { ...rotated, previousUntil: instantOf(rotated.previousUntil) } }
    }),
    enable: Effect.fnUntraced(function* ({ params, query, call }) {
      return {
        status: 200,
        body: webhookInfo(yield* webhooks.enable(yield* whose(call, query.orgId), params.id, contextOf(call)))
      }
    }),
    disable: Effect.fnUntraced(function* ({ params, query, call }) {
      const orgId = yield* whose(call, query.orgId)
      return {
        status: 200,
        body: webhookInfo(yield* webhooks.disable(orgId, params.id, "Disabled by request.", contextOf(call)))
      }
    }),
    test: Effect.fnUntraced(function* ({ params, query, call }) {
      const orgId = yield* whose(call, query.orgId)
      const {
        delivered,
        status = null,
        durationMs,
        response,
        error = ""
      } = yield* webhooks.test(orgId, params.id, contextOf(call))
      return { status: 200, body: { delivered, status, durationMs, response: response === "" ? error : response } }
    }),
    replay: Effect.fnUntraced(function* ({ params, query, payload: { after, since, until }, call }) {
      const orgId = yield* whose(call, query.orgId)
      const replay =
        since === undefined
          ? { after: after ?? "", until }
          : { since: millisOf(since), until: until === undefined ? undefined : millisOf(until) }
      return { status: 202, body: { replayId: yield* webhooks.replay(orgId, params.id, replay, contextOf(call)) } }
    }),
    deliveries: Effect.fnUntraced(function* ({ params, query: { orgId, outcome, before }, call }) {
      const deliveries = yield* webhooks.deliveries(yield* whose(call, orgId), params.id, outcome, before)
      return { status: 200, body: { deliveries, nextBefore: deliveries.at(-1)?.number ?? null } }
    }),
    retry: Effect.fnUntraced(function* ({ params: { id, eventId }, query, call }) {
      const replayId = yield* webhooks.retry(yield* whose(call, query.orgId), id, eventId, contextOf(call))
      return { status: 202, body: { replayId } }
    }),
    dismiss: Effect.fnUntraced(function* ({ params: { id, eventId }, query, call }) {
      yield* webhooks.dismiss(yield* whose(call, query.orgId), id, eventId)
      return { status: 200, body: { success: true } }
    })
  }
  return handlers
})
