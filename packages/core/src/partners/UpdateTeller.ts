/** Sends updates of shadows to the webhooks that ask for them: once each, as they come, or not at all. */
import { Clock, Effect } from "effect"
import { Deliver } from "./Deliver.ts"
import { GONE, meaningOf } from "./Delivery.ts"
import { isFor, SHADOW_UPDATE, type ShadowEnvelope, ShadowUpdates, type ToldUpdate } from "./ShadowUpdates.ts"
import type { Webhook } from "./Webhook.ts"
import { filterOf, Webhooks } from "./Webhooks.ts"

/** Requests under way, of one webhook, and of all: what comes meanwhile is not told. */
const MOST_AT_ONCE = 4
const MOST_OF_ALL = 200

/** Tells for as long as the scope lives. */
export const makeUpdateTeller = Effect.gen(function* () {
  const updates = yield* ShadowUpdates
  const { all, failed } = yield* Webhooks
  const deliver = yield* Deliver
  const underWay = new Map<string, number>()
  let ofAll = 0
  const count = (id: string, change: 1 | -1): void => {
    ofAll += change
    const now = (underWay.get(id) ?? 0) + change
    if (now === 0) underWay.delete(id)
    else underWay.set(id, now)
  }

  const send = (webhook: Webhook, envelope: ShadowEnvelope) =>
    Effect.flatMap(Clock.currentTimeMillis, (at) =>
      deliver.send({ webhook, id: envelope.id, body: JSON.stringify(envelope), at })
    ).pipe(
      // Where that cannot be written now, the next one is answered so, too.
      Effect.flatMap((answered) =>
        meaningOf(answered) === "gone" ? Effect.ignore(failed(webhook, GONE)) : Effect.void
      ),
      Effect.ensuring(Effect.sync(() => count(webhook.id, -1)))
    )

  return Effect.gen(function* () {
    const context = yield* Effect.context<never>()
    const scope = yield* Effect.scope
    const run = Effect.runForkWith(context)
    const take = (told: ToldUpdate): void => {
      for (const webhook of all()) {
        if (!asks(webhook) || !isFor(told, webhook.orgId, filterOf(webhook).lockIds)) continue
        if ((underWay.get(webhook.id) ?? 0) >= MOST_AT_ONCE || ofAll >= MOST_OF_ALL) continue
        count(webhook.id, 1)
        run(Effect.forkIn(send(webhook, told.envelope), scope))
      }
    }
    yield* updates.listen({ wants: () => all().some(asks), take })
  })
})

/** Not by `*`, which is everything that is in the log. A thin payload names ids alone, and an update is more. */
const asks = ({ status, isVerified, payload, events }: Webhook): boolean =>
  status === "active" && isVerified && payload === "full" && events.includes(SHADOW_UPDATE)
