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
import { event, temporaryFolder } from "./fixture.ts"

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
    yield* Context.get(services, EventStore).unsettled
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
      prepare.mock.calls.map(([sql]) => sql).filter((sql) => /^(SELECT|UPDATE|DELETE)/.test(sql))
    )
    prepare.mockRestore()
    const rows = new DatabaseSync(join(folder, "read-model.db"))
    yield* Effect.addFinalizer(() => Effect.sync(() => [log, rows].forEach((db) => void db.close())))

    const scans = [...prepared].flatMap((sql) => {
      const db = /\b(events|reservations|prepared_ids|receipts|snapshots)\b/.test(sql) ? log : rows
      // What empties a table reads all of it; the table of the cursor has one row.
      if (!/\bWHERE\b/.test(sql)) return []
      return planOf(db, sql).filter(
        (step) => step.startsWith("SCAN") && !/^SCAN (json_each|CONSTANT|cursor)/.test(step)
      )
    })
    // Of reservations, that index holds those alone that are under way.
    expect(scans).toEqual(["SCAN reservations USING INDEX reservations_pending"])
    expect(prepared.size).toBeGreaterThan(25)

    const kinds = [...prepared].filter((sql) => sql.includes("instr"))
    expect(kinds.map((sql) => planOf(log, sql))).toEqual([
      ["SEARCH events USING INDEX events_of_kind (<expr>=? AND rowid>?)"],
      ["SEARCH events USING INDEX events_about_lock (<expr>=? AND rowid>?)"]
    ])
  }).pipe(Effect.scoped)
)

it.live("what was settled long ago is deleted by and by, so that nobody waits for all of it", () =>
  Effect.gen(function* () {
    const folder = yield* temporaryFolder
    const log = openDatabase(join(folder, "latchkey.db"), { synchronous: "OFF", migrations, busyTimeout: 0 })
    yield* Effect.addFinalizer(() => Effect.sync(() => log.close()))
    const settle = log.prepare(
      "INSERT INTO reservations (command_id, stream, thing, deadline, settled_at) VALUES (?, 'lock-1', 'thing', 1, ?)"
    )
    const now = Date.now()
    const add = (count: number, at: number) => {
      for (let n = 0; n < count; n++) settle.run(`${at}-${n}`, at)
    }
    log.exec("BEGIN")
    add(2_500, now - 2 * 24 * 60 * 60 * 1_000)
    add(10, now)
    log.exec("COMMIT")
    const left = () => Number(log.prepare("SELECT count(*) AS left FROM reservations").get()?.["left"])
    const events = new EventLog(log)
    expect(left()).toBe(1_510)
    const prepareNext = (n: number) => {
      const reservation = { commandId: `next-${n}`, attempt: 1, streamId: `lock-${n}`, thing: "thing", deadline: now }
      const { eventId, type, at, commandId } = event()
      const prepared = [[eventId, type, "{}", at, "", "{}", commandId, null]] as const
      events.commit([
        { op: "prepare", streamId: `lock-${n}`, expected: 0, events: prepared, reservation, receipt: undefined }
      ])
    }
    prepareNext(1)
    expect(left()).toBe(511)
    prepareNext(2)
    expect(left()).toBe(12)
    // From now on once an hour.
    add(1, 1)
    prepareNext(3)
    expect(left()).toBe(14)
  }).pipe(Effect.scoped)
)
