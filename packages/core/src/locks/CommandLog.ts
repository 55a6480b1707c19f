/** The commands that a lock was sent, by the ids of their events: its log knows them all, however long ago. */
import { Effect, Option, Schema } from "effect"
import { sentWith } from "../lock/DeviceEvents.ts"
import { lockOfStream, streamOfLock } from "../lock/Lock.ts"
import type { EventStore } from "../streams/EventStore.ts"
import { Text } from "../values/Text.ts"

/** Characters of the longest id by which a command is looked up. */
const LONGEST_ID = 1_000
/** A command comes with so many events, at most. */
const EVENTS = 2

const isText = Schema.is(Text)

/** Whether a command can have this id. Of what devices may send, stores can look up no more. */
export const isKeepable = (commandId: string): boolean => commandId.length <= LONGEST_ID && isText(commandId)

export const commandLog = (store: EventStore["Service"]) => {
  /** The event that a command came with, its lock, and the command as the shadow accepted it. */
  const asked = Effect.fnUntraced(function* (commandId: string) {
    for (let n = 1; n <= EVENTS; n++) {
      const stored = Option.getOrUndefined(yield* store.event(`${commandId}-${n}`))
      const lockId = stored && lockOfStream(stored.streamId)
      const sent = stored && sentWith(stored)
      if (stored !== undefined && lockId !== undefined && sent !== undefined) return { stored, lockId, sent }
    }
    return undefined
  })
  return {
    asked,
    /** The same of one lock. */
    askedIn: (lockId: number, commandId: string) =>
      Effect.map(asked(commandId), (found) => (found?.lockId === lockId ? found : undefined)),
    /** An event of a lock. */
    eventIn: (lockId: number, eventId: string) =>
      Effect.map(store.event(eventId), (found) =>
        Option.getOrUndefined(Option.filter(found, ({ streamId }) => streamId === streamOfLock(lockId)))
      )
  }
}
