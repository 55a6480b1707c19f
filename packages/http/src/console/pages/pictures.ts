/** What a lock's story looks like: when it is opened, and how its battery goes; each with its numbers as a table. */
import { Effect } from "effect"
import { type Html, html } from "../../pages/Html.ts"
import { pathWith, type Told } from "../ApiCalls.ts"
import { en } from "../texts/en.ts"
import { inWords, time, wallTime } from "../times.ts"
import type { Shows } from "../Visit.ts"
import { DAYS } from "../week.ts"
import { detailsOf, placeIn } from "./place.ts"

type History = Told<"locks", "events">
type Event = History["events"][number]

const texts = en.pictures
/** The newest events that are looked at. */
const MOST = 500
const OPENED = ["LockOpenRequested", "OpenedAtDoor"]

export const picturesPage: Shows = Effect.fnUntraced(function* (visit) {
  const { api, params } = visit
  const id = encodeURIComponent(params["id"] ?? "")
  const { name, zone } = placeIn(yield* detailsOf(visit, params["id"] ?? ""), params["id"] ?? "", visit)
  const types = [...OPENED, "DeviceStateReported", "BatteryLow"].join(",")
  const path = pathWith(`/locks/${id}/events`, { types, order: "desc", limit: MOST })
  const { events } = yield* api.ask<History>({ method: "GET", path })
  const opened = events.filter(({ type }) => OPENED.includes(type))
  const battery = events.toReversed().flatMap((event) => {
    const level = levelOf(event)
    return level === undefined ? [] : [{ at: event.timestamp, level }]
  })
  const walls = opened.map(({ timestamp }) => wallTime(timestamp, zone))
  const byHour = Array.from({ length: 24 }, (_, hour) => ({
    name: String(hour).padStart(2, "0"),
    isNamed: hour % 3 === 0,
    count: walls.filter((wall) => Number(wall.slice(11, 13)) === hour).length
  }))
  const byDay = DAYS.map((day, index) => ({
    name: en.week.short[day],
    isNamed: true,
    count: walls.filter((wall) => (new Date(wall).getUTCDay() + 6) % 7 === index).length
  }))
  return {
    title: texts.title(name),
    body: html`<p class="quiet">${opened.length === 0 ? texts.none : texts.about(opened.length)} ${en.lock.zone(zone)}</p>
<section class="card"><h2>${texts.byHour}</h2>${bars(byHour, texts.byHour)}</section>
<section class="card"><h2>${texts.byDay}</h2>${bars(byDay, texts.byDay)}</section>
<section class="card"><h2>${texts.battery}</h2>${battery.length === 0 ? html`<p>${texts.noBattery}</p>` : line(battery, zone)}</section>
<p><a class="button plain" href="/console/locks/${id}">${name}</a></p>`
  }
})

const levelOf = ({ event }: Event): number | undefined => {
  const level: unknown = Object(event?.data)["battery"]
  return typeof level === "number" ? level : undefined
}

/** Of such a width that words in it can be read on a phone. */
const [WIDTH, HEIGHT, FOOT] = [340, 96, 18]

interface Count {
  readonly name: string
  /** Also in the picture. */
  readonly isNamed: boolean
  readonly count: number
}

const bars = (counts: ReadonlyArray<Count>, caption: string): Html => {
  const most = Math.max(1, ...counts.map(({ count }) => count))
  const step = WIDTH / counts.length
  return html`<svg class="chart" viewBox="0 0 ${WIDTH} ${HEIGHT + FOOT}" aria-hidden="true">${counts.map(
    ({ name, isNamed, count }, index) => {
      const height = Math.max(1, (count / most) * HEIGHT)
      return html`<rect class="${count === 0 ? "none" : "bar"}" x="${(index * step + 1).toFixed(1)}" y="${(HEIGHT - height).toFixed(1)}" width="${(step - 2).toFixed(1)}" height="${height.toFixed(1)}"/>${isNamed && html`<text x="${((index + 0.5) * step).toFixed(1)}" y="${HEIGHT + 13}" text-anchor="middle">${name}</text>`}`
    }
  )}</svg>
<details><summary>${texts.numbers}</summary><table><caption>${caption}</caption><thead><tr><th scope="col">${texts.when}</th><th scope="col">${texts.openings}</th></tr></thead><tbody>${counts.map(
    ({ name, count }) => html`<tr><th scope="row">${name}</th><td>${count}</td></tr>`
  )}</tbody></table></details>`
}

const line = (levels: ReadonlyArray<{ readonly at: string; readonly level: number }>, zone: string): Html => {
  const times = levels.map(({ at }) => Date.parse(at))
  const [first = 0, last = 0] = [times[0], times.at(-1)]
  const points = levels.map(
    ({ level }, index) =>
      `${((((times[index] ?? 0) - first) / Math.max(1, last - first)) * WIDTH).toFixed(1)},${(HEIGHT - (level / 100) * HEIGHT).toFixed(1)}`
  )
  return html`<svg class="chart" viewBox="0 0 ${WIDTH} ${HEIGHT + FOOT}" aria-hidden="true"><rect class="none" x="0" y="${HEIGHT}" width="${WIDTH}" height="1"/><polyline class="line" points="${[...points, ...(points.length === 1 ? [`${WIDTH},${points[0]?.split(",")[1]}`] : [])].join(" ")}"/><text x="0" y="${HEIGHT + 13}">${inWords(first, zone, "date")}</text><text x="${WIDTH}" y="${HEIGHT + 13}" text-anchor="end">${inWords(last, zone, "date")}</text></svg>
<details><summary>${texts.numbers}</summary><table><caption>${texts.battery}</caption><thead><tr><th scope="col">${texts.when}</th><th scope="col">${texts.level}</th></tr></thead><tbody>${levels
    .slice(-50)
    .map(
      ({ at, level }) => html`<tr><th scope="row">${time(at, zone)}</th><td>${level} %</td></tr>`
    )}</tbody></table></details>`
}
