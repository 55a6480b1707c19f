/** What requests say and nobody understands. */
import { expect, it } from "@effect/vitest"
import { Exit, Schema } from "effect"
import { closedDecoder, issuesOf } from "../src/values/Closed.ts"
import { closest, distance } from "../src/values/closest.ts"

const request = Schema.Struct({
  maxUses: Schema.optionalKey(Schema.Int),
  doors: Schema.optionalKey(Schema.Array(Schema.Struct({ label: Schema.optionalKey(Schema.String) }))),
  schedule: Schema.optionalKey(Schema.NullOr(Schema.Struct({ timeZone: Schema.String })))
})

const refusal = (input: unknown, isOpen = false) => {
  const exit = closedDecoder(request, isOpen)(input, { errors: "all" })
  if (Exit.isSuccess(exit)) return exit.value
  return exit.cause.reasons.flatMap((reason) => (reason._tag === "Fail" ? issuesOf(reason.error) : []))
}

it("a closed request is refused with every member that it does not know, however deep", () => {
  expect(refusal({ max_uses: 1, doors: [{}, { Label: "x" }], schedule: { timeZone: "UTC", zone: "UTC" } })).toEqual([
    { path: ["max_uses"], message: "Not known here. Did you mean maxUses?" },
    { path: ["doors", 1, "Label"], message: "Not known here. Did you mean label?" },
    { path: ["schedule", "zone"], message: "Not known here. Did you mean timeZone?" }
  ])
})

it("an open one leaves those of its top level aside, and only those", () => {
  expect(refusal({ maxUses: 1, more: 1, schedule: null }, true)).toEqual({ maxUses: 1, schedule: null })
  expect(refusal({ more: 1, doors: [{ more: 1 }] }, true)).toEqual([
    { path: ["doors", 0, "more"], message: "Not known here. Did you mean label?" }
  ])
  for (const input of [null, [], "text", undefined]) expect(refusal(input, true)).toHaveLength(1)
})

it("a name is nearest to itself, however it is written", () => {
  const names = ["validFrom", "validUntil", "maxUses", "accessMode", "allowedUserIds"]
  for (const name of names) {
    const snake = name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
    for (const written of [name, snake, name.toUpperCase(), snake.replaceAll("_", "-")]) {
      expect(closest(written, names)).toBe(name)
    }
    expect(closest(name.slice(1), names)).toBe(name)
  }
  expect(closest("any", [])).toBeUndefined()
})

it.prop("the distance of names is one of Levenshtein's", [Schema.String, Schema.String, Schema.String], ([a, b, c]) => {
  expect(distance("kitten", "sitting")).toBe(3)
  expect(distance(a, a)).toBe(0)
  expect(distance(a, b)).toBe(distance(b, a))
  expect(distance(a, c)).toBeLessThanOrEqual(distance(a, b) + distance(b, c))
})
