/** Keys and ids, whatever they are written in. */
import { join } from "node:path"
import { expect, it } from "@effect/vitest"
import type { Batch } from "@latchkey/core"
import { Effect } from "effect"
import fc from "fast-check"
import { openDatabase } from "../src/Database.ts"
import { EventLog } from "../src/EventLog.ts"
import { migrations } from "../src/migrations.ts"
import { afterAll, fromStoredKey, toStoredKey } from "../src/StoredKey.ts"
import { requestOf } from "../src/WriteRequest.ts"
import { batch, event, temporaryFolder } from "./fixture.ts"

const text = fc
  .array(
    fc.constantFrom(
      "a",
      "b",
      "/",
      "\u{d7ff}",
      "\ue000",
      "\uffff",
      "\u{10000}",
      "\u{10fffd}",
      "\u{10fffe}",
      "\u{10ffff}"
    ),
    { maxLength: 4 }
  )
  .map((characters) => characters.join(""))

const inSQLite = (one: string, other: string) => Buffer.compare(Buffer.from(one), Buffer.from(other))

it("stored keys sort in SQLite as keys do in code units, and come back as they were", () => {
  fc.assert(
    fc.property(text, text, (one, other) => {
      const order = one < other ? -1 : one > other ? 1 : 0
      expect(inSQLite(toStoredKey(one), toStoredKey(other))).toBe(order)
      expect(fromStoredKey(toStoredKey(one))).toBe(one)
      expect(
        inSQLite(toStoredKey(other), toStoredKey(one)) >= 0 && inSQLite(toStoredKey(other), afterAll(one)) < 0
      ).toBe(other.startsWith(one))
    }),
    { numRuns: 2_000 }
  )
})

it.live("what the writer knows of gaps is what the database would tell", () =>
  Effect.gen(function* () {
    const file = join(yield* temporaryFolder, "latchkey.db")
    let run = 0
    const step = fc.record({ key: text, id: text, kind: fc.constantFrom("put", "remove", "expect", "append" as const) })
    fc.assert(
      fc.property(fc.array(step, { minLength: 100, maxLength: 200 }), (steps) => {
        const db = openDatabase(`${file}-${run++}`, { synchronous: "OFF", migrations, busyTimeout: 0 })
        const log = new EventLog(db)
        const [keys, ids] = [new Set<string>(), new Set<string>()]
        for (const { key, id, kind } of steps) {
          const batches: Record<typeof kind, Batch> = {
            put: { put: [{ key, value: "" }] },
            remove: { remove: [key] },
            expect: { expect: [{ key, value: undefined }] },
            append: batch("s", ids.size, [{ ...event(), eventId: id }])
          }
          const isRefused = kind === "expect" ? keys.has(key) : kind === "append" && ids.has(id)
          expect(typeof log.commit([requestOf(batches[kind], 1)])[0]).toBe(isRefused ? "object" : "number")
          if (kind === "put") keys.add(key)
          else if (kind === "remove") keys.delete(key)
          else if (kind === "append") ids.add(id)
        }
        db.close()
      }),
      { numRuns: 20 }
    )
  }).pipe(Effect.scoped)
)
