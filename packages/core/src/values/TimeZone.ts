/**
 * Time zones as the runtime knows them: what a clock on the wall shows at an instant. The runtime's data change with its
 * version only, so what was looked up once is kept.
 */
import { DateTime, Option, Schema } from "effect"

export const DAY = 86_400_000

/** A stretch of time, from some instant on and until `until` (epoch milliseconds), in which clocks are not changed. */
export interface Span {
  /** What the wall clock is ahead of UTC, in milliseconds. */
  readonly offset: number
  readonly until: number
}

/** The clock changes of one zone. */
export interface ZoneRules {
  /** The span around an instant (epoch milliseconds); it ends at the next clock change, or after a day at the latest. */
  readonly spanAt: (at: number) => Span
}

/** The rules behind an offset for every instant; no two clock changes lie within one day of UTC. */
export const zoneRules = (offsetAt: (at: number) => number): ZoneRules => {
  const offsets = new Map<number, number>()
  const changes = new Map<number, number>()

  const knownOffsetAt = (at: number): number => {
    let offset = offsets.get(at)
    if (offset === undefined) {
      if (offsets.size >= 2 * MOST_DAYS) offsets.clear()
      offsets.set(at, (offset = offsetAt(at)))
    }
    return offset
  }

  /** The instant within the day from which on the clock shows what it shows at the day's end. */
  const changeOn = (day: number, after: number): number => {
    const known = changes.get(day)
    if (known !== undefined) return known
    let [before, from] = [day * DAY, (day + 1) * DAY - 1]
    while (from - before > 1) {
      const middle = Math.floor((before + from) / 2)
      if (offsetAt(middle) === after) from = middle
      else before = middle
    }
    if (changes.size >= MOST_DAYS) changes.clear()
    changes.set(day, from)
    return from
  }

  return {
    spanAt: (at) => {
      const day = Math.floor(at / DAY)
      const next = (day + 1) * DAY
      // A change at midnight is of the day that it begins.
      const [first, last] = [knownOffsetAt(day * DAY), knownOffsetAt(next - 1)]
      if (first === last) return { offset: first, until: next }
      const change = changeOn(day, last)
      return at < change ? { offset: first, until: change } : { offset: last, until: next }
    }
  }
}

/** Days of one zone that are kept in memory. */
const MOST_DAYS = 1_000

const zones = new Map<string, ZoneRules>()

/** The zone with this IANA name, in whichever case; `undefined` when the runtime does not know it. */
export const zoneNamed = (name: string): ZoneRules | undefined => {
  const id = name.toLowerCase()
  const known = zones.get(id)
  if (known !== undefined || !ZONE_NAME.test(id)) return known
  const zone = Option.getOrUndefined(DateTime.zoneMakeNamed(id))
  if (zone === undefined) return undefined
  const rules = zoneRules((at) => DateTime.zonedOffset(DateTime.setZone(DateTime.makeUnsafe(at), zone)))
  zones.set(id, rules)
  return rules
}

/** Names begin with a letter; what begins with a sign is an offset, which knows nothing of summer time. */
const ZONE_NAME = /^[a-z][a-z0-9_+/-]*$/

/** The name of a time zone that this runtime knows, such as `Europe/Athens`. */
export const TimeZoneName = Schema.String.check(
  Schema.makeFilter((name) => zoneNamed(name) !== undefined || "must be an IANA time zone such as Europe/Athens", {
    expected: "an IANA time zone such as Europe/Athens"
  })
)
