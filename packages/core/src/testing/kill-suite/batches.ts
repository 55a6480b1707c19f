/** What a writer that is killed writes. */
import type { Layer } from "effect"
import type { EventStore } from "../../streams/EventStore.ts"

/** A module that opens stores, for processes of their own. */
export interface KilledModule {
  /** Opens the store that is kept there, and makes it if there is none. */
  readonly open: (place: string) => Layer.Layer<EventStore, unknown>
}

/** Batches of each process that are on their way at once. */
export const WRITERS = 6
/** Events of a batch on its first stream; its second one gets one. */
export const SIZE = 3

export const streamsOf = (run: string, writer: number) => [`many-${run}-${writer}`, `one-${run}-${writer}`] as const
export const keyOf = (run: string, writer: number) => `${run}/${writer}`
