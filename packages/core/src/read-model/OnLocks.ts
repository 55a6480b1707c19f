/** What is listed on locks, of which one organization's may be asked for: what is on others costs it no more than its own locks do. */
import { Effect } from "effect"
import { type LockFact, lockKey } from "./LockFact.ts"
import { devices } from "./LockTables.ts"
import type { ReadModel, ReadModelUnavailable } from "./ReadModel.ts"
import { rowsIn, type Table } from "./Table.ts"

/** Rows that are looked at in one turn. */
const LOOKED_AT = 200

/** Of a table whose rows are named by their lock first. */
interface OnLock {
  readonly lockId: number
}

interface Asked {
  /** The name of a row. */
  readonly after?: string | undefined
  /** So many rows at most. */
  readonly limit: number
  /** Without it, on every lock. */
  readonly orgId: string | undefined
  readonly isShown?: ((lockId: number) => boolean) | undefined
}

interface Found<Row> {
  readonly rows: ReadonlyArray<readonly [name: string, row: Row]>
  /** Whether there are others after these. */
  readonly hasMore: boolean
}

/** Finds rows of a table under a value of an index, by name: those on locks that were not retired. */
export const onLocks = <Row extends OnLock>(
  readModel: ReadModel["Service"],
  table: Table<LockFact, Row>,
  index: string
) => {
  const ofRows = rowsIn(readModel, table)
  const ofDevices = rowsIn(readModel, devices)

  const ownOf = Effect.fnUntraced(function* (rows: ReadonlyArray<readonly [string, Row]>, orgId: string | undefined) {
    const locks = yield* ofDevices.byKey([...new Set(rows.map(([_, { lockId }]) => lockKey(lockId)))])
    return rows.filter(([_, { lockId }]) => {
      const lock = locks.get(lockKey(lockId))
      return lock !== undefined && (orgId === undefined || lock.orgId === orgId)
    })
  })

  return Effect.fnUntraced(function* (
    value: string,
    { after = "", limit, orgId, isShown = () => true }: Asked
  ): Effect.fn.Return<Found<Row>, ReadModelUnavailable> {
    const found: Array<readonly [string, Row]> = []
    let reached = after
    while (true) {
      const rows = yield* ofRows.page(index, [value], reached, LOOKED_AT)
      const own = yield* ownOf(rows, orgId)
      for (const one of own) if (isShown(one[1].lockId)) found.push(one)
      const last = rows.at(-1)
      if (found.length > limit || last === undefined || rows.length < LOOKED_AT)
        return { rows: found.slice(0, limit), hasMore: found.length > limit }
      reached = last[0]
      yield* Effect.yieldNow
      if (orgId === undefined || own.length > 0) continue
      // None of so many: on with the organization's next lock.
      const before = lockKey(last[1].lockId - 1)
      const [next] = yield* ofDevices.page("organization", [orgId], before, 1)
      if (next === undefined) return { rows: found, hasMore: false }
      const beforeNext = lockKey(next[1].lockId - 1)
      if (beforeNext > reached) reached = beforeNext
    }
  })
}
