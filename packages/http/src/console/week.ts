/** The weekly times of a temp key as a picture of the week, and in words. */
import type { Schedule } from "@latchkey/core"
import { type Html, html } from "../pages/Html.ts"
import { en } from "./texts/en.ts"

/** Weekly times, also such as a form says them before the API has judged them. */
export interface Week {
  readonly timeZone: string
  readonly windows: ReadonlyArray<{ readonly days: ReadonlyArray<Day>; readonly from: string; readonly to: string }>
}
type Day = Schedule["windows"][number]["days"][number]
export const DAYS: ReadonlyArray<Day> = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]

/** In pixels: of the names of days, of an hour, and of a day. */
const [LEFT, HOUR, ROW, TOP] = [36, 12, 20, 16]

/** A bar for each window; what goes over midnight goes on in the next day. */
export const weekPicture = (schedule: Week): Html => {
  const bars = schedule.windows.flatMap(({ days, from, to }) =>
    days.flatMap((day) => {
      const [row, start, end] = [DAYS.indexOf(day), hoursOf(from), hoursOf(to)]
      return end > start
        ? [{ row, start, end }]
        : [
            { row, start, end: 24 },
            { row: (row + 1) % 7, start: 0, end }
          ]
    })
  )
  const width = LEFT + 24 * HOUR + 8
  return html`<svg class="chart" viewBox="0 0 ${width} ${TOP + 7 * ROW}" role="img" aria-label="${en.week.picture(weekInWords(schedule))}">
${[0, 6, 12, 18, 24].map((hour) => html`<text x="${LEFT + hour * HOUR}" y="11" text-anchor="middle">${hour}</text>`)}
${DAYS.map((day, row) => html`<text x="0" y="${TOP + row * ROW + 15}">${en.week.short[day]}</text><rect class="none" x="${LEFT}" y="${TOP + row * ROW + 3}" width="${24 * HOUR}" height="${ROW - 6}" rx="3"/>`)}
${bars.map(({ row, start, end }) => html`<rect class="bar" x="${LEFT + start * HOUR}" y="${TOP + row * ROW + 3}" width="${(end - start) * HOUR}" height="${ROW - 6}" rx="3"/>`)}
</svg>`
}

/** `Tuesdays 09:00–11:00, in Europe/Athens`. */
export const weekInWords = ({ windows, timeZone }: Week): string =>
  `${windows.map(({ days, from, to }) => `${days.map((day) => en.week.days[day]).join(", ")} ${from}–${to}`).join("; ")}, ${en.week.zone(timeZone)}`

const hoursOf = (wall: string): number => {
  const [hours = 0, minutes = 0] = wall.split(":").map(Number)
  return hours + minutes / 60
}
