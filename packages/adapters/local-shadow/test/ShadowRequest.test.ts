/** What the shadow service refuses before it looks at any shadow. */
import { describe, expect, it } from "@effect/vitest"
import { Result } from "effect"
import { checkNames, parseUpdate } from "../src/ShadowRequest.ts"

const refusalOf = (json: unknown) => {
  const { code, message } = Result.getOrThrow(Result.flip(parseUpdate(json)))
  return { code, message }
}

/** An object with so many levels of attributes. */
const nested = (levels: number): object => ({ deeper: levels === 1 ? 1 : nested(levels - 1) })

describe("an update request", () => {
  const table: ReadonlyArray<readonly [message: string, json: unknown]> = [
    ["Invalid JSON", undefined],
    ["Invalid JSON", "{}"],
    ["Invalid JSON", [{ state: {} }]],
    ["Missing required node: state", {}],
    ["State node must be an object", { state: 1 }],
    ["State node must be an object", { state: [] }],
    ["Desired node must be an object", { state: { desired: "on" } }],
    ["Desired node must be an object", { state: { desired: [] } }],
    ["Reported node must be an object", { state: { reported: 1 } }],
    ["State contains an invalid node: 'delta'", { state: { delta: {} } }],
    ["State contains an invalid node: 'colors'", { state: { desired: { colors: [null, "RED"] } } }],
    ["State contains an invalid node: 'x'", { state: { desired: { x: Number.NaN } } }],
    ["State contains an invalid node: 'x'", { state: { desired: { x: undefined } } }],
    ["State contains an invalid node: 'x'", { state: { desired: { x: () => 1 } } }],
    ["State contains an invalid node: '__proto__'", { state: { desired: JSON.parse('{"a":{"__proto__":{"b":1}}}') } }],
    ["Invalid version", { state: {}, version: "1" }],
    ["Invalid version", { state: {}, version: -1 }],
    ["Invalid version", { state: {}, version: 1.5 }],
    ["Invalid version", { state: {}, version: null }],
    ["Invalid clientToken", { state: {}, clientToken: 1 }],
    ["Invalid clientToken", { state: {}, clientToken: "x".repeat(65) }],
    ["Invalid clientToken", { state: {}, clientToken: "ä".repeat(33) }],
    ["JSON contains too many levels of nesting; maximum is 6", { state: { desired: nested(7) } }],
    ["JSON contains too many levels of nesting; maximum is 6", { state: { reported: { list: [[[[[[[]]]]]]] } } }]
  ]
  it.each(table)("is refused with 400 «%s»: %j", (message, json) => {
    expect(refusalOf(json)).toEqual({ code: 400, message })
  })

  it("may have six levels of attributes, a token of 64 bytes and null sections", () => {
    const json = { state: { desired: nested(6), reported: null }, clientToken: "x".repeat(64), version: 0 }
    expect(Result.getOrThrow(parseUpdate(json))).toEqual(json)
  })

  it("is refused, and not followed, when it contains itself", () => {
    const circle: { [key: string]: unknown } = {}
    circle["again"] = circle
    expect(refusalOf({ state: { desired: circle } }).message).toContain("too many levels")
  })
})

describe("names", () => {
  const isFine = (thing: string, shadowName?: string) => Result.isSuccess(checkNames(thing, shadowName))

  it("of things have up to 128 letters, digits, colons, underscores and hyphens", () => {
    expect(isFine("a-B_3:")).toBe(true)
    expect(isFine("x".repeat(128))).toBe(true)
    for (const thing of ["", "x".repeat(129), "a b", "a/b", "a+", "ä", "a\n", "$a"]) expect(isFine(thing)).toBe(false)
  })

  it("of shadows have up to 64, and dollar signs too", () => {
    expect(isFine("thing", "$next_1")).toBe(true)
    expect(isFine("thing", "x".repeat(64))).toBe(true)
    for (const name of ["", "x".repeat(65), "a~b", "a#"]) expect(isFine("thing", name)).toBe(false)
  })
})
