/** Simulated locks that come to one server or another, and their journals. */

import {
  FAULTS,
  type Incident,
  mqttWire,
  randomOf,
  realTime,
  type SimulatedLock,
  simulateLock,
  type Wire
} from "@latchkey/simulator"
import { oneOf } from "./chance.ts"

export interface Devices {
  readonly add: (thing: string) => void
  /** Ids of the commands that it carried out, in its order. */
  readonly ran: (thing: string) => ReadonlyArray<string>
  readonly outcomes: (thing: string) => ReadonlyMap<string, string>
  /** Ids of the commands that its shadow was ever heard to hold. */
  readonly heard: (thing: string) => ReadonlySet<string>
  /** Keys that its hardware knows, with their slots. */
  readonly keys: (thing: string) => ReadonlyMap<string, number | undefined>
  readonly stop: () => void
}

/** Bad, but such that everything comes to an end soon. */
const faults = {
  ...FAULTS.some,
  latency: [1, 20],
  loss: 0.03,
  delay: [50, 500],
  online: [500, 8_000],
  offline: [20, 1_000],
  work: [5, 60],
  jams: 0,
  drain: 0
} as const

export const makeDevices = (seed: number, brokers: () => ReadonlyArray<string>): Devices => {
  const locks = new Map<string, SimulatedLock>()
  const ran = new Map<string, Array<string>>()
  const outcomes = new Map<string, Map<string, string>>()
  const heard = new Map<string, Set<string>>()

  const onIncident = (incident: Incident) => {
    if (incident._tag === "Began") ran.get(incident.thing)?.push(incident.command.commandId)
    if (incident._tag === "Ended") outcomes.get(incident.thing)?.set(incident.commandId, incident.outcome.outcome)
  }

  /** Each connection goes to whichever server. */
  const wireOf = (thing: string): Wire => {
    const random = randomOf(seed, thing, "server")
    return {
      connect: (listener) => {
        return mqttWire({ url: oneOf(random, brokers()) ?? "", thing }).connect({
          ...listener,
          heard: (topic, payload) => {
            for (const id of commandsIn(topic, payload)) heard.get(thing)?.add(id)
            listener.heard(topic, payload)
          }
        })
      }
    }
  }

  return {
    add: (thing) => {
      ran.set(thing, [])
      outcomes.set(thing, new Map())
      heard.set(thing, new Set())
      locks.set(thing, simulateLock({ thing, seed, faults, time: realTime, wire: wireOf(thing), onIncident }))
    },
    ran: (thing) => ran.get(thing) ?? [],
    outcomes: (thing) => outcomes.get(thing) ?? new Map(),
    heard: (thing) => heard.get(thing) ?? new Set(),
    keys: (thing) => locks.get(thing)?.keys() ?? new Map(),
    stop: () => {
      for (const lock of locks.values()) lock.stop()
    }
  }
}

interface Document {
  readonly state?: {
    readonly desired?: { readonly commands?: Readonly<Record<string, unknown>> }
    readonly commands?: Readonly<Record<string, unknown>>
  }
}

const commandsIn = (topic: string, payload: string): ReadonlyArray<string> => {
  if (topic !== "get/accepted" && topic !== "update/delta") return []
  const { state }: Document = JSON.parse(payload)
  return Object.keys((topic === "update/delta" ? state?.commands : state?.desired?.commands) ?? {})
}
