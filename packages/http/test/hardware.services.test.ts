/**
 * Many locks that fail, forget, are replaced and go away for hours, while the two servers on their folder are killed, paused and
 * stopped: in the end the hardware holds what the log wants, or Latchkey says where it may not. `CAMPAIGN_SEED`,
 * `CAMPAIGN_ROUNDS`, `CAMPAIGN_SECONDS`, `CAMPAIGN_SERVERS` and `CAMPAIGN_LOCKS` make it as long as one likes;
 * `CAMPAIGN_STORE=postgres` keeps the log there, where no time passes but the real one.
 */
import { it } from "vitest"
import { hardwareRound, LOCKS } from "./campaign/hardwareRound.ts"
import { SECONDS, SEEDS, TIMEOUT } from "./campaign/round.ts"
import { inFolder, inPostgres } from "./campaign/stores.ts"
import { newSchema } from "./harness/postgres.ts"

it.each(SEEDS)(
  `${LOCKS} locks hold what is wanted, or are known not to, after ${SECONDS} s of faults (seed %i)`,
  async (seed) => {
    if (process.env["CAMPAIGN_STORE"] !== "postgres") return hardwareRound(seed, inFolder)
    await using schema = newSchema()
    await hardwareRound(seed, () => inPostgres(schema))
  },
  TIMEOUT
)
