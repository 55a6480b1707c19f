/**
 * Delivers events to webhooks: one process of many, under a lease. How far it has come is a record of each webhook, written
 * before the next event of a stream is sent: whatever stops, only what was under way is sent once more.
 */
import { Context, Effect, FiberMap, Latch, Layer } from "effect"
import { keepGoing } from "../streams/Backoff.ts"
import { EventStore } from "../streams/EventStore.ts"
import { Feed } from "../streams/Feed.ts"
import { byOne, type Lease } from "../streams/Lease.ts"
import { inBackground } from "../streams/Workers.ts"
import { makeRunner } from "./Runner.ts"
import { makeUpdateTeller } from "./UpdateTeller.ts"
import { WebhookStreams } from "./Webhook.ts"
import { Webhooks } from "./Webhooks.ts"

/** Names the lease: it is storage. */
const WORK = "Partner deliveries"

/** Delivers for as long as its layer lives. */
export class Dispatcher extends Context.Service<Dispatcher, object>()("@latchkey/core/Dispatcher") {
  static readonly layer = Layer.effect(
    Dispatcher,
    Effect.gen(function* () {
      const store = yield* EventStore
      const feed = yield* Feed
      const { all } = yield* Webhooks
      const { run, position } = yield* makeRunner
      const changed = Latch.makeUnsafe(true)
      yield* feed.register({ category: WebhookStreams.category }, () => changed.openUnsafe(), yield* store.head)

      const tellUpdates = yield* makeUpdateTeller

      const deliver = Effect.fnUntraced(function* (lease: Lease) {
        yield* tellUpdates
        yield* feed.list(WORK, position)
        const runners = yield* FiberMap.make<string>()
        yield* changed.open
        while (true) {
          yield* changed.close
          for (const { orgId, id, status } of all()) {
            if (status === "disabled" || (yield* FiberMap.has(runners, id))) continue
            const runner = keepGoing("A webhook is not delivered")(run(lease, orgId, id))
            // One that was enabled while its runner ended is looked at once more.
            const fiber = yield* FiberMap.run(runners, id, runner)
            fiber.addObserver(() => changed.openUnsafe())
          }
          yield* changed.await
        }
      }, Effect.scoped)

      yield* inBackground(keepGoing("Webhooks are not delivered")(byOne(store, WORK, deliver)))
      return {}
    })
  )
}
