/** An explanation: what may be asked, and what the answer holds. */
import { Schema, Struct } from "effect"
import type { Key } from "../lock/Lock.ts"
import { commandTable } from "../lock/LockCommands.ts"
import { type TempKey, TempKeyRule, type TempKeyStatus } from "../lock/TempKey.ts"
import type { RefusalReason } from "../locks/RefusedUses.ts"
import type { StoredEvent } from "../streams/EventStore.ts"
import type { AccessMethod } from "../temp-key/SharedCredential.ts"
import { Principal, type ShownPrincipal } from "../values/Principal.ts"

/** What is asked about: a temp key, a permanent key, or what a user may do without either. `userId` is who comes with it. */
export const Subject = Schema.TaggedUnion({
  TempKey: { tempKeyUuid: Schema.String, userId: Schema.optionalKey(Schema.String) },
  Key: { keyUuid: Schema.String, userId: Schema.optionalKey(Schema.String) },
  User: { userId: Schema.String },
  /** The PIN of a shared key, which is never asked for itself; without a uuid, one that was nobody's. */
  Pin: { sharedKeyUuid: Schema.optionalKey(Schema.String) },
  /** Whether somebody may give this command. */
  Command: { command: Schema.Literals(Struct.keys(commandTable)), by: Principal }
})
export type Subject = typeof Subject.Type

/** Does this open the lock at this instant (epoch milliseconds)? */
export interface Question {
  readonly subject: Subject
  readonly at: number
  /** The id of the event that recorded one attempt, if it is about that one. */
  readonly attemptId?: string
  /** The version of the lock's stream in which that is recorded, or on which it rests. */
  readonly version?: number
  /** The stream of the shared key that it is about, when it is about one. */
  readonly sharedKey?: ReadonlyArray<StoredEvent>
  /** The PIN that was refused, when it is about that. */
  readonly refusedPin?: RefusedPin
}

/** A PIN that was refused; its guesser was locked out until an instant (epoch milliseconds), if at all. */
export interface RefusedPin {
  readonly eventId: string
  readonly principal: Principal
  readonly lockedOutUntil?: number
}

/** The rule that decided. Of a temp key: the first that stands in its way. */
export const Rule = Schema.Literals([
  "no-such-lock",
  "no-such-key",
  "deleted",
  ...TempKeyRule.literals,
  "whitelist",
  "key-on-lock",
  "key-removed",
  "key-of-another",
  "owner",
  "key-holder",
  "organization",
  "operator",
  /** The lock did not exist yet: it was made. */
  "new-lock",
  /** Its device said so. */
  "device",
  /** Latchkey did it by itself. */
  "latchkey",
  "no-right",
  "pin-needed",
  "link-needed",
  "withdrawn",
  /** The lock was taken out of service. */
  "retired",
  /** The operator gave its device to another lock. */
  "no-device",
  /** Other locks are on its device, and the operator has not decided. */
  "disputed",
  "unknown-pin",
  /** It was decided otherwise at the time: by the rules, or the time zone data, of an earlier version. */
  "rules-of-then"
])
export type Rule = typeof Rule.Type

/** An event that an answer rests on: it made a term what it was. `principal` is who caused it. */
export interface Fact {
  readonly eventId: string
  readonly version: number
  readonly type: string
  /** Epoch milliseconds. */
  readonly at: number
  /** To those whose time it was not, only what kind of somebody. */
  readonly principal: ShownPrincipal
}

/** What was recorded of an attempt, or of anything else that was done. A refused one has no version: it is no event of the lock. */
export interface Recorded {
  readonly eventId: string
  readonly version?: number
  readonly outcome: "used" | "done" | "pin-refused" | "access-denied" | RefusalReason
  /** To those whose time it was not, only what kind of somebody. */
  readonly principal: ShownPrincipal
}

/** Whether, and why, a lock opens; or opened. */
export interface Explanation {
  /**
   * `Withheld`: an attempt with a key whose link the caller may not see; it opens other people's doors, or opens again. A
   * command of another's time says only what kind of somebody gave it.
   */
  readonly subject:
    | Subject
    | (Omit<SubjectOf<"Command">, "by"> & { readonly by: ShownPrincipal })
    | { readonly _tag: "Withheld"; readonly tempKeyId?: string }
  /** The instant it is about, epoch milliseconds. */
  readonly at: number
  /** The version of the lock's stream that was judged; 0 when the lock was not there yet. */
  readonly version: number
  readonly allowed: boolean
  readonly rule: Rule
  /** In words, with what to do about a refusal. */
  readonly message: string
  /** The next instant, epoch milliseconds, at which time alone changes the status; none when it never does. */
  readonly nextChangeAt: number | undefined
  /** The attempt that was made at that very instant, if one was. */
  readonly recorded: Recorded | undefined
  readonly facts: {
    readonly tempKey?: TempKey & { readonly status: TempKeyStatus; readonly wallTime?: string }
    readonly key?: Key
    readonly ownerId?: string
    readonly sharedKey?: SharedKeyFacts
    /** Epoch milliseconds. */
    readonly lockedOutUntil?: number
    /** In the order of the log. */
    readonly events: ReadonlyArray<Fact>
  }
}

/** The part of an explanation that the rules decide. */
export type Judged = Pick<Explanation, "allowed" | "rule" | "message">

/** What a shared key was then, as far as it concerns the lock. */
export interface SharedKeyFacts {
  /** Names it, and is no secret. */
  readonly id: string
  /** The link; none when the caller may not see it. */
  readonly uuid?: string
  readonly validFrom: string
  readonly validUntil: string
  readonly status: TempKeyStatus | "deleted"
  /** Its doors at the lock. */
  readonly doors: ReadonlyArray<{ readonly id: number; readonly accessMethod: AccessMethod }>
  /** Whose right it is that lets guests in. */
  readonly grantedBy: ShownPrincipal
}

/** What is so now, and is not told by the lock's own stream: it counts where the question is about now. */
export interface Now {
  /** Whether other locks are on the lock's device. */
  readonly isDisputed: boolean
  /** Uses of the shared key of which it is not known yet whether they happened: in doubt they count. */
  readonly held: number
}
export const nothingElse: Now = { isDisputed: false, held: 0 }

export const noSuchLock: Judged = { allowed: false, rule: "no-such-lock", message: "The lock did not exist yet." }

export const factOf = ({ eventId, version, type, at, principal }: StoredEvent): Fact => ({
  eventId,
  version,
  type,
  at,
  principal
})

export type SubjectOf<Tag extends Subject["_tag"]> = Extract<Subject, { readonly _tag: Tag }>
