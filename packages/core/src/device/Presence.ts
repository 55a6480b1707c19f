/**
 * What was last heard of devices. It is in no log, because a connection ends with the server that holds it: a shadow service
 * that holds connections reports them gone when their server's lease ends, and its own word comes first wherever it is
 * there to be asked (`DeviceShadow.isOnline`). What is kept here is for devices whose connections others hold.
 *
 * Every store guarantees, and `presenceSuite` checks: reports come doubled and unordered, by several processes at once,
 * and leave the same in every order (`heard` says what). May be lost: then every device is offline until it is heard of.
 *
 * What it may rely on: the name of a thing is well-formed Unicode without NUL, of at most 128 characters, and told from others
 * by all of them. Shadow services call things by `a-z A-Z 0-9 : _ -` alone; who asks may ask for any name.
 */
import { Context, type Effect, Schema } from "effect"

/** Presence cannot be read or written at the moment. Everything else goes on without it. */
export class PresenceUnavailable extends Schema.TaggedError<PresenceUnavailable>()("PresenceUnavailable", {
  message: Schema.String,
  cause: Schema.optionalKey(Schema.Defect())
}) {}

/**
 * Why a device is gone:
 * - `saidGoodbye`: it has ended its connection as the protocol asks for;
 * - `connectionLost`: its connection broke;
 * - `silent`: nothing was heard of it for longer than its keep-alive, or for 20 minutes;
 * - `serverGone`: the server that held its connection, or heard of it, ended or lost its broker;
 * - `turnedAway`: the server ended its connection, as its secret has ended or it broke a rule.
 *
 * Stored: add reasons, never rename or remove one.
 */
export const AbsenceReason = Schema.Literals(["saidGoodbye", "connectionLost", "silent", "serverGone", "turnedAway"])
export type AbsenceReason = typeof AbsenceReason.Type

const isAbsenceReason = Schema.is(AbsenceReason)

/** The reason that a store has kept; `undefined` where it has none, or one that only a newer version knows. */
export const absenceReasonOf = (stored: unknown): AbsenceReason | undefined =>
  isAbsenceReason(stored) ? stored : undefined

/** What is known of a device that has been heard from. */
export interface Heard {
  /** Whether it last said that it is connected; one that never said is not. */
  readonly online: boolean
  /**
   * Since when that is so, epoch milliseconds: of one that is `silent`, when it was last heard, as far as is known. `undefined`
   * before it first said.
   */
  readonly since: number | undefined
  /** Why it is gone, where that is known; never of one that is online. */
  readonly reason: AbsenceReason | undefined
  /** When it was last heard of, epoch milliseconds. */
  readonly lastSeen: number
}

/**
 * A device was heard from; `online` when it said whether it is connected, `reason` why it is gone, where that is known. `at` is
 * epoch milliseconds.
 */
export interface PresenceReport {
  readonly thing: string
  readonly online?: boolean | undefined
  readonly reason?: AbsenceReason | undefined
  readonly at: number
}

/**
 * What is known after a report. Of two, the one with the newer `at` counts, and of two at the same time the one that says
 * online: a device that reconnects is told from its lost connection so. Of two that say at the same time that it is gone, the
 * one whose reason comes last by the alphabet counts; none comes before all.
 */
export const heard = (before: Heard | undefined, report: PresenceReport): Heard => {
  const { online, at } = report
  const { since, lastSeen, ...known } = before ?? { online: false, since: undefined, reason: undefined, lastSeen: at }
  const newest = Math.max(at, lastSeen)
  if (online === undefined) return { ...known, since, lastSeen: newest }
  const reason = online ? undefined : report.reason
  const isNewer =
    since === undefined ||
    at > since ||
    (at === since && (online || (!known.online && (reason ?? "") > (known.reason ?? ""))))
  return isNewer ? { online, since: at, reason, lastSeen: newest } : { ...known, since, lastSeen: newest }
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
