/** A fleet of simulated locks, and callers who open them: from the request until the lock has opened. */
import { FAULTS, mqttWire, realTime, simulateFleet, thingsOf } from "@latchkey/simulator"
import { API_KEY } from "../load.ts"
import { MAX_LATENCIES, type Sample, sampleOf } from "../statistics.ts"
import { answerJobs } from "./answerJobs.ts"

export interface Opening {
  /** Ports of the API and of the devices. */
  readonly port: number
  readonly mqttPort: number
  readonly locks: number
  readonly callers: number
  readonly seconds: number
}

/** Nothing goes wrong, and hardware takes no time: what is measured is all else. */
const faults = { ...FAULTS.none, latency: [0, 0], work: [0, 0] } as const
const SEED = 1

const opened = new Map<string, () => void>()
let connected: Promise<ReadonlyArray<string>> | undefined

const post = async (port: number, path: string, body: object): Promise<void> => {
  const headers = { "x-api-key": API_KEY, "content-type": "application/json" }
  const response = await fetch(`http://127.0.0.1:${port}${path}`, {
    method: "POST",
    headers,
    body: JSON.stringify(body)
  })
  await response.arrayBuffer()
  if (!response.ok) throw new Error(`${path} answered ${response.status}`)
}

/** Creates the locks, and answers when all of them are online. */
const connect = async ({ port, mqttPort, locks }: Opening): Promise<ReadonlyArray<string>> => {
  const things = thingsOf(SEED, locks)
  for (const [index, uuid] of things.entries()) await post(port, `/locks/${index + 1}/CreateLock`, { index: 1, uuid })
  let online = 0
  await new Promise<void>((resolve) => {
    simulateFleet({
      things,
      seed: SEED,
      faults,
      time: realTime,
      wireOf: (thing) => mqttWire({ url: `mqtt://127.0.0.1:${mqttPort}`, thing }),
      onIncident: (incident) => {
        if (incident._tag === "Online" && ++online === locks) resolve()
        if (incident._tag !== "Ended") return
        if (incident.outcome.outcome !== "done") throw new Error(`A lock did not open: ${incident.outcome.outcome}`)
        opened.get(incident.thing)?.()
      }
    })
  })
  return things
}

const open = async (job: Opening): Promise<Sample> => {
  const things = await (connected ??= connect(job))
  const latencies = new Float64Array(MAX_LATENCIES)
  let [timed, next] = [0, 0]
  const end = performance.now() + job.seconds * 1000
  const caller = async () => {
    while (performance.now() < end) {
      const index = next++ % things.length
      const done = new Promise<void>((resolve) => opened.set(things[index] ?? "", resolve))
      const asked = performance.now()
      await post(job.port, `/locks/${index + 1}/OpenLock`, {})
      await done
      latencies[timed++ % MAX_LATENCIES] = performance.now() - asked
    }
  }
  await Promise.all(Array.from({ length: job.callers }, caller))
  return sampleOf(timed, job.seconds, latencies.subarray(0, Math.min(timed, MAX_LATENCIES)))
}

answerJobs(open)
