/** A temp key of either kind as those see it who may give it away. Pure; times are epoch milliseconds. */
import { mayKnowGuests, mayKnowLink } from "../lock/AccessPolicy.ts"
import type { Lock } from "../lock/Lock.ts"
import { nextChangeAt, type TempKey, type TempKeyStatus, type Terms, withoutGuests } from "../lock/TempKey.ts"
import { tempKeyAt } from "../locks/TempKeyNow.ts"
import { given } from "../values/given.ts"
import type { Principal } from "../values/Principal.ts"
import { type AccessMethod, sharedStatusAt, summaryOf } from "./SharedCredential.ts"
import type { Shared } from "./SharedLocks.ts"

/** A door of a temp key, and what its lock's hardware is called. */
export interface DoorView {
  readonly id: number
  readonly lockId: number
  readonly lockUuid: string
  readonly label?: string
  readonly accessMethod: AccessMethod
}

/** A temp key with its terms, its doors and what it is now. */
export interface TempKeyView extends Terms {
  /** Names it for good and is no secret. */
  readonly id: string
  /** Its link: anyone who has it may open. To those who may not know it, the id again. */
  readonly uuid: string
  /** What two who change it at once go by: that of its lock, or its own. */
  readonly version: number
  readonly usedCount: number
  readonly status: TempKeyStatus | "deleted"
  readonly suspended?: true
  /** The page of its link shows its PIN, too. */
  readonly showPin?: boolean
  /** When time alone next changes the status. */
  readonly nextChangeAt: number | undefined
  readonly createdBy: string
  readonly createdAt: string
  readonly revokedAt: string | null
  readonly doors: ReadonlyArray<DoorView>
}

/** A key of a lock's own, as somebody sees it: it has one door. */
export const viewOfOwn = (lock: Lock, key: TempKey, now: number, asker: Principal): TempKeyView => {
  const uuid = mayKnowLink(asker, key.giver, lock) ? key.uuid : key.id
  const told = mayKnowGuests(asker, key, lock) ? key : withoutGuests(key)
  const { id, usedCount, suspended, createdBy, createdAt } = told
  const { status, nextChangeAt } = tempKeyAt(key, lock, now)
  return {
    ...termsOf(told),
    ...{ id, uuid, version: lock.version, usedCount, status, ...given({ suspended }), nextChangeAt },
    ...{ createdBy, createdAt, revokedAt: null },
    doors: [{ id: 1, lockId: lock.lockId, lockUuid: lock.uuid, accessMethod: "key" }]
  }
}

/** A key with doors at several locks. */
export const viewOfShared = ({ credential, doors, isLinkKnown, areGuestsKnown }: Shared, now: number): TempKeyView => {
  const uuid = isLinkKnown ? credential.link : credential.id
  const { id, version, usedCount, suspended, showPin, revokedAt } = credential
  const { createdBy, createdAt, revokedAt: ended } = summaryOf(credential)
  const view = {
    ...termsOf(credential),
    ...{ id, uuid, version, usedCount, status: sharedStatusAt(credential, now), ...given({ suspended, showPin }) },
    nextChangeAt: revokedAt === undefined ? nextChangeAt(credential, now) : undefined,
    ...{ createdBy, createdAt, revokedAt: ended }
  }
  const shown = doors.map(({ id, lockId, lockUuid, label, accessMethod }) => ({
    ...{ id, lockId, lockUuid, ...given({ label: areGuestsKnown ? label : undefined }), accessMethod }
  }))
  return { ...(areGuestsKnown ? view : withoutGuests(view)), doors: shown }
}

const termsOf = ({ accessMode, allowedUserIds, validFrom, validUntil, maxUses, schedule, description }: Terms) => ({
  ...{ accessMode, allowedUserIds, validFrom, validUntil, maxUses },
  ...given({ schedule, description })
})
