/** For which keys the hardware of a lock may still open, though it should not. Pure. */
import { given } from "../values/given.ts"
import { stands } from "./AccessPolicy.ts"
import { hardwareOf, inheritedIn } from "./DecideKeys.ts"
import type { Giver, Hands } from "./Giver.ts"
import { type HardwareKey, type HardwareStatus, hardwareStatus } from "./Hardware.ts"
import type { Lock } from "./Lock.ts"
import type { Times } from "./Period.ts"

/** A key for which the hardware may still open. */
export interface ExposedKey {
  readonly keyUuid: string
  readonly keyIndexNumber?: number
  /**
   * It was removed; who gave it may no longer give it, since the lock has changed hands; or the hardware holds it, and nobody
   * had asked for it.
   */
  readonly reason: "removed" | "inherited" | "foreign"
  /** Epoch milliseconds. */
  readonly exposedSince: number
  /** The lock has said that it holds the key; else nobody knows. */
  readonly confirmed: boolean
  readonly status: HardwareStatus
  /** Answers in a row that it failed. */
  readonly failures?: number
}

/**
 * What the hardware may still open for: nothing, once the lock has confirmed every removal, and nothing is inherited or
 * foreign.
 *
 * @example
 * ```ts
 * for (const { keyUuid, exposedSince } of exposureOf(lock)) console.log(keyUuid, new Date(exposedSince))
 * ```
 */
export const exposureOf = (lock: Lock): ReadonlyArray<ExposedKey> => {
  const inherited = inheritedIn(lock)
  const givers = new Map(lock.keys.map(({ uuid, giver }) => [uuid, giver]))
  const hands = inherited.size === 0 ? [] : handsOf(lock)
  return hardwareOf(lock, inherited).flatMap((key): ReadonlyArray<ExposedKey> => {
    const reason = key.foreign ? "foreign" : "removed"
    if (key.exposedSince !== undefined) return [{ ...about(key, key.exposedSince), reason }]
    const giver = inherited.has(key.uuid) ? givers.get(key.uuid) : undefined
    return giver === undefined ? [] : [{ ...about(key, fallenSince(giver, hands)), reason: "inherited" }]
  })
}

type HandsSince = Hands & { readonly since: number }

/** Whose the lock was, and since when, after each change of either side; the latest first. */
const handsOf = ({ owners, organizations }: Times): ReadonlyArray<HandsSince> => {
  const changes = [
    ...owners.map(({ from, since, id }) => ({ from, since, ownerId: id })),
    ...organizations.map(({ from, since, id }) => ({ from, since, orgId: id }))
  ].toSorted((one, other) => one.from - other.from)
  const hands: Array<HandsSince> = []
  for (const { from: _, ...change } of changes) hands.push({ ...hands.at(-1), ...change })
  return hands.reverse()
}

/** Since when what somebody gave stands no more: other changes of hands after that do not begin it anew. */
const fallenSince = (giver: Giver, hands: ReadonlyArray<HandsSince>): number => {
  const stood = hands.findIndex((then) => stands(giver, then))
  return (stood < 0 ? hands.at(-1) : hands[stood - 1])?.since ?? 0
}

/** A key on the hardware that the lock had before, its `thing`: that may still open for it, wherever it is now. */
export interface LeftKey extends Omit<ExposedKey, "reason"> {
  readonly thing: string
}

/** What stayed, or may have, on the hardware that the lock had before; nothing, if it never had other hardware. */
export const leftBehind = ({ left }: Lock): ReadonlyArray<LeftKey> =>
  left === undefined
    ? []
    : left.keys.map((key) => ({ ...about(key, key.exposedSince ?? left.since), thing: left.thing }))

const about = (key: HardwareKey, exposedSince: number): Omit<ExposedKey, "reason"> => ({
  keyUuid: key.uuid,
  ...given({ keyIndexNumber: key.indexNumber, failures: key.failures?.count }),
  exposedSince,
  confirmed: key.confirmed === true,
  status: hardwareStatus(key)
})
