/** A lock that is not there: the protocol, hardware of a kind, and all that goes wrong around both. */
import type { Command, HardwareState, Outcome } from "./Documents.ts"
import { type Faults, fortuneOf } from "./Faults.ts"
import { boot, type Deed, type Happening, type Lock, type Memory, nothingRemembered, step } from "./LockProtocol.ts"
import type { Cancel, Time } from "./Time.ts"

/** The way to the lock's shadow, as its radio sees it. Topics are those below the shadow. */
export interface Wire {
  /** Opens a connection. The listener is not called before this returns, nor after the connection has ended. */
  readonly connect: (listener: WireListener) => Connection
}

export interface WireListener {
  /** Every subscription is made. */
  readonly opened: () => void
  readonly heard: (topic: string, payload: string) => void
  /** Once, also when it never opened; then with the reason, for people, if it is known. */
  readonly ended: (reason?: string) => void
}

export interface Connection {
  readonly say: (topic: string, payload: string) => void
  readonly end: () => void
}

/** What a lock did, as anyone who watches it sees it. `at` is the simulation's time, in milliseconds. */
export type Incident =
  | { readonly _tag: "Online" | "Offline"; readonly thing: string; readonly at: number; readonly battery: number }
  /** It does not reach its shadow, and tries again; once until it does, or the reason is another. */
  | { readonly _tag: "CutOff"; readonly thing: string; readonly at: number; readonly reason: string }
  | { readonly _tag: "Began"; readonly thing: string; readonly at: number; readonly command: Command }
  | {
      readonly _tag: "Ended"
      readonly thing: string
      readonly at: number
      readonly commandId: string
      /** Of the document, where it was understood. */
      readonly type: string | undefined
      readonly outcome: Outcome
      readonly battery: number
    }

export interface SimulatedLockOptions {
  readonly thing: string
  readonly seed: number
  readonly faults: Faults
  readonly time: Time
  readonly wire: Wire
  readonly onIncident: (incident: Incident) => void
}

export interface SimulatedLock {
  readonly thing: string
  /** How things stand. */
  readonly state: () => Lock
  /** Whether its bolt is out. */
  readonly isLocked: () => boolean
  /** Keys that its hardware knows, with their slots. */
  readonly keys: () => ReadonlyMap<string, number | undefined>
  /** Takes the connection away until it is given back. */
  readonly cutOff: () => void
  readonly letIn: () => void
  /** Takes the power away for a moment: whatever runs is not finished, and only its memory stays. */
  readonly powerCut: () => void
  /** Takes its memory away, too: it knows no key and no command, as it came from the factory. */
  readonly forget: () => void
  /** For ever. */
  readonly stop: () => void
}

/** Milliseconds until a lock has power again, with a new battery. */
const BATTERY_CHANGE = 5_000
const TICK = 1_000
/** Milliseconds that a door stays open, and that the power is away. */
const DOOR_OPEN_FOR = 4_000
const POWER_CUT = 1_000
const FIRMWARE = "1.0.0"

export const simulateLock = ({ thing, seed, faults, time, wire, onIncident }: SimulatedLockOptions): SimulatedLock => {
  const fortune = fortuneOf(faults, seed, thing)
  const keys = new Map<string, number | undefined>()
  const types = new Map<string, string>()
  const pending = new Set<Cancel>()
  let boots = 1
  let lock = boot(nothingRemembered, `${seed}-1`)
  let battery = fortune.battery
  let begun = time.now()
  let connection: Connection | undefined
  let cutOffBy: string | undefined
  let [connections, failures, heard, said, worked] = [0, 0, 0, 0, 0]
  let openings = 0
  let [isCutOff, isStopped] = [false, false]
  let [bolt, door]: [HardwareState["bolt"], HardwareState["door"]] = ["locked", "closed"]

  /** The lock's own count of milliseconds, whatever it may be worth. */
  const now = () => fortune.clock.start + (time.now() - begun) * fortune.clock.rate

  const later = (millis: number, call: () => void) => {
    const cancel = time.after(millis, () => {
      pending.delete(cancel)
      if (!isStopped) call()
    })
    pending.add(cancel)
  }

  const happen = (happening: Happening) => {
    const before = lock
    const { lock: after, deeds } = step(lock, happening)
    lock = after
    tellEnds(before, after)
    for (const deed of deeds) perform(deed)
  }

  const tellEnds = (before: Lock, after: Lock) => {
    const known = new Map(before.memory.commands.map((one) => [one.commandId, one.outcome]))
    for (const { commandId, outcome } of after.memory.commands) {
      if (outcome === undefined || known.get(commandId) !== undefined) continue
      const type = types.get(commandId) ?? typeOf(before, after, commandId)
      types.delete(commandId)
      onIncident({ _tag: "Ended", thing, at: time.now(), commandId, type, outcome, battery: Math.floor(battery) })
    }
  }

  const perform = (deed: Deed) => (deed._tag === "Say" ? say(deed.topic, deed.message) : run(deed.command))

  const look = () =>
    happen({ _tag: "Saw", state: { bolt, door, battery: Math.floor(battery), firmware: FIRMWARE }, now: now() })

  const tellKeys = () =>
    happen({
      _tag: "Held",
      keys: Array.from(keys, ([keyUuid, slot]) => ({
        keyUuid,
        ...(slot !== undefined && { keyIndexNumber: slot })
      })),
      now: now()
    })

  /** Somebody comes to the door, and the next one later. */
  const visit = () => {
    const { after, way } = fortune.opening(++openings)
    if (after === undefined) return
    later(after, () => {
      const [key] = keys
      const how =
        key !== undefined && way < 0.5
          ? ({ by: "key", keyUuid: key[0] } as const)
          : ({ by: way < 0.7 ? "thumbTurn" : way < 0.9 ? "outsideHandle" : "pin" } as const)
      happen({ _tag: "Opened", ...how, now: now() })
      door = "open"
      look()
      later(DOOR_OPEN_FOR, () => {
        door = "closed"
        look()
      })
      visit()
    })
  }

  /** What is on its way when the connection ends is lost. */
  const say = (topic: string, message: object) => {
    const over = connection
    const send = () => over === connection && over?.say(topic, JSON.stringify(message))
    for (const takes of fortune.message("out", ++said)) later(takes, send)
    const again = topic === "update" ? fortune.repeat(said) : undefined
    if (again !== undefined) later(again, send)
  }

  const run = (command: Command) => {
    if (command._tag === "Known") types.set(command.commandId, command.document.type)
    onIncident({ _tag: "Began", thing, at: time.now(), command })
    const { takes, jams, refuses, drains, cuts, forgets } = fortune.work(++worked)
    battery = Math.max(0, battery - drains)
    later(takes, () => {
      if (battery === 0) {
        battery = 100
        return cutPower(BATTERY_CHANGE)
      }
      if (cuts) return cutPower(POWER_CUT)
      if (forgets) keys.clear()
      if (!jams && !refuses) actuate(command)
      if (jams && movesBolt(command)) bolt = "jammed"
      if (forgets || isAboutKeys(command)) tellKeys()
      const detail = jams ? jammed : refuses ? refused : ({ outcome: "done" } as const)
      happen({ _tag: "Ran", commandId: command.commandId, ...detail, now: now() })
      look()
    })
  }

  const actuate = (command: Command) => {
    if (command._tag === "Unknown") return
    const { document } = command
    switch (document.type) {
      case "OpenLock":
      case "LockDevice":
        bolt = document.type === "LockDevice" ? "locked" : "unlocked"
        return
      case "RemoveKey":
        return void keys.delete(document.keyUuid)
      default:
        return void keys.set(document.keyUuid, document.keyIndexNumber)
    }
  }

  const connect = () => {
    if (isCutOff || isStopped || connection !== undefined) return
    const { lasts, away } = fortune.connection(++connections)
    let opened = false
    const mine = wire.connect({
      opened: () => {
        if (connection !== mine) return
        opened = true
        failures = 0
        cutOffBy = undefined
        onIncident({ _tag: "Online", thing, at: time.now(), battery: Math.floor(battery) })
        happen({ _tag: "Connected", now: now() })
        if (lasts !== undefined) later(lasts, () => connection === mine && leave(away))
      },
      heard: (topic, payload) => {
        if (connection !== mine) return
        for (const takes of fortune.message("in", ++heard)) {
          later(takes, () => {
            if (connection === mine) happen({ _tag: "Heard", topic, message: parse(payload), now: now() })
          })
        }
      },
      ended: (reason) => {
        if (connection !== mine) return
        if (!opened && reason !== undefined && reason !== cutOffBy) {
          cutOffBy = reason
          onIncident({ _tag: "CutOff", thing, at: time.now(), reason })
        }
        lost(opened, fortune.retry(failures++))
      }
    })
    connection = mine
  }

  const leave = (away: number) => {
    const leaving = connection
    lost(true, away)
    leaving?.end()
  }

  const lost = (wasOpen: boolean, away: number) => {
    connection = undefined
    if (wasOpen) onIncident({ _tag: "Offline", thing, at: time.now(), battery: Math.floor(battery) })
    happen({ _tag: "Disconnected", now: now() })
    later(away, connect)
  }

  const cutPower = (millis: number, memory?: Memory) => {
    if (memory !== undefined) lock = { ...lock, memory }
    const ending = connection
    if (ending !== undefined) lost(true, 0)
    for (const cancel of pending) cancel()
    pending.clear()
    ending?.end()
    later(millis, () => {
      // Its count begins anew, and whatever was running has ended somehow.
      begun = time.now()
      const before = lock
      lock = boot(lock.memory, `${seed}-${++boots}`)
      tellEnds(before, lock)
      door = "closed"
      look()
      tellKeys()
      later(TICK, tick)
      visit()
      connect()
    })
  }

  const tick = () => {
    happen({ _tag: "Ticked", now: now() })
    later(TICK, tick)
  }

  look()
  tellKeys()
  later(TICK, tick)
  visit()
  connect()

  return {
    thing,
    state: () => lock,
    isLocked: () => bolt === "locked",
    keys: () => keys,
    cutOff: () => {
      isCutOff = true
      if (connection !== undefined) leave(0)
    },
    letIn: () => {
      isCutOff = false
      connect()
    },
    powerCut: () => cutPower(0),
    forget: () => {
      keys.clear()
      cutPower(0, nothingRemembered)
    },
    stop: () => {
      isStopped = true
      for (const cancel of pending) cancel()
      const ending = connection
      connection = undefined
      ending?.end()
    }
  }
}

const movesBolt = (command: Command): boolean =>
  command._tag === "Known" && (command.document.type === "OpenLock" || command.document.type === "LockDevice")

const isAboutKeys = (command: Command): boolean => command._tag === "Known" && "keyUuid" in command.document

const jammed = { outcome: "failed", detail: "jammed" } as const
const refused = { outcome: "failed", detail: "refused", began: false } as const

const typeOf = (before: Lock, after: Lock, commandId: string): string | undefined => {
  const command = [...after.wanted, ...before.wanted].find((one) => one.commandId === commandId)
  return command?._tag === "Known" ? command.document.type : undefined
}

const parse = (payload: string): unknown => {
  try {
    return JSON.parse(payload)
  } catch {
    return undefined
  }
}
