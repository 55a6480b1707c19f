/** A world in memory: one store, read model and device shadow, and any number of processes over them. */
import { MemoryDeviceShadow, MemoryEventStore, MemoryReadModel } from "@latchkey/core/testing"
import { Context, Effect, Layer, Schedule } from "effect"
import { layer, workers } from "../src/latchkey/Latchkey.ts"
import type { CommandContext } from "../src/lock/LockCommand.ts"
import { Locks, type LocksOptions } from "../src/locks/Locks.ts"
import { ReadModel } from "../src/read-model/ReadModel.ts"
import { EventStore } from "../src/streams/OldEventStore.ts"
import { asked, lockId, lockUuid, type Request } from "./scenario.ts"

const memory = Layer.mergeAll(MemoryEventStore.layer, MemoryDeviceShadow.layer, MemoryReadModel.layer)

export const makeWorld = Effect.gen(function* () {
  const ports = yield* Layer.build(Layer.fresh(memory))
  const store = Context.get(ports, EventStore)
  let commands = 0

  return {
    ports,
    store,
    readModel: Context.get(ports, ReadModel),
    shadow: Context.get(ports, MemoryDeviceShadow.ShadowControl),

    /** A process of its own, until the scope closes: it shares nothing with others but the ports. */
    process: ({ over = ports, ...options }: LocksOptions & { readonly over?: typeof ports } = {}) =>
      Effect.map(Effect.provide(Layer.build(Layer.fresh(Locks.layer(options))), over), (services) => {
        const { execute } = Context.get(services, Locks)
        return (request: Request, context: Partial<CommandContext> = {}) =>
          execute(asked(request, { commandId: `command-${++commands}`, ...context }))
      }),

    /** The same with its repository, over the ports that the effect is given. */
    services: () => Layer.build(Layer.fresh(Locks.layer())),

    /** Everything of Latchkey in a process of its own, over the same ports unless others are given. */
    latchkey: (over: typeof ports = ports) =>
      Effect.provide(Layer.build(Layer.fresh(Layer.provideMerge(workers, layer()))), over),

    /** What happened to the lock, by name. */
    log: Effect.map(store.read(`lock-${lockId}`, 0, 10_000), (events) => events.map(({ type }) => type))
  }
})

/** Asks until the answer is as wanted; the test's time limit is the end of patience. */
export const eventually = <A, E, R>(ask: Effect.Effect<A, E, R>, wanted: (answer: A) => boolean) =>
  Effect.repeat(ask, { until: wanted, schedule: Schedule.spaced("2 millis") })

/** The request that creates the lock of all tests. */
export const create = { _tag: "CreateLock", index: 1, uuid: lockUuid, keys: [] } as const satisfies Request
