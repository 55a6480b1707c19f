/** The rules of temp keys: windows, uses, whitelists, and what an edit changes. */
import { describe, expect, it } from "@effect/vitest"
import { tempKeyAtEdge } from "@latchkey/core/testing"
import { Schema } from "effect"
import {
  AccessMode,
  admits,
  canonical,
  changed,
  changesTo,
  flawOf,
  MaxUses,
  mayReturn,
  nextChangeAt,
  ruleAt,
  statusAt,
  TempKey,
  TempKeyStatus,
  withoutGuests,
  withReturned
} from "../src/lock/TempKey.ts"
import type { Schedule } from "../src/values/Schedule.ts"
import { Instant, instantOf, UuidText } from "../src/values/Text.ts"
import { clock, officeKey as key, millis } from "./scenario.ts"

const ADA = "ada00000-0000-4000-8000-00000000000a"
const BOB = "b0b00000-0000-4000-8000-00000000000b"

/** On Mondays, in Athens: three hours ahead of the clock of these tests. */
const at = (from: string, to: string): Schedule => ({
  timeZone: "Europe/Athens",
  windows: [{ days: ["monday"], from, to }]
})

describe("the status of a temp key", () => {
  it.each([
    ["08:59:59.999", "not-yet-valid"],
    ["09:00", "valid"],
    ["12:00", "valid"],
    ["16:59:59.999", "valid"],
    ["17:00", "expired"],
    ["23:00", "expired"]
  ])("of 09:00 to 17:00 is, at %s, %s", (time, status) => {
    expect(statusAt(key, millis(time))).toBe(status)
  })

  it.each([
    [6, "valid"],
    [7, "used-up"],
    [8, "used-up"]
  ])("of a key for 7 uses is, after %i, %s", (usedCount, status) => {
    expect(statusAt({ ...key, maxUses: 7, usedCount }, millis("12:00"))).toBe(status)
  })

  it("of a key without a limit never becomes used-up", () => {
    expect(statusAt({ ...key, usedCount: 1_000_000 }, millis("12:00"))).toBe("valid")
  })

  it("is the first that matches of expired, used-up, not-yet-valid", () => {
    const usedUp = { ...key, maxUses: 1, usedCount: 1 }
    expect(statusAt(usedUp, millis("18:00"))).toBe("expired")
    expect(statusAt(usedUp, millis("08:00"))).toBe("used-up")
  })

  const Day = Schema.Int.check(Schema.isBetween({ minimum: millis("00:00"), maximum: millis("23:59") }))
  const Count = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 3 }))

  it.prop(
    "is valid exactly in the half-open window while uses are left",
    [Day, Day, Day, Schema.NullOr(Count), Count],
    ([from, until, now, maxUses, usedCount]) => {
      const status = statusAt(
        { ...key, validFrom: instantOf(from), validUntil: instantOf(until), maxUses, usedCount },
        now
      )
      expect(status === "valid").toBe(from <= now && now < until && (maxUses === null || usedCount < maxUses))
    }
  )

  it("between the windows of its schedule is not yet valid, and expired or used up before that", () => {
    const weekly = { ...key, schedule: at("14:00", "15:00") }
    expect(["10:59", "11:00", "11:59", "12:00"].map((time) => statusAt(weekly, millis(time)))).toEqual([
      "not-yet-valid",
      "valid",
      "valid",
      "not-yet-valid"
    ])
    expect(statusAt(weekly, millis("17:00"))).toBe("expired")
    expect(ruleAt(weekly, millis("12:00"))).toBe("schedule")
    expect(statusAt({ ...weekly, maxUses: 1, usedCount: 1 }, millis("12:00"))).toBe("used-up")
    expect(statusAt({ ...weekly, validFrom: clock("11:30") }, millis("11:15"))).toBe("not-yet-valid")
  })

  it("of a key whose time zone nobody knows any more is not yet valid, until it expires", () => {
    const lost = { ...at("00:00", "00:00"), timeZone: "Atlantis/Poseidonis" }
    expect(statusAt({ ...key, schedule: lost }, millis("12:00"))).toBe("not-yet-valid")
    expect(ruleAt({ ...key, schedule: lost }, millis("12:00"))).toBe("unknown-time-zone")
    expect(nextChangeAt({ ...key, schedule: lost }, millis("12:00"))).toBe(millis("17:00"))
  })

  it.each<[string, Partial<TempKey>, string, string | undefined]>([
    ["before its window", {}, "08:00", "09:00"],
    ["in its window", {}, "09:00", "17:00"],
    ["after its window", {}, "17:00", undefined],
    ["used up", { maxUses: 1, usedCount: 1 }, "08:00", "17:00"],
    ["while it is suspended", { suspended: true }, "08:00", "17:00"],
    ["before its schedule opens", { schedule: at("14:00", "15:00") }, "08:00", "11:00"],
    ["while its schedule is open", { schedule: at("14:00", "15:00") }, "11:30", "12:00"],
    ["after its schedule closed forever", { schedule: at("14:00", "15:00") }, "12:00", "17:00"],
    ["before a window in which its schedule is open", { schedule: at("11:00", "15:00") }, "08:00", "09:00"],
    ["when its schedule opens before its window alone", { schedule: at("10:00", "11:00") }, "06:00", "17:00"],
    ["while its schedule is open past its end", { schedule: at("14:00", "21:00") }, "12:00", "17:00"]
  ])("next changes, %s", (_, terms, now, change) => {
    expect(nextChangeAt({ ...key, ...terms }, millis(now))).toBe(change && millis(change))
  })

  it.prop("changes at the instant that nextChangeAt names, and at no other", [tempKeyAtEdge], ([{ key, now }]) => {
    const next = nextChangeAt(key, now)
    const end = next ?? now + 48 * 3_600_000
    for (let t = now; t < end; t += 60_000) expect(statusAt(key, t)).toBe(statusAt(key, now))
    expect(statusAt(key, end - 1)).toBe(statusAt(key, now))
    if (next === undefined) expect(statusAt(key, end)).toBe("expired")
    else expect(statusAt(key, next)).not.toBe(statusAt(key, now))
  })

  it.prop("never comes back from expired", [Day, Day, Day], ([until, now, later]) => {
    const short = { ...key, validFrom: clock("00:00"), validUntil: instantOf(until) }
    if (statusAt(short, Math.min(now, later)) === "expired") {
      expect(statusAt(short, Math.max(now, later))).toBe("expired")
    }
  })
})

describe("terms", () => {
  it("need a window that is not empty", () => {
    expect(flawOf(key)).toBeUndefined()
    expect(flawOf({ ...key, validUntil: clock("09:00:00.001") })).toBeUndefined()
    expect(flawOf({ ...key, validUntil: clock("09:00") })).toBe("empty-window")
    expect(flawOf({ ...key, validUntil: clock("08:00") })).toBe("empty-window")
  })

  it("need somebody on the whitelist, if there is one", () => {
    expect(flawOf({ ...key, accessMode: "user-whitelist" })).toBe("empty-whitelist")
    expect(flawOf({ ...key, accessMode: "user-whitelist", allowedUserIds: [ADA] })).toBeUndefined()
  })
})

describe("a public key", () => {
  it("admits everyone, named or not", () => {
    expect(admits(key, undefined)).toBe(true)
    expect(admits({ ...key, allowedUserIds: [ADA] }, BOB)).toBe(true)
  })
})

describe("a key for a whitelist", () => {
  const whitelist: TempKey = { ...key, accessMode: "user-whitelist", allowedUserIds: [BOB, ADA.toUpperCase()] }

  it("admits who is on it, however the id is written", () => {
    expect(admits(whitelist, ADA)).toBe(true)
    expect(admits(whitelist, BOB.toUpperCase())).toBe(true)
  })

  it("admits nobody else, and nobody without a name", () => {
    expect(admits(whitelist, "c0c00000-0000-4000-8000-00000000000c")).toBe(false)
    expect(admits(whitelist, undefined)).toBe(false)
    expect(admits({ ...whitelist, allowedUserIds: ["", "undefined"] }, "")).toBe(false)
    expect(admits({ ...whitelist, allowedUserIds: ["", "undefined"] }, undefined)).toBe(false)
  })
})

describe("an edit", () => {
  it("changes what it names", () => {
    const update = {
      accessMode: "user-whitelist",
      allowedUserIds: [ADA],
      validFrom: clock("10:00"),
      validUntil: clock("11:00"),
      maxUses: 3
    } as const
    expect(changesTo(key, update)).toStrictEqual(update)
  })

  it.each<[string, Partial<TempKey>]>([
    ["nothing", {}],
    ["the same mode", { accessMode: "public" }],
    ["the same limit", { maxUses: null }],
    ["the same start, written otherwise", { validFrom: "2026-08-31T09:00Z" }],
    ["the same end, written otherwise", { validUntil: "2026-08-31T17:00:00.0Z" }],
    ["the same people, in another order and case, one twice", { allowedUserIds: [BOB, ADA.toUpperCase(), BOB] }]
  ])("that names %s changes nothing", (_, update) => {
    expect(changesTo({ ...key, allowedUserIds: [ADA, BOB] }, update)).toStrictEqual({})
  })

  it("gives a schedule, changes it and takes it away, and sees when it is so already", () => {
    const weekly = { ...key, schedule: at("14:00", "15:00") }
    const other = { schedule: at("14:00", "16:00") }
    expect(changesTo(key, other)).toStrictEqual(other)
    expect(changesTo(weekly, other)).toStrictEqual(other)
    expect(changesTo(weekly, { maxUses: 1 })).toStrictEqual({ maxUses: 1 })
    expect(changesTo(weekly, { schedule: null })).toStrictEqual({ schedule: null })
    expect(changesTo(key, { schedule: null })).toStrictEqual({})
    const [late] = at("14:30", "15:00").windows
    const [early] = at("14:00", "14:40").windows
    const written: Schedule = { timeZone: "europe/athens", windows: [late, early] }
    expect(changesTo(weekly, { schedule: written })).toStrictEqual({})
    expect(changed(weekly, { schedule: null })).toStrictEqual(key)
    expect(changed(key, { ...other, maxUses: 1 })).toStrictEqual({ ...key, ...other, maxUses: 1 })
  })

  it("writes something on it, changes it and takes it away, and sees when it is so already", () => {
    const cleaner = { ...key, description: "Cleaner" }
    expect(changesTo(key, { description: "Cleaner" })).toStrictEqual({ description: "Cleaner" })
    expect(changesTo(cleaner, { description: "Gardener" })).toStrictEqual({ description: "Gardener" })
    expect(changesTo(cleaner, { description: null })).toStrictEqual({ description: null })
    expect(changesTo(cleaner, { description: "Cleaner" })).toStrictEqual({})
    expect(changesTo(cleaner, { maxUses: null })).toStrictEqual({})
    expect(changesTo(key, { description: null })).toStrictEqual({})
    expect(changed(key, { description: "Cleaner" })).toStrictEqual(cleaner)
    expect(changed(cleaner, { description: null })).toStrictEqual(key)
  })

  it("sees that people came, went, or were exchanged", () => {
    const both = { ...key, allowedUserIds: [ADA, BOB] }
    const exchanged = [ADA, "c0c00000-0000-4000-8000-00000000000c"]
    expect(changesTo(both, { allowedUserIds: [ADA] })).toStrictEqual({ allowedUserIds: [ADA] })
    expect(changesTo(both, { allowedUserIds: [] })).toStrictEqual({ allowedUserIds: [] })
    expect(changesTo(both, { allowedUserIds: exchanged })).toStrictEqual({ allowedUserIds: exchanged })
    expect(changesTo({ ...key, allowedUserIds: [ADA] }, { allowedUserIds: [ADA, BOB] })).toStrictEqual({
      allowedUserIds: [ADA, BOB]
    })
  })

  const Terms = Schema.Struct({
    accessMode: AccessMode,
    allowedUserIds: Schema.Array(Schema.Literals([ADA, BOB, ADA.toUpperCase()])),
    validFrom: Schema.Literals([clock("09:00"), "2026-08-31T09:00Z", clock("10:00")]),
    validUntil: Schema.Literals([clock("17:00"), "2026-08-31T17:00Z", clock("18:00")]),
    maxUses: Schema.NullOr(Schema.Literals([1, 2]))
  })
  const Weekly = Schema.Struct({
    timeZone: Schema.Literals(["Europe/Athens", "UTC"]),
    windows: Schema.Tuple([
      Schema.Struct({
        days: Schema.Tuple([Schema.Literal("monday")]),
        from: Schema.Literals(["09:00", "10:00"]),
        to: Schema.Literal("12:00")
      })
    ])
  })
  const Update = Schema.Struct({
    accessMode: Schema.optionalKey(Terms.fields.accessMode),
    allowedUserIds: Schema.optionalKey(Terms.fields.allowedUserIds),
    validFrom: Schema.optionalKey(Terms.fields.validFrom),
    validUntil: Schema.optionalKey(Terms.fields.validUntil),
    maxUses: Schema.optionalKey(Terms.fields.maxUses),
    schedule: Schema.optionalKey(Schema.NullOr(Weekly))
  })

  it.prop("only ever changes what it names, to what it says", [Terms, Update], ([terms, update]) => {
    expect(update).toMatchObject(changesTo({ ...key, ...terms }, update))
  })

  it.prop("made a second time changes nothing more", [Terms, Update], ([terms, update]) => {
    const edited = changed({ ...key, ...terms }, changesTo({ ...key, ...terms }, update))
    expect(changesTo(edited, update)).toStrictEqual({})
  })

  it.prop("that does not name them widens neither window, limit nor whitelist", [Terms, Update], ([terms, update]) => {
    const weekly = { ...key, ...terms, schedule: at("10:00", "11:00") }
    const edited = changed(weekly, changesTo(weekly, update))
    for (const term of ["accessMode", "allowedUserIds", "validFrom", "validUntil", "maxUses", "schedule"] as const) {
      if (!(term in update)) expect(edited[term]).toStrictEqual(weekly[term])
    }
  })
})

describe("a use that opened nothing", () => {
  const DAY = 24 * 60 * 60 * 1000
  const now = millis("12:00")
  const used = { ...key, usedCount: 5 }

  it.each<[string, Partial<TempKey>, boolean]>([
    ["the first of a key", {}, true],
    ["the third within a day", { returnedAt: [now - 2, now - 1] }, true],
    ["not the fourth", { returnedAt: [now - DAY + 1, now - 2, now - 1] }, false],
    ["the fourth, a day after the first", { returnedAt: [now - DAY, now - 2, now - 1] }, true],
    ["the last that is counted", { usedCount: 1 }, true],
    ["not more than are counted", { usedCount: 0 }, false]
  ])("may be given back: %s", (_, fields, expected) => {
    expect(mayReturn({ ...used, ...fields }, now)).toBe(expected)
  })

  it("is given back, and the last three of them are remembered", () => {
    expect(withReturned(used, 4, 10)).toStrictEqual({ ...used, usedCount: 4, returnedAt: [10] })
    const often = { ...used, returnedAt: [10, 20, 30] }
    expect(withReturned(often, 1, 40)).toStrictEqual({ ...used, usedCount: 1, returnedAt: [20, 30, 40] })
  })
})

it("a temp key without guests has nobody on it, no maker, and nothing written on it", () => {
  const named = { ...key, allowedUserIds: [ADA], createdBy: BOB, description: "Cleaner" }
  expect(withoutGuests(named)).toStrictEqual({ ...key, allowedUserIds: [], createdBy: "" })
})

describe("the values of a temp key", () => {
  it.each([
    [UuidText, "7E3b0000-0000-4000-8000-000000000001", true],
    [UuidText, "7e3b0000-0000-4000-8000-00000000000", false],
    [UuidText, " 7e3b0000-0000-4000-8000-000000000001", false],
    [Instant, "2026-08-31T09:00Z", true],
    [Instant, "2028-02-29T23:59:59.123456Z", true],
    [Instant, "2026-02-29T09:00:00Z", false],
    [Instant, "2026-08-31T24:00:00Z", false],
    [Instant, "2026-08-31T09:00:00+02:00", false],
    [Instant, "2026-08-31", false],
    [MaxUses, 1, true],
    [MaxUses, null, true],
    [MaxUses, 0, false],
    [MaxUses, 1.5, false]
  ])("%#: %s is one: %s", (schema: Schema.Schema<unknown>, value, one) => {
    expect(Schema.is(schema)(value)).toBe(one)
  })

  it.each(["valid", "expired", "used-up", "not-yet-valid"])("%s is a status", (status) => {
    expect(Schema.is(TempKeyStatus)(status)).toBe(true)
    expect(Schema.is(TempKeyStatus)("")).toBe(false)
  })

  it.each<[string, unknown]>([
    ["uuid", "key-1"],
    ["accessMode", "private"],
    ["allowedUserIds", ["ada"]],
    ["validFrom", "yesterday"],
    ["validUntil", "tomorrow"],
    ["maxUses", 0],
    ["schedule", { timeZone: "UTC", windows: [] }],
    ["usedCount", 0.5],
    ["description", "a\0b"],
    ["createdAt", 0],
    ["createdBy", null],
    ["createdVersion", "2"]
  ])("its %s is not %o", (field, value) => {
    expect(Schema.is(TempKey)(key)).toBe(true)
    expect(Schema.is(TempKey)({ ...key, [field]: value })).toBe(false)
  })

  it("are compared without regard to case", () => {
    expect(canonical("7E3B")).toBe(canonical("7e3b"))
  })
})
