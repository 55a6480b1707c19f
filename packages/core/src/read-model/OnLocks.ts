/** Finds what a user has on locks, also on those of one organization alone: it costs no more for what is on others' locks. */
import { Effect } from "effect"
import { type LockFact, lockKey } from "./LockFact.ts"
import { type DeviceRow, devices } from "./LockTables.ts"
import type { ReadModel, ReadModelUnavailable } from "./ReadModel.ts"
import { rowsIn, type Table } from "./Table.ts"

/** Rows that are looked at in one turn. */
const LOOKED_AT = 200

interface Asked {
  /** The name of a row. */
  readonly after?: string | undefined
  /** So many rows at most. */
  readonly limit: number
  /** Without it, on every lock. */
  readonly orgId: string | undefined
  readonly isShown?: ((lockId: number) => boolean) | undefined
}

type Named<Row> = ReadonlyArray<readonly [name: string, row: Row]>

interface Found<Row> {
  readonly rows: Named<Row>
  /** Whether there are others after these. */
  readonly hasMore: boolean
}

/** Of a table whose rows are named by their lock first. */
interface OnLock {
  readonly lockId: number
}

/** The locks of an owner. */
export const ownedBy = (readModel: ReadModel["Service"]) =>
  // A lock's row says whose it is: read once more, it might be another's by now.
  going(readModel, devices, "owner", (rows, orgId) =>
    Effect.succeed(orgId === undefined ? rows : rows.filter(([_, lock]) => lock.orgId === orgId))
  )

/** What a user has on locks that were not retired. */
export const onLocksOf = <Row extends OnLock>(readModel: ReadModel["Service"], table: Table<LockFact, Row>) => {
  const ofDevices = rowsIn(readModel, devices)
  const isOf = (lock: DeviceRow | undefined, orgId: string | undefined) =>
    lock !== undefined && (orgId === undefined || lock.orgId === orgId)
  return going(readModel, table, "user", (rows, orgId) =>
    Effect.map(ofDevices.byKey([...new Set(rows.map(([_, { lockId }]) => lockKey(lockId)))]), (locks) =>
      rows.filter(([_, { lockId }]) => isOf(locks.get(lockKey(lockId)), orgId))
    )
  )
}

/**
 * Goes through what is listed under a value, by name. After a row on another's lock it goes on at the organization's next
 * lock, so it reads no more pages than that one has locks; and after a page with few rows of its own, a small one.
 */
const going = <Row extends OnLock>(
  readModel: ReadModel["Service"],
  table: Table<LockFact, Row>,
  index: string,
  /** Those of the rows that are the organization's, if one is named. */
  ownOf: (rows: Named<Row>, orgId: string | undefined) => Effect.Effect<Named<Row>, ReadModelUnavailable>
) => {
  const ofRows = rowsIn(readModel, table)
  const ofDevices = rowsIn(readModel, devices)

  return Effect.fnUntraced(function* (
    value: string,
    { after = "", limit, orgId, isShown = () => true }: Asked
  ): Effect.fn.Return<Found<Row>, ReadModelUnavailable> {
    const found: Array<readonly [string, Row]> = []
    let [reached, size] = [after, LOOKED_AT]
    while (true) {
      const most = Math.min(size, limit + 1 - found.length)
      const rows = yield* ofRows.page(index, [value], reached, most)
      const own = yield* ownOf(rows, orgId)
      for (const one of own) if (isShown(one[1].lockId)) found.push(one)
      const last = rows.at(-1)
      if (found.length > limit || last === undefined || rows.length < most)
        return { rows: found.slice(0, limit), hasMore: found.length > limit }
      reached = last[0]
      yield* Effect.yieldNow
      size = Math.min(LOOKED_AT, Math.max(1, 4 * own.length))
      if (orgId === undefined || own.at(-1) === last) continue
      const [next] = yield* ofDevices.page("organization", [orgId], lockKey(last[1].lockId), 1)
      if (next === undefined) return { rows: found, hasMore: false }
      reached = behindLock(next[1].lockId - 1)
    }
  })
}

/** Behind the names of everything on a lock: after a lock they go on with a 0 or a 1, see `nameOnLock`. */
const behindLock = (lockId: number): string => `${lockKey(lockId)}9`
