/** Webhooks for programs without Effect. */
import { Effect } from "effect"
import type { AccessDenied } from "../lock/LockError.ts"
import { tenantOf } from "../partners/Tenant.ts"
import type { WebhookContext, WebhookFailure, Webhooks } from "../partners/Webhooks.ts"
import { given } from "../values/given.ts"
import type { Principal } from "../values/Principal.ts"
import type { Answering, AskedBy, EmbeddedWebhooks, ErrorStyle, InvalidCommand } from "./Embedded.ts"
import { asked, decodeBy, decodeNewWebhook, decodeReplay, decodeWebhookChanges, needs } from "./EmbeddedRequests.ts"

/** Without webhooks here, every call is refused and says which option was not given. */
export const embeddedWebhooks = <Style extends ErrorStyle>(
  webhooks: Webhooks["Service"] | undefined,
  answer: Answering<Style>
): EmbeddedWebhooks<Style> => {
  const shownHooks = <A>(
    principal: Principal,
    orgId: string | undefined,
    use: (hooks: Webhooks["Service"], orgId: string) => Effect.Effect<A, WebhookFailure>
  ) =>
    asked(
      { principal, ...given({ orgId }) },
      (): Effect.Effect<A, WebhookFailure | AccessDenied | InvalidCommand> =>
        webhooks === undefined
          ? needs("Webhooks need somebody who sends", "deliver")
          : Effect.flatMap(Effect.fromResult(tenantOf(principal, orgId, "admin")), (whose) => use(webhooks, whose))
    )
  const hooked = <A>(
    by: AskedBy,
    orgId: string | undefined,
    use: (hooks: Webhooks["Service"], orgId: string, by: WebhookContext) => Effect.Effect<A, WebhookFailure>
  ) => Effect.flatMap(decodeBy(by), (by) => shownHooks(by.principal, orgId, (hooks, orgId) => use(hooks, orgId, by)))
  return {
    create: (request, by, orgId) =>
      answer(
        Effect.flatMap(decodeNewWebhook(request), (request) =>
          hooked(by, orgId, (hooks, orgId, by) => hooks.create(orgId, request, by))
        )
      ),
    list: (principal, orgId) => answer(shownHooks(principal, orgId, (hooks, orgId) => hooks.list(orgId))),
    get: (principal, id, orgId) => answer(shownHooks(principal, orgId, (hooks, orgId) => hooks.get(orgId, id))),
    change: (id, changes, by, orgId) =>
      answer(
        Effect.flatMap(decodeWebhookChanges(changes), (changes) =>
          hooked(by, orgId, (hooks, orgId, by) => hooks.change(orgId, id, changes, by))
        )
      ),
    remove: (id, by, orgId) => answer(hooked(by, orgId, (hooks, orgId, by) => hooks.remove(orgId, id, by))),
    rotateSecret: (id, by, orgId) => answer(hooked(by, orgId, (hooks, orgId, by) => hooks.rotate(orgId, id, by))),
    enable: (id, by, orgId) => answer(hooked(by, orgId, (hooks, orgId, by) => hooks.enable(orgId, id, by))),
    disable: (id, reason, by, orgId) =>
      answer(hooked(by, orgId, (hooks, orgId, by) => hooks.disable(orgId, id, reason, by))),
    test: (id, by, orgId) => answer(hooked(by, orgId, (hooks, orgId, by) => hooks.test(orgId, id, by))),
    replay: (id, replay, by, orgId) =>
      answer(
        Effect.flatMap(decodeReplay(replay), (replay) =>
          hooked(by, orgId, (hooks, orgId, by) => hooks.replay(orgId, id, replay, by))
        )
      ),
    deliveries: (principal, id, { outcome, before } = {}, orgId) =>
      answer(shownHooks(principal, orgId, (hooks, orgId) => hooks.deliveries(orgId, id, outcome, before))),
    retry: (id, eventId, by, orgId) =>
      answer(hooked(by, orgId, (hooks, orgId, by) => hooks.retry(orgId, id, eventId, by))),
    dismiss: (principal, id, eventId, orgId) =>
      answer(shownHooks(principal, orgId, (hooks, orgId) => hooks.dismiss(orgId, id, eventId)))
  }
}
