/** A world in memory: one store, read model, presence and device shadow, and any number of processes over them. */
import { MemoryDeviceShadow, MemoryEventStore, MemoryPresence, MemoryReadModel } from "@latchkey/core/testing"
import { Context, Effect, Layer, Schedule } from "effect"
import { Presence } from "../src/device/Presence.ts"
import { layer, workers } from "../src/latchkey/Latchkey.ts"
import type { CommandContext } from "../src/lock/LockCommand.ts"
import { Locks, type LocksOptions } from "../src/locks/Locks.ts"
import { presence } from "../src/locks/Presence.ts"
import { lookups } from "../src/read-model/Lookups.ts"
import { ReadModel } from "../src/read-model/ReadModel.ts"
import { type Batch, EventStore, type NewEvent, type WriteError, type Written } from "../src/streams/EventStore.ts"
import { discard, find, type Preparing, prepare, unsettled } from "../src/streams/Reservations.ts"
import { asked, lockId, lockUuid, type Request } from "./scenario.ts"

const memory = Layer.mergeAll(
  MemoryEventStore.layer,
  MemoryDeviceShadow.layer,
  MemoryReadModel.layer,
  MemoryPresence.layer
)

export const makeWorld = Effect.gen(function* () {
  const ports = yield* Layer.build(Layer.fresh(memory))
  const store = Context.get(ports, EventStore)
  const readModel = Context.get(ports, ReadModel)
  const rows = lookups(readModel)
  const { shown } = yield* Effect.provide(presence, ports)
  let commands = 0

  return {
    ports,
    store,
    readModel,
    rows,
    presence: Context.get(ports, Presence),
    shadow: Context.get(ports, MemoryDeviceShadow.ShadowControl),

    /** A process of its own, until the scope closes: it shares nothing with others but the ports. */
    process: ({ over = ports, ...options }: LocksOptions & { readonly over?: typeof ports } = {}) =>
      Effect.map(
        Effect.provide(Layer.build(Layer.fresh(Locks.layer({ claims: "open", ...options }))), over),
        (services) => {
          const { execute } = Context.get(services, Locks)
          return (request: Request, context: Partial<CommandContext> = {}) =>
            execute(asked(request, { commandId: `command-${++commands}`, ...context }))
        }
      ),

    /** The same with its repository, over the ports that the effect is given. */
    services: () => Layer.build(Layer.fresh(Locks.layer({ claims: "open" }))),

    /** Everything of Latchkey in a process of its own, over the same ports unless others are given. */
    latchkey: (over: typeof ports = ports) =>
      Effect.provide(Layer.build(Layer.fresh(Layer.provideMerge(workers, layer({ claims: "open" })))), over),

    /** The same, in which nothing goes on by itself: for tests with a time of their own. */
    quiet: (over: typeof ports = ports) => Effect.provide(Layer.build(Layer.fresh(layer({ claims: "open" }))), over),

    /** The locks of an owner, as they are shown. */
    ownedBy: (userId: string) => Effect.flatMap(rows.devicesOwnedBy(userId), shown),

    /** The commands that are prepared and not settled. */
    unsettled: Effect.map(unsettled(store), (reservations) => reservations.map(({ commandId }) => commandId)),

    /** Prepares as another process does, of which nothing else is heard. */
    prepare: (
      version: number,
      events: ReadonlyArray<NewEvent>,
      reservation: Pick<Preparing, "commandId" | "deadline">
    ) =>
      prepare(store, { streamId: `lock-${lockId}`, expectedVersion: version, events, thing: lockUuid, ...reservation }),

    /** Discards as another process does that has given up on the command's writer, unless it is settled. */
    discard: (commandId: string) =>
      Effect.flatMap(find(store, commandId), (known) =>
        known._tag === "Prepared" ? discard(store, known.reservation) : Effect.succeed(known)
      ),

    /** What happened to the lock, by name. */
    log: Effect.map(store.read(`lock-${lockId}`, 0, 10_000), (events) => events.map(({ type }) => type))
  }
})

/** Asks until the answer is as wanted; the test's time limit is the end of patience. */
export const eventually = <A, E, R>(ask: Effect.Effect<A, E, R>, wanted: (answer: A) => boolean) =>
  Effect.repeat(ask, { until: wanted, schedule: Schedule.spaced("2 millis") })

/** Appends as a writer does that knows nothing of reservations. */
export const append = (
  store: EventStore["Service"],
  streamId: string,
  expectedVersion: number,
  events: ReadonlyArray<NewEvent>
) => store.write({ append: [{ streamId, expectedVersion, events }] })

/** What a write does to what is prepared: nothing, where it has another name, or none. */
export const stepOf = ({ append = [], put = [], remove = [], expect = [] }: Batch): string => {
  const isReservation = (key: string) => key.startsWith("reservation/")
  if (remove.some(isReservation)) return append.length > 0 ? "commit" : "discard"
  if (put.some(({ key }) => isReservation(key)))
    return expect.some(({ key, value }) => isReservation(key) && value !== undefined) ? "release" : "prepare"
  const [stream] = append
  return stream === undefined ? `put ${put[0]?.key ?? remove[0]}` : `append ${stream.streamId}`
}

/** The store, with one step of what is prepared done otherwise. */
export const withStep = (
  store: EventStore["Service"],
  step: string,
  instead: (write: Effect.Effect<Written, WriteError>, batch: Batch) => Effect.Effect<Written, WriteError>
): EventStore["Service"] => ({
  ...store,
  write: (batch) => (stepOf(batch) === step ? instead(store.write(batch), batch) : store.write(batch))
})

/** The request that creates the lock of all tests. */
export const create = { _tag: "CreateLock", index: 1, uuid: lockUuid, keys: [] } as const satisfies Request
/** The one that creates another lock, on a thing of its own. */
export const createAnother = { ...create, uuid: "0b0e8400-e29b-41d4-a716-44665544000a" } as const satisfies Request
