/** All shared credentials, folded in memory: by uuid, by lock, and by PIN. */
import { canonical } from "../lock/TempKey.ts"
import type { At } from "../streams/Category.ts"
import type { StoredEvent } from "../streams/EventStore.ts"
import { nameOf, type Principal } from "../values/Principal.ts"
import { type PinKey, pinFor } from "./Pins.ts"
import { Credentials, type SharedCredential, type SharedCredentialEvent } from "./SharedCredential.ts"

/** A register to be filled from the feed. Streams may come in any order, the events of each in theirs. */
export const makeRegister = () => {
  const known = new Map<string, At<SharedCredential | undefined>>()
  const byLock = new Map<number, Array<string>>()
  const inOrder: Array<string> = []
  const byMaker = new Map<string, Array<string>>()
  /** Whose a link is or was: of several, the first's in the feed. */
  const byLink = new Map<string, { readonly uuid: string; readonly position: number }>()
  /** By the hash of a PIN at a lock, whose it is: of several that claim the same one, the first's in the feed, forever. */
  const claims = new Map<string, { readonly uuid: string; readonly position: number }>()
  const locksWithPins = new Set<number>()

  const get = (uuid: string): SharedCredential | undefined => known.get(uuid)?.state
  const at = (uuid: string): At<SharedCredential | undefined> => known.get(uuid) ?? Credentials.initial
  const all = (uuids: Iterable<string>): Array<SharedCredential> => Array.from(uuids).flatMap((uuid) => get(uuid) ?? [])

  return {
    get,
    /** The credential's stream: anyone who grants something looks whether it is understood. */
    at,
    take: (stored: StoredEvent): void => {
      const uuid = Credentials.idOf(stored.streamId)
      if (uuid === undefined) return
      const before = get(uuid)
      known.set(uuid, Credentials.next(at(uuid), stored))
      const after = get(uuid)
      if (after === undefined) return
      if (before === undefined) inOrder.push(uuid)
      if (before === undefined) addTo(byMaker, nameOf(after.grantedBy), uuid)
      if (before?.doors !== after.doors) {
        // A door that was taken away leaves the key among those that its lock had.
        const had = new Set(before?.doors.map((door) => door.lockId))
        for (const lockId of new Set(after.doors.map((door) => door.lockId))) {
          const isListed = before !== undefined && byLock.get(lockId)?.includes(uuid) === true
          if (!had.has(lockId) && !isListed) addTo(byLock, lockId, uuid)
        }
      }
      if (before?.link !== after.link) {
        const link = canonical(after.link)
        const { position } = stored
        if (position < (byLink.get(link)?.position ?? Number.POSITIVE_INFINITY)) byLink.set(link, { uuid, position })
      }
      if (after.pin === undefined || after.pin === before?.pin) return
      for (const { lockId, hash } of after.pin.hashes) {
        locksWithPins.add(lockId)
        const { position } = stored
        if (position < (claims.get(hash)?.position ?? Number.POSITIVE_INFINITY)) claims.set(hash, { uuid, position })
      }
    },
    /** The credential that the link leads to, or led to once. */
    ofLink: (link: string): SharedCredential | undefined => get(byLink.get(canonical(link))?.uuid ?? ""),
    /** Whatever is asked for by place is in the order of the feed, on every server: places stay, and new ones come last. */
    placesOf: (maker: Principal | "all"): ReadonlyArray<string> =>
      maker === "all" ? inOrder : (byMaker.get(nameOf(maker)) ?? []),
    /** Those that have, or had, a door at the lock. */
    placesAt: (lockId: number): ReadonlyArray<string> => byLock.get(lockId) ?? [],
    all: (): Array<SharedCredential> => all(known.keys()),
    /** Those that have a door at the lock. */
    ofLock: (lockId: number): Array<SharedCredential> =>
      all(byLock.get(lockId) ?? []).filter(({ doors }) => doors.some((door) => door.lockId === lockId)),
    /** What the principal made, and what has a door at one of these locks: each once. */
    of: (maker: Principal, lockIds: ReadonlyArray<number>): Array<SharedCredential> =>
      all(new Set([...(byMaker.get(nameOf(maker)) ?? []), ...lockIds.flatMap((lockId) => byLock.get(lockId) ?? [])])),
    ofPin: (hash: string): SharedCredential | undefined => {
      const credential = get(claims.get(hash)?.uuid ?? "")
      return credential?.pin?.hashes.some((own) => own.hash === hash) === true ? credential : undefined
    },
    hasPins: (lockId: number): boolean => locksWithPins.has(lockId),
    /** Whether the credential's PIN is its own at all its locks, under this key. */
    owns: ({ uuid, pin }: SharedCredential, key: PinKey): boolean =>
      pin !== undefined && pin.keyId === key.id && pin.hashes.every(({ hash }) => claims.get(hash)?.uuid === uuid),
    /** The first PIN from a draw on that nobody else ever had at these locks; none for no locks. */
    freePin: (
      key: PinKey,
      uuid: string,
      lockIds: ReadonlyArray<number>,
      from: number
    ): ReadonlyArray<SharedCredentialEvent> => {
      if (lockIds.length === 0) return []
      for (let draw = from; ; draw++) {
        const pin = pinFor(key, canonical(uuid), draw, lockIds)
        const isTaken = ({ hash }: (typeof pin.hashes)[number]) => claims.has(hash) && claims.get(hash)?.uuid !== uuid
        if (!pin.hashes.some(isTaken)) return [{ _tag: "SharedCredentialPinSet", ...pin }]
      }
    }
  }
}

const addTo = <K>(uuids: Map<K, Array<string>>, key: K, uuid: string): void => {
  const there = uuids.get(key)
  if (there === undefined) uuids.set(key, [uuid])
  else there.push(uuid)
}
