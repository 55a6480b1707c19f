/**
 * The device protocol as a lock has to follow it: the reference implementation of docs/device-protocol.md. Pure: what
 * happened goes in, what to do comes out, and time is the lock's own count of milliseconds, which may start anywhere and
 * run a little fast or slow. Anyone who runs it writes `memory` down before doing what comes out.
 */
import {
  type Command,
  commandOf,
  type HardwareState,
  type HeldKeys,
  type Opening,
  type Outcome,
  type Report
} from "./Documents.ts"

/** What survives a power cut. */
export interface Memory {
  /** The newest version of the shadow that was seen. */
  readonly version: number
  /** What became of commands, oldest first. */
  readonly commands: ReadonlyArray<Remembered>
  /** What was seen at the door, and the backend has not taken; nothing before the first opening. */
  readonly openings?: RememberedOpenings
  /** The command about keys that it ended last. */
  readonly lastKeyCommand?: string
}

/** Openings at the door. */
export interface RememberedOpenings {
  /** Names the counter: it began with the first opening that this memory knows. */
  readonly series: string
  readonly count: number
  /** How many gave way to newer ones. */
  readonly dropped: number
  /** The oldest first; `heard` is the version of the shadow that took it. */
  readonly list: ReadonlyArray<{ readonly opening: Opening; readonly heard: number | undefined }>
}

/** A command that the lock has begun, so it never begins it again. */
export interface Remembered {
  readonly commandId: string
  /** `undefined` while it runs. */
  readonly outcome: Outcome | undefined
  /** Whether the shadow is known to hold the outcome. */
  readonly heard: boolean
}

export interface Lock {
  readonly memory: Memory
  /** Commands of the newest document. */
  readonly wanted: ReadonlyArray<Command>
  /** The command that runs. */
  readonly running: string | undefined
  readonly connected: boolean
  /** The question that is not answered yet. */
  readonly asked: Asked | undefined
  /** The report that is not answered yet. */
  readonly reporting: Reporting | undefined
  /** What the hardware is like, and when the shadow was last told of it, by the lock's own count. */
  readonly seen: { readonly state: HardwareState; readonly heardAt: number | undefined } | undefined
  /** The keys that the hardware holds, where it can tell, and whether the shadow was told of them. */
  readonly held: { readonly keys: HeldKeys["list"]; readonly isHeard: boolean } | undefined
  /** When the service last said what time it is. */
  readonly clock: Clock | undefined
  /** What questions and reports are known by: each has a token of its own. */
  readonly session: string
  readonly count: number
}

interface Asked {
  readonly token: string
  readonly at: number
  /** Whether a newer document has come since: then an older answer is only late. */
  readonly overtaken: boolean
}

interface Reporting {
  readonly token: string
  readonly at: number
  readonly commandIds: ReadonlyArray<string>
  /** Whether it takes the commands away. */
  readonly clears: boolean
  /** The state and the keys that it tells, and the counter of the newest opening. */
  readonly state: HardwareState | undefined
  readonly held: Lock["held"]
  readonly upTo: number
}

interface Clock {
  /** Epoch seconds, rounded down, at some moment after `askedAt`. */
  readonly timestamp: number
  /** By the lock's own count. */
  readonly askedAt: number
}

/** What happens to a lock; `now` is its own count of milliseconds. */
export type Happening =
  | { readonly _tag: "Connected"; readonly now: number }
  | { readonly _tag: "Disconnected"; readonly now: number }
  /** A message on a topic below its shadow, such as `update/delta`; JSON as it was parsed. */
  | { readonly _tag: "Heard"; readonly topic: string; readonly message: unknown; readonly now: number }
  /** The hardware is done with a command. */
  | {
      readonly _tag: "Ran"
      readonly commandId: string
      readonly outcome: "done" | "failed"
      readonly detail?: string
      /** `false`: it has refused, and nothing has moved. */
      readonly began?: boolean
      readonly now: number
    }
  /** The hardware says what it is like: at the start, and when that has changed. */
  | { readonly _tag: "Saw"; readonly state: Omit<HardwareState, "clock">; readonly now: number }
  /** The hardware says which keys it holds, if it can: at the start, when that has changed, and before it is done with a command about keys. */
  | { readonly _tag: "Held"; readonly keys: HeldKeys["list"]; readonly now: number }
  /** Somebody has opened at the door itself. */
  | ({ readonly _tag: "Opened"; readonly now: number } & Omit<Opening, "n" | "at">)
  /** Some time has passed: at least once a second. */
  | { readonly _tag: "Ticked"; readonly now: number }

/** What to do. */
export type Deed =
  /** Publish on a topic below the shadow. */
  | { readonly _tag: "Say"; readonly topic: "get" | "update"; readonly message: object }
  /** Tell the hardware, and say `Ran` when it is done. */
  | { readonly _tag: "Run"; readonly command: Command }

export interface Step {
  readonly lock: Lock
  readonly deeds: ReadonlyArray<Deed>
}

/** Commands that are remembered though no document holds them any more: a message may be very late. */
export const REMEMBERED = 64
/** How long an answer may take before the lock asks, or reports, again. */
export const ANSWER_TIMEOUT = 2_000
/** For how long the lock trusts its own count after it was told the time. */
export const CLOCK_TRUSTED_FOR = 60_000
/** Openings that a lock holds. */
export const MOST_OPENINGS = 16
/** Keys of one report. */
export const MOST_KEYS = 32
/** How often the state is reported at least. */
export const STATE_EVERY = 3_600_000
/** Most that the lock's own count may be wrong by, as a part of the time that passed. */
export const MAX_DRIFT = 0.01

export const nothingRemembered: Memory = { version: 0, commands: [] }

/**
 * A lock that has power. What was running when it went is not run again: nobody knows how far it came. `session` is any
 * text that it had not before, at most 48 bytes.
 */
export const boot = (memory: Memory, session: string): Lock => ({
  memory: {
    ...memory,
    commands: memory.commands.map((one) =>
      one.outcome === undefined ? { ...one, outcome: { outcome: "failed", detail: "interrupted" } } : one
    )
  },
  wanted: [],
  running: undefined,
  connected: false,
  asked: undefined,
  reporting: undefined,
  seen: undefined,
  held: undefined,
  clock: undefined,
  session,
  count: 0
})

export const step = (lock: Lock, happening: Happening): Step => {
  const { now } = happening
  switch (happening._tag) {
    case "Connected":
      return goOn(ask({ ...stateUnheard(lock), connected: true, reporting: undefined }, now), now)
    case "Disconnected":
      return { lock: { ...lock, connected: false, asked: undefined, reporting: undefined }, deeds: [] }
    case "Heard":
      return goOn(hear(lock, happening.topic, happening.message, now), now)
    case "Ran": {
      const { commandId, outcome, detail, began } = happening
      if (commandId !== lock.running) return { lock, deeds: [] }
      const known = {
        outcome,
        ...at(lock, commandId, now),
        ...(detail !== undefined && { detail }),
        ...(began !== undefined && { began })
      }
      return goOn({ lock: remember({ ...lock, running: undefined }, commandId, known), deeds: [] }, now)
    }
    case "Saw":
      return goOn({ lock: { ...lock, seen: { state: happening.state, heardAt: undefined } }, deeds: [] }, now)
    case "Held":
      return goOn({ lock: { ...lock, held: { keys: happening.keys, isHeard: false } }, deeds: [] }, now)
    case "Opened": {
      const { _tag: _, now: __, ...opening } = happening
      return goOn({ lock: withOpening(lock, opening, now), deeds: [] }, now)
    }
    case "Ticked":
      return goOn(isLate(lock.asked, now) ? ask(lock, now) : { lock, deeds: [] }, now)
  }
}

/** The latest that it may be now, in epoch milliseconds; `undefined` when the lock cannot say. */
export const latestNow = ({ clock }: Lock, now: number): number | undefined =>
  clock === undefined || now - clock.askedAt > CLOCK_TRUSTED_FOR
    ? undefined
    : (clock.timestamp + 1) * 1000 + (now - clock.askedAt) * (1 + MAX_DRIFT)

const hear = (lock: Lock, topic: string, message: unknown, now: number): Step => {
  const said = recordOf(message)
  const nothing: Step = { lock, deeds: [] }
  if (said === undefined) return nothing
  switch (topic) {
    case "update/delta":
      return { lock: read(lock, said, recordOf(said["state"])?.["commands"]), deeds: [] }
    case "get/accepted":
    case "get/rejected": {
      const isMine = lock.asked !== undefined && said["clientToken"] === lock.asked.token
      const answered = isMine ? answer(lock, lock.asked, said) : lock
      if (topic === "get/accepted") return { lock: readWhole(answered, said), deeds: [] }
      // There is no shadow, or none any more: the next one may count its versions from the start.
      const isGone = isMine && said["code"] === 404
      return {
        lock: isGone ? { ...answered, wanted: [], memory: { ...unheard(answered.memory), version: 0 } } : answered,
        deeds: []
      }
    }
    case "update/accepted":
    case "update/rejected": {
      const { reporting } = lock
      if (topic === "update/accepted" && isTaken(said)) return { lock: taken(lock, said["version"]), deeds: [] }
      if (reporting === undefined || said["clientToken"] !== reporting.token) return nothing
      if (topic === "update/accepted") return { lock: heard(lock, reporting, said["version"], now), deeds: [] }
      // No room for outcomes beside the commands: the commands go, each outcome being smaller than its command.
      const isFull = said["code"] === 413 && !reporting.clears
      return isFull ? report({ ...lock, reporting: undefined }, now, true) : nothing
    }
    default:
      return nothing
  }
}

/** The answer says what time it is. If it is older than what was seen, the service has lost something, or it is late. */
const answer = (lock: Lock, asked: Asked, { timestamp, version }: Readonly<Record<string, unknown>>): Lock => ({
  ...lock,
  asked: undefined,
  clock: typeof timestamp === "number" ? { timestamp, askedAt: asked.at } : lock.clock,
  memory:
    typeof version === "number" && version < lock.memory.version && !asked.overtaken
      ? { ...unheard(lock.memory), version }
      : lock.memory
})

/** Takes in a document, unless a newer one was seen. */
const read = (lock: Lock, { version }: Readonly<Record<string, unknown>>, commands: unknown): Lock => {
  if (typeof version !== "number" || version < lock.memory.version) return lock
  const wanted = Object.entries(recordOf(commands) ?? {}).map(([commandId, document]) => commandOf(commandId, document))
  return {
    ...lock,
    wanted: wanted.toSorted((a, b) => a.seq - b.seq || (a.commandId < b.commandId ? -1 : 1)),
    asked: lock.asked && { ...lock.asked, overtaken: true },
    memory: { ...lock.memory, version, commands: forget(lock.memory.commands, wanted) }
  }
}

/** An answer to `get` also shows which outcomes the shadow holds: any other is reported again. */
const readWhole = (lock: Lock, said: Readonly<Record<string, unknown>>): Lock => {
  const state = recordOf(said["state"])
  const after = read(lock, said, recordOf(state?.["desired"])?.["commands"])
  if (after === lock) return lock
  const wanted = new Set(after.wanted.map(({ commandId }) => commandId))
  const reported = recordOf(recordOf(state?.["reported"])?.["commands"]) ?? {}
  const commands = after.memory.commands.map((one) =>
    wanted.has(one.commandId) && !Object.hasOwn(reported, one.commandId) ? { ...one, heard: false } : one
  )
  const told = { ...after, memory: { ...after.memory, commands } }
  const isHeld = recordOf(recordOf(state?.["reported"])?.["openings"]) !== undefined
  return isHeld ? told : taken(told, Number(said["version"]) + 1)
}

/** Whether the backend has taken the openings. */
const isTaken = ({ state }: Readonly<Record<string, unknown>>): boolean =>
  recordOf(recordOf(state)?.["reported"])?.["openings"] === null

/** Without the openings that the shadow held before this version: they are in the log. */
const taken = (lock: Lock, version: unknown): Lock => {
  const { openings } = lock.memory
  if (openings === undefined || typeof version !== "number") return lock
  const list = openings.list.filter(({ heard }) => heard === undefined || heard >= version)
  return { ...lock, memory: { ...lock.memory, openings: { ...openings, list } } }
}

/** The service has lost what it knew. */
const unheard = (memory: Memory): Memory =>
  memory.openings === undefined
    ? memory
    : {
        ...memory,
        openings: { ...memory.openings, list: memory.openings.list.map((one) => ({ ...one, heard: undefined })) }
      }

const stateUnheard = (lock: Lock): Lock => ({
  ...lock,
  seen: lock.seen && { ...lock.seen, heardAt: undefined },
  held: lock.held && { ...lock.held, isHeard: false }
})

const withOpening = (lock: Lock, opening: Omit<Opening, "n" | "at">, now: number): Lock => {
  const before = lock.memory.openings ?? { series: lock.session, count: 0, dropped: 0, list: [] }
  const at = lock.clock && { at: timeAt(lock.clock, now) }
  const list = [...before.list, { opening: { n: before.count + 1, ...opening, ...at }, heard: undefined }]
  const openings = {
    ...before,
    count: before.count + 1,
    dropped: before.dropped + Math.max(0, list.length - MOST_OPENINGS),
    list: list.slice(-MOST_OPENINGS)
  }
  return { ...lock, memory: { ...lock.memory, openings } }
}

/** What must be known: what a document holds, what was not reported, and the newest. */
const forget = (commands: ReadonlyArray<Remembered>, wanted: ReadonlyArray<Command>): ReadonlyArray<Remembered> => {
  const ids = new Set(wanted.map(({ commandId }) => commandId))
  return commands.filter(
    ({ commandId, heard }, index) => !heard || ids.has(commandId) || index >= commands.length - REMEMBERED
  )
}

/** Runs what is due, in order and one at a time, and reports what is not known to be heard. */
const goOn = (before: Step, now: number): Step => {
  const run = runNext(before.lock, now)
  const reported = report(run.lock, now, false)
  return { lock: reported.lock, deeds: [...before.deeds, ...run.deeds, ...reported.deeds] }
}

const runNext = (lock: Lock, now: number): Step => {
  if (lock.running !== undefined) return { lock, deeds: [] }
  const known = new Set(lock.memory.commands.map(({ commandId }) => commandId))
  const next = lock.wanted.find(({ commandId }) => !known.has(commandId))
  if (next === undefined) return { lock, deeds: [] }
  if (next._tag === "Unknown") {
    return runNext(
      remember(lock, next.commandId, { outcome: "failed", ...at(lock, next.commandId, now), detail: next.detail }),
      now
    )
  }
  if (next.expiresAt !== undefined) {
    const latest = latestNow(lock, now)
    // Not before it is known what time it is: the answer brings the command once more.
    if (latest === undefined) return lock.connected && lock.asked === undefined ? ask(lock, now) : { lock, deeds: [] }
    if (latest >= next.expiresAt)
      return runNext(remember(lock, next.commandId, { outcome: "expired", ...at(lock, next.commandId, now) }), now)
  }
  return {
    lock: { ...remember(lock, next.commandId, undefined), running: next.commandId },
    deeds: [{ _tag: "Run", command: next }]
  }
}

const ask = (lock: Lock, now: number): Step => {
  if (!lock.connected) return { lock, deeds: [] }
  const count = lock.count + 1
  const token = `${lock.session}-${count}`
  return {
    lock: { ...lock, count, asked: { token, at: now, overtaken: false } },
    deeds: [{ _tag: "Say", topic: "get", message: { clientToken: token } }]
  }
}

const report = (lock: Lock, now: number, clears: boolean): Step => {
  const unheard = lock.memory.commands.filter(({ outcome, heard }) => outcome !== undefined && !heard)
  const isUnderWay = lock.reporting !== undefined && !isLate(lock.reporting, now)
  const { seen, clock } = lock
  const isStateDue = seen !== undefined && (seen.heardAt === undefined || now - seen.heardAt > STATE_EVERY)
  const { openings } = lock.memory
  const areOpeningsDue = openings?.list.some(({ heard }) => heard === undefined) === true
  const { held } = lock
  // While one runs, what it holds is of a moment in between.
  const areKeysDue = held !== undefined && !held.isHeard && lock.running === undefined
  if (!lock.connected || isUnderWay || (unheard.length === 0 && !isStateDue && !areOpeningsDue && !areKeysDue))
    return { lock, deeds: [] }
  const count = lock.count + 1
  const token = `${lock.session}-${count}`
  const commandIds = unheard.map(({ commandId }) => commandId)
  const message: Report = {
    state: {
      ...(clears && { desired: { commands: Object.fromEntries(commandIds.map((id) => [id, null])) } }),
      reported: {
        ...(unheard.length > 0 && {
          commands: Object.fromEntries(unheard.map(({ commandId, outcome }) => [commandId, outcome]))
        }),
        // Where there is little room, outcomes make some first.
        ...(!clears && areKeysDue && { keys: keysOf(held.keys, lock.memory) }),
        ...(!clears && isStateDue && { state: { ...seen.state, ...(clock && { clock: timeAt(clock, now) }) } }),
        ...(!clears &&
          areOpeningsDue && {
            openings: {
              series: openings.series,
              dropped: openings.dropped,
              list: openings.list.map(({ opening }) => opening)
            }
          })
      }
    },
    clientToken: token
  }
  return {
    lock: {
      ...lock,
      count,
      reporting: {
        token,
        at: now,
        commandIds,
        clears,
        state: !clears && isStateDue ? seen.state : undefined,
        held: !clears && areKeysDue ? held : undefined,
        upTo: !clears && areOpeningsDue ? openings.count : 0
      }
    },
    deeds: [{ _tag: "Say", topic: "update", message }]
  }
}

const keysOf = (keys: HeldKeys["list"], { lastKeyCommand }: Memory): HeldKeys => ({
  ...(lastKeyCommand !== undefined && { after: lastKeyCommand }),
  list: keys.slice(0, MOST_KEYS),
  ...(keys.length > MOST_KEYS && { more: true })
})

const heard = (lock: Lock, { commandIds, state, held, upTo }: Reporting, version: unknown, now: number): Lock => {
  const ids = new Set(commandIds)
  const commands = lock.memory.commands.map((one) => (ids.has(one.commandId) ? { ...one, heard: true } : one))
  const { openings } = lock.memory
  const list = openings?.list.map((one) =>
    one.opening.n <= upTo && one.heard === undefined ? { ...one, heard: Number(version) } : one
  )
  return {
    ...lock,
    reporting: undefined,
    seen: lock.seen && (state === lock.seen.state ? { ...lock.seen, heardAt: now } : lock.seen),
    held: lock.held && (held === lock.held ? { ...lock.held, isHeard: true } : lock.held),
    memory: { ...lock.memory, commands, ...(openings && list && { openings: { ...openings, list } }) }
  }
}

const remember = (lock: Lock, commandId: string, outcome: Outcome | undefined): Lock => {
  const others = lock.memory.commands.filter((one) => one.commandId !== commandId)
  const memory = { ...lock.memory, commands: [...others, { commandId, outcome, heard: false }] }
  // Whatever comes of it, a power cut in the middle too: what the lock holds is told as it is after it.
  return isAboutKeys(lock, commandId)
    ? { ...lock, held: lock.held && { ...lock.held, isHeard: false }, memory: { ...memory, lastKeyCommand: commandId } }
    : { ...lock, memory }
}

const isAboutKeys = ({ wanted }: Lock, commandId: string): boolean => {
  const command = wanted.find((one) => one.commandId === commandId)
  return command?._tag === "Known" && "keyUuid" in command.document
}

/** When a command ended, as far as the lock knows: to the second, and not before it was issued. */
const at = ({ clock, wanted }: Lock, commandId: string, now: number): { readonly at?: number } => {
  if (clock === undefined) return {}
  const command = wanted.find((one) => one.commandId === commandId)
  const issuedAt = command?._tag === "Known" ? command.document.issuedAt : 0
  return { at: Math.max(issuedAt, timeAt(clock, now)) }
}

const timeAt = ({ timestamp, askedAt }: Clock, now: number): number => timestamp * 1000 + Math.round(now - askedAt)

const isLate = (waiting: { readonly at: number } | undefined, now: number): boolean =>
  waiting !== undefined && now - waiting.at > ANSWER_TIMEOUT

const recordOf = (value: unknown): Readonly<Record<string, unknown>> | undefined =>
  typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Readonly<Record<string, unknown>>)
    : undefined
