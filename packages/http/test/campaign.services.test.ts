/**
 * Several servers on one folder under random load, with kills, pauses and clocks that jump, and simulated locks that come
 * to one or another: afterwards every answer, use and device command is accounted for. `CAMPAIGN_SEED`, `CAMPAIGN_ROUNDS`
 * (each with a seed of its own), `CAMPAIGN_SECONDS` of a round and `CAMPAIGN_SERVERS` make it as long as one likes.
 */
import { it } from "vitest"
import { round, SECONDS, SEEDS, TIMEOUT } from "./campaign/round.ts"
import { inFolder } from "./campaign/stores.ts"

it.each(SEEDS)(
  `every use and device command is accounted for after ${SECONDS} s of faults (seed %i)`,
  (seed) => round(seed, inFolder),
  TIMEOUT
)
