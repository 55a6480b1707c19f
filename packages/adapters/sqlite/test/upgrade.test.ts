/** Files of former versions are opened, and go on. */
import { cpSync, readFileSync, rmSync } from "node:fs"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { fileURLToPath } from "node:url"
import { expect, it } from "@effect/vitest"
import {
  categoryOf,
  EventStore,
  type FeedFilter,
  lookups,
  Presence,
  ReadModel,
  rebuild,
  type StoredEvent
} from "@latchkey/core"
import { Effect, Layer, Option } from "effect"
import { explain, openDatabase } from "../src/Database.ts"
import { migrations } from "../src/migrations.ts"
import { migrations as readModelMigrations } from "../src/ReadModelFile.ts"
import * as Sqlite from "../src/Sqlite.ts"
import { batch, event, runChild, temporaryFolder } from "./fixture.ts"

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
      const [before] = yield* store.read("lock-7", 0, 10)
      expect(before).toMatchObject({ eventId, data, principal, commandId, version: 1, position: 1 })
      expect(before).not.toHaveProperty("acceptedAt")
      expect(yield* json(store, "reservation/lock-7")).toEqual({
        commandId: "left",
        attempt: 1,
        thing: "thing",
        deadline: 1,
        released: false,
        events: [{ eventId, type, data, at, orgId, principal, commandId }]
      })
      expect(yield* json(store, "command/left")).toEqual({ streamId: "lock-7", attempt: 1, state: "prepared" })
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

const json = (store: EventStore["Service"], key: string) =>
  Effect.map(store.record(key), (value) => JSON.parse(Option.getOrElse(value, () => "null")))

const isWithin = (event: StoredEvent, { category, orgId }: FeedFilter) =>
  (category === undefined || categoryOf(event.streamId) === category) && (orgId === undefined || event.orgId === orgId)

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
    yield* EventStore.use((store) => store.write(batch("lock-7", 0, [first]))).pipe(
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
    expect((yield* Effect.flip(Layer.build(Sqlite.layer({ folder })))).message).toContain("event 3 or later")
  }).pipe(Effect.scoped)
)

/** The recording of the first edition, as installations have it, in a folder of its own. */
const recorded = Effect.map(temporaryFolder, (folder) => {
  cpSync(fileURLToPath(new URL("../../../http/test/first-edition/recorded/folder", import.meta.url)), folder, {
    recursive: true
  })
  return { folder, file: join(folder, "latchkey.db") }
})

const versionOf = (file: string) => {
  const db = new DatabaseSync(file, { readOnly: true })
  const version = db.prepare("PRAGMA user_version").get()?.["user_version"]
  db.close()
  return version
}

const open = (file: string, known = migrations) =>
  openDatabase(file, { synchronous: "FULL", migrations: known, busyTimeout: 0 })

it.live("what the first edition kept beside its streams becomes records, and its feed stays as it was", () =>
  Effect.gen(function* () {
    const { folder, file } = yield* recorded
    const before = new DatabaseSync(file, { readOnly: true })
    const count = (sql: string) => Number(before.prepare(`SELECT count(*) AS count FROM ${sql}`).get()?.["count"])
    const [commands, receipts, pending] = ["reservations", "receipts", "reservations WHERE settled_at IS NULL"].map(
      count
    )
    const events = before
      .prepare("SELECT position, stream, version, event_id, data FROM events ORDER BY position")
      .all()
    before.close()
    yield* EventStore.use((store) =>
      Effect.gen(function* () {
        const records = yield* store.records("", "", 1_000)
        const kinds = Map.groupBy(records, ({ key }) => key.slice(0, key.indexOf("/")))
        // What was settled was, when this was recorded, to be forgotten within a day.
        expect([...kinds].map(([kind, { length }]) => [kind, length])).toEqual([
          ["command", pending],
          ["receipt", receipts],
          ["refused", 1],
          ["reservation", pending]
        ])
        expect(records.find(({ key }) => key.startsWith("refused"))).toEqual({ key: "refused/2/2026-03-02", value: "" })
        expect(yield* json(store, "receipt/receipt-of-a-backend")).toEqual({
          fingerprint: "open the front door",
          streamId: "lock-1",
          firstVersion: 6,
          version: 6
        })
        expect(yield* json(store, "reservation/lock-14")).toMatchObject({
          released: false,
          events: [{ type: "KeyAdded", data: { keyUuid: "fob-in-doubt" }, principal: { _tag: "Organization" } }],
          receipt: { id: expect.any(String), fingerprint: expect.any(String) }
        })
        const feed = yield* store.feed(0, 1_000)
        expect(
          feed.map(({ position, streamId, version, eventId, data }) => ({
            position,
            stream: streamId,
            version,
            event_id: eventId,
            data: JSON.stringify(data)
          }))
        ).toEqual(events)
        for (const filter of [{ category: "credential" }, { orgId: "org-1" }, { category: "lock", orgId: "org-1" }]) {
          expect(yield* store.feed(10, 100, filter)).toEqual(
            feed.filter((event) => event.position > 10 && isWithin(event, filter)).slice(0, 100)
          )
        }
      })
    ).pipe(Effect.provide(Sqlite.layer({ folder })))
    const after = new DatabaseSync(file, { readOnly: true })
    const kept = after.prepare("SELECT value FROM records WHERE key LIKE 'command/%'").all()
    const ended = after.prepare("SELECT value, until FROM records WHERE key = 'command/embedded-open'").get()
    after.close()
    expect(kept).toHaveLength(commands ?? 0)
    expect(ended).toEqual({
      value: JSON.stringify({ streamId: "lock-1", attempt: 1, state: "committed", version: 6, position: 6 }),
      until: 1_772_442_004_566 + 24 * 60 * 60 * 1000
    })
  }).pipe(Effect.scoped)
)

it.live("a process that is killed while it brings a file up to date leaves it as it was", () =>
  Effect.gen(function* () {
    const { folder, file } = yield* recorded
    const killed = yield* runChild("upgrade", folder, (facts) => facts.length > 0)
    expect(killed).toEqual([{ upgraded: true }])
    expect(versionOf(file)).toBe(2)
    const db = open(file, migrations.slice(0, 2))
    expect(db.prepare("SELECT count(*) AS count FROM receipts").get()).toEqual({ count: 12 })
    db.close()
    open(file).close()
    expect(versionOf(file)).toBe(migrations.length)
  }).pipe(Effect.scoped)
)

it.live("an older Latchkey refuses the file, and says what to run", () =>
  Effect.gen(function* () {
    const { file } = yield* recorded
    open(file).close()
    const refused = yield* Effect.flip(
      Effect.try({ try: () => open(file, migrations.slice(0, 5)), catch: (error) => explain(error, file) })
    )
    expect(refused).toContain("Run the newer Latchkey, or restore a backup from before the upgrade.")
  }).pipe(Effect.scoped)
)

it.live("an import that the first edition did not end is told from a whole log", () =>
  Effect.gen(function* () {
    const { folder, file } = yield* recorded
    const db = new DatabaseSync(file)
    db.exec("PRAGMA application_id = 0x4c4b696d")
    db.close()
    const mark = yield* EventStore.use((store) => store.record("import")).pipe(Effect.provide(Sqlite.layer({ folder })))
    expect(mark).toEqual(Option.some("part"))
  }).pipe(Effect.scoped)
)

it.live("a log of the first edition is read as it is, and stays as it is", () =>
  Effect.gen(function* () {
    const { folder, file } = yield* recorded
    // Closed by whoever had it open, so that nothing is left to be moved into it.
    open(file, migrations.slice(0, 2)).close()
    const before = readFileSync(file)
    const [read, receipt] = yield* EventStore.use((store) =>
      Effect.all([store.feed(0, 1_000, { category: "device" }), store.record("receipt/receipt-of-a-backend")])
    ).pipe(Effect.provide(Sqlite.reader({ folder })))
    expect(read.map(({ streamId }) => streamId.slice(0, 7))).toEqual(["device-", "device-", "device-"])
    expect(Option.isSome(receipt)).toBe(true)
    expect(readFileSync(file).equals(before)).toBe(true)
  }).pipe(Effect.scoped)
)

it.live("receipts of idempotency keys end 30 days after the upgrade; all others never do", () =>
  Effect.gen(function* () {
    const file = join(yield* temporaryFolder, "latchkey.db")
    const log = open(file, migrations.slice(0, 1))
    const receipts: ReadonlyArray<readonly [id: string, fingerprint: string]> = [
      ["k".repeat(43), "f".repeat(43)],
      ["t".repeat(43), ""],
      ["command-0", "command-0"]
    ]
    for (const receipt of receipts) {
      log.prepare("INSERT INTO receipts VALUES (?, ?, 'lock-7', 1, 0)").run(...receipt)
    }
    log.close()
    const before = Date.now()
    const db = open(file)
    const [, ofKey, ...others] = db.prepare("SELECT until FROM records ORDER BY key").all()
    db.close()
    expect(Math.abs(Number(ofKey?.["until"]) - before - 30 * 24 * 60 * 60 * 1000)).toBeLessThan(60_000)
    expect(others).toEqual([{ until: null }])
  }).pipe(Effect.scoped)
)

it.live("why a device is gone is not known of what an older version kept, nor where only a newer one knows it", () =>
  Effect.gen(function* () {
    const folder = yield* temporaryFolder
    const file = { synchronous: "OFF", migrations: readModelMigrations, busyTimeout: 0 } as const
    const older = openDatabase(join(folder, "read-model.db"), { ...file, migrations: readModelMigrations.slice(0, 5) })
    older.exec("INSERT INTO presence VALUES ('old', 0, 10, 20)")
    older.close()
    const newer = openDatabase(join(folder, "read-model.db"), file)
    newer.exec("INSERT INTO presence VALUES ('new', 0, 10, 20, 'hibernates')")
    newer.close()
    yield* Effect.gen(function* () {
      const presence = yield* Presence
      const gone = { online: false, since: 10, reason: undefined, lastSeen: 20 }
      expect(yield* presence.of(["old", "new"])).toEqual(
        new Map([
          ["old", gone],
          ["new", gone]
        ])
      )
      yield* presence.report({ thing: "old", online: false, reason: "silent", at: 30 })
      expect((yield* presence.of(["old"])).get("old")?.reason).toBe("silent")
    }).pipe(Effect.provide(Sqlite.layer({ folder })))
  }).pipe(Effect.scoped)
)
