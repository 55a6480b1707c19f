/** The records that stored shadows have in common with the presence of their devices. */
import type { Batch, EventStore, StoreUnavailable } from "@latchkey/core"
import { Effect, Option } from "effect"
import type { LastSeen } from "./ShadowOperation.ts"

type Store = Pick<EventStore["Service"], "write">

/** Where a device was seen last. */
export interface Held extends LastSeen {
  readonly server: string
}

/** As it is stored, and what it means. */
export interface Seen {
  readonly text: string | undefined
  readonly value: Held | undefined
}

/** Where devices are that connect to a broker of the operator's, whichever server has the turn there. */
export const BROKER = "broker"

export const presenceKey = (thing: string): string => `shadow/presence/${thing}`

/** Holds what others changed in the shadows of a server's devices. */
export const inboxOf = (server: string): string => `shadow/inbox/${server}/`

export const seenOf = (text: Option.Option<string>): Seen =>
  Option.match(text, {
    onNone: () => ({ text: undefined, value: undefined }),
    onSome: (text) => ({ text, value: JSON.parse(text) })
  })

/** Writes records; `false` when one is not what was expected. */
export const whenUnchanged = (
  store: Store,
  batch: Pick<Batch, "expect" | "put" | "remove">
): Effect.Effect<boolean, StoreUnavailable> =>
  store.write(batch).pipe(
    Effect.as(true),
    Effect.catchTags({
      RecordConflict: () => Effect.succeed(false),
      EventExists: (error) => Effect.die(error),
      VersionConflict: (error) => Effect.die(error)
    })
  )
