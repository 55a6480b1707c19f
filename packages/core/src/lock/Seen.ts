/** What the present thing of a lock has said of itself and its door, as far as the lock remembers it. Pure. */
import { Schema } from "effect"
import { Bolt, Door, type ReportedState } from "../device/ReportedState.ts"

/** The state of the thing, as it was last recorded. Instants are epoch milliseconds. */
export const SeenState = Schema.Struct({
  bolt: Schema.optionalKey(Bolt),
  door: Schema.optionalKey(Door),
  battery: Schema.optionalKey(Schema.Int),
  /** Not before it is well above what is low does it count as good again. */
  batteryLow: Schema.optionalKey(Schema.Boolean),
  firmware: Schema.optionalKey(Schema.String),
  /** How many keys it has room for; no slot has a higher number. */
  keySlots: Schema.optionalKey(Schema.Int),
  /** How far its clock is ahead of the shadow's, where it is wrong, in milliseconds. */
  clockOffBy: Schema.optionalKey(Schema.Int),
  /** When its shadow was told. */
  seenAt: Schema.Int
})
export type SeenState = typeof SeenState.Type

/** What is remembered of a thing. */
export const Seen = Schema.Struct({
  state: Schema.optionalKey(SeenState),
  /** When its shadow was last told of keys that were recorded. */
  keysAt: Schema.optionalKey(Schema.Int),
  /** Counters of openings, the one heard of last at the end, and how far each has come. */
  series: Schema.Array(Schema.Struct({ name: Schema.String, last: Schema.Int })),
  /** What was recorded in the hour that began at `hour`. */
  hour: Schema.Int,
  states: Schema.Int,
  openings: Schema.Int
})
export type Seen = typeof Seen.Type

export const nothingSeen: Seen = { series: [], hour: 0, states: 0, openings: 0 }

/** Changes of state that are recorded in an hour; the last of them only where something is wrong with the door. */
export const STATES_AN_HOUR = 60
export const ALARMS_AN_HOUR = 12
/** Openings that are recorded in an hour, one by one; more are counted. */
export const OPENINGS_AN_HOUR = 1_000
/**
 * Counters of openings that are remembered. A queue keeps a report for 14 days: a device that begins one a day has shown
 * fewer since.
 */
const MOST_SERIES = 16
const HOUR = 3_600_000

/** Percent: low from here on, and good again from there. */
const [LOW, GOOD] = [15, 25]
/** Percent by which the battery must have changed to be told again. */
const STEP = 5
/** Milliseconds that a clock may be off: a report may take a while. */
const MOST_OFF = 120_000

/** What is left of this hour's count. */
export const countedIn = ({ hour, states, openings }: Seen, at: number) =>
  hour === hourOf(at) ? { states, openings } : { states: 0, openings: 0 }

/** With so many more recorded at this time. */
export const counting = (
  seen: Seen,
  at: number,
  more: { readonly states?: number; readonly openings?: number }
): Seen => {
  const { states, openings } = countedIn(seen, at)
  return {
    ...seen,
    hour: hourOf(at),
    states: states + (more.states ?? 0),
    openings: openings + (more.openings ?? 0)
  }
}

const hourOf = (at: number): number => Math.floor(at / HOUR) * HOUR

/** How far a counter of openings has come. */
export const lastOf = ({ series }: Seen, name: string): number => series.find((one) => one.name === name)?.last ?? 0

/** With a counter that has come so far. */
export const withLast = (seen: Seen, name: string, last: number): Seen => ({
  ...seen,
  series: [...seen.series.filter((one) => one.name !== name), { name, last: Math.max(last, lastOf(seen, name)) }].slice(
    -MOST_SERIES
  )
})

/** The state after what a device says now; what it leaves out is as before. */
export const stateAfter = (before: SeenState | undefined, said: ReportedState, seenAt: number): SeenState => {
  const { clock, batteryLow: _, ...parts } = said
  const { clockOffBy, ...rest } = before ?? {}
  const battery = said.battery ?? before?.battery
  const isLow = lowAfter(before?.batteryLow ?? false, said)
  const off = clock === undefined ? clockOffBy : isWrong(clock - seenAt) ? clock - seenAt : undefined
  return {
    ...rest,
    ...parts,
    ...(battery === undefined && said.batteryLow === undefined && before?.batteryLow === undefined
      ? {}
      : { batteryLow: isLow }),
    ...(off === undefined ? {} : { clockOffBy: off }),
    seenAt
  }
}

const lowAfter = (was: boolean, { battery, batteryLow }: ReportedState): boolean => {
  if (batteryLow === true || (battery !== undefined && battery <= LOW)) return true
  if (!was) return false
  return battery === undefined ? batteryLow !== false : battery < GOOD
}

const isWrong = (off: number): boolean => Math.abs(off) > MOST_OFF

/** Whether a state says something new: a battery that is a little emptier, or a clock that is as wrong as before, does not. */
export const isNews = (before: SeenState | undefined, after: SeenState): boolean =>
  before === undefined ||
  before.bolt !== after.bolt ||
  before.door !== after.door ||
  before.firmware !== after.firmware ||
  before.keySlots !== after.keySlots ||
  before.batteryLow !== after.batteryLow ||
  (before.clockOffBy === undefined) !== (after.clockOffBy === undefined) ||
  (after.battery !== undefined && (before.battery === undefined || Math.abs(after.battery - before.battery) >= STEP))

/** What is wrong now, and was not before. */
export const alarmsOf = (
  before: SeenState | undefined,
  after: SeenState
): ReadonlyArray<"BatteryLow" | "BoltJammed" | "DoorForced" | "DoorLeftOpen"> => [
  ...(after.batteryLow === true && before?.batteryLow !== true ? (["BatteryLow"] as const) : []),
  ...(after.bolt === "jammed" && before?.bolt !== "jammed" ? (["BoltJammed"] as const) : []),
  ...(after.door === "forced" && before?.door !== "forced" ? (["DoorForced"] as const) : []),
  ...(after.door === "leftOpen" && before?.door !== "leftOpen" ? (["DoorLeftOpen"] as const) : [])
]
