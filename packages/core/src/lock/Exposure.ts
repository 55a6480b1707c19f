/** For which keys the hardware of a lock may still open, though it should not. Pure. */
import { given } from "../values/given.ts"
import { hardwareOf, inheritedIn } from "./DecideKeys.ts"
import { type HardwareKey, type HardwareStatus, hardwareStatus } from "./Hardware.ts"
import type { Lock } from "./Lock.ts"

/** A key for which the hardware may still open. */
export interface ExposedKey {
  readonly keyUuid: string
  readonly keyIndexNumber?: number
  /**
   * It was removed; who gave it may no longer give it, since the lock has changed hands; the hardware holds it, and nobody had
   * asked for it; or it stayed on the hardware that the lock had before.
   */
  readonly reason: "removed" | "inherited" | "foreign" | "left"
  /** The hardware that the lock had before, of what is left on that. */
  readonly thing?: string
  /** Epoch milliseconds. */
  readonly exposedSince: number
  /** The lock has said that it holds the key; else nobody knows. */
  readonly confirmed: boolean
  readonly status: HardwareStatus
  /** Answers in a row that it failed. */
  readonly failures?: number
}

/**
 * What the hardware may still open for: nothing, once the lock has confirmed every removal, nothing is inherited or foreign,
 * and the lock never had other hardware.
 *
 * @example
 * ```ts
 * for (const { keyUuid, exposedSince } of exposureOf(lock)) console.log(keyUuid, new Date(exposedSince))
 * ```
 */
export const exposureOf = (lock: Lock): ReadonlyArray<ExposedKey> => {
  const inherited = inheritedIn(lock)
  const changedHands = Math.max(lock.owners.at(-1)?.since ?? 0, lock.organizations.at(-1)?.since ?? 0)
  const here = hardwareOf(lock, inherited).flatMap((key) => {
    if (key.exposedSince !== undefined) return [exposed(key, key.foreign ? "foreign" : "removed", key.exposedSince)]
    return inherited.has(key.uuid) ? [exposed(key, "inherited", changedHands)] : []
  })
  const { thing, since, keys = [] } = lock.left ?? {}
  return [
    ...here,
    ...keys.map((key) => ({ ...exposed(key, "left", key.exposedSince ?? since ?? 0), ...given({ thing }) }))
  ]
}

const exposed = (key: HardwareKey, reason: ExposedKey["reason"], exposedSince: number): ExposedKey => ({
  keyUuid: key.uuid,
  ...given({ keyIndexNumber: key.indexNumber, failures: key.failures?.count }),
  reason,
  exposedSince,
  confirmed: key.confirmed === true,
  status: hardwareStatus(key)
})
