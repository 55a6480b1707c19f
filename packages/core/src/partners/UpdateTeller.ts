/** Sends updates of shadows to the webhooks that ask for them: once each, as they come, or not at all. */
import { Clock, Effect } from "effect"
import { Deliver } from "./Deliver.ts"
import { type Answered, askedFor, GONE, meaningOf } from "./Delivery.ts"
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
  const clock = yield* Clock.Clock
  const now = () => clock.currentTimeMillisUnsafe()
  const underWay = new Map<string, number>()
  let ofAll = 0
  const count = (id: string, change: 1 | -1): void => {
    ofAll += change
    const after = (underWay.get(id) ?? 0) + change
    if (after === 0) underWay.delete(id)
    else underWay.set(id, after)
  }
  /** Until when receivers ask to be left alone, as the webhook was when they did: one that is moved has another receiver. */
  const leftAlone = new Map<string, { readonly changed: number; readonly until: number }>()
  const isLeftAlone = ({ id, changed }: Webhook): boolean => {
    const asked = leftAlone.get(id)
    return asked !== undefined && asked.changed === changed && now() < asked.until
  }
  const leaveAlone = ({ id, changed }: Webhook, millis: number): void => {
    for (const [id, { until }] of leftAlone) if (until <= now()) leftAlone.delete(id)
    leftAlone.set(id, { changed, until: now() + millis })
  }

  const heed = (webhook: Webhook, answered: Answered) => {
    switch (meaningOf(answered)) {
      case "gone":
        // Where that cannot be written now, the next one is answered so, too.
        return Effect.ignore(failed(webhook, GONE))
      case "later":
        return Effect.sync(() => leaveAlone(webhook, askedFor(answered)))
      default:
        return Effect.void
    }
  }

  const send = (webhook: Webhook, envelope: ShadowEnvelope) =>
    Effect.suspend(() => deliver.send({ webhook, id: envelope.id, body: JSON.stringify(envelope), at: now() })).pipe(
      Effect.flatMap((answered) => heed(webhook, answered)),
      Effect.ensuring(Effect.sync(() => count(webhook.id, -1)))
    )

  return Effect.gen(function* () {
    const context = yield* Effect.context<never>()
    const scope = yield* Effect.scope
    const run = Effect.runForkWith(context)
    const take = (told: ToldUpdate): void => {
      for (const webhook of all()) {
        if (!asks(webhook) || !isFor(told, webhook.orgId, filterOf(webhook).lockIds)) continue
        if (isLeftAlone(webhook)) continue
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
