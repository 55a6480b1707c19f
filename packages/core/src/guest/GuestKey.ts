/** What a guest may know about the key in their link. Pure; times are epoch milliseconds. */

import type { LockDescription } from "../lock/LockDescription.ts"
import { admits, nextChangeAt, type TempKeyStatus, type Terms } from "../lock/TempKey.ts"
import type { TempKeyNow } from "../locks/TempKeyNow.ts"
import { drawPin, type PinKey } from "../temp-key/Pins.ts"
import type { Door, SharedCredential } from "../temp-key/SharedCredential.ts"
import { sharedStatusAt } from "../temp-key/SharedCredential.ts"
import { given } from "../values/given.ts"
import type { Schedule } from "../values/Schedule.ts"
import { millisOf } from "../values/Text.ts"

/** A door that a key opens. */
export interface GuestDoor {
  /** Tells the doors of a shared credential apart; the door of a lock's own key needs none. */
  readonly id?: number
  readonly label?: string
  /**
   * What those who have the lock say of it: name, time zone and contact, and to guests who may use the key, now or later, its
   * address and instructions too. Of a door whose giver may no longer give keys to it, nothing.
   */
  readonly place?: LockDescription
  /** `pin`: it opens at the door itself, and not by the link. */
  readonly opensBy: "link" | "pin"
  /** Whether its lock is connected: `undefined` while that cannot be told. */
  readonly online: boolean | undefined
  /** Its giver may no longer give keys to it: it does not open now. */
  readonly withdrawn?: true
}

/** A key as its guest sees it; a deleted one shows nothing else. */
export type GuestKey =
  | { readonly status: "deleted" }
  | {
      /** `withdrawn`: its giver may no longer give it; perhaps they may again. */
      readonly status: TempKeyStatus | "withdrawn"
      /** Whether the caller may use it: everybody may, or they are listed; or they must sign in; or they are not listed. */
      readonly admission: "admitted" | "sign-in" | "not-listed"
      readonly validFrom: number
      readonly validUntil: number
      /** When time alone changes the status next; none once it has expired. */
      readonly nextChangeAt: number | undefined
      /** `null` is without limit. */
      readonly usesLeft: number | null
      /** When it works each week; all the time unless given. */
      readonly schedule?: Schedule
      /** Whose locks it is for, if one organization's: none while it gives no keys to them. */
      readonly orgId?: string
      /** Of doors with a keypad, where its giver lets guests see it, and while it opens for this one. */
      readonly pin?: string
      readonly doors: ReadonlyArray<GuestDoor>
    }

/** A lock's own temp key; `orgId` is its lock's, `said` what is said of the lock, `userId` the signed-in user. */
export const guestKeyOf = (
  key: TempKeyNow,
  orgId: string | undefined,
  said: LockDescription,
  online: boolean | undefined,
  userId: string | undefined
): GuestKey => {
  const status = key.withdrawn === true && key.status === "not-yet-valid" ? "withdrawn" : key.status
  const terms = termsShown(key, userId)
  const place = key.withdrawn === true ? {} : placeShown(said, status, terms)
  const whose = key.withdrawn === true ? {} : given({ orgId })
  return { status, ...terms, ...whose, nextChangeAt: key.nextChangeAt, doors: [{ ...place, opensBy: "link", online }] }
}

/** Where a door is, and how to get there, those need not know who may not use the key any more, or never could. */
const placeShown = (
  { address, instructions, ...said }: LockDescription,
  status: TempKeyStatus | "withdrawn",
  { admission }: { readonly admission: "admitted" | "sign-in" | "not-listed" }
): { readonly place?: LockDescription } => {
  const isUseful = admission === "admitted" && (status === "valid" || status === "not-yet-valid")
  const place = isUseful ? { ...said, ...given({ address, instructions }) } : said
  return Object.keys(place).length === 0 ? {} : { place }
}

/** What the terms of either kind come to for its guest. */
const termsShown = (key: Terms & { readonly usedCount: number }, userId: string | undefined) =>
  ({
    admission: admits(key, userId) ? "admitted" : userId === undefined ? "sign-in" : "not-listed",
    validFrom: millisOf(key.validFrom),
    validUntil: millisOf(key.validUntil),
    usesLeft: key.maxUses === null ? null : Math.max(0, key.maxUses - key.usedCount),
    ...given({ schedule: key.schedule })
  }) as const

/**
 * A shared credential; `onlineAt` tells whether the lock of a door is connected, `isGiven` whether its giver
 * may still give it, if that is known, `saidOf` what is said of its lock; by `pinKey` its PIN is known.
 */
export const guestKeyOfShared = (
  credential: SharedCredential,
  onlineAt: (lockId: number) => boolean | undefined,
  isGiven: (door: Door) => boolean | undefined,
  saidOf: (lockId: number) => LockDescription,
  userId: string | undefined,
  now: number,
  pinKey?: PinKey
): GuestKey => {
  const status = sharedStatusAt(credential, now)
  if (status === "deleted") return { status }
  const terms = termsShown(credential, userId)
  return {
    status,
    ...terms,
    ...(credential.orgId !== "" && credential.doors.some(isGiven) && { orgId: credential.orgId }),
    ...(status === "valid" && terms.admission === "admitted" && given({ pin: pinShown(credential, isGiven, pinKey) })),
    nextChangeAt: nextChangeAt(credential, now),
    doors: credential.doors.map((door) => ({
      id: door.id,
      ...(door.label === undefined ? {} : { label: door.label }),
      opensBy: door.accessMethod === "code" ? "pin" : "link",
      online: onlineAt(door.lockId),
      ...(isGiven(door) === false ? { withdrawn: true as const } : placeShown(saidOf(door.lockId), status, terms))
    }))
  }
}

/** The PIN, if its giver allows it, it was made under this key, and there is a door for it: in doubt it stays unseen. */
const pinShown = (
  { uuid, showPin, pin, doors }: SharedCredential,
  isGiven: (door: Door) => boolean | undefined,
  key: PinKey | undefined
): string | undefined =>
  showPin === true &&
  key !== undefined &&
  pin?.keyId === key.id &&
  doors.some((door) => door.accessMethod !== "key" && isGiven(door))
    ? drawPin(key, uuid, pin.draw)
    : undefined
