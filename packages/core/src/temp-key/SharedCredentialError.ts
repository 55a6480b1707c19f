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
  | DoorNotFound
  | DoorNotNamed
  | DoorNeedsPin
  | DoorWithdrawn
  | PinRefused
  | PinLockedOut
