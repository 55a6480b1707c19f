/** `maxUses` of a key to several doors holds whatever is killed, on one folder and on PostgreSQL. */
import { EventStore } from "@latchkey/core"
import { Postgres } from "@latchkey/postgres"
import { Effect } from "effect"
import { it } from "vitest"
import { feedIn } from "../harness/dataFolder.ts"
import { newSchema } from "../harness/postgres.ts"
import { temporaryFolder } from "../harness/process.ts"
import { SEED, spend } from "./spend.ts"

const KILLS = Number(process.env["USES_KILLS"] ?? 6)
const long = { kills: KILLS, maxUses: 5 * KILLS }
const SLOW = { timeout: (KILLS + 4) * 300_000 }

it(`a key opens as often as its limit says, whatever is killed on one folder (seed ${SEED})`, SLOW, async () => {
  using folder = temporaryFolder()
  await spend({ folder: folder.path, environment: {}, feed: () => feedIn(folder.path), ...long })
})

it(`a key opens as often as its limit says, whatever is killed on one PostgreSQL (seed ${SEED})`, SLOW, async () => {
  using folder = temporaryFolder()
  await using schema = newSchema()
  const feed = Effect.flatMap(EventStore, (store) => store.feed(0, 10_000))
  const environment = { ...schema.environment, LATCHKEY_PIN_KEY: "a-key-for-pins-of-thirty-two-bytes" }
  await spend({
    folder: folder.path,
    environment,
    feed: () => Effect.runPromise(Effect.provide(feed, Postgres.layer(schema))),
    ...long
  })
})
