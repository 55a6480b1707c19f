/** A fleet of simulated locks, and callers who open them: from the request until the lock has opened. */
import { FAULTS, mqttWire, realTime, simulateFleet } from "@latchkey/simulator"
import { API_KEY } from "../load.ts"
import { MAX_LATENCIES, type Sample, sampleOf } from "../statistics.ts"
import { answerJobs } from "./answerJobs.ts"

export interface Opening {
  /** Ports of the API and of the devices. */
  readonly port: number
  readonly mqttPort: number
  /** The locks of the fleet, with the requests that open them. The first job's are connected. */
  readonly doors: ReadonlyArray<{ readonly thing: string; readonly path: string }>
  readonly callers: number
  readonly seconds: number
}

/** Nothing goes wrong, and hardware takes no time: what is measured is all else. */
const faults = { ...FAULTS.none, latency: [0, 0], work: [0, 0] } as const
const SEED = 1

const opened = new Map<string, () => void>()
let connected: Promise<void> | undefined

const post = async (port: number, path: string): Promise<void> => {
  const headers = { "x-api-key": API_KEY, "content-type": "application/json", accept: "application/json" }
  const response = await fetch(`http://127.0.0.1:${port}${path}`, { method: "POST", headers, body: "{}" })
  await response.arrayBuffer()
  if (!response.ok) throw new Error(`${path} answered ${response.status}`)
}

/** Answers when all locks are online. */
const connect = ({ mqttPort, doors }: Opening): Promise<void> =>
  new Promise((resolve) => {
    let online = 0
    simulateFleet({
      things: doors.map(({ thing }) => thing),
      seed: SEED,
      faults,
      time: realTime,
      wireOf: (thing) => mqttWire({ url: `mqtt://127.0.0.1:${mqttPort}`, thing }),
      onIncident: (incident) => {
        if (incident._tag === "Online" && ++online === doors.length) resolve()
        if (incident._tag !== "Ended") return
        if (incident.outcome.outcome !== "done") throw new Error(`A lock did not open: ${incident.outcome.outcome}`)
        opened.get(incident.thing)?.()
      }
    })
  })

const open = async (job: Opening): Promise<Sample> => {
  await (connected ??= connect(job))
  const latencies = new Float64Array(MAX_LATENCIES)
  let [timed, next] = [0, 0]
  const end = performance.now() + job.seconds * 1000
  const caller = async () => {
    while (performance.now() < end) {
      const door = job.doors[next++ % job.doors.length]
      if (door === undefined) return
      const done = new Promise<void>((resolve) => opened.set(door.thing, resolve))
      const asked = performance.now()
      await post(job.port, door.path)
      await done
      latencies[timed++ % MAX_LATENCIES] = performance.now() - asked
    }
  }
  await Promise.all(Array.from({ length: job.callers }, caller))
  return sampleOf(timed, job.seconds, latencies.subarray(0, Math.min(timed, MAX_LATENCIES)))
}

answerJobs(open)
