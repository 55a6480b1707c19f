/** Locks, a page at a time, as they are filtered and sorted: a page costs no more for the locks that others have. */
import { Effect } from "effect"
import {
  ATTENTION,
  type AttentionKind,
  attentionOf,
  BATTERIES,
  type Battery,
  BEFORE_GUESSES,
  beforeRecentGuesses,
  beforeState,
  type ConditionRow,
  conditions,
  lastingAttentionOf,
  markOfGuesses,
  type State
} from "./LockConditions.ts"
import { lockKey } from "./LockFact.ts"
import { BEFORE_NAMES, beforePhrase, foundBy, markOfName } from "./LockPlaces.ts"
import { type DeviceRow, devices } from "./LockTables.ts"
import { ownedBy } from "./OnLocks.ts"
import type { ReadModel, ReadModelUnavailable } from "./ReadModel.ts"
import { rowsIn } from "./Table.ts"
import { wordsOf } from "./Words.ts"

/** Whose locks. */
export type Whose =
  | "all"
  | { readonly orgId: string; readonly ownerId?: never }
  | { readonly ownerId: string; readonly orgId?: string }

/** Which locks, and in which order. */
export interface ListFilter {
  /** What the number, the uuid, or a word of the name or the address begins with; in the order of what does. */
  readonly q?: string | undefined
  readonly online?: boolean | undefined
  /** That they need somebody, that they do not, or for what. */
  readonly attention?: boolean | AttentionKind | undefined
  readonly battery?: Battery | undefined
  readonly sort?: "number" | "name" | undefined
}

/** A lock as it is found. */
export interface ListedRow {
  readonly lock: DeviceRow
  readonly condition: ConditionRow
}

/** Locks that a page looks at, at least, before it ends with fewer than were asked for. */
const LOOKED_AT = 150

interface Found {
  readonly at: string
  readonly key: string
}
type Answer<A> = Effect.Effect<A, ReadModelUnavailable>

/** Lists the locks of a read model. */
export const lockList = (readModel: ReadModel["Service"]) => {
  const ofDevices = rowsIn(readModel, devices)
  const ofConditions = rowsIn(readModel, conditions)
  const owned = ownedBy(readModel)

  const ofOwner = ({ ownerId, orgId }: Owners, after = "", limit = Number.POSITIVE_INFINITY) =>
    Effect.map(owned(ownerId, { after, limit, orgId }), ({ rows }) => rows)

  /** All that stand where such marks do. */
  const among =
    (rows: typeof ofDevices | typeof ofConditions, whose: Marked, before: string, first = before): Source =>
    (after, limit) => {
      const [index, values] = listingOf(whose)
      return Effect.map(rows.marked(index, values, after === "" ? first : after, limit), (marks) =>
        marks.flatMap(([at, key]) => (at.startsWith(before) ? [{ at, key }] : []))
      )
    }

  /** Those among which to look: as few as can be told without looking at them. */
  const sourceOf = Effect.fnUntraced(function* (whose: Whose, filter: ListFilter, now: number) {
    const before = placesBefore(filter)
    const byNumber = before === ""
    if (isOwners(whose)) {
      if (byNumber) return inOrder((after, limit) => ofOwner(whose, after, limit))
      return yield* sourceIn(lockIdsIn(yield* ofOwner(whose)), whose, filter, now)
    }
    if (filter.q !== undefined || filter.sort === "name") return among(ofDevices, whose, before)
    const guesses = among(ofConditions, whose, BEFORE_GUESSES, beforeRecentGuesses(now))
    if (before === BEFORE_GUESSES) return guesses
    if (before === beforeState("any")) return followedBy(among(ofConditions, whose, before), guesses)
    if (!byNumber) return among(ofConditions, whose, before)
    return inOrder((after, limit) => ofDevices.page(...listingOf(whose), after, limit))
  })

  /** The same of some locks alone, which are looked at one by one. */
  const sourceIn = Effect.fnUntraced(function* (
    lockIds: ReadonlyArray<number>,
    whose: Whose,
    filter: ListFilter,
    now: number
  ) {
    const keys = lockIds.map(lockKey)
    const rowOf = yield* rowsOf(keys)
    const found = keys
      .flatMap((key): ReadonlyArray<Found> => {
        const row = rowOf(key)
        const at = row && isOf(row.lock, whose) ? placeOf(row, filter) : undefined
        return row !== undefined && at !== undefined && isMeant(row, at, filter, now) ? [{ at, key }] : []
      })
      .sort((a, b) => (a.at < b.at ? -1 : 1))
    const find: Source = (after, limit) => Effect.succeed(found.filter(({ at }) => at > after).slice(0, limit))
    return find
  })

  const rowsOf = Effect.fnUntraced(function* (keys: ReadonlyArray<string>) {
    const [locks, conditions] = yield* Effect.all([ofDevices.byKey(keys), ofConditions.byKey(keys)])
    return (key: string): ListedRow | undefined => {
      const [lock, condition] = [locks.get(key), conditions.get(key)]
      return lock === undefined || condition === undefined ? undefined : { lock, condition }
    }
  })

  /**
   * A page of locks after a place. It may hold fewer than the limit and have a place to go on from all the same: so many
   * were looked at, and few of them are as they should be. With `only`, of these alone.
   */
  const page = Effect.fnUntraced(function* (whose: Whose, filter: ListFilter, { after, limit, now, only }: PageOf) {
    if (filter.q !== undefined && wordsOf(filter.q) === "") return { rows: [], next: undefined }
    const find = yield* only === undefined ? sourceOf(whose, filter, now) : sourceIn(only, whose, filter, now)
    const rows: Array<ListedRow> = []
    let [reached, looked] = [after, 0]
    while (true) {
      const some = yield* find(reached, limit + 1)
      const rowOf = yield* rowsOf(some.map(({ key }) => key))
      for (const { at, key } of some) {
        if (rows.length === limit) return { rows, next: reached }
        const row = rowOf(key)
        // It may be another's by now.
        if (row !== undefined && isOf(row.lock, whose) && isMeant(row, at, filter, now)) rows.push(row)
        reached = at
        looked++
      }
      if (some.length <= limit) return { rows, next: undefined }
      if (looked >= Math.max(LOOKED_AT, limit)) return { rows, next: reached }
    }
  })

  /** How many locks there are, and of how many something is so; among these alone, with `only`. */
  const count = Effect.fnUntraced(function* (
    whose: Whose,
    now: number,
    only: ReadonlyArray<number> | undefined
  ): Effect.fn.Return<LockCounts, ReadModelUnavailable> {
    const countAmong = (only: ReadonlyArray<number>) =>
      Effect.map(page(whose, {}, { after: "", limit: only.length, now, only }), ({ rows }) => countsIn(rows, now))
    if (only !== undefined) return yield* countAmong(only)
    if (isOwners(whose)) return yield* countAmong(lockIdsIn(yield* ofOwner(whose)))
    const counts = yield* ofConditions.counts(...listingOf(whose), STATES.map(beforeState))
    const guesses = among(ofConditions, whose, BEFORE_GUESSES, beforeRecentGuesses(now))
    const guessed = (yield* guesses("", MOST_GUESSED)).length
    return countsWith((state) => (state === "wrong-pins" ? guessed : (counts.get(beforeState(state)) ?? 0)))
  })

  return { page, count }
}

/** How many locks there are, and how many of each kind. */
export interface LockCounts {
  readonly locks: number
  /** Whose device is there, as it was told last. */
  readonly online: number
  readonly battery: { readonly [Kind in Battery]: number }
  /** How many need somebody for each; those with wrong PINs are counted up to 1,000. */
  readonly attention: { readonly [Kind in AttentionKind]: number }
}

const MOST_GUESSED = 1_000
const STATES: ReadonlyArray<State> = [
  ...(["online", "absent"] as const),
  ...BATTERIES,
  ...ATTENTION.filter((kind) => kind !== "wrong-pins")
]

const countsWith = (numberOf: (state: State | "wrong-pins") => number): LockCounts => ({
  locks: numberOf("online") + numberOf("absent"),
  online: numberOf("online"),
  battery: { low: numberOf("low"), good: numberOf("good"), unknown: numberOf("unknown") },
  attention: Object.fromEntries(ATTENTION.map((kind) => [kind, numberOf(kind)])) as LockCounts["attention"]
})

const countsIn = (rows: ReadonlyArray<ListedRow>, now: number): LockCounts => {
  const states = rows.flatMap(
    ({ condition }): ReadonlyArray<State | "wrong-pins"> => [
      condition.outage?.online === true ? "online" : "absent",
      condition.battery,
      ...attentionOf(condition, now).map(({ kind }) => kind)
    ]
  )
  return countsWith((asked) => states.filter((state) => state === asked).length)
}

/** What one source finds, and then what the other does: the marks of the other come later. */
const followedBy =
  (first: Source, second: Source): Source =>
  (after, limit) =>
    Effect.gen(function* () {
      const isFurther = after.startsWith(BEFORE_GUESSES)
      const found = isFurther ? [] : yield* first(after, limit)
      const rest = limit - found.length
      return rest === 0 ? found : [...found, ...(yield* second(isFurther ? after : "", rest))]
    })

/** Finds what stands after a place, in order. */
type Source = (after: string, limit: number) => Answer<ReadonlyArray<Found>>

/** Which page. `now`: epoch milliseconds. */
interface PageOf {
  readonly after: string
  readonly limit: number
  readonly now: number
  readonly only?: ReadonlyArray<number> | undefined
}

/** What stands before every place of a list; nothing where locks are listed by number. */
const placesBefore = ({ q, sort, ...filter }: ListFilter): string => {
  if (q !== undefined) return beforePhrase(wordsOf(q))
  if (sort === "name") return BEFORE_NAMES
  if (filter.attention === "wrong-pins") return BEFORE_GUESSES
  const state = narrowest(filter)
  return state === undefined ? "" : beforeState(state)
}

/** Whether the places of a list may be this one: what another list has given is no place in it. */
export const isPlaceOf = (filter: ListFilter, at: string): boolean => {
  const before = placesBefore(filter)
  if (before === "") return at.length === lockKey(0).length
  return at.startsWith(before) || (before === beforeState("any") && at.startsWith(BEFORE_GUESSES))
}

/**
 * Behind a lock that a search names in another way than by words: such locks come first. No place of words is as long, so
 * they are told apart.
 */
export const placeOfNamed = (filter: ListFilter, lockId: number): string => `${placesBefore(filter)}0${lockKey(lockId)}`

/** The lock behind which that is; `undefined`: it is a place of words. */
export const namedAt = (filter: ListFilter, at: string): number | undefined => {
  const rest = at.slice(placesBefore(filter).length)
  return rest.length === lockKey(0).length + 1 ? Number(rest) : undefined
}

/** Whether a lock is found by the words that are searched for. */
export const isFoundBy = ({ lock }: ListedRow, q: string): boolean => {
  const words = wordsOf(q)
  return words !== "" && foundBy(lock, words) !== undefined
}

/** Where a lock is in a list of some locks; nowhere, if it is not found. */
const placeOf = ({ lock, condition }: ListedRow, filter: ListFilter): string | undefined => {
  const { q, sort } = filter
  if (q !== undefined) return foundBy(lock, wordsOf(q))
  if (sort === "name") return markOfName(lock)
  const before = placesBefore(filter)
  if (before !== BEFORE_GUESSES) return before + lockKey(lock.lockId)
  return condition.guessedAt === null ? undefined : markOfGuesses(lock.lockId, condition.guessedAt)
}

/** Locks that are found by marks. An owner's are not: marks would have to move whenever a lock changes hands. */
type Marked = "all" | { readonly orgId: string; readonly ownerId?: never }
type Owners = { readonly ownerId: string; readonly orgId?: string }
const isOwners = (whose: Whose): whose is Owners => whose !== "all" && "ownerId" in whose

const lockIdsIn = (rows: ReadonlyArray<readonly [key: string, row: DeviceRow]>) => rows.map(([_, { lockId }]) => lockId)

/** By number. */
const inOrder =
  (page: (after: string, limit: number) => Answer<ReadonlyArray<readonly [key: string, row: unknown]>>): Source =>
  (after, limit) =>
    Effect.map(page(after, limit), (rows) => rows.map(([key]) => ({ at: key, key })))

const isOf = ({ ownerId, orgId }: DeviceRow, whose: Whose): boolean =>
  whose === "all" ||
  ((!("ownerId" in whose) || whose.ownerId === ownerId) && (!("orgId" in whose) || whose.orgId === orgId))

const listingOf = (whose: Marked): readonly [index: string, values: ReadonlyArray<string>] =>
  whose === "all" ? ["all", ["all"]] : ["organization", [whose.orgId]]

/** The filter that fewest locks pass, of those by which they are found. */
const narrowest = ({ attention, battery, online }: ListFilter): State | undefined => {
  if (typeof attention === "string" && attention !== "wrong-pins") return attention
  if (battery === "low") return "low"
  if (attention === true) return "any"
  if (online === false) return "absent"
  if (battery !== undefined) return battery
  return online === true ? "online" : undefined
}

/** Whether a lock that was found at a place is one of those that are asked for, and that is the first of its places. */
const isMeant = (
  { lock, condition }: ListedRow,
  at: string,
  { q, attention, battery, online }: ListFilter,
  now: number
): boolean => {
  if (q !== undefined && foundBy(lock, wordsOf(q)) !== at) return false
  if (battery !== undefined && condition.battery !== battery) return false
  if (online !== undefined && (condition.outage?.online === true) !== online) return false
  if (attention === undefined) return true
  // It was found before by what lasts.
  if (attention === true && at.startsWith(BEFORE_GUESSES) && lastingAttentionOf(condition).length > 0) return false
  const kinds = attentionOf(condition, now).map(({ kind }) => kind)
  return typeof attention === "string" ? kinds.includes(attention) : kinds.length > 0 === attention
}
