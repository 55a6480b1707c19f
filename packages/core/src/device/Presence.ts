/**
 * What was last heard of devices. It is in no log, because a connection ends with the server that holds it: a shadow service
 * that holds connections reports them gone when their server's lease ends, and its own word comes first wherever it is
 * there to be asked (`DeviceShadow.isOnline`). What is kept here is for devices whose connections others hold.
 *
 * Every store guarantees, and `presenceSuite` checks: reports come doubled and unordered, by several processes at once,
 * and leave the same in every order (`heard` says what). May be lost: then every device is offline until it is heard of.
 */
import { Context, type Effect, Schema } from "effect"

/** Presence cannot be read or written at the moment. Everything else goes on without it. */
export class PresenceUnavailable extends Schema.TaggedError<PresenceUnavailable>()("PresenceUnavailable", {
  message: Schema.String,
  cause: Schema.optionalKey(Schema.Defect())
}) {}

/** What is known of a device that has been heard from. */
export interface Heard {
  /** Whether it last said that it is connected; one that never said is not. */
  readonly online: boolean
  /** When it last said whether it is, epoch milliseconds; `undefined` before it first did. */
  readonly since: number | undefined
  /** When it was last heard of, epoch milliseconds. */
  readonly lastSeen: number
}

/** A device was heard from; `online` when it said whether it is connected. `at` is epoch milliseconds. */
export interface PresenceReport {
  readonly thing: string
  readonly online?: boolean | undefined
  readonly at: number
}

/**
 * What is known after a report. Of two, the one with the newer `at` counts, and of two at the same time the one that says
 * online: a device that reconnects is told from its lost connection so.
 */
export const heard = (before: Heard | undefined, { online, at }: PresenceReport): Heard => {
  const { since, lastSeen } = before ?? { since: undefined, lastSeen: at }
  const counts = online !== undefined && (since === undefined || at > since || (at === since && online))
  const newest = Math.max(at, lastSeen)
  if (counts) return { online, since: at, lastSeen: newest }
  return { online: before?.online ?? false, since, lastSeen: newest }
}

/**
 * The port of who is connected: see the top of this module.
 *
 * @example
 * ```ts
 * const presence = yield* Presence
 * yield* presence.report({ thing, online: true, at })
 * const isOnline = (yield* presence.of([thing])).get(thing)?.online ?? false
 * ```
 */
export class Presence extends Context.Service<
  Presence,
  {
    readonly report: (report: PresenceReport) => Effect.Effect<void, PresenceUnavailable>
    /** Of these things, by name; those that were never heard of are left out. One question, however many. */
    readonly of: (things: ReadonlyArray<string>) => Effect.Effect<ReadonlyMap<string, Heard>, PresenceUnavailable>
  }
>()("@latchkey/core/Presence") {}
