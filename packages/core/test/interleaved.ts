/** Calls of several processes that wait until they are let through, one by one, in an order that a test draws. */
import { Deferred, Effect, Fiber } from "effect"
import { EventStore } from "../src/streams/EventStore.ts"

/** Turns of the event loop after which a process is at its next call, or has nothing more to do. */
const SETTLED = 6

export const makeInterleaving = (store: EventStore["Service"]) => {
  const waiting: Array<Deferred.Deferred<void>> = []
  let isOpen = true

  const gate = <A, E>(call: Effect.Effect<A, E>): Effect.Effect<A, E> =>
    Effect.suspend(() => {
      if (isOpen) return call
      const mayGo = Deferred.makeUnsafe<void>()
      waiting.push(mayGo)
      return Effect.andThen(Deferred.await(mayGo), call)
    })

  const gated = EventStore.of({
    ...store,
    head: gate(store.head),
    read: (...args) => gate(store.read(...args)),
    feed: (...args) => gate(store.feed(...args)),
    event: (...args) => gate(store.event(...args)),
    record: (...args) => gate(store.record(...args)),
    records: (...args) => gate(store.records(...args)),
    write: (...args) => gate(store.write(...args))
  })

  /** Runs all of them at once; which call goes next is drawn from those that wait. */
  const run = Effect.fnUntraced(function* <A, E>(
    actions: ReadonlyArray<Effect.Effect<A, E>>,
    draw: (choices: number) => number
  ) {
    isOpen = false
    const running = yield* Effect.forkChild(Effect.all(actions, { concurrency: "unbounded" }), {
      startImmediately: true
    })
    while (running.pollUnsafe() === undefined) {
      for (let turn = 0; turn < SETTLED; turn++) yield* Effect.yieldNow
      const [next] = waiting.length === 0 ? [] : waiting.splice(draw(waiting.length), 1)
      if (next !== undefined) yield* Deferred.succeed(next, undefined)
    }
    isOpen = true
    for (const left of waiting.splice(0)) yield* Deferred.succeed(left, undefined)
    return yield* Fiber.join(running)
  })

  return { gated, run }
}
