/** Snapshots: a state folded up to a version, so that nobody folds it again. May be lost: never the only copy of anything. */
import { Effect, Option, Schema } from "effect"
import type { EventStore, StoreUnavailable } from "./EventStore.ts"
import { putRecord } from "./Records.ts"

/** A state folded up to `version`, as text that only its writer understands. */
const Snapshot = Schema.Struct({ version: Schema.Int, state: Schema.String })
export type Snapshot = typeof Snapshot.Type

const decode = Schema.decodeOption(Schema.fromJsonString(Snapshot))

const keyOf = (streamId: string): string => `snapshot/${streamId}`

/** The stream's snapshot; none also when it cannot be read. */
export const findSnapshot = (
  store: EventStore["Service"],
  streamId: string
): Effect.Effect<Option.Option<Snapshot>, StoreUnavailable> =>
  Effect.map(store.record(keyOf(streamId)), Option.flatMap(decode))

/** Replaces the stream's snapshot. An older one in place of a newer one only makes the next fold longer. */
export const saveSnapshot = (
  store: EventStore["Service"],
  streamId: string,
  snapshot: Snapshot
): Effect.Effect<void, StoreUnavailable> => putRecord(store, { key: keyOf(streamId), value: JSON.stringify(snapshot) })
