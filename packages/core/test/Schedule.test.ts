/** Weekly windows: open exactly while the wall clock reads inside one, whatever happens to clocks. */
import { describe, expect, it } from "@effect/vitest"
import { Arbitrary, Schema } from "effect"
import {
  isOpenAt,
  NewSchedule,
  nextTurn,
  type Schedule,
  sameSchedule,
  Weekday,
  weekHours
} from "../src/values/Schedule.ts"
import { instantOf, millisOf } from "../src/values/Text.ts"
import { DAY, zoneNamed, zoneRules } from "../src/values/TimeZone.ts"

type Window = Schedule["windows"][number]
const inZone = (timeZone: string, ...windows: [Window, ...Array<Window>]): Schedule => ({ timeZone, windows })
const onSundays = (timeZone: string, from: string, to: string) => inZone(timeZone, { days: ["sunday"], from, to })

/** When a schedule turns, from an instant on: `+` opens, `-` closes. */
const turns = (schedule: Schedule, from: string, until: string): ReadonlyArray<string> => {
  const found: Array<string> = []
  let at = nextTurn(schedule, millisOf(from), millisOf(until))
  while (at !== undefined) {
    found.push(`${isOpenAt(schedule, at) ? "+" : "-"} ${instantOf(at).slice(0, 16)}Z`)
    at = nextTurn(schedule, at, millisOf(until))
  }
  return found
}

describe("a schedule", () => {
  it("opens and closes in the time of its zone, summer and winter", () => {
    const tuesdays = inZone("Europe/Athens", { days: ["tuesday"], from: "09:00", to: "11:00" })
    expect(turns(tuesdays, "2026-10-19T00:00Z", "2026-11-01T00:00Z")).toEqual([
      "+ 2026-10-20T06:00Z",
      "- 2026-10-20T08:00Z",
      "+ 2026-10-27T07:00Z",
      "- 2026-10-27T09:00Z"
    ])
  })

  it("goes on over midnight, and over the end of the week", () => {
    const nights = inZone("UTC", { days: ["saturday", "sunday"], from: "22:00", to: "02:00" })
    expect(turns(nights, "2026-08-29T00:00Z", "2026-09-01T00:00Z")).toEqual([
      "+ 2026-08-29T22:00Z",
      "- 2026-08-30T02:00Z",
      "+ 2026-08-30T22:00Z",
      "- 2026-08-31T02:00Z"
    ])
  })

  it("is open for a whole day when it ends at the time it begins", () => {
    const mondays = inZone("UTC", { days: ["monday"], from: "00:00", to: "00:00" })
    expect(turns(mondays, "2026-08-29T00:00Z", "2026-09-05T00:00Z")).toEqual([
      "+ 2026-08-31T00:00Z",
      "- 2026-09-01T00:00Z"
    ])
  })

  it("does not turn where windows touch or overlap, and never when they fill the week", () => {
    const touching = inZone(
      "UTC",
      { days: ["monday"], from: "09:00", to: "10:00" },
      { days: ["monday"], from: "10:00", to: "12:00" },
      { days: ["monday"], from: "11:00", to: "11:30" }
    )
    expect(turns(touching, "2026-08-31T00:00Z", "2026-09-01T00:00Z")).toEqual([
      "+ 2026-08-31T09:00Z",
      "- 2026-08-31T12:00Z"
    ])
    const always = inZone("Europe/Athens", { days: [...Weekday.literals], from: "08:00", to: "08:00" })
    expect(turns(always, "2026-01-01T00:00Z", "9999-01-01T00:00Z")).toEqual([])
    expect(isOpenAt(always, millisOf("2026-03-29T01:00Z"))).toBe(true)
  })
})

/** Clocks go from 02:00 to 03:00 on 2026-03-29 at 01:00Z, and from 03:00 to 02:00 on 2026-10-25 at 01:00Z. */
describe("where clocks go forward, in Berlin", () => {
  const inSpring = (from: string, to: string) =>
    turns(onSundays("Europe/Berlin", from, to), "2026-03-28T12:00Z", "2026-03-29T12:00Z")

  it("a window in the skipped hour is not there", () => expect(inSpring("02:15", "02:45")).toEqual([]))
  it("a window that begins in it opens when clocks go on", () =>
    expect(inSpring("02:30", "03:30")).toEqual(["+ 2026-03-29T01:00Z", "- 2026-03-29T01:30Z"]))
  it("a window that ends in it closes when clocks go on", () =>
    expect(inSpring("01:30", "02:30")).toEqual(["+ 2026-03-29T00:30Z", "- 2026-03-29T01:00Z"]))
  it("a window around it is an hour shorter", () =>
    expect(inSpring("01:00", "05:00")).toEqual(["+ 2026-03-29T00:00Z", "- 2026-03-29T03:00Z"]))
})

it("a turn at the end of the time asked about is none in it, also where clocks change", () => {
  const closing = onSundays("Europe/Berlin", "01:30", "02:30")
  const change = millisOf("2026-03-29T01:00Z")
  expect(nextTurn(closing, change - 60_000, change)).toBeUndefined()
  expect(nextTurn(closing, change - 60_000, change + 1)).toBe(change)
})

describe("where clocks go back, in Berlin", () => {
  const inAutumn = (from: string, to: string) =>
    turns(onSundays("Europe/Berlin", from, to), "2026-10-24T12:00Z", "2026-10-25T12:00Z")

  it("a window in the hour that comes twice is there twice", () =>
    expect(inAutumn("02:15", "02:45")).toEqual([
      "+ 2026-10-25T00:15Z",
      "- 2026-10-25T00:45Z",
      "+ 2026-10-25T01:15Z",
      "- 2026-10-25T01:45Z"
    ]))
  it("a window of exactly that hour lasts two hours", () =>
    expect(inAutumn("02:00", "03:00")).toEqual(["+ 2026-10-25T00:00Z", "- 2026-10-25T02:00Z"]))
  it("a window that begins in it opens, closes when clocks go back, and opens again", () =>
    expect(inAutumn("02:30", "03:30")).toEqual([
      "+ 2026-10-25T00:30Z",
      "- 2026-10-25T01:00Z",
      "+ 2026-10-25T01:30Z",
      "- 2026-10-25T02:30Z"
    ]))
  it("a window around it is an hour longer", () =>
    expect(inAutumn("01:00", "05:00")).toEqual(["+ 2026-10-24T23:00Z", "- 2026-10-25T04:00Z"]))
})

describe("in unusual zones", () => {
  it("a day that a country skipped had no windows", () => {
    const fridays = inZone("Pacific/Apia", { days: ["friday"], from: "10:00", to: "12:00" })
    expect(turns(fridays, "2011-12-24T00:00Z", "2012-01-08T00:00Z")).toEqual([
      "+ 2012-01-05T20:00Z",
      "- 2012-01-05T22:00Z"
    ])
  })

  it("clocks that change by half an hour, or by a quarter of an hour off the hour, are read as they are", () => {
    expect(turns(onSundays("Australia/Lord_Howe", "02:00", "02:30"), "2026-10-03T00:00Z", "2026-10-04T12:00Z")).toEqual(
      []
    )
    expect(turns(onSundays("Asia/Kathmandu", "09:00", "10:00"), "2026-10-03T00:00Z", "2026-10-04T12:00Z")).toEqual([
      "+ 2026-10-04T03:15Z",
      "- 2026-10-04T04:15Z"
    ])
  })

  it("a zone that this runtime does not know is never open, and never will be", () => {
    const nowhere = onSundays("Atlantis/Poseidonis", "00:00", "00:00")
    expect(isOpenAt(nowhere, millisOf("2026-08-30T12:00Z"))).toBe(false)
    expect(nextTurn(nowhere, 0, millisOf("2026-08-30T12:00Z"))).toBeUndefined()
  })
})

const WallTime = Schema.Literals(["00:00", "00:30", "01:00", "02:00", "02:30", "03:00", "09:15", "12:00", "23:59"])
const AnyWindow = Schema.Struct({ days: Schema.NonEmptyArray(Weekday), from: WallTime, to: WallTime })
const Windows = Schema.NonEmptyArray(AnyWindow).check(Schema.isMaxLength(4))
const Zone = Schema.Literals([
  "Europe/Athens",
  "America/New_York",
  "Australia/Lord_Howe",
  "Africa/Casablanca",
  "America/Santiago",
  "Asia/Kathmandu",
  "Pacific/Apia",
  "UTC"
])
/** Any minute of four years. */
const Minute = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 4 * 366 * 24 * 60 })).pipe((minutes) =>
  Arbitrary.map(Arbitrary.schema(minutes), (n) => millisOf("2024-01-01T00:00Z") + n * 60_000)
)

/** What a clock on the wall shows, by another way than the code under test. */
const wallClock = (timeZone: string, at: number) => {
  const shown = new Intl.DateTimeFormat("en-GB", {
    timeZone,
    weekday: "long",
    hour: "2-digit",
    minute: "2-digit",
    hourCycle: "h23"
  }).formatToParts(at)
  const part = (type: string) => shown.find((part) => part.type === type)?.value ?? ""
  return { day: part("weekday").toLowerCase(), time: `${part("hour")}:${part("minute")}` }
}

/** Whether a reading is in a window, as one would say it. */
const isIn = ({ day, time }: { readonly day: string; readonly time: string }, { days, from, to }: Window): boolean => {
  const dayBefore = Weekday.literals[(Weekday.literals.indexOf(day as Weekday) + 6) % 7] as Weekday
  return from < to
    ? days.includes(day as Weekday) && from <= time && time < to
    : (days.includes(day as Weekday) && from <= time) || (days.includes(dayBefore) && time < to)
}

describe("whatever the windows, the zone and the instant", () => {
  it.prop(
    "a schedule is open exactly when the wall clock reads inside a window",
    [Windows, Zone, Minute],
    ([w, z, at]) => {
      expect(isOpenAt({ timeZone: z, windows: w }, at)).toBe(w.some((window) => isIn(wallClock(z, at), window)))
    }
  )

  it.prop("it turns at the next turn, and not before", [Windows, Zone, Minute], ([windows, timeZone, at]) => {
    const schedule = { timeZone, windows }
    const before = at + 9 * DAY
    const turn = nextTurn(schedule, at, before) ?? before
    for (let t = at; t < turn; t += 15 * 60_000) expect(isOpenAt(schedule, t)).toBe(isOpenAt(schedule, at))
    expect(isOpenAt(schedule, turn - 1)).toBe(isOpenAt(schedule, at))
    if (turn < before) expect(isOpenAt(schedule, turn)).not.toBe(isOpenAt(schedule, at))
  })

  it.prop("the order of windows and the case of the zone mean nothing", [Windows, Zone], ([windows, timeZone]) => {
    const [first, ...rest] = windows.toReversed() as [Window, ...Array<Window>]
    expect(sameSchedule({ timeZone, windows }, { timeZone: timeZone.toUpperCase(), windows: [first, ...rest] })).toBe(
      true
    )
  })
})

/** Zones that may yet come: clocks change on any days, by any number of minutes, at any second. */
const Changes = Schema.Array(
  Schema.Struct({
    day: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 20 })),
    second: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 86_399 })),
    minutes: Schema.Int.check(Schema.isBetween({ minimum: -24 * 60, maximum: 24 * 60 }))
  })
).check(Schema.isMaxLength(6))
const zoneOf = (changes: typeof Changes.Type) => {
  const from = millisOf("2030-01-01T00:00Z")
  const onOneDay = new Map(changes.map((change) => [change.day, change]))
  const steps = [...onOneDay.values()]
    .map(({ day, second, minutes }) => ({ at: from + day * DAY + second * 1000, offset: minutes * 60_000 }))
    .sort((a, b) => a.at - b.at)
  return { steps, offsetAt: (at: number) => steps.findLast((step) => step.at <= at)?.offset ?? 0 }
}
const At = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 20 * 24 * 60 }))

describe("whatever a government decides", () => {
  it.prop("clock changes are found to the millisecond", [Changes, At], ([changes, minute]) => {
    const { steps, offsetAt } = zoneOf(changes)
    const at = millisOf("2030-01-01T00:00Z") + minute * 60_000
    const { offset, until } = zoneRules(offsetAt).spanAt(at)
    expect(offset).toBe(offsetAt(at))
    expect(until).toBeGreaterThan(at)
    expect(steps.filter((step) => at < step.at && step.at < until && step.offset !== offset)).toEqual([])
  })

  it("clocks that are changed on a day, and back when the next one begins, are seen to be", () => {
    const [changed, back] = [millisOf("2030-01-01T00:00:01Z"), millisOf("2030-01-02T00:00Z")]
    const zone = zoneRules((at) => (at >= changed && at < back ? -3_600_000 : 0))
    expect(zone.spanAt(changed - 1)).toEqual({ offset: 0, until: changed })
    expect(zone.spanAt(changed)).toEqual({ offset: -3_600_000, until: back })
    expect(zone.spanAt(back)).toEqual({ offset: 0, until: back + DAY })
  })

  it.prop("a schedule goes by what the wall clock then reads", [Windows, Changes, At], ([windows, changes, minute]) => {
    const zone = zoneRules(zoneOf(changes).offsetAt)
    const schedule = inZone("Nowhere/Yet", ...(windows as [Window, ...Array<Window>]))
    const at = millisOf("2030-01-01T00:00Z") + minute * 60_000
    const wall = instantOf(at + zoneOf(changes).offsetAt(at))
    const reading = { day: wallClock("UTC", millisOf(wall)).day, time: wall.slice(11, 16) }
    expect(isOpenAt(schedule, at, zone)).toBe(windows.some((window) => isIn(reading, window)))
    const turn = nextTurn(schedule, at, at + 9 * DAY, zone)
    if (turn === undefined) return
    expect(isOpenAt(schedule, turn - 1, zone)).toBe(isOpenAt(schedule, at, zone))
    expect(isOpenAt(schedule, turn, zone)).not.toBe(isOpenAt(schedule, at, zone))
  })
})

describe("a schedule that is asked for", () => {
  const tuesdays = { days: ["tuesday"], from: "09:00", to: "11:00" }
  const good = { timeZone: "Europe/Athens", windows: [tuesdays] }
  it.each<[string, unknown, boolean]>([
    ["is good", good, true],
    ["may write its zone in lower case", { ...good, timeZone: "europe/athens" }, true],
    ["needs a zone that is known", { ...good, timeZone: "Europe/Atlantis" }, false],
    ["needs a zone, not an offset", { ...good, timeZone: "+02:00" }, false],
    ["needs a zone", { windows: [tuesdays] }, false],
    ["needs a window", { ...good, windows: [] }, false],
    ["has at most fifty windows", { ...good, windows: Array(51).fill(tuesdays) }, false],
    ["needs days", { ...good, windows: [{ ...tuesdays, days: [] }] }, false],
    ["needs days of the week", { ...good, windows: [{ ...tuesdays, days: ["someday"] }] }, false],
    ["needs times of day", { ...good, windows: [{ ...tuesdays, to: "24:00" }] }, false],
    ["needs times with two digits", { ...good, windows: [{ ...tuesdays, from: "9:00" }] }, false]
  ])("%s", (_, schedule, isGood) => expect(Schema.is(NewSchedule)(schedule)).toBe(isGood))

  it("knows zones by name alone, and keeps what it knows", () => {
    expect(zoneNamed("Europe/Athens")).toBe(zoneNamed("EUROPE/athens"))
    expect(zoneNamed("__proto__")).toBeUndefined()
    expect(zoneNamed("")).toBeUndefined()
  })
})

describe("the week of a schedule", () => {
  const hoursOf = (...windows: [Window, ...Array<Window>]) =>
    weekHours(inZone("Europe/Athens", ...windows)).flatMap(({ day, hours }) =>
      hours.map(({ from, to }) => `${day} ${from}-${to}`)
    )
  const every = Weekday.literals

  it("tells windows that overlap or touch as one, on the day on which it begins", () => {
    expect(
      hoursOf(
        { days: ["sunday"], from: "22:00", to: "06:00" },
        { days: ["monday"], from: "06:00", to: "08:00" },
        { days: ["tuesday"], from: "09:00", to: "11:00" },
        { days: ["tuesday"], from: "10:00", to: "12:00" },
        { days: ["tuesday"], from: "17:00", to: "00:00" }
      )
    ).toEqual(["tuesday 09:00-12:00", "tuesday 17:00-24:00", "sunday 22:00-08:00"])
  })

  it("tells what is open for a day or more day by day", () => {
    expect(hoursOf({ days: [...every], from: "00:00", to: "00:00" })).toEqual(every.map((day) => `${day} 00:00-24:00`))
    expect(hoursOf({ days: ["saturday", "sunday"], from: "12:00", to: "12:00" })).toEqual([
      "monday 00:00-12:00",
      "saturday 12:00-24:00",
      "sunday 00:00-24:00"
    ])
  })

  it.prop("is open when, and only when, the schedule is", [Windows, Minute], ([windows, at]) => {
    const minute = (at / 60_000 + 3 * 1440) % 10_080
    const isTold = weekHours({ timeZone: "UTC", windows }).some(({ hours }, day) =>
      hours.some(({ from, to }) => {
        const start = day * 1440 + minutesOf(from)
        const end = start + ((minutesOf(to) - minutesOf(from) + 1440) % 1440 || 1440)
        return [minute, minute + 10_080].some((when) => when >= start && when < end)
      })
    )
    expect(isTold).toBe(isOpenAt({ timeZone: "UTC", windows }, at))
  })
  const minutesOf = (clock: string) => Number(clock.slice(0, 2)) * 60 + Number(clock.slice(3))
})
