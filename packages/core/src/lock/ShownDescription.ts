/** What is shown of what people say of a lock: what those have said who have it. Pure. */
import { stands } from "./AccessPolicy.ts"
import type { Hands } from "./Giver.ts"
import { type LockDescription, PARTS, type Part, type SaidOfLock } from "./LockDescription.ts"

/**
 * What those who have the lock now have said of it.
 *
 * @example
 * ```ts
 * const { name = `Lock ${lock.lockId}` } = descriptionOf(lock)
 * ```
 */
export const descriptionOf = ({
  said,
  ...hands
}: Hands & { readonly said?: SaidOfLock | undefined }): LockDescription => {
  const description: { [P in Part]?: string } = {}
  for (const part of PARTS) {
    const one = said?.[part]
    if (one !== undefined && stands(one.giver, hands)) description[part] = one.text
  }
  return description
}
