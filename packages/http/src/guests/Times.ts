/** Times as guests read them: at the door, in their own language's form, with how long it is until then. Written by the server alone. */
import { type Schedule, weekHours } from "@latchkey/core"
import { type Html, html } from "../pages/Html.ts"
import type { Reader } from "./Reader.ts"

const DATE = { weekday: "long", day: "numeric", month: "long", year: "numeric" } as const
const MINUTES = { hour: "2-digit", minute: "2-digit" } as const
const SECONDS = { ...MINUTES, second: "2-digit" } as const

/** A day and a time of it, or a time of today. */
export type Precision = keyof typeof PRECISIONS
const PRECISIONS = { day: { ...DATE, ...MINUTES }, clock: SECONDS, "day-and-clock": { ...DATE, ...SECONDS } } as const

/**
 * In the time of the door. While that is not known it is UTC, and says so; the script makes it the guest's own.
 *
 * @param at epoch milliseconds
 */
export const time = (
  { locale, now }: Reader,
  at: number,
  timeZone: string | undefined,
  precision: Precision = "day"
): Html => {
  const zone = knownZone(timeZone)
  const words = new Intl.DateTimeFormat(locale, {
    ...PRECISIONS[precision],
    ...(zone === undefined ? { timeZone: "UTC", timeZoneName: "short" } : { timeZone: zone })
  })
  const isNow = precision !== "day" && Math.abs(at - now) < MINUTE
  return html`<time datetime="${new Date(at).toISOString()}"${zone === undefined && html` data-precision="${precision}"`}>${words.format(at)}</time>${!isNow && ` (${fromNow(locale, at - now)})`}`
}

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
/** From which length of time on it is told in which unit; what is shorter is told in minutes. */
const UNITS = [
  [2 * 365 * DAY, 365.25 * DAY, "year"],
  [61 * DAY, 30.44 * DAY, "month"],
  [14 * DAY, 7 * DAY, "week"],
  [36 * HOUR, DAY, "day"],
  [90 * MINUTE, HOUR, "hour"]
] as const
const MINUTES_LONG = [0, MINUTE, "minute"] as const

/** How long until then, or since: "in 2 hours". */
export const fromNow = (locale: string, span: number): string => {
  const [, length, unit] = UNITS.find(([least]) => Math.abs(span) >= least) ?? MINUTES_LONG
  const count = Math.max(1, Math.round(Math.abs(span) / length))
  return new Intl.RelativeTimeFormat(locale).format(span < 0 ? -count : count, unit)
}

/** The name of the time in a zone, such as "Eastern European Time". */
export const nameOfZone = ({ locale, now }: Reader, timeZone: string): string => {
  const zone = knownZone(timeZone)
  if (zone === undefined) return timeZone
  const parts = new Intl.DateTimeFormat(locale, { timeZone: zone, timeZoneName: "longGeneric" }).formatToParts(now)
  return parts.find(({ type }) => type === "timeZoneName")?.value ?? timeZone
}

/** Zones were known when they were said, and may not be to the runtime that reads them. */
const knownZone = (timeZone: string | undefined): string | undefined => {
  try {
    return timeZone === undefined ? undefined : new Intl.DateTimeFormat("en", { timeZone }).resolvedOptions().timeZone
  } catch {
    return undefined
  }
}

/** The first Monday of the epoch. */
const MONDAY = 4 * DAY

/** The week of a schedule as a table. */
export const weekTable = (reader: Reader, schedule: Schedule): Html => {
  const {
    texts: { week },
    locale
  } = reader
  const nameOfDay = new Intl.DateTimeFormat(locale, { weekday: "long", timeZone: "UTC" })
  const clock = new Intl.DateTimeFormat(locale, { ...MINUTES, timeZone: "UTC" })
  const at = (wall: string): string => clock.format(Number(wall.slice(0, 2)) * HOUR + Number(wall.slice(3)) * MINUTE)
  const rows = weekHours(schedule).map(({ hours }, day) => {
    const told = hours.map(({ from, to }) =>
      from === "00:00" && to === "24:00" ? week.allDay : `${at(from)}–${at(to)}`
    )
    return html`<tr><th scope="row">${nameOfDay.format(MONDAY + day * DAY)}</th><td>${told.length === 0 ? week.never : told.map((hours, index) => html`<span>${hours}${index < told.length - 1 && ","}</span> `)}</td></tr>
`
  })
  return html`<table>
<caption>${week.title}<br><small>${nameOfZone(reader, schedule.timeZone)}</small></caption>
<thead><tr><th scope="col">${week.day}</th><th scope="col">${week.hours}</th></tr></thead>
<tbody>
${rows}</tbody>
</table>`
}
