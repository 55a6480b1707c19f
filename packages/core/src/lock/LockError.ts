/** The refusals of the domain: expected, typed, and each with what to do about it. */
import { Schema } from "effect"

const about = { lockId: Schema.Number }
const aboutTempKey = { ...about, tempKeyUuid: Schema.String }

/** No lock has this id. */
export class LockNotFound extends Schema.TaggedError<LockNotFound>()("LockNotFound", about) {
  override get message() {
    return `There is no lock ${this.lockId}. Create it with CreateLock first.`
  }
}

/** The principal is not allowed to do that. */
export class AccessDenied extends Schema.TaggedError<AccessDenied>()("AccessDenied", {
  action: Schema.String,
  /** What it would take. */
  needed: Schema.String
}) {
  override get message() {
    return `You are not allowed to do this: ${this.action} requires ${this.needed}.`
  }
}

/** A key with this uuid is already on the lock. */
export class KeyExists extends Schema.TaggedError<KeyExists>()("KeyExists", { ...about, keyUuid: Schema.String }) {
  readonly field = "keyUuid"
  override get message() {
    return `Key ${this.keyUuid} is already on lock ${this.lockId}.`
  }
}

/** Another key is in the slot. */
export class SlotTaken extends Schema.TaggedError<SlotTaken>()("SlotTaken", {
  ...about,
  keyIndexNumber: Schema.Number,
  keyUuid: Schema.String,
  /** It was removed, but the lock has not said yet that it is gone. */
  leaving: Schema.optionalKey(Schema.Literal(true)),
  /** The hardware holds it, and nobody had asked for it here. */
  foreign: Schema.optionalKey(Schema.Literal(true))
}) {
  readonly field = "keyIndexNumber"
  override get message() {
    if (this.foreign)
      return `Slot ${this.keyIndexNumber} of lock ${this.lockId} holds key ${this.keyUuid}, which nobody added here: the lock itself reports it. Choose another slot, or remove that key with RemoveKey.`
    if (this.leaving)
      return `Slot ${this.keyIndexNumber} of lock ${this.lockId} may still hold key ${this.keyUuid}, which was removed: the lock has not confirmed it yet. Choose another slot, or wait until GET /locks/${this.lockId}/exposure no longer lists the key.`
    return `Slot ${this.keyIndexNumber} of lock ${this.lockId} holds key ${this.keyUuid}. Choose another slot or remove that key.`
  }
}

/** The hardware has no such slot, by its own word. */
export class NoSuchSlot extends Schema.TaggedError<NoSuchSlot>()("NoSuchSlot", {
  ...about,
  keyIndexNumber: Schema.Number,
  keySlots: Schema.Number
}) {
  readonly field = "keyIndexNumber"
  override get message() {
    return `Lock ${this.lockId} has no slot ${this.keyIndexNumber}: its device has room for ${this.keySlots} keys. Choose a slot from 0 to ${this.keySlots}.`
  }
}

/** The request names no key, or several. */
export class KeyNotNamed extends Schema.TaggedError<KeyNotNamed>()("KeyNotNamed", {
  ...about,
  matches: Schema.optionalKey(Schema.Number)
}) {
  readonly field = "keyUuid"
  override get message() {
    return this.matches === undefined
      ? "Name the key by keyUuid, by keyIndexNumber or by the userId of its holder."
      : `This user holds ${this.matches} keys of lock ${this.lockId}. Name one by keyUuid.`
  }
}

/** No such key is on the lock. */
export class KeyNotFound extends Schema.TaggedError<KeyNotFound>()("KeyNotFound", about) {
  override get message() {
    return `Lock ${this.lockId} has no such key. Look up its keys and name one of them.`
  }
}

/** The lock already has this uuid. */
export class UuidUnchanged extends Schema.TaggedError<UuidUnchanged>()("UuidUnchanged", {
  ...about,
  uuid: Schema.String
}) {
  readonly field = "newUuid"
  override get message() {
    return `Lock ${this.lockId} already has the uuid ${this.uuid}.`
  }
}

/** The lock was taken out of service. */
export class LockRetired extends Schema.TaggedError<LockRetired>()("LockRetired", about) {
  override get message() {
    return `Lock ${this.lockId} is retired: its history can be read, and nothing else can be done. Use another number for a new lock.`
  }
}

/** The operator gave the lock's device to another lock. */
export class DeviceLost extends Schema.TaggedError<DeviceLost>()("DeviceLost", about) {
  override get message() {
    return `Lock ${this.lockId} has no device: the operator gave it to another lock. Ask the operator to give this lock a device; keys can be removed.`
  }
}

/** Another lock has the device. Names neither that lock nor its owner. */
export class DeviceInUse extends Schema.TaggedError<DeviceInUse>()("DeviceInUse", about) {
  override get message() {
    return "Another lock has this device. Check its uuid; if it is your device, ask the operator to move it to this lock."
  }
}

/** Other locks are on the same device: until an operator says whose it is, all of them only take rights away. */
export class DeviceDisputed extends Schema.TaggedError<DeviceDisputed>()("DeviceDisputed", about) {
  override get message() {
    return `Lock ${this.lockId} is not the only lock on its device. Until the operator decides which of them it belongs to, none opens or gives keys; keys can be removed.`
  }
}

/** The resident is already on the lock. */
export class ResidentExists extends Schema.TaggedError<ResidentExists>()("ResidentExists", {
  ...about,
  userId: Schema.String
}) {
  override get message() {
    return `This resident is already on lock ${this.lockId}, as ${this.userId}.`
  }
}

/** The lock has no such resident. */
export class ResidentNotFound extends Schema.TaggedError<ResidentNotFound>()("ResidentNotFound", about) {
  override get message() {
    return `Lock ${this.lockId} has no such resident. Look up its residents and name one by userId.`
  }
}

/** The request matches no resident, or several. */
export class ResidentNotNamed extends Schema.TaggedError<ResidentNotNamed>()("ResidentNotNamed", {
  ...about,
  matches: Schema.Number
}) {
  readonly field = "userId"
  override get message() {
    return this.matches === 0
      ? "Name the resident by userId, email or phoneNumber."
      : `${this.matches} residents of lock ${this.lockId} match. Name one by userId.`
  }
}

/** The lock has no such temp key. */
export class TempKeyNotFound extends Schema.TaggedError<TempKeyNotFound>()("TempKeyNotFound", aboutTempKey) {
  override get message() {
    return `Lock ${this.lockId} has no such temp key. Look up its temp keys and name one of them.`
  }
}

/** The uuid is that of another temp key. */
export class TempKeyExists extends Schema.TaggedError<TempKeyExists>()("TempKeyExists", aboutTempKey) {
  readonly field = "tempKeyUuid"
  override get message() {
    return "This tempKeyUuid was used before. Choose a new one."
  }
}

/** The temp key would end before it begins. */
export class EmptyWindow extends Schema.TaggedError<EmptyWindow>()("EmptyWindow", aboutTempKey) {
  readonly field = "validUntil"
  override get message() {
    return "validUntil must be later than validFrom."
  }
}

/** The temp key is for named users but names none. */
export class EmptyWhitelist extends Schema.TaggedError<EmptyWhitelist>()("EmptyWhitelist", aboutTempKey) {
  readonly field = "allowedUserIds"
  override get message() {
    return "A key for a user-whitelist needs at least one id in allowedUserIds."
  }
}

const hindrance = {
  expired: "has expired",
  "used-up": "has no uses left",
  "not-yet-valid": "is not valid yet",
  deleted: "has been deleted"
}

/** The temp key does not open now; `status` says why. */
export class TempKeyNotValid extends Schema.TaggedError<TempKeyNotValid>()("TempKeyNotValid", {
  ...aboutTempKey,
  status: Schema.Literals(["expired", "used-up", "not-yet-valid", "deleted"]),
  /** Not valid until somebody resumes it. */
  suspended: Schema.optionalKey(Schema.Literal(true))
}) {
  override get message() {
    if (this.suspended === true && this.status === "not-yet-valid")
      return "The temp key is suspended (not-yet-valid). Ask the person who gave it."
    return `The temp key ${hindrance[this.status]} (${this.status}).`
  }
}

/** The giver of the temp key may no longer give it. It opens again when they may. */
export class TempKeyWithdrawn extends Schema.TaggedError<TempKeyWithdrawn>()("TempKeyWithdrawn", aboutTempKey) {
  override get message() {
    return "The person who gave this temp key may no longer give keys to this lock. Ask them, or the owner of the lock."
  }
}

/** The temp key is for other users. */
export class NotOnWhitelist extends Schema.TaggedError<NotOnWhitelist>()("NotOnWhitelist", aboutTempKey) {
  readonly field = "userId"
  override get message() {
    return "This temp key is for named users only. Give the userId of one of them."
  }
}

/** The clock is far behind the lock's last event: it cannot say what is allowed now. */
export class ClockBehind extends Schema.TaggedError<ClockBehind>()("ClockBehind", {
  ...about,
  /** By how many milliseconds. */
  behind: Schema.Number
}) {
  override get message() {
    return `The clock of this server is ${Math.ceil(this.behind / 1000)} s behind the last event of lock ${this.lockId}: it cannot tell what is allowed now. Nothing was changed; set the clock right, then try again.`
  }
}

/** The lock is not at a version that the command was to be carried out at. Nothing was done. */
export class VersionMoved extends Schema.TaggedError<VersionMoved>()("VersionMoved", {
  ...about,
  /** At which it is; 0 when it is not there. */
  version: Schema.Number
}) {
  override get message() {
    return `Lock ${this.lockId} is at version ${this.version}. Nothing was changed; look at it again, and decide anew.`
  }
}

/** The lock is at its limit of something. */
export class LockFull extends Schema.TaggedError<LockFull>()("LockFull", {
  ...about,
  what: Schema.Literals([
    "keys",
    "keys on its hardware",
    "residents",
    "temp keys",
    "temp keys, deleted ones included",
    "users and windows of temp keys"
  ]),
  bound: Schema.Number
}) {
  override get message() {
    return `Lock ${this.lockId} may have at most ${this.bound} ${this.what}.`
  }
}

/** Guests have opened too often, with this key or at this lock. Nothing was done. */
export class TooManyOpenings extends Schema.TaggedError<TooManyOpenings>()("TooManyOpenings", {
  /** Whole seconds from now. */
  retryAfter: Schema.Number
}) {
  override get message() {
    return `Opened too often in a short time. Nothing was done; try again in ${this.retryAfter} seconds.`
  }
}

/** Every refusal by the rules of a lock. */
export type LockRefused =
  | LockNotFound
  | KeyExists
  | SlotTaken
  | NoSuchSlot
  | KeyNotNamed
  | KeyNotFound
  | UuidUnchanged
  | LockRetired
  | DeviceLost
  | ResidentExists
  | ResidentNotFound
  | ResidentNotNamed
  | TempKeyNotFound
  | TempKeyExists
  | LockFull
  | EmptyWindow
  | EmptyWhitelist
  | TempKeyNotValid
  | TempKeyWithdrawn
  | NotOnWhitelist

/** Every refusal because of who has the device. */
export type ClaimRefused = DeviceInUse | DeviceDisputed

/** Why a command is not carried out, as far as the lock and its caller decide it. */
export type Refusal = LockRefused | ClaimRefused | AccessDenied | ClockBehind | VersionMoved
