/** The refusals about shared credentials, their doors and their PINs: expected, typed, each with what to do about it. */
import { Schema } from "effect"

/** No shared credential ever had this uuid. */
export class SharedCredentialNotFound extends Schema.TaggedError<SharedCredentialNotFound>()(
  "SharedCredentialNotFound",
  {}
) {
  override get message() {
    return "There is no temp key with this link. Check that the link is complete, or ask for a new one."
  }
}

/** No such lock; `field` is where the request names it. */
export class NoSuchLock extends Schema.TaggedError<NoSuchLock>()("NoSuchLock", { field: Schema.String }) {
  override get message() {
    return "No such lock. Give the lockId of an existing lock."
  }
}

/** The key would end before it begins. */
export class EmptySharedWindow extends Schema.TaggedError<EmptySharedWindow>()("EmptySharedWindow", {}) {
  readonly field = "validUntil"
  override get message() {
    return "validUntil must be later than validFrom."
  }
}

/** The key is for named users but names none. */
export class NobodyAllowed extends Schema.TaggedError<NobodyAllowed>()("NobodyAllowed", {}) {
  readonly field = "allowedUserIds"
  override get message() {
    return "A key for a user-whitelist needs at least one id in allowedUserIds."
  }
}

/** The key would have no door left, or too many. */
export class DoorCount extends Schema.TaggedError<DoorCount>()("DoorCount", { most: Schema.Number }) {
  readonly field = "addDoors"
  override get message() {
    return `A temp key has at least one door and at most ${this.most}. To end it, delete it.`
  }
}

/** The link of a new key is another key's, or was once. */
export class LinkTaken extends Schema.TaggedError<LinkTaken>()("LinkTaken", {}) {
  readonly field = "uuid"
  override get message() {
    return "This uuid was used before. Leave it out, and a new link is drawn."
  }
}

/** The key has no door that takes a PIN. */
export class NoPin extends Schema.TaggedError<NoPin>()("NoPin", {}) {
  override get message() {
    return "No door of this temp key takes a PIN. Add one with the accessMethod code or both."
  }
}

/** A key of one lock's own has one door. */
export class OwnDoorOnly extends Schema.TaggedError<OwnDoorOnly>()("OwnDoorOnly", { field: Schema.String }) {
  override get message() {
    return "This temp key belongs to one lock and has that one door. Make a key to several doors with POST /temp-keys."
  }
}

/** The key is not at a version that the change was to be made at. Nothing was done. */
export class KeyMoved extends Schema.TaggedError<KeyMoved>()("KeyMoved", {
  /** At which it is. */
  version: Schema.Number
}) {
  override get message() {
    return `This temp key is at version ${this.version}. Nothing was changed; look at it again, and decide anew.`
  }
}

/** The key was ended: it stays so. */
export class KeyEnded extends Schema.TaggedError<KeyEnded>()("KeyEnded", {}) {
  override get message() {
    return "This temp key was deleted and cannot be changed any more. Make a new one."
  }
}

/** The key has no such door. */
export class DoorNotFound extends Schema.TaggedError<DoorNotFound>()("DoorNotFound", { doorId: Schema.Number }) {
  override get message() {
    return `This temp key has no door ${this.doorId}. Its page lists its doors.`
  }
}

/** The key has several doors, and the request names none. */
export class DoorNotNamed extends Schema.TaggedError<DoorNotNamed>()("DoorNotNamed", {}) {
  override get message() {
    return "This temp key opens several doors. Name one by its number."
  }
}

/** The door opens by PIN alone. */
export class DoorNeedsPin extends Schema.TaggedError<DoorNeedsPin>()("DoorNeedsPin", { doorId: Schema.Number }) {
  override get message() {
    return `Door ${this.doorId} opens with the PIN only: enter it at the door.`
  }
}

/** The maker of the credential may no longer give keys to this lock. */
export class DoorWithdrawn extends Schema.TaggedError<DoorWithdrawn>()("DoorWithdrawn", { doorId: Schema.Number }) {
  override get message() {
    return `The person who gave this key may no longer give keys to door ${this.doorId}. Ask them, or the owner of the door.`
  }
}

/** The PIN opens nothing here and now; the caller is not told why. */
export class PinRefused extends Schema.TaggedError<PinRefused>()("PinRefused", {}) {
  override get message() {
    return "This PIN does not open this lock now."
  }
}

/** Too many refused PINs: none is checked until the time given. */
export class PinLockedOut extends Schema.TaggedError<PinLockedOut>()("PinLockedOut", {
  /** Whole seconds from now. */
  retryAfter: Schema.Number
}) {
  override get message() {
    return `Too many PINs were refused. Try again in ${this.retryAfter} seconds.`
  }
}

/** Why a key to several doors is refused. */
export type SharedError =
  | SharedCredentialNotFound
  | NoSuchLock
  | EmptySharedWindow
  | NobodyAllowed
  | DoorCount
  | LinkTaken
  | NoPin
  | OwnDoorOnly
  | KeyEnded
  | KeyMoved
  | DoorNotFound
  | DoorNotNamed
  | DoorNeedsPin
  | DoorWithdrawn
  | PinRefused
  | PinLockedOut
