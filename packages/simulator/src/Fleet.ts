/** Many simulated locks at once, and what they did so far. */
import type { Faults } from "./Faults.ts"
import { uuidOf } from "./Randomness.ts"
import { type Incident, type SimulatedLock, simulateLock, type Wire } from "./SimulatedLock.ts"
import type { Time } from "./Time.ts"

export interface FleetOptions {
  readonly things: ReadonlyArray<string>
  readonly seed: number
  readonly faults: Faults
  readonly time: Time
  readonly wireOf: (thing: string) => Wire
  readonly onIncident?: (incident: Incident) => void
}

/** What is known of one lock. */
export interface Known {
  readonly thing: string
  readonly isOnline: boolean
  readonly battery: number
  readonly running: string | undefined
  readonly done: number
  readonly failed: number
  readonly expired: number
  readonly last: string
}

export interface Fleet {
  readonly locks: ReadonlyArray<SimulatedLock>
  readonly known: () => ReadonlyArray<Known>
  readonly stop: () => void
}

/** Names of things that the seed decides. */
export const thingsOf = (seed: number, count: number): ReadonlyArray<string> =>
  Array.from({ length: count }, (_, n) => uuidOf(seed, "thing", n))

export const simulateFleet = ({ things, seed, faults, time, wireOf, onIncident = () => {} }: FleetOptions): Fleet => {
  const known = new Map<string, Known>()
  for (const thing of things) {
    const nothing = { battery: 0, running: undefined, done: 0, failed: 0, expired: 0, last: "" }
    known.set(thing, { thing, isOnline: false, ...nothing })
  }
  const locks = things.map((thing) =>
    simulateLock({
      thing,
      seed,
      faults,
      time,
      wire: wireOf(thing),
      onIncident: (incident) => {
        const before = known.get(thing)
        if (before !== undefined) known.set(thing, after(before, incident))
        onIncident(incident)
      }
    })
  )
  return {
    locks,
    known: () => [...known.values()],
    stop: () => {
      for (const lock of locks) lock.stop()
    }
  }
}

const after = (known: Known, incident: Incident): Known => {
  switch (incident._tag) {
    case "Online":
    case "Offline":
      return { ...known, isOnline: incident._tag === "Online", battery: incident.battery }
    case "CutOff":
      return known
    case "Began":
      return { ...known, running: incident.command._tag === "Known" ? incident.command.document.type : undefined }
    case "Ended": {
      const { outcome, type = "something unknown", battery } = incident
      const last = `${type} ${outcome.outcome}${outcome.detail === undefined ? "" : `: ${outcome.detail}`}`
      return { ...known, battery, running: undefined, last, [outcome.outcome]: known[outcome.outcome] + 1 }
    }
  }
}
