/** Devices: how many updates their shadows take, and how long it takes from asking a lock to open until it has. */
import { mkdtempSync } from "node:fs"
import { join } from "node:path"
import { type Benchmark, rateBound } from "../benchmark.ts"
import type { Opening } from "../children/fleet.ts"
import type { Updating } from "../children/shadowUpdates.ts"
import { fillServer, startLatchkey } from "../latchkeyServer.ts"
import { startGenerator } from "../load.ts"
import { lockIds, lockUuid } from "../locks.ts"
import { Child, freePort } from "../processes.ts"
import { measure } from "../rounds.ts"
import type { Sample } from "../statistics.ts"

const UPDATERS = 64
const OPENERS = 16

export const devices: Benchmark = {
  name: "devices",
  title: "Devices: shadows in-process, and locks over MQTT",
  run: async (run) => {
    const doors = lockIds(run.smoke ? 50 : 1000).map((id) => ({ thing: lockUuid(id), path: `/locks/${id}/OpenLock` }))
    const mqttPort = await freePort()
    await using generator = await startGenerator()
    await using updater = await Child.start<Updating, Sample>(new URL("../children/shadowUpdates.ts", import.meta.url))
    await using server = await startLatchkey(run.folder, { LATCHKEY_MQTT_PORT: String(mqttPort) })
    await using fleet = await Child.start<Opening, Sample>(new URL("../children/fleet.ts", import.meta.url))
    await fillServer(generator, server, doors.length, 0)
    const open = (seconds: number) => fleet.ask({ port: server.port, mqttPort, doors, callers: OPENERS, seconds })
    const figures = await measure(run, [
      {
        name: `updates of 1,000 shadows, ${UPDATERS} callers`,
        measure: (seconds) => {
          const folder = mkdtempSync(join(run.folder, "round-"))
          return updater.ask({ folder, things: 1000, callers: UPDATERS, warmUp: run.warmUp / 3, seconds })
        }
      },
      {
        name: `open until done, ${doors.length.toLocaleString("en")} locks connected, ${OPENERS} callers`,
        warmUp: open,
        measure: open
      }
    ])
    return {
      figures,
      bounds: [rateBound("updates of shadows, durable", figures[0], 5_000)],
      notes: [
        "An open is timed from the HTTP request until the simulated lock has moved its bolt, which takes no time."
      ]
    }
  }
}
