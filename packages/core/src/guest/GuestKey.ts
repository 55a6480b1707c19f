/** What a guest may know about the key in their link. Pure; times are epoch milliseconds. */

import { admits, nextChangeAt, statusAt, type TempKey, type TempKeyStatus } from "../lock/TempKey.ts"
import type { SharedCredential } from "../temp-key/SharedCredential.ts"
import { sharedStatusAt } from "../temp-key/SharedCredential.ts"
import { millisOf } from "../values/Text.ts"

/** A door that a key opens. */
export interface GuestDoor {
  /** Tells the doors of a shared credential apart; the door of a lock's own key needs none. */
  readonly id?: number
  readonly label?: string
  /** `pin`: it opens at the door itself, and not by the link. */
  readonly opensBy: "link" | "pin"
  /** Whether its lock is connected: `undefined` while that cannot be told. */
  readonly online: boolean | undefined
}

/** A key as its guest sees it; a deleted one shows nothing else. */
export type GuestKey =
  | { readonly status: "deleted" }
  | {
      readonly status: TempKeyStatus
      /** Whether the caller may use it: everybody may, or they are listed; or they must sign in; or they are not listed. */
      readonly admission: "admitted" | "sign-in" | "not-listed"
      readonly validFrom: number
      readonly validUntil: number
      /** When time alone changes the status next; none once it has expired. */
      readonly nextChangeAt: number | undefined
      /** `null` is without limit. */
      readonly usesLeft: number | null
      readonly doors: ReadonlyArray<GuestDoor>
    }

/** A lock's own temp key; `userId` is the signed-in user. */
export const guestKeyOf = (
  key: TempKey,
  online: boolean | undefined,
  userId: string | undefined,
  now: number
): GuestKey => ({
  status: statusAt(key, now),
  admission: admits(key, userId) ? "admitted" : userId === undefined ? "sign-in" : "not-listed",
  validFrom: millisOf(key.validFrom),
  validUntil: millisOf(key.validUntil),
  nextChangeAt: nextChangeAt(key, now),
  usesLeft: key.maxUses === null ? null : Math.max(0, key.maxUses - key.usedCount),
  doors: [{ opensBy: "link", online }]
})

/** A shared credential; `onlineAt` tells whether the lock of a door is connected. */
export const guestKeyOfShared = (
  credential: SharedCredential,
  onlineAt: (lockId: number) => boolean | undefined,
  now: number
): GuestKey => {
  const status = sharedStatusAt(credential, now)
  if (status === "deleted") return { status }
  const [validFrom, validUntil] = [millisOf(credential.validFrom), millisOf(credential.validUntil)]
  return {
    status,
    admission: "admitted",
    validFrom,
    validUntil,
    nextChangeAt: status === "expired" ? undefined : status === "valid" ? validUntil : validFrom,
    usesLeft: null,
    doors: credential.doors.map(({ id, lockId, label, accessMethod }) => ({
      id,
      ...(label === undefined ? {} : { label }),
      opensBy: accessMethod === "code" ? "pin" : "link",
      online: onlineAt(lockId)
    }))
  }
}
