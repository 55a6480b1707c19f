/** Whose a lock was when: two sides, owners and organizations, each of which changes by itself. */
import { Schema } from "effect"

/** From one version of the lock's stream on, until the next period of its side begins. */
export const Period = Schema.Struct({
  from: Schema.Int,
  /** When that was, epoch milliseconds. */
  since: Schema.Int,
  /** The user, or the organization; nobody's unless it is there. */
  id: Schema.optionalKey(Schema.String)
})
export type Period = typeof Period.Type

/** Whose a lock was when, on both sides, oldest first. */
export interface Times {
  readonly owners: ReadonlyArray<Period>
  readonly organizations: ReadonlyArray<Period>
}

/** Periods of a side that a lock remembers, the latest ones. What is older is nobody's own time any more. */
const MOST_PERIODS = 500

/** The periods of a side once it is in these hands. */
export const withPeriod = (
  periods: ReadonlyArray<Period>,
  { version: from, changedAt: since }: { readonly version: number; readonly changedAt: number },
  id: string | undefined
): ReadonlyArray<Period> => [
  ...(periods.length < MOST_PERIODS ? periods : periods.slice(1)),
  { from, since, ...(id !== undefined && { id }) }
]
