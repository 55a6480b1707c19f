/** Whatever body the contract accepts is accepted here; the refusals that come on top are listed. */
import { BOUNDS, isWeakLink, rowOf } from "@latchkey/core"
import * as fc from "fast-check"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { superKey } from "./harness/callers.ts"
import { commandSchemas, type JsonSchema } from "./harness/contract.ts"
import { type InProcess, startInProcess } from "./harness/inProcess.ts"
import { furnishedLock, newLockId } from "./harness/locks.ts"
import { callsOf } from "./harness/request.ts"
import { commandsByRoute } from "./harness/routes.ts"

let server: InProcess
beforeAll(async () => void (server = await startInProcess()))
afterAll(() => server.stop())

/** Values that a JSON Schema of the contract accepts, with what it leaves open: long and foreign text. */
const dataOf = (schema: JsonSchema): fc.Arbitrary<unknown> => {
  if (schema.anyOf !== undefined) return fc.oneof(...schema.anyOf.map(dataOf))
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum)
  switch (schema.type) {
    case "null":
      return fc.constant(null)
    case "integer":
      return fc.oneof(
        fc.constantFrom(schema.minimum ?? 1, schema.maximum ?? 1, 1),
        fc.integer({ min: schema.minimum ?? 1, max: 100 })
      )
    case "string":
      return textOf(schema)
    case "array":
      return fc.array(dataOf(schema.items ?? {}), { minLength: schema.minItems ?? 0, maxLength: 4 })
    default:
      return objectOf(schema)
  }
}

/** Unlike the contract, this API takes no keys that reach into prototypes. */
const plainJson = fc.jsonValue().filter((value) => !JSON.stringify(value).includes("__proto__"))

const objectOf = ({ properties = {}, required = [] }: JsonSchema): fc.Arbitrary<object> =>
  fc.record(mapValues(properties, dataOf), { requiredKeys: [...required] })

/** Unlike the contract, most of this API takes no fields that it does not know: see `closed.test.ts`. */
const withOthers = (body: fc.Arbitrary<object>): fc.Arbitrary<object> =>
  fc
    .tuple(
      body,
      fc.option(
        fc.dictionary(fc.constantFrom("extra", "index ", "toString", "lockId", "_tag"), plainJson, { maxKeys: 2 })
      )
    )
    .map(([known, more]) => ({ ...more, ...known }))

/** Unlike the contract, this API takes no NUL and no half of a surrogate pair. */
/** Where the contract names no bound, every text has room for this: the bounds of our own are at least as long. */
const SHORTEST_BOUND = BOUNDS.phoneNumber

const textOf = ({ pattern, minLength = 0, maxLength = SHORTEST_BOUND }: JsonSchema): fc.Arbitrary<string> => {
  if (pattern?.includes("-02-29")) {
    const days = { min: new Date("0001-01-01"), max: new Date("9999-12-31"), noInvalidDate: true }
    return fc
      .tuple(fc.date(days), fc.constantFrom(17, 20, 22, 24))
      .map(
        ([date, length]) =>
          `${date
            .toISOString()
            .slice(0, length - 1)
            .replace(/\.$/, ".0")}Z`
      )
      .map((text) => (new RegExp(pattern).test(text) ? text : "2026-02-28T23:59Z"))
  }
  if (pattern?.includes("[0-9a-fA-F]{8}-")) {
    // Unlike the contract, this API takes no new link that can be guessed.
    const uuid = fc.uuid({ version: [4, 5, 7] }).filter((uuid) => !isWeakLink(uuid))
    return fc.oneof(
      uuid,
      uuid.map((uuid) => uuid.toUpperCase())
    )
  }
  if (pattern !== undefined) return fc.stringMatching(new RegExp(pattern), { maxLength })
  const text = fc
    .string({ unit: "binary", minLength, maxLength: Math.min(maxLength, 40) })
    .map((value) => value.replaceAll("\0", "␀"))
  return fc.oneof(text, fc.constantFrom("x".repeat(maxLength), "x".repeat(Math.max(minLength, 1)), "__proto__", "🔑"))
}

const mapValues = <A, B>(record: Readonly<Record<string, A>>, f: (value: A) => B): Record<string, B> =>
  Object.fromEntries(Object.entries(record).map(([name, value]) => [name, f(value)]))

/** Keys of one lock must differ: the contract cannot say so. */
const sharesKeys = (body: {
  readonly keys?: ReadonlyArray<{ readonly uuid: string; readonly indexNumber?: number }>
}) => {
  const keys = body.keys ?? []
  const slots = keys.flatMap(({ indexNumber }) => (indexNumber === undefined ? [] : [indexNumber]))
  return new Set(keys.map(({ uuid }) => uuid)).size < keys.length || new Set(slots).size < slots.length
}

describe.each(Object.entries(commandSchemas))("%s", (command, schema) => {
  it("takes every body of the published shape", async () => {
    const lock = await furnishedLock(server.url)
    const call = callsOf(server.url, superKey)
    const tag = commandsByRoute.get(`POST /locks/{id}/${command}`)?.tag
    const isOpen = tag !== undefined && rowOf(tag).open === true
    await fc.assert(
      fc.asyncProperty(isOpen ? withOthers(objectOf(schema)) : objectOf(schema), async (body) => {
        fc.pre(command !== "CreateLock" || !sharesKeys(body))
        const path = command === "CreateLock" ? `/locks/${newLockId()}` : lock.path
        const { status, body: answer } = await call("POST", `${path}/${command}`, { body })
        // A refusal of the shape says "Invalid request"; the rules of the lock say what they are.
        expect([status, answer.error === "Invalid request" ? answer.details : []]).toEqual([expect.any(Number), []])
        // The device may have no room for yet another command.
        if (status !== 502) expect(status).toBeLessThan(500)
      }),
      { numRuns: 60 }
    )
  })
})
