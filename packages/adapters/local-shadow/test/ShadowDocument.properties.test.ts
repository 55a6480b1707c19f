/** What holds of a shadow whatever is asked of it. */
import { isDeepStrictEqual } from "node:util"
import { describe, expect, it } from "@effect/vitest"
import { SHADOW_LIMIT } from "@latchkey/core"
import { Result } from "effect"
import fc from "fast-check"
import { applyUpdate, deltaOf, noShadow, type Shadow, type UpdateRequest } from "../src/ShadowDocument.ts"
import { parseUpdate } from "../src/ShadowRequest.ts"

// Few names, so that updates meet; and the names that objects inherit.
const name = fc.constantFrom("a", "b", "timestamp", "constructor", "toString", "__proto__", "hasOwnProperty")
const leaf = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.oneof(fc.integer(), fc.boolean(), fc.string({ maxLength: 5 }), fc.double({ noNaN: true }))
  },
  { weight: 1, arbitrary: fc.nat(3000).map((length) => "é".repeat(length)) }
)
const { section } = fc.letrec<{ value: unknown; section: object }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    leaf,
    fc.constant(null),
    fc.array(leaf, { maxLength: 3 }),
    tie("section")
  ),
  // As a parser makes it: `__proto__` is a name like any other.
  section: fc.array(fc.tuple(name, tie("value")), { maxLength: 4 }).map((entries) => {
    const members = entries.map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`)
    return JSON.parse(`{${members.join(",")}}`)
  })
}))
const json = fc.record({
  state: fc.record({ desired: fc.option(section), reported: fc.option(section) }, { requiredKeys: [] })
})
const request = json
  .map(parseUpdate)
  .filter(Result.isSuccess)
  .map(({ success }) => success)

const apply = (shadow: Shadow, update: UpdateRequest): Shadow => {
  const after = applyUpdate(shadow, update, 1, SHADOW_LIMIT)
  return "code" in after ? shadow : after
}
const history = fc.array(request, { maxLength: 6 }).map((updates) => updates.reduce(apply, noShadow))
const check = (property: fc.IRawProperty<unknown>) => fc.assert(property, { numRuns: 500 })

describe("whatever is asked of a shadow", () => {
  it("asking twice changes nothing but the version", () => {
    check(
      fc.property(history, request, (shadow, update) => {
        const once = apply(shadow, update)
        expect(apply(once, update).content).toEqual(once.content)
      })
    )
  })

  it("an accepted update moves the version on by one, a refused one changes nothing", () => {
    check(
      fc.property(history, request, (shadow, update) => {
        const after = apply(shadow, update)
        expect(after === shadow || after.version === shadow.version + 1).toBe(true)
      })
    )
  })

  it("what is accepted fits, and what is kept is JSON without nulls", () => {
    check(
      fc.property(history, ({ content }) => {
        const { desired, reported } = content?.state ?? {}
        const text = [desired, reported].map((part) => (part === undefined ? "" : JSON.stringify(part))).join("")
        expect(Buffer.byteLength(text)).toBeLessThanOrEqual(SHADOW_LIMIT)
        expect(JSON.stringify(content?.state ?? {}).replace(/"(\\.|[^"])*"/g, "")).not.toContain("null")
      })
    )
  })

  it("a name that is set to null is gone", () => {
    check(
      fc.property(history, name, (shadow, key) => {
        fc.pre(key !== "__proto__")
        const after = apply(shadow, { state: { desired: { [key]: null } } })
        expect(Object.hasOwn(after.content?.state.desired ?? {}, key)).toBe(false)
        expect(Object.hasOwn(after.content?.metadata.desired ?? {}, key)).toBe(false)
      })
    )
  })

  it("the delta is empty exactly when the device reports all that is desired", () => {
    check(
      fc.property(history, (shadow) => {
        const { desired = {}, reported = {} } = shadow.content?.state ?? {}
        const reportedMore = apply(shadow, { state: { reported: desired } })
        fc.pre(reportedMore !== shadow)
        expect(deltaOf(reportedMore)).toBe(undefined)
        const changesNothing = isDeepStrictEqual(reportedMore.content?.state.reported ?? {}, reported)
        expect(deltaOf(shadow) === undefined).toBe(changesNothing || Object.keys(desired).length === 0)
      })
    )
  })

  it("metadata has the shape of the state", () => {
    const matches = (state: unknown, metadata: unknown): boolean => {
      if (Array.isArray(state)) return Array.isArray(metadata) && state.every((item, at) => matches(item, metadata[at]))
      if (!isRecord(state)) return JSON.stringify(metadata) === '{"timestamp":1}'
      const keys = Object.keys(state)
      return (
        isRecord(metadata) &&
        keys.length === Object.keys(metadata).length &&
        keys.every((key) => Object.hasOwn(metadata, key) && matches(state[key], metadata[key]))
      )
    }
    check(fc.property(history, (shadow) => matches(shadow.content?.state ?? {}, shadow.content?.metadata ?? {})))
  })

  it("no object inherits anything from it", () => {
    const inherited = Object.getOwnPropertyNames(Object.prototype)
    check(
      fc.property(fc.array(json, { maxLength: 5 }), (requests) => {
        const shadow = requests.reduce((before: Shadow, update) => {
          const parsed = parseUpdate(update)
          return Result.isSuccess(parsed) ? apply(before, parsed.success) : before
        }, noShadow)
        deltaOf(shadow)
        expect(Object.getOwnPropertyNames(Object.prototype)).toEqual(inherited)
        expect(Object.getPrototypeOf(shadow.content?.state.desired ?? {})).toBe(Object.prototype)
      })
    )
  })
})

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null
