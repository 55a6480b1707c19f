/** What is wrong with locks, and since when, as the log tells it; and how those are found with which something is. Pure. */
import { canonicalThing } from "../access/Thing.ts"
import { stateIn } from "../lock/Evolve.ts"
import type { LockEvent, LockEventType } from "../lock/LockEvent.ts"
import type { SeenState } from "../lock/Seen.ts"
import { LISTS, type Listed, type LockFact, lockKey, noKeys } from "./LockFact.ts"
import type { Table } from "./Table.ts"
import { nothingUnsettled, type UnsettledKey, type UnsettledKeys, unsettledAfter } from "./UnsettledKeys.ts"

/** What its device says of itself that somebody should know. */
const ALARMS = ["battery-low", "bolt-jammed", "door-forced", "door-left-open"] as const
/** What a lock may need somebody for, in the order in which it is told. */
export const ATTENTION = ["offline", ...ALARMS, "key-failed", "key-foreign", "key-exposed", "wrong-pins"] as const
/** One of these. */
export type AttentionKind = (typeof ATTENTION)[number]

/** How the battery of a device is, as far as it has said. */
export const BATTERIES = ["low", "good", "unknown"] as const
/** One of these. */
export type Battery = (typeof BATTERIES)[number]

/** The condition of a lock. Instants are epoch milliseconds. */
export interface ConditionRow extends Listed {
  readonly lockId: number
  /** Empty while it has none. */
  readonly thing: string
  /** What was told last of whether its device is there; `null`: nothing yet. */
  readonly outage: { readonly online: boolean; readonly since: number } | null
  readonly battery: Battery
  /** What is wrong, since when. */
  readonly alarms: { readonly [Kind in (typeof ALARMS)[number]]?: number }
  readonly unsettled: UnsettledKeys
  /** When somebody was last locked out who entered wrong PINs. */
  readonly guessedAt: number | null
}

/** So long after that it is worth a look, in milliseconds: a day. */
const GUESSES_COUNT_FOR = 86_400_000

const changing: ReadonlySet<string> = new Set<LockEventType>([
  "LockCreated",
  "OrganizationSet",
  "LockUuidChanged",
  "ClaimMoved",
  "ClaimLost",
  "LockRetired",
  "DeviceStateReported",
  "KeyAdded",
  "KeyRemoved",
  "KeyWriteRequested",
  "KeyAdditionSent",
  "KeyRemovalSent",
  "KeyNeedsAttention",
  "KeysSyncRequested",
  "KeysReported",
  "CommandOutcomeReported"
])

/** Digits that say what is so. */
const PLACE_DIGITS = 2

/** Every lock that is in service, by its id. */
export const conditions: Table<LockFact, ConditionRow> = {
  name: "conditions",
  keysOf: ({ key, event, beside }) =>
    beside !== undefined || (event !== undefined && changing.has(event._tag)) ? [key] : noKeys,
  fold: (row, fact) => {
    const { event, beside, stored } = fact
    if (row === undefined) return event?._tag === "LockCreated" ? rowOf(event) : undefined
    if (beside?._tag === "PinsGuessed") return { ...row, guessedAt: stored.at }
    if (beside !== undefined) {
      const { online, since } = beside
      // It tells of the device that the lock has, or had.
      const isOfIt = beside.stream === `presence-${canonicalThing(row.thing)}`
      return isOfIt ? { ...row, outage: { online, since } } : row
    }
    if (event === undefined) return row
    const unsettled = unsettledAfter(row.unsettled, fact, row.thing === "")
    const next = changed(row, event, stored.at)
    return next === undefined || unsettled === row.unsettled ? next : { ...next, unsettled }
  },
  indexes: {},
  marks: {
    lists: LISTS,
    of: (row) => [...marksOfState(row), ...(row.guessedAt === null ? [] : [markOfGuesses(row.lockId, row.guessedAt)])],
    counted: PLACE_DIGITS
  }
}

const rowOf = ({ lockId, uuid, orgId }: Extract<LockEvent, { _tag: "LockCreated" }>): ConditionRow => ({
  of: "all",
  lockId,
  orgId: orgId ?? null,
  ...newThing(uuid),
  guessedAt: null
})

/** Of a device that is new to the lock nothing is known. */
const newThing = (thing: string) =>
  ({ thing, outage: null, battery: "unknown", alarms: {}, unsettled: nothingUnsettled }) as const

const changed = (row: ConditionRow, event: LockEvent, at: number): ConditionRow | undefined => {
  switch (event._tag) {
    case "OrganizationSet":
      return { ...row, orgId: event.orgId }
    case "LockRetired":
      return undefined
    case "ClaimLost":
      return { ...row, ...newThing("") }
    case "LockUuidChanged":
    case "ClaimMoved":
      return canonicalThing(event.newUuid) === canonicalThing(row.thing) ? row : { ...row, ...newThing(event.newUuid) }
    case "DeviceStateReported": {
      const state = stateIn(event)
      return { ...row, battery: batteryIn(state), alarms: alarmsIn(state, row.alarms, at) }
    }
    default:
      return row
  }
}

const batteryIn = ({ battery, batteryLow }: SeenState): Battery =>
  batteryLow === true ? "low" : battery === undefined && batteryLow === undefined ? "unknown" : "good"

const alarmsIn = (
  { batteryLow, bolt, door }: SeenState,
  before: ConditionRow["alarms"],
  at: number
): ConditionRow["alarms"] => {
  const is = {
    "battery-low": batteryLow === true,
    "bolt-jammed": bolt === "jammed",
    "door-forced": door === "forced",
    "door-left-open": door === "leftOpen"
  }
  return Object.fromEntries(ALARMS.flatMap((kind) => (is[kind] ? [[kind, before[kind] ?? at]] : [])))
}

/** What a lock needs somebody for. `since`: epoch milliseconds. */
interface Attention {
  readonly kind: AttentionKind
  readonly since: number
  /** The keys that it is about, so many of them as are named. */
  readonly keys?: ReadonlyArray<UnsettledKey>
  /** How many they are. */
  readonly keysCount?: number
}

/** What a lock needs somebody for at an instant, epoch milliseconds. */
export const attentionOf = (row: ConditionRow, now: number): ReadonlyArray<Attention> => [
  ...lastingAttentionOf(row),
  ...(row.guessedAt !== null && row.guessedAt > now - GUESSES_COUNT_FOR
    ? [{ kind: "wrong-pins" as const, since: row.guessedAt }]
    : [])
]

/** The same without what time alone ends. */
export const lastingAttentionOf = ({
  outage,
  alarms,
  unsettled: { keys, more }
}: ConditionRow): ReadonlyArray<Attention> => {
  const failed = keys.filter(({ attention }) => attention !== undefined)
  const foreign = keys.filter(({ foreign }) => foreign === true)
  const exposed = keys.filter(({ exposedSince, foreign }) => exposedSince !== undefined && foreign === undefined)
  return [
    ...(outage?.online === false ? [{ kind: "offline" as const, since: outage.since }] : []),
    ...ALARMS.flatMap((kind) => {
      const since = alarms[kind]
      return since === undefined ? [] : [{ kind, since }]
    }),
    ...ofKeys("key-failed", failed, ({ attention }) => attention?.since),
    ...ofKeys("key-foreign", foreign, ({ exposedSince }) => exposedSince),
    ...ofKeys("key-exposed", exposed, ({ exposedSince }) => exposedSince, more)
  ]
}

const ofKeys = (
  kind: AttentionKind,
  keys: ReadonlyArray<UnsettledKey>,
  sinceOf: (key: UnsettledKey) => number | undefined,
  more: UnsettledKeys["more"] = null
): ReadonlyArray<Attention> => {
  const keysCount = keys.length + (more?.count ?? 0)
  const sinces = keys.map((key) => sinceOf(key) ?? 0)
  return keysCount === 0
    ? []
    : [{ kind, since: Math.min(...sinces, more?.since ?? Number.POSITIVE_INFINITY), keys, keysCount }]
}

/** What is so of a lock, by which it is found: that it needs somebody at all, or for what; is its device there; its battery. */
export type State = keyof typeof PLACES | Exclude<AttentionKind, "wrong-pins">
const PLACES = { any: "10", online: "20", absent: "21", low: "30", good: "31", unknown: "32" } as const
const OF_KINDS = 11

/** What stands before the marks of all locks of which this is so. */
export const beforeState = (state: State): string => (isPlace(state) ? PLACES[state] : placeOf(state))
const isPlace = (state: State): state is keyof typeof PLACES => Object.hasOwn(PLACES, state)
const placeOf = (kind: AttentionKind): string => String(OF_KINDS + ATTENTION.indexOf(kind))

/** What stands before the marks of locks at which PINs were guessed, ever; and of those since a day. */
export const BEFORE_GUESSES = "40"
export const beforeRecentGuesses = (now: number): string => beforeGuesses(Math.max(0, now - GUESSES_COUNT_FOR))
const beforeGuesses = (since: number): string => `${BEFORE_GUESSES}${String(since).padStart(16, "0")}`

/** Where a lock stands among those at which PINs were guessed. */
export const markOfGuesses = (lockId: number, guessedAt: number): string => beforeGuesses(guessedAt) + lockKey(lockId)

const marksOfState = (row: ConditionRow): ReadonlyArray<string> => {
  const kinds = lastingAttentionOf(row).map(({ kind }) => placeOf(kind))
  return [
    ...(kinds.length === 0 ? [] : [PLACES.any, ...kinds]),
    row.outage?.online === true ? PLACES.online : PLACES.absent,
    PLACES[row.battery]
  ].map((place) => place + lockKey(row.lockId))
}
