/**
 * The way to the hardware: commands are put into the shadow of a thing, and devices report what became of them.
 * Semantics are those of the AWS IoT Device Shadow service.
 */
import { Context, type Effect, Schema, type Stream } from "effect"
import type { CommandOutcome, DeviceCommand } from "./DeviceCommand.ts"
import type { AbsenceReason } from "./Presence.ts"
import type { Openings } from "./ReportedState.ts"

/** The shadow does not have the command, and will not get it: it is gone, refused the command, or has no room for it. */
export class ShadowRejected extends Schema.TaggedError<ShadowRejected>()("ShadowRejected", {
  thing: Schema.String,
  message: Schema.String
}) {}

/** It is not known whether the shadow took the command: ask `find`. */
export class ShadowUnavailable extends Schema.TaggedError<ShadowUnavailable>()("ShadowUnavailable", {
  thing: Schema.String,
  message: Schema.String,
  cause: Schema.optionalKey(Schema.Defect())
}) {}

/**
 * What a device said, or what was seen of it. `thing` is the name that its commands are sent to; `at` is epoch
 * milliseconds. Reports may come in any order, and more than once.
 */
export type DeviceReport =
  /** It has connected, or is gone, and why where that is known; `at` by the clock of the server that saw it. */
  | {
      readonly _tag: "Presence"
      readonly thing: string
      readonly online: boolean
      readonly reason?: AbsenceReason
      readonly at: number
    }
  /** It has written to the reported state of its shadow; `at` by the clock of the shadow. `reported` is what it wrote. */
  | { readonly _tag: "State"; readonly thing: string; readonly reported: Schema.JsonObject; readonly at: number }
  /** What became of a command; `at` by the device's own clock. */
  | {
      readonly _tag: "CommandOutcome"
      readonly thing: string
      readonly commandId: string
      readonly outcome: CommandOutcome
      readonly at: number
      readonly detail?: string
      /** `false`: it says that it never began. */
      readonly began?: boolean
    }
  /** Openings that it has seen at the door, and still holds in its shadow. */
  | ({ readonly _tag: "Openings"; readonly thing: string } & Openings)

/** A shadow as a change has left it; what it lacks is empty. `at` is epoch milliseconds. */
export interface ShadowUpdate {
  readonly thing: string
  readonly version: number
  readonly at: number
  readonly reported: Schema.JsonObject
  readonly desired: Schema.JsonObject
  readonly delta: Schema.JsonObject
  readonly metadata: Schema.JsonObject
}

/**
 * The port of the shadows: see the top of this module.
 *
 * @example
 * ```ts
 * const shadow = yield* DeviceShadow
 * yield* shadow.send(thing, command, notAfter)
 * const hasIt = yield* shadow.find(thing, command.commandId, 1)
 * ```
 */
export class DeviceShadow extends Context.Service<
  DeviceShadow,
  {
    /**
     * Puts a command into the thing's shadow; when it answers, the shadow holds the command durably. Writes nothing
     * after `notAfter` (epoch milliseconds): from then on others may settle the command by what the shadow holds.
     */
    readonly send: (
      thing: string,
      command: DeviceCommand,
      notAfter: number
    ) => Effect.Effect<void, ShadowRejected | ShadowUnavailable>

    /**
     * Whether the shadow holds this attempt at the command, or the device has acknowledged the command. `false` is final:
     * the implementation has made sure (by a conditional write that moves the shadow's version on) that a lost `send` of
     * this attempt can no longer arrive.
     */
    readonly find: (thing: string, commandId: string, attempt: number) => Effect.Effect<boolean, ShadowUnavailable>

    /**
     * Removes a command and its outcome from the shadow; with `attempt`, only the command: if the shadow holds that
     * attempt at it, or whichever it holds with `any`. Idempotent.
     */
    readonly settle: (
      thing: string,
      commandId: string,
      attempt?: number | "any"
    ) => Effect.Effect<void, ShadowUnavailable>

    /**
     * Removes the openings at the door from the shadow, unless it holds one with a higher counter, or of another series,
     * by now: then they come again with that one. Idempotent.
     */
    readonly clearOpenings: (thing: string, series: string, last: number) => Effect.Effect<void, ShadowUnavailable>

    /** What devices report, from now on; outcomes and openings that the shadow still holds come first. */
    readonly reports: Stream.Stream<DeviceReport, ShadowUnavailable>

    /**
     * Whether the thing is connected at this moment, where the implementation holds the connections: then its word counts,
     * and never `true` in doubt. Without it, presence is what was reported last.
     */
    readonly isOnline?: (thing: string) => boolean

    /** Every change of a thing's shadow, no matter who made it, from now on, where the implementation sees them; of a slow reader some are missed. */
    readonly updates?: Stream.Stream<ShadowUpdate>

    /** Fails while no command can be taken, where the implementation keeps the shadows itself: it writes something to learn it. */
    readonly ready?: Effect.Effect<void, ShadowUnavailable>
  }
>()("@latchkey/core/DeviceShadow") {}
