/**
 * How a prepared append ends when its writer did not end it: by evidence. The shadow holds the command, or the device
 * has acknowledged it: the events are committed. Else they are discarded. Settling twice does no harm.
 */
import { Clock, Context, Duration, Effect, Layer, Option, Result, Schedule } from "effect"
import { DeviceShadow } from "../device/DeviceShadow.ts"
import { mayBePassed } from "../lock/Decision.ts"
import { fromStored } from "../lock/LockEvent.ts"
import { keepGoing } from "../streams/Backoff.ts"
import { EventStore, type StoreUnavailable } from "../streams/EventStore.ts"
import { commit, discard, type Reservation, release, type Settlement, unsettled } from "../streams/Reservations.ts"
import { logSeldom } from "../streams/SeldomLog.ts"
import { inBackground } from "../streams/Workers.ts"

/** How long the shadow may take to say whether it holds a command. */
export const FIND_TIMEOUT = Duration.seconds(1)
const SWEEP_EVERY = Duration.seconds(2)
/** Reservations that are remembered where no sweep forgets them: to forget all is to wait for them once more. */
const MOST_MET = 100_000

export class Settling extends Context.Service<
  Settling,
  {
    /** How the reservation ended; none while the shadow gives no evidence: then what may pass it passes. */
    readonly settle: (reservation: Reservation) => Effect.Effect<Option.Option<Settlement>, StoreUnavailable>
    /** Commits what the shadow holds. If others have discarded it meanwhile, it is taken back out of the shadow. */
    readonly accepted: (reservation: Reservation) => Effect.Effect<Settlement, StoreUnavailable>
    /** Whether its writer has had its time since this process first asked, so that others may settle it. */
    readonly isDue: (reservation: Reservation) => Effect.Effect<boolean>
  }
>()("@latchkey/core/Settling") {
  /**
   * In the background it sweeps, at start-up and every few seconds, what writers left behind.
   *
   * @param patience milliseconds from prepare until anybody may settle
   */
  static readonly layer = (patience: number) =>
    Layer.effect(
      Settling,
      Effect.gen(function* () {
        const store = yield* EventStore
        const shadow = yield* DeviceShadow
        /** When this process first met each reservation, by a clock that nobody sets. */
        const firstMet = new Map<string, bigint>()

        // By no time that the writer wrote down: its clock may be another one, and clocks are set.
        const isDue = Effect.fnUntraced(function* ({ commandId, attempt }: Reservation) {
          const key = `${commandId} ${attempt}`
          const now = yield* Clock.monotonicTimeNanos
          const met = firstMet.get(key) ?? now
          if (firstMet.size >= MOST_MET) firstMet.clear()
          firstMet.set(key, met)
          return now - met >= BigInt(patience) * 1_000_000n
        })

        const accepted = Effect.fnUntraced(function* (reservation: Reservation) {
          const settlement = yield* commit(store, reservation)
          if (settlement._tag === "Discarded") {
            const { thing, commandId, attempt } = reservation
            yield* Effect.catch(shadow.settle(thing, commandId, attempt), (error) =>
              Effect.logError("A device may carry out a command that is not in the log", error.message, { commandId })
            )
          }
          return settlement
        })

        const settle = Effect.fnUntraced(function* (reservation: Reservation) {
          const { thing, commandId, attempt } = reservation
          const found = yield* shadow.find(thing, commandId, attempt).pipe(Effect.timeout(FIND_TIMEOUT), Effect.result)
          if (Result.isFailure(found)) {
            yield* logSeldom(
              Effect.logWarning,
              "The shadow does not say whether it took a command",
              found.failure.message,
              {
                commandId
              }
            )
            // The sweep goes on asking; until then the lock serves whatever needs no device.
            if (!reservation.released && isPassable(reservation)) yield* release(store, reservation)
            return Option.none<Settlement>()
          }
          return Option.some(yield* found.success ? accepted(reservation) : discard(store, reservation))
        })

        const sweep = Effect.fnUntraced(function* () {
          const reservations = yield* unsettled(store)
          const open = new Set(reservations.map(({ commandId, attempt }) => `${commandId} ${attempt}`))
          for (const key of firstMet.keys()) if (!open.has(key)) firstMet.delete(key)
          for (const reservation of reservations) {
            if (!reservation.released && !(yield* isDue(reservation))) continue
            const { streamId, commandId } = reservation
            const settlement = yield* Effect.catch(settle(reservation), (error) =>
              // It is tried again, and the others do not wait for it.
              Effect.as(
                logSeldom(Effect.logWarning, "What a writer left behind is not settled", error.message, { commandId }),
                Option.none<Settlement>()
              )
            )
            if (Option.isNone(settlement)) continue
            yield* Effect.logInfo("Settled what a writer left behind", {
              streamId,
              commandId,
              outcome: settlement.value._tag
            })
          }
        })

        yield* Effect.repeat(sweep(), Schedule.spaced(SWEEP_EVERY)).pipe(
          keepGoing("Cannot look for unsettled commands"),
          inBackground
        )
        return { settle, accepted, isDue }
      })
    )
}

/** Whether it is released when the shadow gives no evidence. Not what only a newer Latchkey understands. */
export const isPassable = ({ events }: Reservation): boolean =>
  events.every((event) => Option.exists(fromStored(event), (understood) => mayBePassed([understood])))
