/** No statement costs by what it does not give back: each finds its rows by an index. */
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { expect, it, vi } from "@effect/vitest"
import { EventStore, nowhere, ReadModel } from "@latchkey/core"
import { Context, Effect, Layer } from "effect"
import { openDatabase } from "../src/Database.ts"
import { EventLog } from "../src/EventLog.ts"
import { migrations } from "../src/migrations.ts"
import * as Sqlite from "../src/Sqlite.ts"
import { requestOf } from "../src/WriteRequest.ts"
import { temporaryFolder } from "./fixture.ts"

/** What SQLite does for a statement, step by step. */
const planOf = (db: DatabaseSync, sql: string): ReadonlyArray<string> =>
  db
    .prepare(`EXPLAIN QUERY PLAN ${sql}`)
    .all()
    .map(({ detail }) => String(detail))

it.live("every statement finds its rows by an index", () =>
  Effect.gen(function* () {
    const folder = yield* temporaryFolder
    const prepare = vi.spyOn(DatabaseSync.prototype, "prepare")
    yield* Effect.addFinalizer(() => Effect.sync(() => prepare.mockRestore()))
    const services = yield* Layer.build(Sqlite.layer({ folder }))
    yield* Context.get(services, EventStore).head
    yield* Context.get(services, ReadModel).apply({
      after: nowhere,
      cursor: { format: 1, position: 0, eventId: "" },
      put: [{ table: "birds", key: "1", value: "" }],
      remove: [],
      list: [{ table: "birds", key: "1", index: "colour", value: "black" }],
      unlist: []
    })
    yield* Context.get(services, ReadModel).find("birds", "colour", "black", "", 1)
    const log = openDatabase(join(folder, "latchkey.db"), { synchronous: "OFF", migrations, busyTimeout: 1_000 })
    new EventLog(log)
    const prepared = new Set(
      prepare.mock.calls.map(([sql]) => sql).filter((sql) => /^\s*(WITH|SELECT|UPDATE|DELETE)/.test(sql))
    )
    prepare.mockRestore()
    const rows = new DatabaseSync(join(folder, "read-model.db"))
    yield* Effect.addFinalizer(() => Effect.sync(() => [log, rows].forEach((db) => void db.close())))

    const scans = [...prepared].flatMap((sql) => {
      const db = /\b(events|events_of_organization|records)\b/.test(sql) ? log : rows
      // What empties a table reads all of it; the table of the cursor has one row.
      if (!/\bWHERE\b/.test(sql)) return []
      return planOf(db, sql).filter(
        (step) => step.startsWith("SCAN") && !/^SCAN (json_each|CONSTANT|cursor)/.test(step)
      )
    })
    // One organization's categories, which are few, and what is limited already.
    const scanned = new Set(scans.map((step) => step.replace(/subquery-\d+/, "subquery")))
    expect([...scanned].sort()).toEqual(["SCAN (subquery)", "SCAN categories", "SCAN indexed"])
    expect(prepared.size).toBeGreaterThan(20)
  }).pipe(Effect.scoped)
)

it.live("records that have ended are deleted by and by, so that nobody waits for all of it", () =>
  Effect.gen(function* () {
    const db = openDatabase(join(yield* temporaryFolder, "latchkey.db"), {
      synchronous: "OFF",
      migrations,
      busyTimeout: 0
    })
    yield* Effect.addFinalizer(() => Effect.sync(() => db.close()))
    const insert = db.prepare("INSERT INTO records VALUES (?, '', ?)")
    const add = (count: number, until: number | null) => {
      for (let n = 0; n < count; n++) insert.run(`${until}-${n}`, until)
    }
    db.exec("BEGIN")
    add(1_500, 1_000)
    add(10, 1_001)
    add(10, null)
    db.exec("COMMIT")
    const log = new EventLog(db)
    const left = () => Number(db.prepare("SELECT count(*) AS left FROM records").get()?.["left"])
    const leftAt = (now: number) => {
      log.commit([requestOf({}, now)])
      return left()
    }
    expect([leftAt(1_000), leftAt(1_000), leftAt(1_001)]).toEqual([520, 20, 20])
    // From now on once an hour.
    expect(leftAt(1_000 + 60 * 60 * 1_000 + 1)).toBe(10)
  }).pipe(Effect.scoped)
)
