/**
 * Uses of a temp key that are prepared in the streams of locks: until they are settled, a record holds them for the
 * key's own stream, and they count, since the shadow may have taken them.
 */
import { Effect, Option, Schema } from "effect"
import type { Batch, EventStore, StoreUnavailable } from "./EventStore.ts"
import { unreadable } from "./Records.ts"

/** The record of what is held for a stream. Storage: never rename it. */
export const heldKey = (streamId: string): string => `held/${streamId}`
const decodeHeld = Schema.decodeEffect(Schema.fromJsonString(Schema.Array(Schema.String)))

/** The commands whose uses of a stream are not settled, and the record that says so. */
export const heldOn = Effect.fnUntraced(function* (store: EventStore["Service"], streamId: string) {
  const key = heldKey(streamId)
  const value = Option.getOrUndefined(yield* store.record(key))
  const commandIds =
    value === undefined ? [] : yield* Effect.mapError(decodeHeld(value), (cause) => unreadable(key, cause))
  return { value, commandIds }
})

/** A use as it was decided on. */
interface Use {
  readonly streamId: string
  /** The version of the stream that the decision rests on. */
  readonly version: number
  /** The record, as `heldOn` gave it. */
  readonly held: string | undefined
}

/** Holds a use of another stream for a command, if it counts one there. */
export const holding = Effect.fnUntraced(function* (
  count: Use | undefined,
  commandId: string
): Effect.fn.Return<Required<Pick<Batch, "expect" | "append" | "put">>, StoreUnavailable> {
  if (count === undefined) return { expect: [], append: [], put: [] }
  const { streamId, version: expectedVersion, held } = count
  const key = heldKey(streamId)
  const others = held === undefined ? [] : yield* Effect.mapError(decodeHeld(held), (cause) => unreadable(key, cause))
  return {
    expect: [{ key, value: held }],
    append: [{ streamId, expectedVersion, events: [] }],
    put: [{ key, value: JSON.stringify([...others.filter((other) => other !== commandId), commandId]) }]
  }
})

/** Gives back what a command holds: it is counted, or was no use. */
export const letGo = Effect.fnUntraced(function* (
  store: EventStore["Service"],
  streamId: string,
  commandId: string
): Effect.fn.Return<LetGo, StoreUnavailable> {
  const key = heldKey(streamId)
  const { value, commandIds } = yield* heldOn(store, streamId)
  const left = commandIds.filter((held) => held !== commandId)
  const expect = [{ key, value }]
  if (left.length > 0) return { expect, put: [{ key, value: JSON.stringify(left) }], remove: [] }
  return { expect, put: [], remove: value === undefined ? [] : [key] }
})

export type LetGo = Required<Pick<Batch, "expect" | "put" | "remove">>
export const nothingHeld: LetGo = { expect: [], put: [], remove: [] }
