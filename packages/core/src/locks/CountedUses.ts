/**
 * Uses that are counted beside their lock: those of a key to several doors, in a stream of its own. A lock knows no such
 * key; the one who keeps them says what is given back there.
 */
import { Context, type Effect } from "effect"
import type { StoreUnavailable } from "../streams/EventStore.ts"
import type { Counted } from "../streams/Reservations.ts"

/** Names the event by which the use was counted that a command made. Storage. */
export const usedIdOf = (commandId: string): string => `${commandId}-used`
/** Names the event by which it was given back. Storage. */
export const returnedIdOf = (commandId: string): string => `${commandId}-returned`

/** The port to those uses: see the top of this module. */
export class CountedUses extends Context.Service<
  CountedUses,
  {
    /**
     * What gives the use back that was counted with a command, at an instant (epoch milliseconds); `undefined` where none
     * was counted, or where it may not be given back.
     */
    readonly returnOf: (commandId: string, at: number) => Effect.Effect<Counted | undefined, StoreUnavailable>
  }
>()("@latchkey/core/CountedUses") {}
