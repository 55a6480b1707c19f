/** The other side of the tests: a shadow service in a hundred lines less than a real one, and a backend that uses it. */
import type { Command, Time, Wire, WireListener } from "@latchkey/simulator"

type Json = { [key: string]: unknown }

const isObject = (value: unknown): value is Json => typeof value === "object" && value !== null && !Array.isArray(value)

/** RFC 7396, which is how shadows merge. */
const merge = (before: unknown, patch: unknown): unknown => {
  if (!isObject(patch)) return patch
  const after: Json = isObject(before) ? { ...before } : {}
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete after[key]
    else after[key] = merge(after[key], value)
  }
  return after
}

const commandsOf = (half: unknown): Json => {
  const commands = isObject(half) ? half["commands"] : undefined
  return isObject(commands) ? commands : {}
}

const openingsIn = (reported: unknown): ReadonlyArray<{ readonly n: number }> => {
  const openings = isObject(reported) ? reported["openings"] : undefined
  return isObject(openings) ? (openings["list"] as ReadonlyArray<{ readonly n: number }>) : []
}

export interface Sent {
  readonly commandId: string
  readonly seq: number
  readonly expiresAt: number | undefined
}

/** `epoch` is the service's clock at time 0, in milliseconds. */
export const backend = (time: Time, epoch: number) => {
  let version = 0
  let [desired, reported]: [unknown, unknown] = [{}, {}]
  let seq = 0
  let listener: WireListener | undefined
  const sent: Array<Sent> = []
  const outcomes: Array<readonly [commandId: string, outcome: string]> = []
  const openings = new Set<number>()

  const epochNow = () => epoch + time.now()
  const timestamp = () => Math.floor(epochNow() / 1000)
  const tell = (topic: string, message: Json) =>
    listener?.heard(topic, JSON.stringify({ ...message, timestamp: timestamp() }))

  const update = (state: Json, token?: unknown) => {
    version++
    desired = merge(desired, state["desired"] ?? {})
    reported = merge(reported, state["reported"] ?? {})
    const clientToken = token === undefined ? {} : { clientToken: token }
    for (const { n } of openingsIn(reported)) openings.add(n)
    tell("update/accepted", { state, version, ...clientToken })
    const commands = commandsOf(desired)
    if (Object.keys(commands).length > 0) tell("update/delta", { state: { commands }, version, ...clientToken })
    for (const [commandId, outcome] of Object.entries(commandsOf(reported))) {
      if (!outcomes.some(([id]) => id === commandId)) outcomes.push([commandId, String((outcome as Json)["outcome"])])
    }
  }

  const wire: Wire = {
    connect: (mine) => {
      time.after(1, () => {
        listener = mine
        mine.opened()
      })
      return {
        say: (topic, payload) => {
          const message: Json = JSON.parse(payload)
          const clientToken = message["clientToken"]
          if (topic === "update") update(message["state"] as Json, clientToken)
          else tell("get/accepted", { state: { desired, reported }, version, clientToken })
        },
        end: () => {
          if (listener === mine) listener = undefined
        }
      }
    }
  }

  return {
    wire,
    sent,
    outcomes,
    /** Counters of the openings at the door that it was told of. */
    openings,
    epochNow,
    /** Puts a command into the shadow; those that have expired go. */
    send: (type: string, livesFor?: number) => {
      // Ids say nothing of the order.
      const commandId = `command-${1000 - ++seq}`
      const expiresAt = livesFor === undefined ? undefined : Math.floor(epochNow()) + livesFor
      const key = type === "OpenLock" || type === "LockDevice" ? {} : { keyUuid: `key-${seq}` }
      const document = {
        type,
        seq,
        issuedAt: Math.floor(epochNow()),
        ...key,
        ...(expiresAt !== undefined && { expiresAt })
      }
      sent.push({ commandId, seq, expiresAt })
      update({ desired: { commands: { [commandId]: document } } })
    },
    /** Takes away what is answered. */
    settle: () => {
      for (const commandId of Object.keys(commandsOf(reported))) {
        update({ desired: { commands: { [commandId]: null } }, reported: { commands: { [commandId]: null } } })
      }
      if (openingsIn(reported).length > 0) update({ reported: { openings: null } })
    },
    /** Something that has nothing to do with commands. */
    touch: (n: number) => update({ desired: { brightness: n } }),
    waiting: () => Object.keys(commandsOf(desired))
  }
}

export const idOf = ({ commandId }: Command): string => commandId
