/** Instants as text and as numbers: what is remembered of them changes nothing. */
import { describe, expect, it } from "@effect/vitest"
import { Schema } from "effect"
import { edgeOf, Instant, instantOf, millisOf } from "../src/values/Text.ts"

/** Of the years that four digits can write. */
const Millis = Schema.Int.check(Schema.isBetween({ minimum: -62167219200000, maximum: 253402300799999 }))

describe("an instant", () => {
  it.prop("is written in UTC, to the millisecond", [Millis], ([at]) => {
    expect(Schema.is(Instant)(instantOf(at))).toBe(true)
    expect(Date.parse(instantOf(at))).toBe(at)
  })

  it.prop("is read as it was written, whatever was written last", [Millis, Millis], ([at, other]) => {
    const text = instantOf(at)
    expect(millisOf(text)).toBe(at)
    instantOf(other)
    expect(millisOf(text)).toBe(at)
  })

  it("has whole milliseconds, also of a clock that knows less than one", () => {
    expect(millisOf(instantOf(1_000.75))).toBe(1_000)
    expect(instantOf(1_000.75)).toBe(instantOf(1_000))
  })
})

describe("the edge of a window", () => {
  it.prop("is the same instant, however often it is asked for", [Millis, Millis], ([at, other]) => {
    for (const millis of [at, other, at]) expect(edgeOf(instantOf(millis))).toBe(millis)
  })

  it.each(["2026-08-31T09:00Z", "2026-08-31T09:00:00Z", "2026-08-31T09:00:00.0Z", "2026-08-31T09:00:00.000000000Z"])(
    "%s is nine o'clock",
    (edge) => {
      for (let times = 0; times < 2; times++) expect(edgeOf(edge)).toBe(Date.UTC(2026, 7, 31, 9))
    }
  )

  it("is right among more of them than are remembered", () => {
    const all = Array.from({ length: 25_000 }, (_, n) => n * 60_000)
    for (let times = 0; times < 2; times++)
      expect(all.filter((millis) => edgeOf(instantOf(millis)) !== millis)).toEqual([])
  })
})
