/**
 * A shared credential: one link, and perhaps one PIN, to several doors within one window. An aggregate of its own, with
 * a stream of its own. It says what is allowed; that a door was opened is told by the stream of the door's lock.
 *
 * Pure: time, ids and caller come in with the question.
 */
import { Result, Schema } from "effect"
import { mayKnowLink, permit, permitKey, stands } from "../lock/AccessPolicy.ts"
import { actorOf } from "../lock/Decision.ts"
import { Giver, giverOf, type Hands } from "../lock/Giver.ts"
import { type Lock, LockId } from "../lock/Lock.ts"
import { type AccessDenied, NotOnWhitelist, TempKeyNotValid } from "../lock/LockError.ts"
import { BOUNDS, Description, listUpTo, NewDateTime, NonEmptyText } from "../lock/RequestFields.ts"
import {
  AccessMode,
  admits,
  canonical,
  changed,
  flawOf,
  MaxUses,
  statusAt,
  type TempKeyStatus,
  type Terms,
  withReturned
} from "../lock/TempKey.ts"
import { Category } from "../streams/Category.ts"
import type { StoredEvent } from "../streams/EventStore.ts"
import { given } from "../values/given.ts"
import { isOrganization, isUser, type Principal } from "../values/Principal.ts"
import { NewSchedule, Schedule } from "../values/Schedule.ts"
import { instantOf, textUpTo } from "../values/Text.ts"
import { DoorNeedsPin, EmptySharedWindow, NobodyAllowed, NoSuchLock } from "./SharedCredentialError.ts"

export const MOST_DOORS = 50

/** How a door opens: by the link (`key`), by the PIN (`code`), or by either. */
export const AccessMethod = Schema.Literals(["key", "code", "both"])
export type AccessMethod = typeof AccessMethod.Type

const NewDoor = Schema.Struct({
  /** Names a lock by its number. `null` or none names no lock, as a number does that no lock has. */
  lockId: Schema.optionalKey(Schema.NullOr(NonEmptyText)),
  label: Schema.optionalKey(textUpTo(120)),
  /** `key` unless given. */
  accessMethod: Schema.optionalKey(AccessMethod)
})
export type NewDoor = typeof NewDoor.Type

const mostDoors = listUpTo(MOST_DOORS, "doors")
/** Users by the ids that their issuer uses. */
const Users = Schema.Array(NonEmptyText).check(listUpTo(BOUNDS.allowedUsers, "users"))

/** What a caller asks for. Doors are numbered from 1, in the order they are given in. */
export const ShareRequest = Schema.Struct({
  validFrom: NewDateTime,
  validUntil: NewDateTime,
  description: Schema.optionalKey(Description),
  /** `public` unless given. */
  accessMode: Schema.optionalKey(AccessMode),
  allowedUserIds: Schema.optionalKey(Users),
  /** Over all doors together; no limit unless given. */
  maxUses: Schema.optionalKey(MaxUses),
  schedule: Schema.optionalKey(Schema.NullOr(NewSchedule)),
  /** Whether the page of the link shows the PIN, too, to who may use it now; it does not unless given. */
  showPin: Schema.optionalKey(Schema.Boolean),
  doors: Schema.Array(NewDoor).check(Schema.isMinLength(1), mostDoors)
})
export type ShareRequest = typeof ShareRequest.Type

/** What is to be different: only what it names. `null` takes a description, a schedule or a limit away. */
export const ChangeRequest = Schema.Struct({
  validFrom: Schema.optionalKey(NewDateTime),
  validUntil: Schema.optionalKey(NewDateTime),
  description: Schema.optionalKey(Schema.NullOr(Description)),
  accessMode: Schema.optionalKey(AccessMode),
  allowedUserIds: Schema.optionalKey(Users),
  maxUses: Schema.optionalKey(MaxUses),
  schedule: Schema.optionalKey(Schema.NullOr(NewSchedule)),
  showPin: Schema.optionalKey(Schema.Boolean),
  addDoors: Schema.optionalKey(Schema.Array(NewDoor).check(mostDoors)),
  /** Doors by their numbers. */
  removeDoors: Schema.optionalKey(Schema.Array(Schema.Int.check(Schema.isGreaterThan(0))).check(mostDoors))
})
export type ChangeRequest = typeof ChangeRequest.Type

const Door = Schema.Struct({
  id: Schema.Int,
  lockId: LockId,
  label: Schema.optionalKey(Schema.String),
  accessMethod: AccessMethod,
  /** Whose right it is that lets guests in. Doors of the first edition have none: `giverOfDoor` knows. */
  giver: Schema.optionalKey(Giver)
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
  /** Its first link is in the name of its stream. */
  SharedCredentialCreated: {
    validFrom: Schema.String,
    validUntil: Schema.String,
    description: Schema.optionalKey(Schema.String),
    accessMode: Schema.optionalKey(AccessMode),
    allowedUserIds: Schema.optionalKey(Schema.Array(Schema.String)),
    maxUses: Schema.optionalKey(MaxUses),
    schedule: Schema.optionalKey(Schedule),
    showPin: Schema.optionalKey(Schema.Boolean),
    doors: Schema.Array(Door)
  },
  /** The terms that are different, and all doors if one is. */
  SharedCredentialUpdated: {
    changes: Schema.Struct({
      validFrom: Schema.optionalKey(Schema.String),
      validUntil: Schema.optionalKey(Schema.String),
      description: Schema.optionalKey(Schema.NullOr(Schema.String)),
      accessMode: Schema.optionalKey(AccessMode),
      allowedUserIds: Schema.optionalKey(Schema.Array(Schema.String)),
      maxUses: Schema.optionalKey(MaxUses),
      schedule: Schema.optionalKey(Schema.NullOr(Schedule)),
      showPin: Schema.optionalKey(Schema.Boolean)
    }),
    doors: Schema.optionalKey(Schema.Array(Door))
  },
  /** The link from now on; the one before opens nothing any more. */
  SharedCredentialLinkSet: { link: Schema.String },
  /** The PIN from now on; the one before opens nothing any more. */
  SharedCredentialPinSet: Pin,
  SharedCredentialSuspended: {},
  SharedCredentialResumed: {},
  /** Written with the opening in the lock's stream, while the key has a limit on uses. */
  SharedCredentialUsed: { lockId: LockId, doorId: Schema.Int },
  /** A use that its door's lock is known not to have begun does not count. An older Latchkey counts it. */
  SharedCredentialUseReturned: { lockId: LockId, doorId: Schema.Int, ignorable: Schema.Literal(true) },
  SharedCredentialRevoked: {}
})
export type SharedCredentialEvent = typeof SharedCredentialEvent.Type

export interface SharedCredential extends Terms {
  /** Names its stream; its first link. */
  readonly uuid: string
  /** Names it for good and is no secret: the id of the command that made it. */
  readonly id: string
  /** Anyone who has it may open. */
  readonly link: string
  readonly doors: ReadonlyArray<Door>
  /** The highest number that a door ever had: none is given out again. */
  readonly lastDoor: number
  readonly pin: Pin | undefined
  /** Whether its giver lets the page of its link show the PIN. */
  readonly showPin?: boolean
  /** Uses that were counted: those while it had a limit. */
  readonly usedCount: number
  /** When uses were last given back, epoch milliseconds, as many as count towards the most of a day. */
  readonly returnedAt?: ReadonlyArray<number>
  readonly suspended?: true
  /** Of its last event that neither was a use nor gave one back: what two who change it at once go by. */
  readonly version: number
  /** The organization of its locks, if they had the same one; `""` when there is none. */
  readonly orgId: string
  /** Who made it. A door opens only while its giver may still give keys to it. */
  readonly grantedBy: Principal
  /** Epoch milliseconds. */
  readonly createdAt: number
  /** Epoch milliseconds. */
  readonly revokedAt: number | undefined
}

/** Total: every stored fact applies; nothing is refused here. Before it is created there is nothing to apply to. */
const evolve = (
  before: SharedCredential | undefined,
  event: SharedCredentialEvent,
  stored: StoredEvent,
  uuid: string
): SharedCredential | undefined => {
  if (before === undefined) return event._tag === "SharedCredentialCreated" ? create(event, stored, uuid) : undefined
  if (event._tag === "SharedCredentialUsed") return { ...before, usedCount: before.usedCount + 1 }
  if (event._tag === "SharedCredentialUseReturned")
    return withReturned(before, Math.max(0, before.usedCount - 1), stored.at)
  const credential = { ...before, version: stored.version }
  switch (event._tag) {
    case "SharedCredentialCreated":
      return credential
    case "SharedCredentialUpdated": {
      const next = changed(credential, event.changes)
      return event.doors === undefined ? next : withDoors(next, event.doors)
    }
    case "SharedCredentialLinkSet":
      return { ...credential, link: event.link }
    case "SharedCredentialPinSet":
      return { ...credential, pin: event }
    case "SharedCredentialSuspended":
      return { ...credential, suspended: true }
    case "SharedCredentialResumed": {
      const { suspended: _, ...resumed } = credential
      return resumed
    }
    case "SharedCredentialRevoked":
      return { ...credential, revokedAt: credential.revokedAt ?? stored.at }
  }
}

const withDoors = (credential: SharedCredential, doors: ReadonlyArray<Door>): SharedCredential => ({
  ...credential,
  doors,
  lastDoor: Math.max(credential.lastDoor, ...doors.map(({ id }) => id))
})

/** The streams of shared credentials, by canonical uuid: uuids are told apart without regard to case. */
export const Credentials = Category({
  prefix: "credential-",
  events: SharedCredentialEvent,
  personal: {
    SharedCredentialCreated: ["description", "doors", "allowedUserIds"],
    SharedCredentialUpdated: ["changes", "doors"]
  },
  initial: undefined,
  evolve
})

type Created = Extract<SharedCredentialEvent, { readonly _tag: "SharedCredentialCreated" }>

const create = (
  { doors, _tag, accessMode = "public", allowedUserIds = [], maxUses = null, ...terms }: Created,
  { orgId, principal, at, commandId, version }: StoredEvent,
  uuid: string
): SharedCredential =>
  withDoors(
    {
      ...terms,
      accessMode,
      allowedUserIds,
      maxUses,
      uuid,
      id: commandId,
      link: uuid,
      doors,
      lastDoor: 0,
      pin: undefined,
      usedCount: 0,
      version,
      orgId,
      grantedBy: principal,
      createdAt: at,
      revokedAt: undefined
    },
    doors
  )

/** The lock that a door of a request names; `undefined` for what no lock can be called. */
export const lockNamed = (lockId: string | null | undefined): LockId | undefined => {
  if (typeof lockId !== "string" || !/^[1-9][0-9]*$/.test(lockId)) return undefined
  const number = Number(lockId)
  return Number.isSafeInteger(number) ? number : undefined
}

/** Whether somebody may give keys to this lock: anyone who may give it a temp key of its own. */
export const mayShare = (principal: Principal, lock: Lock): Result.Result<void, AccessDenied> =>
  permit(principal, lock, "CreateTempKey")

/** Whose right it is that lets guests in at a door. */
export const giverOfDoor = ({ grantedBy, orgId }: SharedCredential, door: Door): Giver =>
  door.giver ?? giverOf(grantedBy, { orgId })

/** Whether the giver of a door may still give keys to its lock. */
export const isGiven = (credential: SharedCredential, door: Door, hands: Hands): boolean =>
  stands(giverOfDoor(credential, door), hands)

/** Whether somebody may know the link: who made the key, and those who may know it at every door, in whose hands its lock is. */
export const mayKnowLinkOf = (
  principal: Principal,
  credential: SharedCredential,
  handsAt: (lockId: number) => Hands | undefined
): boolean =>
  isMaker(principal, credential) ||
  credential.doors.every((door) => {
    const hands = handsAt(door.lockId)
    return hands !== undefined && mayKnowLink(principal, giverOfDoor(credential, door), hands)
  })

/** Doors for these locks (`locks`, in their order), or why not: each names a lock that the principal may give keys to. */
export const openDoors = (
  wanted: ReadonlyArray<NewDoor>,
  field: string,
  locks: ReadonlyArray<Lock | undefined>,
  principal: Principal,
  after: number
): Result.Result<ReadonlyArray<Door>, NoSuchLock | AccessDenied> => {
  const opened: Array<Door> = []
  for (const [index, { label, accessMethod = "key" }] of wanted.entries()) {
    const lock = locks[index]
    if (lock === undefined) return Result.fail(new NoSuchLock({ field: `${field}.${index}.lockId` }))
    const permitted = mayShare(principal, lock)
    if (Result.isFailure(permitted)) return Result.fail(permitted.failure)
    const giver = giverOf(principal, lock)
    opened.push({ id: after + index + 1, lockId: lock.lockId, ...given({ label }), accessMethod, giver })
  }
  return Result.succeed(opened)
}

/** A new credential, or why not: every door names a lock (`locks`, in their order), and its maker may command them all. */
export const decideShare = (
  { doors, schedule, ...terms }: ShareRequest,
  locks: ReadonlyArray<Lock | undefined>,
  principal: Principal
): Result.Result<Created, NoSuchLock | AccessDenied | EmptySharedWindow | NobodyAllowed> => {
  const flaw = flawIn({ accessMode: "public", allowedUserIds: [], maxUses: null, ...terms })
  if (flaw !== undefined) return Result.fail(flaw)
  return Result.map(openDoors(doors, "doors", locks, principal, 0), (opened) => ({
    _tag: "SharedCredentialCreated",
    ...terms,
    ...given({ schedule: schedule ?? undefined }),
    doors: opened
  }))
}

/** Why terms are no key at all; `undefined` when they are fine. */
export const flawIn = (terms: Parameters<typeof flawOf>[0]): EmptySharedWindow | NobodyAllowed | undefined => {
  switch (flawOf(terms)) {
    case "empty-window":
      return new EmptySharedWindow()
    case "empty-whitelist":
      return new NobodyAllowed()
    default:
      return undefined
  }
}

/** Status at an instant (epoch milliseconds), first match wins: ended, and then the rules of every temp key. */
export const sharedStatusAt = (credential: SharedCredential, now: number): TempKeyStatus | "deleted" =>
  credential.revokedAt === undefined ? statusAt(credential, now) : "deleted"

/** The locks that a PIN opens. */
export const locksWithPin = (doors: ReadonlyArray<Door>): ReadonlyArray<LockId> => [
  ...new Set(doors.flatMap(({ accessMethod, lockId }) => (accessMethod === "key" ? [] : [lockId])))
]

export const doorOf = ({ doors }: SharedCredential, doorId: number): Door | undefined =>
  doors.find(({ id }) => id === doorId)

/** Why the link does not open this door of the credential now, for this user if any; `undefined` when it does. */
export const linkHindrance = (
  credential: SharedCredential,
  { id, lockId, accessMethod }: Door,
  link: string,
  userId: string | undefined,
  now: number
): TempKeyNotValid | NotOnWhitelist | DoorNeedsPin | undefined => {
  const { suspended } = credential
  const tempKeyUuid = link
  const status = hasLink(credential, link) ? sharedStatusAt(credential, now) : "deleted"
  if (status !== "valid") return new TempKeyNotValid({ lockId, tempKeyUuid, status, ...given({ suspended }) })
  if (!admits(credential, userId)) return new NotOnWhitelist({ lockId, tempKeyUuid })
  return accessMethod === "code" ? new DoorNeedsPin({ doorId: id }) : undefined
}

/** Whether this is the credential's link now, and not one that it had before. */
export const hasLink = (credential: SharedCredential, link: string): boolean =>
  canonical(credential.link) === canonical(link)

/** The door that the credential's PIN opens now at a lock, if any: for named users only to one of them. */
export const doorForPin = (
  credential: SharedCredential,
  lockId: number,
  userId: string | undefined,
  now: number
): Door | undefined =>
  sharedStatusAt(credential, now) === "valid" && admits(credential, userId)
    ? credential.doors.find((door) => door.lockId === lockId && door.accessMethod !== "key")
    : undefined

/** Whether the principal made the credential, by themselves or as their organization. */
export const isMaker = (
  principal: Principal,
  { grantedBy, doors }: Pick<SharedCredential, "grantedBy" | "doors">
): boolean =>
  (principal._tag === "Super" ||
    principal._tag === "System" ||
    (grantedBy._tag === "User" && isUser(principal, grantedBy.userId)) ||
    (grantedBy._tag === "Organization" && isOrganization(principal, grantedBy.orgId))) &&
  doors.every(({ lockId }) => Result.isSuccess(permitKey(principal, "temp-keys", "manage", lockId)))

/** A shared credential as its makers see it. */
export const summaryOf = (credential: SharedCredential) => ({
  uuid: credential.link,
  validFrom: credential.validFrom,
  validUntil: credential.validUntil,
  description: credential.description ?? null,
  createdBy: actorOf(credential.grantedBy),
  createdAt: instantOf(credential.createdAt),
  revokedAt: credential.revokedAt === undefined ? null : instantOf(credential.revokedAt)
})
