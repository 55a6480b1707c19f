/** Instants as a person at a desk reads them: in the time zone of the lock, or else of their browser. */
import { DateTime, Option } from "effect"
import { type Html, html } from "../pages/Html.ts"
import { en } from "./texts/en.ts"

const formats = new Map<string, Intl.DateTimeFormat>()
/** Making a format takes longer than all else on a page; a zone that is unknown is not kept. */
const formatOf = (zone: string, kind: keyof typeof KINDS): Intl.DateTimeFormat => {
  const name = `${kind} ${zone}`
  const known = formats.get(name)
  if (known !== undefined) return known
  const made = new Intl.DateTimeFormat(en.locale, { ...KINDS[kind], timeZone: zone })
  if (formats.size >= MOST_KEPT) formats.clear()
  formats.set(name, made)
  return made
}
const MOST_KEPT = 1_000

const clock = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" } as const
const KINDS = {
  day: { weekday: "long", day: "numeric", month: "long", year: "numeric" },
  date: { day: "numeric", month: "short", year: "numeric" },
  clock: { ...clock, second: "2-digit" },
  full: { day: "numeric", month: "short", year: "numeric", ...clock },
  hour: { weekday: "short", hour: "2-digit", hourCycle: "h23" }
} as const satisfies Readonly<Record<string, Intl.DateTimeFormatOptions>>

/** In words; instants that cannot be read are shown as they are. */
export const inWords = (at: number | string, zone: string, kind: keyof typeof KINDS = "full"): string => {
  const date = new Date(at)
  return Number.isNaN(date.getTime()) ? String(at) : formatOf(zone, kind).format(date)
}

/** The same as an element that says the exact instant too. */
export const time = (at: number | string, zone: string, kind: keyof typeof KINDS = "full"): Html => {
  const date = new Date(at)
  return Number.isNaN(date.getTime())
    ? html`${String(at)}`
    : html`<time datetime="${date.toISOString()}">${inWords(at, zone, kind)}</time>`
}

/** A zone that this runtime knows, or UTC. */
export const zoneOr = (name: string | undefined, other = "UTC"): string =>
  name !== undefined && Option.isSome(DateTime.zoneMakeNamed(name)) ? name : other

/** What a clock on the wall there shows, as fields of forms write it: `2026-11-26T23:12`. */
export const wallTime = (at: number | string, zone: string): string => {
  const named = DateTime.makeZoned(at, { timeZone: zone })
  return Option.match(named, {
    onNone: () => "",
    onSome: (zoned) => DateTime.formatIsoZoned(zoned).slice(0, 16)
  })
}

/** The instant at which the clock on the wall there shows this; `undefined` for what is none. */
export const instantAt = (wall: string | null | undefined, zone: string): string | undefined => {
  if (wall === null || wall === undefined || wall === "") return undefined
  const zoned = DateTime.makeZoned(wall, { timeZone: zone, adjustForTimeZone: true })
  return Option.getOrUndefined(Option.map(zoned, DateTime.formatIso))
}
