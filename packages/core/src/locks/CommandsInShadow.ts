/**
 * Device commands in the document of a shadow, for adapters of any shadow service of AWS's kind. Every write rests on
 * the version that was read, so anyone who has moved the version on knows that an older write can no longer arrive.
 */
import { Clock, Effect, Option, Result, Schema } from "effect"
import { addCommand, type DeviceCommand, hasRoom } from "../device/DeviceCommand.ts"
import { type DeviceReport, type DeviceShadow, ShadowRejected, ShadowUnavailable } from "../device/DeviceShadow.ts"
import { openingsIn } from "../device/ReportedState.ts"
import { logSeldom } from "../streams/SeldomLog.ts"

/** A shadow as it was read; an empty one at its last version where there is none. */
export interface VersionedShadow {
  readonly version: number
  readonly desired?: Schema.JsonObject | undefined
  readonly reported?: Schema.JsonObject | undefined
}

/** What to change: objects are merged, null deletes. */
export interface ShadowChange {
  readonly desired?: Schema.JsonObject
  readonly reported?: Schema.JsonObject
}

/** The shadow service says no, for one of these reasons: */
export class ShadowWriteRefused extends Schema.TaggedError<ShadowWriteRefused>()("ShadowWriteRefused", {
  /**
   * - `conflict`: the shadow is at another version.
   * - `full`: it would hold more than it may.
   * - `late`: the time by which it had to be written is over.
   * - `nowhere`: there is no such thing, so nothing can be in its shadow.
   * - `other`: as `message` says.
   */
  reason: Schema.Literals(["conflict", "full", "late", "nowhere", "other"]),
  /** For the operator. */
  message: Schema.String,
  /** Whether an earlier try of the same write, of which there was no answer, may have been carried out. */
  inDoubt: Schema.Boolean
}) {}

/** What the commands need of a shadow service. */
export interface VersionedShadows {
  /** Answers by `notAfter` (epoch milliseconds), or fails. */
  readonly read: (
    thing: string,
    notAfter?: number
  ) => Effect.Effect<VersionedShadow, ShadowWriteRefused | ShadowUnavailable>
  /** Changes the shadow if it is at this version; writes nothing when it begins after `notAfter`. */
  readonly write: (
    thing: string,
    version: number,
    change: ShadowChange,
    notAfter?: number
  ) => Effect.Effect<void, ShadowWriteRefused | ShadowUnavailable>
}

/** Every conflict is another writer's success, so this is enough for as many writers at once on one thing. */
const MAX_ATTEMPTS = 100

/** Everything of a `DeviceShadow` except its reports. */
export const commandsInShadows = ({
  read,
  write
}: VersionedShadows): Pick<DeviceShadow["Service"], "send" | "find" | "settle" | "clearOpenings"> => {
  /** Reads, asks what to write, and writes it, unless the shadow has moved on: then once more. Answers whether it wrote. */
  const rewrite = Effect.fnUntraced(function* (
    thing: string,
    change: (shadow: VersionedShadow) => ShadowChange | undefined
  ) {
    for (let attempt = 1; ; attempt++) {
      const shadow = yield* read(thing)
      const wanted = change(shadow)
      if (wanted === undefined) return false
      const written = yield* Effect.result(write(thing, shadow.version, wanted))
      if (Result.isSuccess(written)) return true
      const error = written.failure
      const conflict = error._tag === "ShadowWriteRefused" && error.reason === "conflict"
      if (!conflict || attempt === MAX_ATTEMPTS) return yield* Effect.fail(error)
    }
  })

  const send = Effect.fnUntraced(function* (thing: string, command: DeviceCommand, notAfter: number) {
    const now = yield* Clock.currentTimeMillis
    let unacknowledged = 0
    let inDoubt = false
    const failed = (error: ShadowWriteRefused | ShadowUnavailable) => {
      const message = error._tag === "ShadowUnavailable" ? error.message : reasonOf(error, thing, unacknowledged)
      return inDoubt ? new ShadowUnavailable({ thing, message }) : new ShadowRejected({ thing, message })
    }
    for (let attempt = 1; ; attempt++) {
      // As long as nothing was written, whatever goes wrong is a certain no.
      const shadow = yield* Effect.mapError(read(thing, notAfter), failed)
      if (holds(shadow, command.commandId, command.attempt ?? 1)) return
      if (inDoubt) {
        // It may have been carried out, acknowledged and settled since: to send it again could run it twice.
        const message = `The shadow of ${thing} does not tell whether it took the command.`
        return yield* new ShadowUnavailable({ thing, message })
      }
      const pending = commandsOf(shadow, "desired")
      const commands = addCommand(pending, command, now)
      unacknowledged = Object.keys(pending).filter((id) => !Object.hasOwn(commands, id)).length
      if (!hasRoom(command, withCommands(shadow, commands))) return yield* failed(noRoom)
      const written = yield* Effect.result(write(thing, shadow.version, { desired: { commands } }, notAfter))
      if (Result.isSuccess(written)) return
      const error = written.failure
      inDoubt = error._tag === "ShadowUnavailable" || error.inDoubt
      if (error._tag === "ShadowWriteRefused" && error.reason === "conflict" && attempt < MAX_ATTEMPTS) continue
      return yield* failed(error)
    }
  })

  const find = Effect.fnUntraced(function* (thing: string, commandId: string, attempt: number) {
    const wrote = yield* rewrite(thing, (shadow) => (holds(shadow, commandId, attempt) ? undefined : {})).pipe(
      // Nothing is there, and nothing can arrive.
      orWithoutThing(thing, true)
    )
    return !wrote
  })

  const settle = Effect.fnUntraced(function* (thing: string, commandId: string, attempt?: number | "any") {
    yield* rewrite(thing, (shadow) => {
      const isMeant = typeof attempt !== "number" || attemptIn(shadow, commandId) === attempt
      // What is no outcome nobody will hear: it goes with its command.
      const isHeard = Option.isSome(decodeOutcome(commandsOf(shadow, "reported")[commandId]))
      const isAll = attempt === undefined || (attempt === "any" && !isHeard)
      const sections: ReadonlyArray<Section> = isAll ? SECTIONS : isMeant ? ["desired"] : []
      const holding = sections.filter((section) => Object.hasOwn(commandsOf(shadow, section), commandId))
      if (holding.length === 0) return undefined
      return Object.fromEntries(holding.map((section) => [section, withoutCommand(shadow, section, commandId)]))
    }).pipe(orWithoutThing(thing, false))
  })

  const clearOpenings = Effect.fnUntraced(function* (thing: string, series: string, last: number) {
    yield* rewrite(thing, ({ reported }) => {
      const held = openingsIn(reported?.["openings"])
      const isTaken = held !== undefined && held.series === series && held.list.every(({ n }) => n <= last)
      return isTaken ? { reported: { openings: null } } : undefined
    }).pipe(orWithoutThing(thing, false))
  })

  return { send, find, settle, clearOpenings }
}

/** What a device may say of a command. */
const Outcome = Schema.Struct({
  outcome: Schema.Literals(["done", "failed", "expired"]),
  /** Epoch milliseconds; devices without a clock leave it out. */
  at: Schema.optionalKey(Schema.Finite),
  detail: Schema.optionalKey(Schema.String),
  /** `false` of one that `failed` before it moved anything. */
  began: Schema.optionalKey(Schema.Boolean)
})
const decodeOutcome = Schema.decodeUnknownOption(Outcome)

/**
 * The outcomes in `reported.commands`, or in a part of it, of which was heard `at` (epoch milliseconds). What is none is
 * logged, and left out.
 */
export const outcomesIn = Effect.fnUntraced(function* (thing: string, commands: unknown, at: number) {
  const reports: Array<DeviceReport> = []
  for (const [commandId, document] of Object.entries(isObject(commands) ? commands : {})) {
    // The backend itself takes outcomes away.
    if (document === null) continue
    const outcome = decodeOutcome(document)
    if (Option.isSome(outcome)) reports.push({ _tag: "CommandOutcome", thing, commandId, at, ...outcome.value })
    else
      yield* logSeldom(Effect.logWarning, "A device reported something that is not the outcome of a command", {
        thing,
        commandId
      })
  }
  return reports
})

/** The openings at the door that `reported.openings` holds, if it holds any. What is not understood is logged, and left out. */
export const openingsHeld = Effect.fnUntraced(function* (
  thing: string,
  openings: unknown
): Effect.fn.Return<ReadonlyArray<DeviceReport>> {
  // The backend itself takes them away.
  if (openings === undefined || openings === null) return []
  const held = openingsIn(openings)
  if (held !== undefined) return held.list.length === 0 ? [] : [{ _tag: "Openings", thing, ...held }]
  yield* logSeldom(Effect.logWarning, "A device reported something that is not a list of openings", { thing })
  return []
})

/** That a device has written this to `reported`, `at` (epoch milliseconds); nothing when it was not the device. */
export const stateIn = (thing: string, reported: unknown, at: number): ReadonlyArray<DeviceReport> =>
  isObject(reported) && Object.entries(reported).some(isOfDevice) ? [{ _tag: "State", thing, reported, at }] : []

/** The backend takes outcomes and openings away, and writes nothing else there. */
const isOfDevice = ([attribute, value]: readonly [string, Schema.Json]): boolean =>
  (attribute !== "commands" && (attribute !== "openings" || value !== null)) ||
  (isObject(value) && Object.values(value).some((outcome) => outcome !== null))

type Section = "desired" | "reported"
const SECTIONS: ReadonlyArray<Section> = ["desired", "reported"]

const commandsOf = (shadow: VersionedShadow, section: Section): Schema.JsonObject => {
  const commands = shadow[section]?.["commands"]
  return isObject(commands) ? commands : {}
}

/** Which attempt at a command waits for its device; `undefined` when none does. The first has no number. */
const attemptIn = (shadow: VersionedShadow, commandId: string): number | undefined => {
  const document = commandsOf(shadow, "desired")[commandId]
  if (document === undefined) return undefined
  return isObject(document) && typeof document["attempt"] === "number" ? document["attempt"] : 1
}

/** What the device says proves whichever attempt is open: no earlier one can have reached it. */
const holds = (shadow: VersionedShadow, commandId: string, attempt: number): boolean =>
  attemptIn(shadow, commandId) === attempt || Object.hasOwn(commandsOf(shadow, "reported"), commandId)

/** What the shadow will hold with this change to its commands. */
const withCommands = ({ desired, reported }: VersionedShadow, change: Readonly<Record<string, Schema.Json>>) => {
  const pending = { ...(isObject(desired?.["commands"]) ? desired["commands"] : {}), ...change }
  const commands = Object.fromEntries(Object.entries(pending).filter(([, document]) => document !== null))
  return { desired: { ...desired, commands }, reported }
}

/** The rest of the shadow is for others. */
const noRoom = new ShadowWriteRefused({ reason: "full", message: "", inDoubt: false })

/** Takes `commands` away with its last command: an empty one would stay in the delta forever. */
const withoutCommand = (shadow: VersionedShadow, section: Section, commandId: string): Schema.JsonObject => ({
  commands: Object.keys(commandsOf(shadow, section)).length === 1 ? null : { [commandId]: null }
})

const orWithoutThing =
  <Default>(thing: string, withoutThing: Default) =>
  <A>(effect: Effect.Effect<A, ShadowWriteRefused | ShadowUnavailable>) =>
    Effect.catchTag(effect, "ShadowWriteRefused", ({ reason, message }) =>
      reason === "nowhere" ? Effect.succeed(withoutThing) : Effect.fail(new ShadowUnavailable({ thing, message }))
    )

const reasonOf = ({ reason, message }: ShadowWriteRefused, thing: string, unacknowledged: number): string => {
  switch (reason) {
    case "full":
      if (unacknowledged === 0) return `The shadow of ${thing} has no room left for the command.`
      return (
        `The shadow of ${thing} is full: the device has ${unacknowledged} unacknowledged commands. ` +
        "It takes more when it has acknowledged some."
      )
    case "late":
      return `The command came too late for the shadow of ${thing}: nothing was written. Try again.`
    case "conflict":
      return `The shadow of ${thing} keeps changing. Try again.`
    default:
      return message
  }
}

const isObject = (value: unknown): value is Schema.JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value)
