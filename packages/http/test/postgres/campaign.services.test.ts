/** The same campaign with log and shadows on PostgreSQL, whose sessions are ended now and then. */
import { it } from "vitest"
import { round, SECONDS, SEEDS, TIMEOUT } from "../campaign/round.ts"
import { inPostgres } from "../campaign/stores.ts"
import { newSchema } from "../harness/postgres.ts"

it.each(SEEDS)(
  `every use and device command is accounted for after ${SECONDS} s of faults (seed %i)`,
  async (seed) => {
    await using schema = newSchema()
    await round(seed, () => inPostgres(schema))
  },
  TIMEOUT
)
