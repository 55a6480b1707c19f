/** The commands that a lock was sent, by the ids of their events: its log knows them all, however long ago. */
import { Effect, Option, Schema } from "effect"
import { sentWith } from "../lock/DeviceEvents.ts"
import { streamOfLock } from "../lock/Lock.ts"
import type { EventStore } from "../streams/EventStore.ts"
import { Text } from "../values/Text.ts"

/** Characters of the longest id by which a command is looked up. */
const LONGEST_ID = 1_000
/** A command comes with so many events, at most. */
const EVENTS = 2

const isText = Schema.is(Text)

/** Not every store can be asked for any text. No command is called so. */
export const isKeepable = (commandId: string): boolean => commandId.length <= LONGEST_ID && isText(commandId)

export const commandLog = (store: EventStore["Service"]) => {
  /** An event of the lock. */
  const eventIn = (lockId: number, eventId: string) =>
    Effect.map(store.event(eventId), (found) =>
      Option.getOrUndefined(Option.filter(found, ({ streamId }) => streamId === streamOfLock(lockId)))
    )
  return {
    eventIn,
    /** The event that a command came with, and the command as the shadow accepted it. */
    askedIn: Effect.fnUntraced(function* (lockId: number, commandId: string) {
      for (let n = 1; n <= EVENTS; n++) {
        const stored = yield* eventIn(lockId, `${commandId}-${n}`)
        const sent = stored && sentWith(stored)
        if (stored !== undefined && sent !== undefined) return { stored, sent }
      }
      return undefined
    })
  }
}
