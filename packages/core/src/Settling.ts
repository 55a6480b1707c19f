/**
 * How a prepared append ends when its writer did not end it: by evidence. The shadow holds the command, or the device
 * has acknowledged it: the events are committed. Else they are discarded. Settling twice does no harm.
 */
import { Clock, Context, Duration, Effect, Layer, Option, Result, Schedule } from "effect"
import { keepGoing } from "./Backoff.ts"
import { DeviceShadow } from "./ports/DeviceShadow.ts"
import { EventStore, type Settlement, type StoreUnavailable } from "./ports/EventStore.ts"
import type { SentCommand } from "./SentCommand.ts"

/** How long the shadow may take to say whether it holds a command. */
export const FIND_TIMEOUT = Duration.seconds(1)
const SWEEP_EVERY = Duration.seconds(2)

type Sent = Pick<SentCommand, "thing" | "commandId">

export class Settling extends Context.Service<
  Settling,
  {
    /** How the reservation ended; none while the shadow gives no evidence. */
    readonly settle: (sent: Sent) => Effect.Effect<Option.Option<Settlement>, StoreUnavailable>
    /** Commits what the shadow holds. If others have discarded it meanwhile, it is taken back out of the shadow. */
    readonly accepted: (sent: Sent) => Effect.Effect<Settlement, StoreUnavailable>
  }
>()("@latchkey/core/Settling") {
  /** Also sweeps, at start-up and every few seconds, what writers left behind. */
  static readonly layer = Layer.effect(
    Settling,
    Effect.gen(function* () {
      const store = yield* EventStore
      const shadow = yield* DeviceShadow

      const accepted = Effect.fnUntraced(function* ({ thing, commandId }: Sent) {
        const settlement = yield* store.commit(commandId, thing)
        if (settlement._tag === "Discarded") {
          yield* Effect.catch(shadow.settle(thing, commandId), (error) =>
            Effect.logError("A device may carry out a command that is not in the log", error.message, { commandId })
          )
        }
        return settlement
      })

      const settle = Effect.fnUntraced(function* (sent: Sent) {
        const found = yield* shadow.find(sent.thing, sent.commandId).pipe(Effect.timeout(FIND_TIMEOUT), Effect.result)
        if (Result.isFailure(found)) {
          const { commandId } = sent
          yield* Effect.logWarning("The shadow does not say whether it took a command", found.failure.message, {
            commandId
          })
          return Option.none<Settlement>()
        }
        return Option.some(yield* found.success ? accepted(sent) : store.discard(sent.commandId))
      })

      const sweep = Effect.fnUntraced(function* () {
        const overdue = yield* store.unsettled(yield* Clock.currentTimeMillis)
        for (const reservation of overdue) {
          const settlement = yield* settle(reservation)
          const { streamId, commandId } = reservation
          if (Option.isNone(settlement)) continue
          yield* Effect.logInfo("Settled what a writer left behind", {
            streamId,
            commandId,
            outcome: settlement.value._tag
          })
        }
      })

      yield* Effect.repeat(sweep(), Schedule.spaced(SWEEP_EVERY)).pipe(
        keepGoing("Unsettled commands are not looked for"),
        Effect.forkScoped
      )
      return { settle, accepted }
    })
  )
}
