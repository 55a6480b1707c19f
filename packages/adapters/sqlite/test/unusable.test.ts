/** Files that cannot be used: one clear error each, never a hang, and nothing half done. */

import {
  chmodSync,
  copyFileSync,
  existsSync,
  openSync,
  readFileSync,
  statSync,
  writeFileSync,
  writeSync
} from "node:fs"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { describe, expect, it } from "@effect/vitest"
import { EventStore, ReadModel } from "@latchkey/core"
import { Sqlite } from "@latchkey/sqlite"
import { Effect, type Scope } from "effect"
import { explain, openDatabase } from "../src/Database.ts"
import { EventLog, type WriteRequest } from "../src/EventLog.ts"
import { migrations } from "../src/migrations.ts"
import { event, runChild, temporaryFolder } from "./fixture.ts"

const openStore = (folder: string) =>
  Effect.provide(
    EventStore.use((store) => store.head),
    Sqlite.layer({ folder }),
    { local: true }
  )
const openingFails = (folder: string) => Effect.map(Effect.flip(openStore(folder)), ({ message }) => message)

/** A database that somebody has used. */
const usedFolder = Effect.gen(function* () {
  const folder = yield* temporaryFolder
  yield* EventStore.use((store) =>
    Effect.forEach(
      Array.from({ length: 50 }, (_, index) => index),
      (index) => store.append(`s-${index}`, 0, [event({ text: "x".repeat(1_000) })])
    )
  ).pipe(Effect.provide(Sqlite.layer({ folder })))
  return { folder, file: join(folder, "latchkey.db") }
})

const test = (sentence: string, body: Effect.Effect<unknown, unknown, Scope.Scope>) =>
  it.live(sentence, () => Effect.scoped(body), 60_000)

describe("opening fails with a clear error when", () => {
  test(
    "the folder is a file, or below one",
    Effect.gen(function* () {
      const path = join(yield* temporaryFolder, "file")
      writeFileSync(path, "")
      expect(yield* openingFails(path)).toContain(`${path} is a file`)
      expect(yield* openingFails(join(path, "below"))).toContain("is a file, or lies below one")
    })
  )

  test(
    "the folder may not be written",
    Effect.gen(function* () {
      // A superuser may write everywhere but here.
      const folder = process.getuid?.() === 0 ? "/proc/self" : yield* temporaryFolder
      if (folder !== "/proc/self") chmodSync(folder, 0o500)
      expect(yield* openingFails(folder)).toMatch(/cannot be opened. Let this process read and write/)
    })
  )

  test(
    "the file is no database",
    Effect.gen(function* () {
      const { folder, file } = yield* usedFolder
      writeFileSync(file, "not a database ".repeat(1_000))
      expect(yield* openingFails(folder)).toMatch(
        /latchkey\.db is damaged or not a database .* Restore it from a backup/
      )
    })
  )

  test(
    "a newer Latchkey wrote the file, which it leaves as it is",
    Effect.gen(function* () {
      const { folder, file } = yield* usedFolder
      const db = new DatabaseSync(file)
      db.exec(`PRAGMA user_version = ${migrations.length + 1}`)
      db.close()
      const before = readFileSync(file)
      expect(yield* openingFails(folder)).toContain("was written by a newer Latchkey")
      expect(readFileSync(file).equals(before)).toBe(true)
    })
  )

  test(
    "another process holds the file locked",
    Effect.gen(function* () {
      const { folder, file } = yield* usedFolder
      const other = yield* Effect.acquireRelease(
        Effect.sync(() => new DatabaseSync(file)),
        (db) => Effect.sync(() => db.close())
      )
      other.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE")
      expect(yield* openingFails(folder)).toContain("locked")
      other.exec("ROLLBACK")
    })
  )
})

test(
  "a file that may only be read is refused before the first append",
  Effect.gen(function* () {
    const { file } = yield* usedFolder
    const db = yield* Effect.acquireRelease(
      Effect.sync(() => new DatabaseSync(file, { readOnly: true })),
      (db) => Effect.sync(() => db.close())
    )
    const refused = yield* Effect.flip(
      Effect.try({ try: () => new EventLog(db), catch: (error) => explain(error, file) })
    )
    expect(refused).toContain(`${file} is read-only`)
  })
)

test(
  "appends fail while another process holds the write lock, and go on afterwards",
  Effect.gen(function* () {
    const { folder, file } = yield* usedFolder
    yield* EventStore.use((store) =>
      Effect.gen(function* () {
        const other = yield* Effect.acquireRelease(
          Effect.sync(() => new DatabaseSync(file)),
          (db) => Effect.sync(() => db.close())
        )
        other.exec("BEGIN IMMEDIATE")
        expect(yield* Effect.flip(store.append("a", 0, [event()]))).toMatchObject({
          _tag: "StoreUnavailable",
          message: expect.stringContaining("locked")
        })
        expect(yield* store.read("s-1", 0, 10)).toHaveLength(1)
        other.exec("ROLLBACK")
        expect(yield* store.append("a", 0, [event()])).toEqual({ version: 1, position: 51 })
      })
    ).pipe(Effect.scoped, Effect.provide(Sqlite.layer({ folder })))
  })
)

/** A page of events in the middle: the schema and the newest events can be read, older events cannot. */
const spoil = (file: string) => {
  const pages = readFileSync(file)
  const text = pages.indexOf("x".repeat(1_000), pages.length / 2)
  writeSync(openSync(file, "r+"), Buffer.alloc(4_096, 0xff), 0, undefined, text - (text % 4_096))
}

test(
  "a page that went bad is reported by whoever meets it, and nothing more is written",
  Effect.gen(function* () {
    const { folder, file } = yield* usedFolder
    spoil(file)
    const failures = yield* EventStore.use((store) =>
      Effect.all([
        Effect.flip(store.readAll(0, 1_000)),
        Effect.flip(store.append("new", 0, [event()])),
        Effect.flip(store.head)
      ])
    ).pipe(Effect.provide(Sqlite.layer({ folder })))
    for (const failure of failures) {
      expect(failure).toMatchObject({ _tag: "StoreUnavailable", message: expect.stringContaining("damaged") })
    }
  })
)

test(
  "what was answered before the disk refused more is there, and nothing else",
  Effect.gen(function* () {
    const folder = yield* temporaryFolder
    const [fact] = yield* runChild("fill", folder, undefined, ["sh", "-c", 'ulimit -f 4000; exec "$@"', "sh"])
    expect(fact).toMatchObject({
      head: fact?.["answered"],
      failures: Array(8).fill(expect.stringMatching(/failed .* Check its disk/))
    })
    expect(yield* openStore(folder)).toBe(fact?.["answered"])
  })
)

test(
  "a full disk fails the whole group, and nothing of it is stored",
  Effect.gen(function* () {
    const file = join(yield* temporaryFolder, "latchkey.db")
    const db = openDatabase(file, { synchronous: "FULL", migrations, busyTimeout: 0 })
    const log = new EventLog(db)
    db.exec("PRAGMA max_page_count = 30")
    const append = (streamId: string, size: number): WriteRequest => ({
      op: "append",
      mayPass: false,
      streamId,
      expected: 0,
      events: [[streamId, "Tested", JSON.stringify("x".repeat(size)), 1, "", "{}", "c", null]],
      receipt: undefined
    })
    const refused = yield* Effect.flip(
      Effect.try({
        try: () => log.commit([append("a", 10), append("b", 200_000)]),
        catch: (error) => explain(error, file)
      })
    )
    expect(refused).toContain("is full. Free some space")
    expect(log.commit([append("a", 10)])).toEqual([{ _tag: "Appended", version: 1, position: 1 }])
    db.close()
  })
)

describe("the read model is made anew when", () => {
  const checkpoint = (folder: string) =>
    ReadModel.use((model) => model.checkpoint).pipe(Effect.provide(Sqlite.layer({ folder }), { local: true }))

  const projected = Effect.gen(function* () {
    const { folder } = yield* usedFolder
    yield* Effect.gen(function* () {
      const [store, model] = [yield* EventStore, yield* ReadModel]
      expect(yield* model.apply(yield* store.readAll(0, 100))).toBe(50)
    }).pipe(Effect.provide(Sqlite.layer({ folder })))
    expect(yield* checkpoint(folder)).toBe(50)
    return { folder, file: join(folder, "read-model.db") }
  })

  test(
    "its file is damaged",
    Effect.gen(function* () {
      const { folder, file } = yield* projected
      writeFileSync(file, "not a database ".repeat(1_000))
      expect(yield* checkpoint(folder)).toBe(0)
    })
  )

  test(
    "a newer Latchkey wrote it",
    Effect.gen(function* () {
      const { folder, file } = yield* projected
      const db = new DatabaseSync(file)
      db.exec("PRAGMA user_version = 99")
      db.close()
      expect(yield* checkpoint(folder)).toBe(0)
    })
  )

  test(
    "an older event log was restored beside it",
    Effect.gen(function* () {
      const [{ file }, older] = [yield* projected, yield* temporaryFolder]
      copyFileSync(file, join(older, "read-model.db"))
      expect(yield* checkpoint(older)).toBe(0)
    })
  )
})

test(
  "the files are for their owner alone",
  Effect.gen(function* () {
    const folder = yield* temporaryFolder
    const files = ["latchkey.db", "read-model.db"].flatMap((file) => [file, `${file}-wal`, `${file}-shm`])
    yield* EventStore.use((store) =>
      Effect.gen(function* () {
        yield* store.append("a", 0, [event()])
        for (const file of files) expect([file, statSync(join(folder, file)).mode & 0o777]).toEqual([file, 0o600])
      })
    ).pipe(Effect.provide(Sqlite.layer({ folder })))
  })
)

test(
  "`:memory:` leaves nothing behind",
  Effect.gen(function* () {
    yield* openStore(":memory:")
    expect(existsSync(":memory:")).toBe(false)
  })
)
