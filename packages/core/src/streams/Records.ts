/** What the modules over records have in common. Their keys are storage: never rename one. */
import { Effect } from "effect"
import { type EventStore, type Put, StoreUnavailable } from "./EventStore.ts"

/** Sets a record, whatever it was. */
export const putRecord = (store: EventStore["Service"], put: Put): Effect.Effect<void, StoreUnavailable> =>
  Effect.catch(Effect.asVoid(store.write({ put: [put] })), unexpected)

/** A batch that expects nothing and appends nothing can only fail with its store. */
const unexpected = (error: { readonly _tag: string }): Effect.Effect<never, StoreUnavailable> =>
  error instanceof StoreUnavailable ? Effect.fail(error) : Effect.die(error)

/** What a record holds cannot be read: what rests on it waits until this server can. */
export const unreadable = (key: string, cause: unknown): StoreUnavailable =>
  new StoreUnavailable({
    message: `The record ${key} cannot be read. A newer version of Latchkey may have written it: update this server.`,
    cause
  })
