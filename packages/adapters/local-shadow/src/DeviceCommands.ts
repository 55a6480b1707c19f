/**
 * Device commands in the classic shadow of a thing. Every write rests on the version that was read, so whoever has
 * moved the version on knows that an older write can no longer arrive.
 */
import {
  addCommand,
  type DeviceCommand,
  type DeviceReport,
  type DeviceShadow,
  ShadowRejected,
  ShadowUnavailable
} from "@latchkey/core"
import { Clock, Effect, Option, Result, Schema, Stream } from "effect"
import { isObject, own, type Shadow, type UpdateRequest } from "./ShadowDocument.ts"
import type { ShadowEvent, ShadowEvents } from "./ShadowEvents.ts"
import type { ShadowAccepted } from "./ShadowMessage.ts"
import type { ShadowRefused } from "./ShadowRequest.ts"

/** What the commands need of the shadow service. */
interface Shadows {
  readonly read: (thing: string) => Effect.Effect<Shadow, ShadowUnavailable>
  /** Refused with 408, and without effect, when it would be written after `notAfter` (epoch milliseconds). */
  readonly update: (
    thing: string,
    request: unknown,
    notAfter?: number
  ) => Effect.Effect<ShadowAccepted, ShadowRefused | ShadowUnavailable>
  /** What every thing holds under `reported.commands`. */
  readonly outcomes: Effect.Effect<
    ReadonlyArray<{ readonly thing: string; readonly commands: Schema.Json }>,
    ShadowUnavailable
  >
  readonly events: ShadowEvents
}

/** Every conflict is another writer's success, so this is enough for as many writers at once on one thing. */
const MAX_ATTEMPTS = 100

/** What a device may say of a command. */
const Outcome = Schema.Struct({
  outcome: Schema.Literals(["done", "failed", "expired"]),
  /** Epoch milliseconds; devices without a clock leave it out. */
  at: Schema.optionalKey(Schema.Finite),
  detail: Schema.optionalKey(Schema.String)
})
const decodeOutcome = Schema.decodeUnknownOption(Outcome)

export const deviceCommands = ({ read, update, outcomes, events }: Shadows): DeviceShadow["Service"] => {
  /** Reads, asks what to write, and writes it, unless the shadow has moved on: then once more. Answers whether it wrote. */
  const rewrite = Effect.fnUntraced(function* (
    thing: string,
    change: (shadow: Shadow) => UpdateRequest["state"] | undefined,
    notAfter?: number
  ) {
    for (let attempt = 1; ; attempt++) {
      const shadow = yield* read(thing)
      const state = change(shadow)
      if (state === undefined) return false
      const written = yield* Effect.result(update(thing, { state, version: shadow.version }, notAfter))
      if (Result.isSuccess(written)) return true
      const error = written.failure
      const conflict = error._tag === "ShadowRefused" && error.code === 409
      if (!conflict || attempt === MAX_ATTEMPTS) return yield* Effect.fail(error)
    }
  })

  const send = Effect.fnUntraced(function* (thing: string, command: DeviceCommand, notAfter: number) {
    const now = yield* Clock.currentTimeMillis
    let unacknowledged = 0
    yield* rewrite(
      thing,
      (shadow) => {
        const pending = commandsOf(shadow, "desired")
        const commands = addCommand(pending, command, now)
        unacknowledged = Object.keys(pending).filter((id) => !Object.hasOwn(commands, id)).length
        return { desired: { commands } }
      },
      notAfter
    ).pipe(
      Effect.catchTag("ShadowRefused", (refused) =>
        Effect.fail(new ShadowRejected({ thing, message: reasonOf(refused, thing, unacknowledged) }))
      )
    )
  })

  const find = Effect.fnUntraced(function* (thing: string, commandId: string) {
    const wrote = yield* rewrite(thing, (shadow) =>
      SECTIONS.some((section) => Object.hasOwn(commandsOf(shadow, section), commandId)) ? undefined : {}
    ).pipe(
      Effect.catchTag("ShadowRefused", (refused) =>
        // A thing with a name that no shadow can have: nothing is there, and nothing can arrive.
        refused.code === 400
          ? Effect.succeed(true)
          : Effect.fail(new ShadowUnavailable({ thing, message: refused.message }))
      )
    )
    return !wrote
  })

  const settle = Effect.fnUntraced(function* (thing: string, commandId: string) {
    yield* rewrite(thing, (shadow) => {
      const holding = SECTIONS.filter((section) => Object.hasOwn(commandsOf(shadow, section), commandId))
      if (holding.length === 0) return undefined
      return Object.fromEntries(holding.map((section) => [section, withoutCommand(shadow, section, commandId)]))
    }).pipe(Effect.catchTag("ShadowRefused", ({ message }) => Effect.fail(new ShadowUnavailable({ thing, message }))))
  })

  /** What of all reports still stands: makes up for any that were missed. */
  const standing = Effect.gen(function* () {
    const held = yield* Effect.forEach(yield* outcomes, ({ thing, commands }) =>
      outcomesIn(thing, isObject(commands) ? Object.entries(commands) : [])
    )
    return [...held.flat(), ...events.presences.values()]
  })

  const reports = Stream.unwrap(
    Effect.map(events.listen, (live) =>
      Stream.concat(
        Stream.fromEffect(standing),
        Stream.mapEffect(live, ({ event, afterGap }) =>
          afterGap
            ? Effect.zipWith(standing, reportsOf(event), (missed, reported) => [...missed, ...reported])
            : reportsOf(event)
        )
      ).pipe(Stream.flattenIterable)
    )
  )

  return { send, find, settle, reports }
}

type Section = "desired" | "reported"
const SECTIONS: ReadonlyArray<Section> = ["desired", "reported"]

const commandsOf = (shadow: Shadow, section: Section): Schema.JsonObject => {
  const commands = own(shadow.content?.state[section], "commands")
  return isObject(commands) ? commands : {}
}

/** Takes `commands` away with its last command: an empty one would stay in the delta for ever. */
const withoutCommand = (shadow: Shadow, section: Section, commandId: string): Schema.JsonObject => ({
  commands: Object.keys(commandsOf(shadow, section)).length === 1 ? null : { [commandId]: null }
})

const reasonOf = ({ code, message }: ShadowRefused, thing: string, unacknowledged: number): string => {
  switch (code) {
    case 413:
      if (unacknowledged === 0) return `The shadow of ${thing} has no room for the command beside what else it holds.`
      return (
        `The shadow of ${thing} is full: the device has ${unacknowledged} unacknowledged commands. ` +
        "It takes more when it has acknowledged some."
      )
    case 408:
      return `The command came too late for the shadow of ${thing}: nothing was written. Try again.`
    case 409:
      return `The shadow of ${thing} changes all the time. Try again.`
    default:
      return `The shadow of ${thing} does not take the command: ${message}`
  }
}

const reportsOf = (event: ShadowEvent): Effect.Effect<ReadonlyArray<DeviceReport>> => {
  if (event._tag === "Presence") return Effect.succeed([event])
  if (event._tag === "Deleted" || event.shadowName !== undefined) return Effect.succeed([])
  const named = own(event.accepted.state?.reported ?? undefined, "commands")
  const held = own(event.documents.current.state.reported, "commands")
  if (!isObject(named) || !isObject(held)) return Effect.succeed([])
  // Also what was held before: a device that says it again was perhaps not heard.
  return outcomesIn(
    event.thing,
    Object.entries(held).filter(([commandId]) => Object.hasOwn(named, commandId))
  )
}

const outcomesIn = Effect.fnUntraced(function* (
  thing: string,
  commands: ReadonlyArray<readonly [string, Schema.Json]>
) {
  const now = yield* Clock.currentTimeMillis
  const reports: Array<DeviceReport> = []
  for (const [commandId, document] of commands) {
    const outcome = decodeOutcome(document)
    if (Option.isSome(outcome)) reports.push({ _tag: "CommandOutcome", thing, commandId, at: now, ...outcome.value })
    else yield* Effect.logWarning("A device reported something that is no outcome of a command", { thing, commandId })
  }
  return reports
})
