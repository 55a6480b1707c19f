/**
 * Weekly windows in a time zone: "Tuesdays from 09:00 to 11:00 in Europe/Athens". A schedule is open exactly while the
 * clock on the wall there reads inside one of its windows. So nothing is left to interpretation when clocks change:
 * what the clock skips is not there, and what it shows twice is there twice. Pure; the instant comes with the question.
 */
import { Schema } from "effect"
import { instantOf } from "./Text.ts"
import { DAY, TimeZoneName, zoneNamed } from "./TimeZone.ts"

const DAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"] as const
export const Weekday = Schema.Literals(DAYS)
export type Weekday = typeof Weekday.Type

/** A time of day on the wall clock, `00:00` to `23:59`. */
const WallTime = Schema.String.check(
  Schema.isPattern(/^(?:[01]\d|2[0-3]):[0-5]\d$/u, { expected: "a time of day such as 09:00" })
)

/** From `from` until `to`, beginning on each of the days. A `to` that is not after `from` is on the day after. */
const window = { days: Schema.NonEmptyArray(Weekday), from: WallTime, to: WallTime }

/** A schedule as it is stored: its zone was known when it was made, and may not be to the runtime that reads it. */
export const Schedule = Schema.Struct({
  timeZone: Schema.String,
  windows: Schema.NonEmptyArray(Schema.Struct(window))
})
export type Schedule = typeof Schedule.Type

/** Most windows that a schedule may have. */
const MOST_WINDOWS = 50
const NewWindow = Schema.Struct({
  ...window,
  days: window.days.check(Schema.isMaxLength(DAYS.length, { expected: `at most ${DAYS.length} days` }))
})

/** A schedule as somebody may ask for it. */
export const NewSchedule = Schema.Struct({
  timeZone: TimeZoneName,
  windows: Schema.NonEmptyArray(NewWindow).check(
    Schema.isMaxLength(MOST_WINDOWS, { expected: `at most ${MOST_WINDOWS} windows` })
  )
})

/** Whether the schedule is open at an instant (epoch milliseconds); one whose zone is unknown never is. */
export const isOpenAt = ({ timeZone, windows }: Schedule, now: number, zone = zoneNamed(timeZone)): boolean =>
  zone !== undefined && isOpenWhen(weekOf(windows), now + zone.spanAt(now).offset)

/** When the schedule next opens or closes: the first such instant in `(after, before)`, epoch milliseconds, if any. */
export const nextTurn = (
  { timeZone, windows }: Schedule,
  after: number,
  before: number,
  zone = zoneNamed(timeZone)
): number | undefined => {
  const week = weekOf(windows)
  if (zone === undefined || week.turns.length === 0) return undefined
  const wasOpen = isOpenWhen(week, after + zone.spanAt(after).offset)
  let at = after
  while (at < before) {
    const { offset, until } = zone.spanAt(at)
    // Within a span the wall clock runs like any other, and every turn of the week is one.
    const turn = at + untilTurn(week, at + offset)
    if (turn < until) return turn < before ? turn : undefined
    at = until
    if (at < before && isOpenWhen(week, at + zone.spanAt(at).offset) !== wasOpen) return at
  }
  return undefined
}

/** When the schedule is open in `[from, until)` (epoch milliseconds), the first `most` times. */
export const openingsIn = (
  schedule: Schedule,
  from: number,
  until: number,
  most: number
): ReadonlyArray<{ readonly from: number; readonly until: number }> => {
  const openings: Array<{ readonly from: number; readonly until: number }> = []
  let at = from
  while (at < until && openings.length < most) {
    const turn = nextTurn(schedule, at, until) ?? until
    if (isOpenAt(schedule, at)) openings.push({ from: at, until: turn })
    at = turn
  }
  return openings
}

/** What the wall clock of the schedule shows at an instant, such as `tuesday 09:30`; `undefined` in an unknown zone. */
export const wallTimeAt = ({ timeZone }: Schedule, now: number): string | undefined => {
  const span = zoneNamed(timeZone)?.spanAt(now)
  if (span === undefined) return undefined
  const wall = now + span.offset
  return `${DAYS[Math.floor(timeInWeek(wall) / DAY)]} ${instantOf(wall).slice(-13, -8)}`
}

/** A day of the week, and from when until when it is open; `to` may be on the next day. Open all day it is from `00:00` to `24:00`. */
export interface DayHours {
  readonly day: Weekday
  readonly hours: ReadonlyArray<{ readonly from: string; readonly to: string }>
}

/**
 * The week of a schedule, from Monday on, as it is told to people: windows that overlap or touch are one, on the day on
 * which it begins; one of a day or more is told day by day.
 *
 * @example
 * ```ts
 * weekHours({ timeZone: "Europe/Athens", windows: [{ days: ["tuesday"], from: "09:00", to: "11:00" }] })[1]
 * // { day: "tuesday", hours: [{ from: "09:00", to: "11:00" }] }
 * ```
 */
export const weekHours = ({ windows }: Schedule): ReadonlyArray<DayHours> => {
  const stretches = stretchesOf(weekOf(windows)).flatMap(({ start, end }) => {
    if (end - start < DAY) return [{ start, end }]
    const parts: Array<{ start: number; end: number }> = []
    for (let at = start; at < end; at = midnightAfter(at))
      parts.push({ start: at, end: Math.min(end, midnightAfter(at)) })
    return parts
  })
  return DAYS.map((day, index) => ({
    day,
    hours: stretches
      .filter(({ start }) => Math.floor((start % WEEK) / DAY) === index)
      .sort((a, b) => (a.start % WEEK) - (b.start % WEEK))
      .map(({ start, end }) => ({ from: clockAt(start % DAY), to: clockAt(((end - 1) % DAY) + 1) }))
  }))
}

/** From when until when a week is open, in milliseconds of the week; what wraps around its end goes on beyond it. */
const stretchesOf = ({ turns, wrapsOpen }: Week): ReadonlyArray<{ readonly start: number; readonly end: number }> => {
  if (turns.length === 0) return wrapsOpen ? [{ start: 0, end: WEEK }] : []
  const opens = wrapsOpen ? [...turns.slice(1), (turns[0] ?? 0) + WEEK] : turns
  return opens.flatMap((start, index) => (index % 2 === 0 ? [{ start, end: opens[index + 1] ?? start }] : []))
}

const midnightAfter = (at: number): number => (Math.floor(at / DAY) + 1) * DAY

const clockAt = (time: number): string =>
  `${String(Math.floor(time / 3_600_000)).padStart(2, "0")}:${String((time / 60_000) % 60).padStart(2, "0")}`

/** Whether two schedules are open at the same instants, whatever happens to clocks. */
export const sameSchedule = (a: Schedule, b: Schedule): boolean => {
  if (a.timeZone.toLowerCase() !== b.timeZone.toLowerCase()) return false
  const [left, right] = [weekOf(a.windows), weekOf(b.windows)]
  return left.wrapsOpen === right.wrapsOpen && left.turns.join() === right.turns.join()
}

/** A week of the wall clock, from Monday at midnight, worked out from the windows; those that overlap or touch are one. */
interface Week {
  /** Times of the week, in milliseconds, at which the schedule opens or closes, in turn. */
  readonly turns: ReadonlyArray<number>
  /** Whether it is open before the first of them, and after the last. */
  readonly wrapsOpen: boolean
}

const WEEK = 7 * DAY
/** The first Monday of the epoch: 1970-01-05. */
const FIRST_MONDAY = 4 * DAY

const weeks = new WeakMap<Schedule["windows"], Week>()

/** Worked out once for each schedule in memory. */
const weekOf = (windows: Schedule["windows"]): Week => {
  let week = weeks.get(windows)
  if (week === undefined) weeks.set(windows, (week = makeWeek(windows)))
  return week
}

const makeWeek = (windows: Schedule["windows"]): Week => {
  const stretches = windows
    .flatMap(({ days, from, to }) => {
      const length = (timeOf(to) - timeOf(from) + DAY) % DAY || DAY
      return days.flatMap((day) => {
        const start = DAYS.indexOf(day) * DAY + timeOf(from)
        const end = start + length
        return end <= WEEK
          ? [{ start, end }]
          : [
              { start, end: WEEK },
              { start: 0, end: end - WEEK }
            ]
      })
    })
    .sort((a, b) => a.start - b.start)
  const turns: Array<number> = []
  for (const { start, end } of stretches) {
    const last = turns.at(-1)
    if (last === undefined || start > last) turns.push(start, end)
    else if (end > last) turns[turns.length - 1] = end
  }
  if (turns.at(-1) !== WEEK) return { turns, wrapsOpen: false }
  // The week's end is the next one's beginning: there it closes, unless it is open on both sides.
  turns.pop()
  return { turns: turns[0] === 0 ? turns.slice(1) : [0, ...turns], wrapsOpen: true }
}

const timeOf = (time: string): number => (Number(time.slice(0, 2)) * 60 + Number(time.slice(3))) * 60_000

/** The time of the week of a reading of the wall clock, which is written as if it were UTC. */
const timeInWeek = (wall: number): number => (((wall - FIRST_MONDAY) % WEEK) + WEEK) % WEEK

/** How many turns the week has had by this time of it, and at it. */
const turnsBy = ({ turns }: Week, time: number): number => {
  const next = turns.findIndex((turn) => turn > time)
  return next === -1 ? turns.length : next
}

const isOpenWhen = (week: Week, wall: number): boolean => (turnsBy(week, timeInWeek(wall)) % 2 === 1) !== week.wrapsOpen

/** How long the wall clock runs from this reading to the next turn. */
const untilTurn = (week: Week, wall: number): number => {
  const time = timeInWeek(wall)
  const next = week.turns[turnsBy(week, time)] ?? (week.turns[0] ?? Number.POSITIVE_INFINITY) + WEEK
  return next - time
}
