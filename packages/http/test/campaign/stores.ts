/** Where the servers of a campaign keep their log. */
import { spawnSync } from "node:child_process"
import { fileURLToPath } from "node:url"
import { EventStore, type StoredEvent } from "@latchkey/core"
import { LocalShadow } from "@latchkey/local-shadow"
import { Postgres } from "@latchkey/postgres"
import { Effect, Layer } from "effect"
import { storePackage } from "../../src/cli/storePackage.ts"
import { commandsHeld, commandsInShadow, feedIn } from "../harness/dataFolder.ts"
import type { PostgresSchema } from "../harness/postgres.ts"
import type { CampaignStore } from "./round.ts"

export const inFolder = (folder: string): CampaignStore => ({
  environment: {},
  feed: () => feedIn(folder),
  inShadow: (thing) => commandsInShadow(folder, thing)
})

/** Another store for PostgreSQL, as `LATCHKEY_STORE` names a package; it is given the URL and the schema as the own one is. */
const OTHER = process.env["CHAOS_STORE"]

/** Its file, as servers find it from the folder in which this runs: what Vitest imports, it looks for from the file that does. */
const found = (name: string): string => {
  const resolve = "console.log(import.meta.resolve(process.argv[1]))"
  const { status, stdout } = spawnSync(process.execPath, ["--input-type=module", "--eval", resolve, name], {
    encoding: "utf8"
  })
  if (status === 0 && stdout.startsWith("file:")) return fileURLToPath(stdout.trim())
  throw new Error(
    `CHAOS_STORE: there is no ${name} in ${process.cwd()}. Name a package that is installed there, or a path that begins with ./ or /.`
  )
}

const PAGE = 1_000

/** Its sessions are ended now and then, whatever they are doing, or those alone that tell servers of each other's writes. */
export const inPostgres = (schema: PostgresSchema): CampaignStore => {
  const environment = OTHER === undefined ? schema.environment : { ...schema.environment, LATCHKEY_STORE: OTHER }
  const layer: Layer.Layer<EventStore, unknown> =
    OTHER === undefined ? Postgres.layer(schema) : storePackage(found(OTHER), environment)
  const feed = Effect.gen(function* () {
    const store = yield* EventStore
    const events: Array<StoredEvent> = []
    while (true) {
      const page = yield* store.feed(events.length, PAGE)
      events.push(...page)
      if (page.length < PAGE) return events
    }
  })
  return {
    environment,
    feed: () => Effect.runPromise(Effect.provide(feed, layer)),
    inShadow: (thing) => commandsHeld(Layer.provide(LocalShadow.layerInStore, layer), [thing]),
    clocks: "alike",
    // Another store says it in words of its own; that it disagrees with the others is no word of the store's.
    ...(OTHER !== undefined && { away: /^latchkey: (?!.*the servers on this log)/m }),
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
