/** What a package exports to be a store for `LATCHKEY_STORE`. */
import type { EventStore, Presence, ReadModel } from "@latchkey/core"
import type { Layer } from "effect"

/**
 * What the module exports as `latchkeyStore`: from the environment variables, a layer of the event store, the read
 * model and presence. It creates what is not there, and fails with an error whose message says what to mend.
 *
 * @example
 * export const latchkeyStore: LatchkeyStore = ({ ACME_URL }) => Layer.mergeAll(events(ACME_URL), rows(ACME_URL), presence(ACME_URL))
 */
export type LatchkeyStore = (
  environment: Readonly<Record<string, string | undefined>>
) =>
  | Layer.Layer<EventStore | ReadModel | Presence, unknown>
  | Promise<Layer.Layer<EventStore | ReadModel | Presence, unknown>>
