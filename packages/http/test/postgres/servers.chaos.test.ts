/**
 * `npm run chaos`: several servers, a Mosquitto and two hundred simulated locks on a PostgreSQL that is made for it, on a small
 * disk. Servers are killed, stopped, paused and given wrong clocks; the database's sessions are ended, it crashes, is
 * restarted and finds its disk full. Afterwards every use, command, outcome and delivery is accounted for.
 */
import { setTimeout as sleep } from "node:timers/promises"
import { it } from "vitest"
import { between } from "../campaign/chance.ts"
import { numberFrom, round, SECONDS, SEEDS, TIMEOUT } from "../campaign/round.ts"
import { inPostgres } from "../campaign/stores.ts"
import { startMosquitto } from "../harness/mosquitto.ts"
import { newSchema } from "../harness/postgres.ts"
import { startPostgresOn } from "../harness/postgresOnDisk.ts"
import { makeSmallDisk } from "../harness/smallDisk.ts"

const LOCKS = numberFrom("CAMPAIGN_LOCKS", 200)
/** Megabytes of the disk: more than a round writes. */
const SIZE = 256 + 2 * SECONDS

it.each(SEEDS)(
  `every use, command, outcome and delivery is accounted for after ${SECONDS} s of faults (seed %i)`,
  async (seed) => {
    await using disk = await makeSmallDisk(SIZE)
    await using postgres = await startPostgresOn(disk, 64)
    await using broker = await startMosquitto()
    const schema = newSchema(postgres.url)
    const store = inPostgres(schema)
    const misfortunes = {
      ...store.misfortunes,
      crash: () => postgres.restart("SIGQUIT"),
      restart: () => postgres.restart("SIGINT"),
      "full disk": async (chance: () => number) => {
        disk.fill(0)
        await sleep(between(chance, 1_000, 4_000))
        disk.makeRoom()
        await postgres.serves()
      }
    }
    const environment = { ...store.environment, LATCHKEY_MQTT_URL: broker.url, LATCHKEY_MQTT_PORT: "" }
    await round(seed, () => ({ ...store, misfortunes, environment }), { locks: LOCKS, broker: broker.url })
  },
  TIMEOUT
)
