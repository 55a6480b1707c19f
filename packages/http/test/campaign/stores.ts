/** Where the servers of a campaign keep their log. */
import { EventStore } from "@latchkey/core"
import { LocalShadow } from "@latchkey/local-shadow"
import { Postgres } from "@latchkey/postgres"
import { Effect, Layer } from "effect"
import { commandsHeld, commandsInShadow, feedIn } from "../harness/dataFolder.ts"
import type { PostgresSchema } from "../harness/postgres.ts"
import type { CampaignStore } from "./round.ts"

export const inFolder = (folder: string): CampaignStore => ({
  environment: {},
  feed: () => feedIn(folder),
  inShadow: (thing) => commandsInShadow(folder, thing)
})

/** Its sessions are ended now and then, whatever they are doing, or those alone that tell servers of each other's writes. */
export const inPostgres = (schema: PostgresSchema): CampaignStore => {
  const feed = Effect.flatMap(EventStore, (store) => store.feed(0, 1_000_000))
  return {
    environment: schema.environment,
    feed: () => Effect.runPromise(Effect.provide(feed, Postgres.layer(schema))),
    inShadow: (thing) => commandsHeld(Layer.provide(LocalShadow.layerInStore, Postgres.layer(schema)), [thing]),
    clocks: "alike",
    misfortunes: {
      sessions: () => end(schema, "%"),
      listeners: () => end(schema, "LISTEN%")
    }
  }
}

/** Ends the sessions of a schema whose last statement is like this. */
const end = async ({ query, schema }: PostgresSchema, statement: string) =>
  void (await query(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1 AND query LIKE $2",
    schema,
    statement
  ))
