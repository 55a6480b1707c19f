/**
 * A shared credential: one link, and perhaps one PIN, to several doors within one window. An aggregate of its own, with
 * a stream of its own. It says what is allowed; that a door was opened is told by the stream of the door's lock.
 *
 * Pure: time, ids and caller come in with the question.
 */
import { Result, Schema } from "effect"
import { permit } from "../lock/AccessPolicy.ts"
import { type Lock, LockId } from "../lock/Lock.ts"
import { actorOf } from "../lock/LockAggregate.ts"
import { type AccessDenied, TempKeyNotValid } from "../lock/LockError.ts"
import { Description, NewDateTime, NonEmptyText } from "../lock/RequestFields.ts"
import { Category } from "../streams/Category.ts"
import type { StoredEvent } from "../streams/EventStore.ts"
import { isOrganization, isUser, type Principal } from "../values/Principal.ts"
import { instantOf, millisOf, textUpTo } from "../values/Text.ts"
import { DoorNeedsPin, EmptySharedWindow, NoSuchLock } from "./SharedCredentialError.ts"

/** How a door opens: by the link (`key`), by the PIN (`code`), or by either. */
export const AccessMethod = Schema.Literals(["key", "code", "both"])
export type AccessMethod = typeof AccessMethod.Type

/** What a caller asks for. Doors are numbered from 1, in the order they are given in. */
export const ShareRequest = Schema.Struct({
  validFrom: NewDateTime,
  validUntil: NewDateTime,
  description: Schema.optionalKey(Description),
  doors: Schema.Array(
    Schema.Struct({
      /** Names a lock by its number. `null` or none names no lock, as a number does that no lock has. */
      lockId: Schema.optionalKey(Schema.NullOr(NonEmptyText)),
      label: Schema.optionalKey(textUpTo(120)),
      /** `key` unless given. */
      accessMethod: Schema.optionalKey(AccessMethod)
    })
  ).check(Schema.isMinLength(1), Schema.isMaxLength(50))
})
export type ShareRequest = typeof ShareRequest.Type

const Door = Schema.Struct({
  id: Schema.Int,
  lockId: LockId,
  label: Schema.optionalKey(Schema.String),
  accessMethod: AccessMethod
})
export type Door = typeof Door.Type

const Pin = {
  /** Names the server key under which the hashes are made. */
  keyId: Schema.String,
  /** Which of the PINs that key and uuid lead to; a number that says nothing without the key. */
  draw: Schema.Int,
  /** One for each lock that the PIN opens: what it is at one says nothing about another. */
  hashes: Schema.Array(Schema.Struct({ lockId: LockId, hash: Schema.String }))
}
export type Pin = { readonly [K in keyof typeof Pin]: (typeof Pin)[K]["Type"] }

/**
 * What happened to a shared credential. Stored forever: add cases and optional fields, never rename or remove one.
 * Which one, when and by whom is in the envelope.
 */
export const SharedCredentialEvent = Schema.TaggedUnion({
  SharedCredentialCreated: {
    validFrom: Schema.String,
    validUntil: Schema.String,
    description: Schema.optionalKey(Schema.String),
    doors: Schema.Array(Door)
  },
  /** The PIN from now on; the one before opens nothing any more. */
  SharedCredentialPinSet: Pin,
  SharedCredentialRevoked: {}
})
export type SharedCredentialEvent = typeof SharedCredentialEvent.Type

export interface SharedCredential {
  readonly uuid: string
  readonly validFrom: string
  readonly validUntil: string
  readonly description: string | undefined
  readonly doors: ReadonlyArray<Door>
  readonly pin: Pin | undefined
  /** The organization of its locks, if they had the same one; `""` when there is none. */
  readonly orgId: string
  /** Whose right it is that lets guests in: a door opens only while they may still give keys to it. */
  readonly grantedBy: Principal
  /** Epoch milliseconds. */
  readonly createdAt: number
  /** Epoch milliseconds. */
  readonly revokedAt: number | undefined
}

/** Total: every stored fact applies; nothing is refused here. Before it is created there is nothing to apply to. */
const evolve = (
  credential: SharedCredential | undefined,
  event: SharedCredentialEvent,
  stored: StoredEvent,
  uuid: string
): SharedCredential | undefined => {
  if (credential === undefined)
    return event._tag === "SharedCredentialCreated" ? create(event, stored, uuid) : undefined
  switch (event._tag) {
    case "SharedCredentialCreated":
      return credential
    case "SharedCredentialPinSet":
      return { ...credential, pin: event }
    case "SharedCredentialRevoked":
      return { ...credential, revokedAt: credential.revokedAt ?? stored.at }
  }
}

/** The streams of shared credentials, by canonical uuid: uuids are told apart without regard to case. */
export const Credentials = Category({
  prefix: "credential-",
  events: SharedCredentialEvent,
  personal: { SharedCredentialCreated: ["description", "doors"] },
  initial: undefined,
  evolve
})

type Created = Extract<SharedCredentialEvent, { readonly _tag: "SharedCredentialCreated" }>

const create = (
  { validFrom, validUntil, description, doors }: Created,
  { orgId, principal, at }: StoredEvent,
  uuid: string
): SharedCredential => ({
  uuid,
  validFrom,
  validUntil,
  description,
  doors,
  pin: undefined,
  orgId,
  grantedBy: principal,
  createdAt: at,
  revokedAt: undefined
})

/** The lock that a door of a request names; `undefined` for what no lock can be called. */
export const lockNamed = (lockId: string | null | undefined): LockId | undefined => {
  if (typeof lockId !== "string" || !/^[1-9][0-9]*$/.test(lockId)) return undefined
  const number = Number(lockId)
  return Number.isSafeInteger(number) ? number : undefined
}

/** Whether somebody may give keys to this lock: anyone who may give it a temp key of its own. */
export const mayShare = (principal: Principal, lock: Lock): Result.Result<void, AccessDenied> =>
  permit(principal, lock, "CreateTempKey")

/** A new credential, or why not: every door names a lock (`locks`, in their order), and its maker may command them all. */
export const decideShare = (
  { doors, ...terms }: ShareRequest,
  locks: ReadonlyArray<Lock | undefined>,
  principal: Principal
): Result.Result<Created, NoSuchLock | AccessDenied | EmptySharedWindow> => {
  if (millisOf(terms.validUntil) <= millisOf(terms.validFrom)) return Result.fail(new EmptySharedWindow())
  const opened: Array<Door> = []
  for (const [index, { label, accessMethod = "key" }] of doors.entries()) {
    const lock = locks[index]
    if (lock === undefined) return Result.fail(new NoSuchLock({ field: `doors.${index}.lockId` }))
    const permitted = mayShare(principal, lock)
    if (Result.isFailure(permitted)) return Result.fail(permitted.failure)
    opened.push({ id: index + 1, lockId: lock.lockId, ...(label === undefined ? {} : { label }), accessMethod })
  }
  return Result.succeed({ _tag: "SharedCredentialCreated", ...terms, doors: opened })
}

/** Status at an instant (epoch milliseconds), first match wins. The window is half-open, as that of every temp key. */
export const sharedStatusAt = (
  { revokedAt, validFrom, validUntil }: SharedCredential,
  now: number
): "valid" | "deleted" | "expired" | "not-yet-valid" => {
  if (revokedAt !== undefined) return "deleted"
  if (now >= millisOf(validUntil)) return "expired"
  if (now < millisOf(validFrom)) return "not-yet-valid"
  return "valid"
}

/** The locks that a PIN opens. */
export const locksWithPin = (doors: ReadonlyArray<Door>): ReadonlyArray<LockId> => [
  ...new Set(doors.flatMap(({ accessMethod, lockId }) => (accessMethod === "key" ? [] : [lockId])))
]

export const doorOf = ({ doors }: SharedCredential, doorId: number): Door | undefined =>
  doors.find(({ id }) => id === doorId)

/** Why the link does not open this door of the credential now; `undefined` when it does. */
export const linkHindrance = (
  credential: SharedCredential,
  { id, lockId, accessMethod }: Door,
  now: number
): TempKeyNotValid | DoorNeedsPin | undefined => {
  const status = sharedStatusAt(credential, now)
  if (status !== "valid") return new TempKeyNotValid({ lockId, tempKeyUuid: credential.uuid, status })
  return accessMethod === "code" ? new DoorNeedsPin({ doorId: id }) : undefined
}

/** The door that the credential's PIN opens now at a lock, if any. */
export const doorForPin = (credential: SharedCredential, lockId: number, now: number): Door | undefined =>
  sharedStatusAt(credential, now) === "valid"
    ? credential.doors.find((door) => door.lockId === lockId && door.accessMethod !== "key")
    : undefined

/** Whether the principal made the credential, by themselves or as their organization. */
export const isMaker = (principal: Principal, { grantedBy }: SharedCredential): boolean =>
  principal._tag === "Super" ||
  principal._tag === "System" ||
  (grantedBy._tag === "User" && isUser(principal, grantedBy.userId)) ||
  (grantedBy._tag === "Organization" && isOrganization(principal, grantedBy.orgId))

/** A shared credential as its makers see it. */
export const summaryOf = (credential: SharedCredential) => ({
  uuid: credential.uuid,
  validFrom: credential.validFrom,
  validUntil: credential.validUntil,
  description: credential.description ?? null,
  createdBy: actorOf(credential.grantedBy),
  createdAt: instantOf(credential.createdAt),
  revokedAt: credential.revokedAt === undefined ? null : instantOf(credential.revokedAt)
})
