/** Simulated locks that come to one server or another, and their journals. */

import {
  type Command,
  FAULTS,
  type Faults,
  type Incident,
  mqttWire,
  randomOf,
  realTime,
  type SimulatedLock,
  simulateLock,
  type Time,
  type Wire
} from "@latchkey/simulator"
import { oneOf } from "./chance.ts"

/** Openings that a lock keeps until they are taken, at most. */
const MOST_OPENINGS = 16

export interface Devices {
  readonly add: (thing: string) => void
  /** Ids of the commands that it carried out, in its order. */
  readonly ran: (thing: string) => ReadonlyArray<string>
  readonly outcomes: (thing: string) => ReadonlyMap<string, string>
  /** Ids of the commands that its shadow was ever heard to hold. */
  readonly heard: (thing: string) => ReadonlySet<string>
  /** The same of each time that it came from the factory, or forgot everything, with when (epoch milliseconds). */
  readonly lives: (thing: string) => ReadonlyArray<ReadonlyArray<Begun>>
  /** Keys that its hardware knows, with their slots. */
  readonly keys: (thing: string) => ReadonlyMap<string, number | undefined>
  /** The numbers of the newest opening at its door, and of the newest that is known to have been taken; and what counts them. */
  readonly openings: (thing: string) => {
    readonly series: string
    readonly last: number
    readonly told: number
  }
  /** Takes its connection away, until it is let in again. */
  readonly cutOff: (thing: string) => void
  readonly letIn: (thing: string) => void
  /** It knows no key and no command any more. */
  readonly forget: (thing: string) => void
  readonly stop: () => void
}

/** A command that a device began to carry out. */
export interface Begun {
  readonly commandId: string
  readonly seq: number
  readonly expiresAt: number | undefined
  readonly at: number
}

/** Bad, but such that everything comes to an end soon. */
const mild: Faults = {
  ...FAULTS.some,
  latency: [1, 20],
  loss: 0.03,
  delay: [50, 500],
  online: [500, 8_000],
  offline: [20, 1_000],
  work: [5, 60],
  jams: 0,
  refuses: 0,
  drain: 0
}

/** The same for hundreds, of which a third is there at a time: as many as one machine carries beside the servers. */
const many: Faults = { ...mild, online: [10_000, 20_000], offline: [20_000, 45_000] }

/** Locks at a broker that knows nothing of devices. */
export const makeDevicesAt = (seed: number, broker: string): Devices =>
  makeDevices(seed, () => [broker], many, undefined, true)

/** `moved`: how far time has moved on, in milliseconds. */
export const makeDevices = (
  seed: number,
  brokers: () => ReadonlyArray<string>,
  faults = mild,
  moved = () => 0,
  tellsPresence = false
): Devices => {
  const locks = new Map<string, SimulatedLock>()
  const lives = new Map<string, Array<Array<Begun>>>()
  const outcomes = new Map<string, Map<string, string>>()
  const heard = new Map<string, Set<string>>()

  const begunNow = (command: Command): Begun => {
    const { commandId, seq } = command
    const expiresAt = command._tag === "Known" ? command.expiresAt : undefined
    return { commandId, seq, expiresAt, at: Date.now() + moved() }
  }

  const onIncident = (incident: Incident) => {
    const life = lives.get(incident.thing)?.at(-1)
    if (incident._tag === "Began") life?.push(begunNow(incident.command))
    if (incident._tag === "Ended") outcomes.get(incident.thing)?.set(incident.commandId, incident.outcome.outcome)
  }

  /** Each connection goes to whichever server. */
  const wireOf = (thing: string): Wire => {
    const random = randomOf(seed, thing, "server")
    return {
      connect: (listener) => {
        return mqttWire({ url: oneOf(random, brokers()) ?? "", thing, tellsPresence }).connect({
          ...listener,
          heard: (topic, payload) => {
            for (const id of commandsIn(topic, payload)) heard.get(thing)?.add(id)
            listener.heard(topic, payload)
          }
        })
      }
    }
  }

  const time: Time = { ...realTime, now: () => realTime.now() + moved() }

  return {
    add: (thing) => {
      lives.set(thing, [[]])
      outcomes.set(thing, new Map())
      heard.set(thing, new Set())
      locks.set(thing, simulateLock({ thing, seed, faults, time, wire: wireOf(thing), onIncident }))
    },
    ran: (thing) => (lives.get(thing) ?? []).flat().map(({ commandId }) => commandId),
    outcomes: (thing) => outcomes.get(thing) ?? new Map(),
    heard: (thing) => heard.get(thing) ?? new Set(),
    lives: (thing) => lives.get(thing) ?? [],
    keys: (thing) => locks.get(thing)?.keys() ?? new Map(),
    openings: (thing) => {
      const { series = "", count = 0, dropped = 0, list = [] } = locks.get(thing)?.state().memory.openings ?? {}
      // Of a full list nobody knows whether what is not in it was taken, or had no room any more.
      const isFull = dropped > 0 && list.length >= MOST_OPENINGS
      return { series, last: count, told: isFull ? 0 : (list[0]?.opening.n ?? count + 1) - 1 }
    },
    cutOff: (thing) => locks.get(thing)?.cutOff(),
    letIn: (thing) => locks.get(thing)?.letIn(),
    forget: (thing) => {
      locks.get(thing)?.forget()
      lives.get(thing)?.push([])
    },
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
