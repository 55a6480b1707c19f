/** Files of former versions are opened, and go on. */
import { readFileSync, rmSync } from "node:fs"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { expect, it } from "@effect/vitest"
import { EventStore, lookups, Presence, ReadModel, rebuild } from "@latchkey/core"
import { Effect, Layer, Option } from "effect"
import { openDatabase } from "../src/Database.ts"
import { EventLog } from "../src/EventLog.ts"
import { migrations } from "../src/migrations.ts"
import { migrations as readModelMigrations } from "../src/ReadModelFile.ts"
import * as Sqlite from "../src/Sqlite.ts"
import { event, temporaryFolder } from "./fixture.ts"

/** The tables of the first version, as far as the test needs to fill them. */
const FIRST_READ_MODEL = `
  CREATE TABLE device_state (
    lock_id INTEGER PRIMARY KEY, lock_uuid TEXT NOT NULL, thing_name TEXT NOT NULL, serial_number TEXT, owner_id TEXT,
    org_id TEXT, keys_count INTEGER NOT NULL, resident_count INTEGER NOT NULL, last_event TEXT NOT NULL,
    last_updated INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX device_state_owner ON device_state (owner_id);
  CREATE INDEX device_state_thing ON device_state (thing_name);
  CREATE TABLE temp_keys (uuid TEXT PRIMARY KEY, lock_id INTEGER NOT NULL) STRICT;
  CREATE TABLE known_users (user_id TEXT PRIMARY KEY) STRICT;
  CREATE TABLE presence (thing TEXT PRIMARY KEY, online INTEGER NOT NULL, at INTEGER NOT NULL) STRICT;
  CREATE TABLE checkpoint (position INTEGER NOT NULL) STRICT;
  INSERT INTO checkpoint VALUES (1);
  INSERT INTO device_state VALUES (7, 'thing', 'thing', NULL, 'ada', NULL, 0, 0, 'LockCreated', 1);
  INSERT INTO presence VALUES ('thing', 1, 1700000000000);
  PRAGMA user_version = 1;
`

it.live("a log and a read model of the first version keep what they hold, what was under way included", () =>
  Effect.gen(function* () {
    const folder = yield* temporaryFolder
    const { eventId, type, data, at, orgId, principal, commandId } = event()
    const columns = [eventId, type, JSON.stringify(data), at, orgId, JSON.stringify(principal), commandId] as const
    const log = openDatabase(join(folder, "latchkey.db"), {
      synchronous: "FULL",
      migrations: migrations.slice(0, 1),
      busyTimeout: 0
    })
    log.prepare("INSERT INTO events VALUES (1, 'lock-7', 1, ?, ?, ?, ?, ?, ?, ?)").run(...columns)
    log
      .prepare(
        "INSERT INTO reservations (command_id, stream, thing, deadline, events) VALUES ('left', 'lock-7', 'thing', 1, ?)"
      )
      .run(JSON.stringify([columns]))
    log.close()
    const rows = new DatabaseSync(join(folder, "read-model.db"))
    rows.exec(FIRST_READ_MODEL)
    rows.close()

    yield* Effect.gen(function* () {
      const store = yield* EventStore
      const readModel = yield* ReadModel
      expect(yield* store.commit("left", "thing")).toEqual({ _tag: "Committed", version: 2, position: 2 })
      const [before, after] = yield* store.read("lock-7", 0, 10)
      expect(before).not.toHaveProperty("acceptedAt")
      expect(after).toMatchObject({ eventId, data, principal, commandId, acceptedAt: expect.any(Number) })
      // Rows are made from the log again; what was heard of devices is nowhere else.
      expect(yield* readModel.cursor).toEqual({ format: 0, position: 0, eventId: "" })
      const presence = yield* Presence
      const connected = new Map([["thing", { online: true, since: 1_700_000_000_000, lastSeen: 1_700_000_000_000 }]])
      expect(yield* presence.of(["thing"])).toEqual(connected)
      yield* presence.report({ thing: "thing", online: false, at: 1_600_000_000_000 })
      expect(yield* presence.of(["thing"])).toEqual(connected)
    }).pipe(Effect.provide(Sqlite.layer({ folder })))
  }).pipe(Effect.scoped)
)

const ofFirstEdition = (folder: string, position: number, eventId: string) => {
  const rows = openDatabase(join(folder, "read-model.db"), {
    synchronous: "OFF",
    migrations: readModelMigrations.slice(0, 4),
    busyTimeout: 0
  })
  rows.exec("INSERT INTO device_state VALUES (7, 'thing', 'thing', NULL, 'ada', 'org', 0, 0, 'LockCreated', 1)")
  rows.exec("INSERT INTO temp_keys VALUES ('key', 7); INSERT INTO known_users VALUES ('ada')")
  rows.exec("INSERT INTO devices VALUES ('silent', NULL, NULL, 5), ('thing', 1, 10, 20)")
  rows.prepare("UPDATE checkpoint SET position = ?, event_id = ?").run(position, eventId)
  rows.close()
}

it.live("a read model of the first edition is made again; what was heard of devices stays", () =>
  Effect.gen(function* () {
    const folder = yield* temporaryFolder
    const created = { lockId: 7, uuid: "thing", ownerId: "ada", timestamp: "2026-01-01T00:00:00.000Z" }
    const first = { ...event(created), type: "LockCreated" }
    yield* EventStore.use((store) => store.append("lock-7", 0, [first])).pipe(
      Effect.provide(Sqlite.layer({ folder }), { local: true })
    )
    rmSync(join(folder, "read-model.db"))
    ofFirstEdition(folder, 1, first.eventId)
    yield* Effect.gen(function* () {
      const [readModel, presence] = [yield* ReadModel, yield* Presence]
      // Core empties it, because no rows that it knows have this format.
      expect(yield* readModel.cursor).toEqual({ format: 0, position: 1, eventId: first.eventId })
      expect(yield* rebuild).toBe(1)
      expect(yield* lookups(readModel).devicesOwnedBy("ada")).toMatchObject([{ lockId: 7, orgId: null }])
      expect(yield* presence.of(["thing", "silent", "nobody"])).toEqual(
        new Map([
          ["silent", { online: false, since: undefined, lastSeen: 5 }],
          ["thing", { online: true, since: 10, lastSeen: 20 }]
        ])
      )
    }).pipe(Effect.provide(Sqlite.layer({ folder })))
  }).pipe(Effect.scoped)
)

it.live("a read model of the first edition still tells that its log is not this one", () =>
  Effect.gen(function* () {
    const folder = yield* temporaryFolder
    ofFirstEdition(folder, 3, "event-3")
    expect((yield* Effect.flip(Layer.build(Sqlite.layer({ folder })))).message).toContain("event 3 at least")
  }).pipe(Effect.scoped)
)

it.live("a log of the first edition is read as it is, and stays as it is", () =>
  Effect.gen(function* () {
    const folder = yield* temporaryFolder
    const file = join(folder, "latchkey.db")
    const { eventId, type, data, at, orgId, principal, commandId } = event()
    const log = openDatabase(file, { synchronous: "FULL", migrations: migrations.slice(0, 2), busyTimeout: 0 })
    log
      .prepare("INSERT INTO events VALUES (1, 'lock-7', 1, ?, ?, ?, ?, ?, ?, ?, NULL)")
      .run(eventId, type, JSON.stringify(data), at, orgId, JSON.stringify(principal), commandId)
    log.close()
    const before = readFileSync(file)
    const read = yield* EventStore.use((store) => store.readAll(0, 10)).pipe(Effect.provide(Sqlite.reader({ folder })))
    expect(read).toMatchObject([{ eventId, streamId: "lock-7" }])
    expect(readFileSync(file).equals(before)).toBe(true)
  }).pipe(Effect.scoped)
)

it.live("receipts of idempotency keys end 30 days after the upgrade; all others never do", () =>
  Effect.gen(function* () {
    const folder = yield* temporaryFolder
    const log = openDatabase(join(folder, "latchkey.db"), {
      synchronous: "FULL",
      migrations: migrations.slice(0, 1),
      busyTimeout: 0
    })
    const [ofKey, ofTicket, ofBulk] = ["k".repeat(43), "t".repeat(43), "command-0"]
    const receipts: ReadonlyArray<readonly [id: string, fingerprint: string]> = [
      [ofKey, "f".repeat(43)],
      [ofTicket, ""],
      [ofBulk, ofBulk]
    ]
    for (const receipt of receipts) {
      log.prepare("INSERT INTO receipts VALUES (?, ?, 'lock-7', 1, 0)").run(...receipt)
    }
    log.close()
    const before = Date.now()
    yield* Effect.gen(function* () {
      const store = yield* EventStore
      const kept = Option.getOrThrow(yield* store.receipt(ofKey))
      const left = (kept.expiresAt ?? 0) - before
      expect(Math.abs(left - 30 * 24 * 60 * 60 * 1000)).toBeLessThan(60_000)
      for (const id of [ofTicket, ofBulk]) {
        expect(Option.getOrThrow(yield* store.receipt(id))).not.toHaveProperty("expiresAt")
      }
    }).pipe(Effect.provide(Sqlite.layer({ folder })))
  }).pipe(Effect.scoped)
)

it.live("receipts that have ended are removed, a batch at a time, and no others", () =>
  Effect.gen(function* () {
    const file = join(yield* temporaryFolder, "latchkey.db")
    const db = openDatabase(file, { synchronous: "FULL", migrations, busyTimeout: 0 })
    const insert = db.prepare("INSERT INTO receipts VALUES (?, 'f', 'lock-7', 1, 0, ?)")
    for (let index = 0; index < 1_500; index++) insert.run(`ended-${index}`, 1)
    insert.run("lasting", 8e15)
    insert.run("endless", null)
    const log = new EventLog(db)
    const left = () => db.prepare("SELECT count(*) AS count FROM receipts").get()?.["count"]
    const write = () => log.commit([{ op: "saveSnapshot", streamId: "s", snapshot: { version: 1, state: "" } }])
    write()
    expect(left()).toBe(502)
    write()
    expect(db.prepare("SELECT id FROM receipts ORDER BY id").all()).toEqual([{ id: "endless" }, { id: "lasting" }])
    db.close()
  }).pipe(Effect.scoped)
)
