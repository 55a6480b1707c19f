/** Of twenty processes that want a thing at the same instant, one gets it: on one folder, and on PostgreSQL. */
import { EventStore } from "@latchkey/core"
import { Postgres } from "@latchkey/postgres"
import { Effect } from "effect"
import { it } from "vitest"
import { feedIn } from "../harness/dataFolder.ts"
import { newSchema } from "../harness/postgres.ts"
import { temporaryFolder } from "../harness/process.ts"
import { race } from "./race.ts"

const TWENTY = { racers: 20, rounds: 12 }
const SLOW = { timeout: 300_000 }

it("a thing is one process's, of twenty on one folder", SLOW, async () => {
  using folder = temporaryFolder()
  await race(folder.path, TWENTY, () => feedIn(folder.path))
})

it("a thing is one process's, of twenty on one PostgreSQL", SLOW, async () => {
  await using schema = newSchema()
  const feed = Effect.flatMap(EventStore, (store) => store.feed(0, 10_000))
  const { url, schema: name } = schema
  await race(JSON.stringify({ url, schema: name }), TWENTY, () =>
    Effect.runPromise(Effect.provide(feed, Postgres.layer(schema)))
  )
})
