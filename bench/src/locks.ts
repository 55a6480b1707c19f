/** The locks that load is put on, and what is asked of them, as bodies and as core's commands. */

/** Valid now and for a long time; every temp key has instants of its own, as they have where people give them. */
const windowOf = (lockId: number, n: number) => {
  const own = ((lockId * 101 + n) % 1_000_000) * 60_000
  return {
    validFrom: new Date(Date.UTC(2020, 0, 1) + own).toISOString(),
    validUntil: new Date(Date.UTC(2090, 0, 1) + own).toISOString()
  }
}

/** A UUID that says what it is of; `group` keeps locks, temp keys and owners apart. */
export const uuidOf = (group: number, n: number, of = 0): string =>
  `${String(group).padStart(8, "0")}-0000-4000-8000-${String(of).padStart(4, "0")}${String(n).padStart(8, "0")}`

export const lockUuid = (lockId: number): string => uuidOf(1, lockId)
export const tempKeyUuid = (lockId: number, n = 0): string => uuidOf(2, lockId, n)
export const ownerUuid = (n: number): string => uuidOf(3, n)

export const newLock = (lockId: number) => ({ index: 1, uuid: lockUuid(lockId), ownerId: ownerUuid(0) })

/** With no limit on uses. */
export const newTempKey = (lockId: number, n = 0) => ({
  tempKeyUuid: tempKeyUuid(lockId, n),
  accessMode: "public" as const,
  ...windowOf(lockId, n)
})

/** `1` to `count`. */
export const lockIds = (count: number): ReadonlyArray<number> => Array.from({ length: count }, (_, index) => index + 1)
