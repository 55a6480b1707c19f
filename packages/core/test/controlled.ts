/** A process that stops, or is paused, at one of its writes: what it asks of store and shadow goes through here. */
import { Context, Effect, Latch } from "effect"
import { DeviceShadow } from "../src/device/DeviceShadow.ts"
import { EventStore, StoreUnavailable } from "../src/streams/EventStore.ts"
import { type makeWorld, stepOf } from "./world.ts"

type Ports = Effect.Success<typeof makeWorld>["ports"]

/** The `write`th write of the process, and whether it happens first. */
export interface Point {
  readonly write: number
  readonly when: "before" | "after"
}

/** Ports for a process that goes no further than a point, in anything it does, until it is resumed; or that dies there. */
export const stoppingAt = (ports: Ports, point: Point | undefined) =>
  Effect.gen(function* () {
    const goes = yield* Latch.make(true)
    let isDead = false
    /** The names of its writes, in order. */
    const writes: Array<string> = []
    const stop = goes.close
    const gone = new StoreUnavailable({ message: "This process is gone." })

    const whileItGoes = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> =>
      Effect.andThen(
        Effect.interruptible(goes.await),
        Effect.suspend(() => (isDead ? Effect.interruptible(Effect.never) : effect))
      )

    const controlled =
      (name: string) =>
      <Args extends ReadonlyArray<unknown>, A, E>(step: (...args: Args) => Effect.Effect<A, E>) =>
      (...args: Args): Effect.Effect<A, E> =>
        Effect.suspend(() => {
          const isThere = writes.push(name) === point?.write
          const before = isThere && point?.when === "before" ? stop : Effect.void
          const after = isThere && point?.when === "after" ? stop : Effect.void
          return before.pipe(
            Effect.andThen(whileItGoes(step(...args))),
            Effect.tap(Effect.andThen(after, Effect.interruptible(goes.await)))
          )
        })

    const store = Context.get(ports, EventStore)
    const shadow = Context.get(ports, DeviceShadow)
    const over = ports.pipe(
      Context.add(EventStore, {
        ...store,
        read: (...args) => whileItGoes(store.read(...args)),
        record: (key) => whileItGoes(store.record(key)),
        write: (batch) => (isDead ? Effect.fail(gone) : controlled(stepOf(batch))(store.write)(batch))
      }),
      Context.add(DeviceShadow, {
        ...shadow,
        send: controlled("send")(shadow.send),
        find: (...args) => whileItGoes(shadow.find(...args)),
        settle: controlled("settle")(shadow.settle)
      })
    )
    return {
      over,
      writes,
      resume: goes.open,
      /** Nothing of it happens any more. */
      die: Effect.andThen(
        Effect.sync(() => (isDead = true)),
        goes.open
      )
    }
  })
