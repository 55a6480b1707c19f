/**
 * Commands that have ended are taken out of the shadow: their lock is retired, has another thing, or has removed the key that
 * they were to put there. The write that ends them notes them, so that another process can do this if one dies. Until it is
 * done, nobody can claim the thing.
 */
import { Duration, Effect, Layer, Schedule, Schema } from "effect"
import { canonicalThing } from "../access/Thing.ts"
import { DeviceShadow, type ShadowUnavailable } from "../device/DeviceShadow.ts"
import { overtakenBy } from "../lock/Hardware.ts"
import type { Lock } from "../lock/Lock.ts"
import type { LockEvent } from "../lock/LockEvent.ts"
import { keepGoing } from "../streams/Backoff.ts"
import { type Batch, EventStore, type Put, type StoreUnavailable } from "../streams/EventStore.ts"
import { unreadable } from "../streams/Records.ts"
import { logSeldom } from "../streams/SeldomLog.ts"
import { inBackground } from "../streams/Workers.ts"

/** Storage: never rename it. */
const PREFIX = "take-back/"
/** Whether a record notes commands that have ended. */
export const isTakeBack = (key: string): boolean => key.startsWith(PREFIX)
const of = (thing: string): string => `${PREFIX}${canonicalThing(thing)}/`
const AT_ONCE = 100
const SWEEP_EVERY = Duration.seconds(2)
const TIMEOUT = Duration.seconds(3)

const Noted = Schema.fromJsonString(
  Schema.Struct({
    thing: Schema.String,
    commandIds: Schema.Array(Schema.String),
    /** The lock keeps its thing, so an answer that is still in the shadow is recorded when it is heard. */
    answersStay: Schema.optionalKey(Schema.Literal(true))
  })
)
const encode = Schema.encodeSync(Noted)
const decode = Schema.decodeEffect(Noted)

/** What is noted with an event of the lock, as it was before. */
export const takeBacksWith = (lock: Lock, event: LockEvent | undefined): ReadonlyArray<Put> => {
  const things = Map.groupBy(endedBy(lock, event), ({ thing }) => thing)
  const answersStay = event?._tag === "KeyRemoved" ? ({ answersStay: true } as const) : {}
  return [...things].map(([thing, commands]) => ({
    key: `${of(thing)}${lock.lockId}-${lock.version}`,
    value: encode({ thing, commandIds: commands.map(({ commandId }) => commandId), ...answersStay })
  }))
}

/** The commands that an event ends. Removals of keys stay for a thing that stays the lock's. */
const endedBy = ({ pendingCommands, hardware }: Lock, event: LockEvent | undefined): Lock["pendingCommands"] => {
  switch (event?._tag) {
    case "KeyRemoved": {
      const overtaken = overtakenBy(hardware, event.keyUuid)
      return pendingCommands.filter(({ commandId }) => commandId === overtaken)
    }
    case "LockRetired":
      return event.freed ? pendingCommands : pendingCommands.filter(({ type }) => type !== "RemoveKey")
    case "ClaimLost":
      return pendingCommands
    case "LockUuidChanged":
    case "ClaimMoved":
      return canonicalThing(event.newUuid) === canonicalThing(event.previousUuid) ? [] : pendingCommands
    default:
      return []
  }
}

/** Takes back what is noted of a thing, or of all. */
const takeBackFrom = Effect.fnUntraced(function* (
  store: EventStore["Service"],
  shadow: DeviceShadow["Service"],
  prefix: string
): Effect.fn.Return<void, ShadowUnavailable | StoreUnavailable> {
  const noted = yield* store.records(prefix, "", AT_ONCE)
  for (const { key, value } of noted) {
    const { thing, commandIds, answersStay } = yield* Effect.mapError(decode(value), (cause) => unreadable(key, cause))
    for (const commandId of commandIds) yield* shadow.settle(thing, commandId, answersStay && "any")
    yield* forget(store, { remove: [key] })
  }
})

/** Nothing is expected, so only the store can fail. */
const forget = (store: EventStore["Service"], batch: Batch): Effect.Effect<void, StoreUnavailable> =>
  Effect.catch(Effect.asVoid(store.write(batch)), (error) =>
    error._tag === "StoreUnavailable" ? Effect.fail(error) : Effect.die(error)
  )

/** Whether nothing is left in the shadow of the thing of locks that had it: takes it back if it can. */
export const isCleared = (store: EventStore["Service"], shadow: DeviceShadow["Service"], thing: string) =>
  takeBackFrom(store, shadow, of(thing)).pipe(
    Effect.timeout(TIMEOUT),
    Effect.as(true),
    Effect.catchTag(["ShadowUnavailable", "TimeoutError"], (error) =>
      Effect.as(logSeldom(Effect.logWarning, "Ended commands cannot be taken out of a shadow", error.message), false)
    )
  )

/** In the background: what processes that died have left. */
export const takingBack = Layer.effectDiscard(
  Effect.gen(function* () {
    const store = yield* EventStore
    const shadow = yield* DeviceShadow
    yield* Effect.repeat(takeBackFrom(store, shadow, PREFIX), Schedule.spaced(SWEEP_EVERY)).pipe(
      keepGoing("Cannot take ended commands out of their shadows"),
      inBackground
    )
  })
)
