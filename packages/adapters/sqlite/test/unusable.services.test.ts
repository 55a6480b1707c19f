/** Files that cannot be used: one clear error each, never a hang, and nothing half done. */

import {
  chmodSync,
  closeSync,
  copyFileSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync
} from "node:fs"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { describe, expect, it } from "@effect/vitest"
import { EventStore, ReadModel } from "@latchkey/core"
import { Sqlite } from "@latchkey/sqlite"
import { Effect, Exit, Layer, Logger, Result, Schedule, type Scope } from "effect"
import { explain, openDatabase, openToRead, WAL_BYTES } from "../src/Database.ts"
import { EventLog } from "../src/EventLog.ts"
import { migrations } from "../src/migrations.ts"
import { makeScrub } from "../src/Scrub.ts"
import { requestOf } from "../src/WriteRequest.ts"
import { batch, event, positionOf, runChild, takeIn, temporaryFolder } from "./fixture.ts"

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
      (index) => store.write(batch(`s-${index}`, 0, [event({ text: "x".repeat(1_000) })]))
    )
  ).pipe(Effect.provide(Sqlite.layer({ folder })))
  return { folder, file: join(folder, "latchkey.db") }
})

const test = Object.assign(
  (sentence: string, body: Effect.Effect<unknown, unknown, Scope.Scope>) =>
    it.live(sentence, () => Effect.scoped(body)),
  { each: it.live.each }
)

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
        expect(yield* Effect.flip(store.write(batch("a", 0, [event()])))).toMatchObject({
          _tag: "StoreUnavailable",
          message: expect.stringContaining("locked")
        })
        expect(yield* store.read("s-1", 0, 10)).toHaveLength(1)
        other.exec("ROLLBACK")
        expect(yield* store.write(batch("a", 0, [event()]))).toEqual({ position: 51 })
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
  "a log with a page that went bad is not opened",
  Effect.gen(function* () {
    const { folder, file } = yield* usedFolder
    spoil(file)
    expect(yield* openingFails(folder)).toMatch(/latchkey\.db is damaged .* Restore it from a backup/)
  })
)

test(
  "every table and every index of a log is read before it counts as open",
  Effect.gen(function* () {
    const { folder, file } = yield* usedFolder
    yield* EventStore.use((store) =>
      Effect.gen(function* () {
        const put = [{ key: "k", value: "v", until: 8e15 }]
        yield* store.write({
          ...batch(
            "many-1",
            0,
            Array.from({ length: 1_000 }, () => event())
          ),
          put
        })
      })
    ).pipe(Effect.provide(Sqlite.layer({ folder }), { local: true }))
    const db = new DatabaseSync(file)
    const trees = db
      .prepare("SELECT name, rootpage FROM sqlite_schema WHERE rootpage > 0 ORDER BY name")
      .all()
      .map(({ name, rootpage }) => ({ name: String(name), page: (Number(rootpage) - 1) * 4096 }))
    db.close()
    expect(trees.length).toBeGreaterThan(7)
    const whole = readFileSync(file)
    for (const { name, page } of trees) {
      writeFileSync(file, Buffer.from(whole).fill(0xa5, page, page + 4096))
      const opened = yield* Effect.exit(openingFails(folder))
      expect([name, opened]).toEqual([name, Exit.succeed(expect.stringContaining("is damaged"))])
    }
    writeFileSync(file, whole)
    expect(yield* openStore(folder)).toBe(1_050)
  })
)

test(
  "a page that goes bad is found before anybody asks for it, and nothing more is written",
  Effect.gen(function* () {
    const { folder, file } = yield* usedFolder
    const damaged = { _tag: "StoreUnavailable", message: expect.stringContaining("damaged") }
    yield* EventStore.use((store) =>
      Effect.gen(function* () {
        spoil(file)
        yield* Effect.repeat(store.head, Schedule.spaced(10)).pipe(
          Effect.flip,
          Effect.tap((failure) => Effect.sync(() => expect(failure).toMatchObject(damaged)))
        )
        expect(yield* Effect.flip(store.write(batch("new", 0, [event()])))).toMatchObject(damaged)
        expect(yield* Effect.flip(store.write({ remove: ["new"] }))).toMatchObject(damaged)
      })
    ).pipe(Effect.provide(Sqlite.layer({ folder })))
  })
)

test(
  "whoever meets damage by reading or by writing ends all writing, without waiting until it is looked for",
  Effect.gen(function* () {
    const damaged = { _tag: "StoreUnavailable", message: expect.stringContaining("damaged") }
    const read = yield* usedFolder
    yield* EventStore.use((store) =>
      Effect.gen(function* () {
        spoil(read.file)
        expect(yield* Effect.flip(store.feed(0, 100))).toMatchObject(damaged)
        expect(yield* Effect.flip(store.write(batch("new", 0, [event()])))).toMatchObject(damaged)
      })
    ).pipe(Effect.provide(Sqlite.layer({ folder: read.folder }), { local: true }))

    const written = yield* usedFolder
    const db = new DatabaseSync(written.file)
    const page = Number(db.prepare("SELECT rootpage FROM sqlite_schema WHERE name = 'records'").get()?.["rootpage"])
    db.close()
    yield* EventStore.use((store) =>
      Effect.gen(function* () {
        writeSync(openSync(written.file, "r+"), Buffer.alloc(4_096, 0xff), 0, undefined, (page - 1) * 4_096)
        expect(yield* Effect.flip(store.write({ put: [{ key: "k", value: "v" }] }))).toMatchObject(damaged)
        expect(yield* Effect.flip(store.head)).toMatchObject(damaged)
      })
    ).pipe(Effect.provide(Sqlite.layer({ folder: written.folder }), { local: true }))
  })
)

test.each([
  ["an event that is no JSON", "UPDATE events SET data = '{' WHERE position = 7", "event 7 cannot be read"],
  ["an event that is missing", "DELETE FROM events WHERE position = 7", "event 7 is missing"]
] as const)("%s is damage, though SQLite sees none", ([, sql, found]) =>
  Effect.gen(function* () {
    const { folder, file } = yield* usedFolder
    const db = new DatabaseSync(file)
    db.exec(sql)
    db.close()
    expect(yield* openingFails(folder)).toContain(found)
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
    const append = (streamId: string, size: number) =>
      requestOf(batch(streamId, 0, [event({ text: "x".repeat(size) })]), 1)
    const refused = yield* Effect.flip(
      Effect.try({
        try: () => log.commit([append("a", 10), append("b", 200_000)]),
        catch: (error) => explain(error, file)
      })
    )
    expect(refused).toContain("is full. Free some space")
    expect(log.commit([append("a", 10)])).toEqual([1])
    db.close()
  })
)

test(
  "damage is found whichever table or index of the log it is in",
  Effect.gen(function* () {
    const { folder: used, file } = yield* usedFolder
    yield* EventStore.use((store) =>
      Effect.gen(function* () {
        const put = [{ key: "k", value: "v", until: 8e15 }]
        yield* store.write({
          ...batch(
            "many-1",
            0,
            Array.from({ length: 1_000 }, () => event())
          ),
          put
        })
      })
    ).pipe(Effect.provide(Sqlite.layer({ folder: used })))
    const db = new DatabaseSync(file)
    const trees = db.prepare("SELECT name, rootpage FROM sqlite_schema WHERE rootpage > 0").all()
    db.close()
    expect(trees.length).toBeGreaterThan(7)
    const unnoticed: Array<unknown> = []
    for (const { name, rootpage } of trees) {
      const folder = yield* temporaryFolder
      const copy = join(folder, "latchkey.db")
      copyFileSync(file, copy)
      const handle = openSync(copy, "r+")
      writeSync(handle, Buffer.alloc(4096, 0xff), 0, undefined, (Number(rootpage) - 1) * 4096)
      closeSync(handle)
      const reader = openToRead(copy, migrations.length, 0)
      const found = Result.try(() => {
        const scrub = makeScrub(reader)
        while (!scrub()) {}
      })
      reader.close()
      if (Result.isSuccess(found)) unnoticed.push(name)
    }
    expect(unnoticed).toEqual([])
  })
)

test(
  "a log is read bit by bit to its end, however often a key is there",
  Effect.gen(function* () {
    const { folder, file } = yield* usedFolder
    const many = Array.from({ length: 5_000 }, () => event())
    yield* EventStore.use((store) => store.write(batch("pin-1", 0, many))).pipe(
      Effect.provide(Sqlite.layer({ folder }))
    )
    const reader = openToRead(file, migrations.length, 0)
    const scrub = makeScrub(reader)
    let slices = 1
    while (!scrub()) slices++
    reader.close()
    // Seven walks, of which five read all events.
    expect(slices).toBe(2 + 5 * 3)
  })
)

describe("the read model is made anew when", () => {
  const checkpoint = (folder: string) =>
    ReadModel.use(positionOf).pipe(Effect.provide(Sqlite.layer({ folder }), { local: true }))

  const projected = Effect.gen(function* () {
    const { folder } = yield* usedFolder
    yield* Effect.gen(function* () {
      const [store, model] = [yield* EventStore, yield* ReadModel]
      expect(yield* takeIn(model, yield* store.feed(0, 100))).toBe(50)
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
    "a newer Latchkey wrote it, or somebody took a table away",
    Effect.gen(function* () {
      for (const sql of ["PRAGMA user_version = 99", 'DROP TABLE "rows users"', "DELETE FROM cursor"]) {
        const { folder, file } = yield* projected
        const db = new DatabaseSync(file)
        db.exec(sql)
        db.close()
        expect(yield* checkpoint(folder)).toBe(0)
      }
    })
  )

  test(
    "it shows while it is open that its file is damaged; until then it is unavailable, and not empty",
    Effect.gen(function* () {
      const { folder, file } = yield* projected
      yield* Effect.gen(function* () {
        const [store, model] = [yield* EventStore, yield* ReadModel]
        // Behind the page with the schema and the cursor, which are read already.
        const db = new DatabaseSync(file)
        const page = Number(db.prepare("SELECT rootpage FROM sqlite_schema WHERE name = 'rows users'").get()?.rootpage)
        db.close()
        writeSync(openSync(file, "r+"), Buffer.alloc(4096, 0xff), 0, undefined, (page - 1) * 4096)
        expect(yield* Effect.flip(model.get("users", ["ann"]))).toMatchObject({ _tag: "ReadModelUnavailable" })
        expect(yield* positionOf(model)).toBe(0)
        expect(yield* takeIn(model, yield* store.feed(0, 100))).toBe(50)
        expect(yield* model.get("users", ["ann"])).toEqual([])
      }).pipe(Effect.provide(Sqlite.layer({ folder })))
    })
  )

  test(
    "another process made it anew: its file is the one that counts",
    Effect.gen(function* () {
      const { folder, file } = yield* projected
      yield* Effect.gen(function* () {
        const model = yield* ReadModel
        expect(yield* positionOf(model)).toBe(50)
        for (const suffix of ["", "-wal", "-shm"]) rmSync(file + suffix, { force: true })
        expect(yield* checkpoint(folder)).toBe(0)
        while ((yield* positionOf(model)) > 0) yield* Effect.sleep(20)
      }).pipe(Effect.provide(Sqlite.layer({ folder })))
    })
  )
})

test(
  "a read model that another process made anew is not deleted by one that meets the damage of the old file",
  Effect.gen(function* () {
    const { folder } = yield* usedFolder
    const file = join(folder, "read-model.db")
    const fill = Effect.gen(function* () {
      const [store, model] = [yield* EventStore, yield* ReadModel]
      yield* takeIn(model, yield* store.feed(0, 100))
    }).pipe(Effect.provide(Sqlite.layer({ folder }), { local: true }))
    yield* fill
    yield* Effect.gen(function* () {
      const model = yield* ReadModel
      const handle = openSync(file, "r+")
      const { size } = statSync(file)
      for (const suffix of ["", "-wal", "-shm"]) rmSync(file + suffix, { force: true })
      yield* fill
      writeSync(handle, Buffer.alloc(size - 4096, 0xff), 0, undefined, 4096)
      yield* Effect.exit(model.get("users", ["ann"]))
      expect(yield* positionOf(model)).toBe(50)
    }).pipe(Effect.provide(Sqlite.layer({ folder }), { local: true }))
  })
)

describe("a read model that was made from another log is made anew", () => {
  const project = (folder: string, events: number) =>
    Effect.gen(function* () {
      const [store, model] = [yield* EventStore, yield* ReadModel]
      expect(yield* takeIn(model, yield* store.feed(0, events))).toBe(events)
    }).pipe(Effect.provide(Sqlite.layer({ folder }), { local: true }))
  const fileOf = (folder: string) => join(folder, "read-model.db")
  const checkpointOf = Effect.flatMap(ReadModel, positionOf)

  test(
    "when the server starts",
    Effect.gen(function* () {
      const [{ folder }, { folder: other }] = [yield* usedFolder, yield* usedFolder]
      yield* project(other, 30)
      copyFileSync(fileOf(other), fileOf(folder))
      expect(yield* Effect.provide(checkpointOf, Sqlite.layer({ folder }), { local: true })).toBe(0)
      // One of this log that has not come as far stays.
      yield* project(folder, 20)
      expect(yield* Effect.provide(checkpointOf, Sqlite.layer({ folder }), { local: true })).toBe(20)
    })
  )

  test(
    "when it takes the place of the right one meanwhile",
    Effect.gen(function* () {
      const [{ folder }, { folder: other }] = [yield* usedFolder, yield* usedFolder]
      yield* project(other, 30)
      yield* project(folder, 20)
      yield* Effect.gen(function* () {
        expect(yield* checkpointOf).toBe(20)
        for (const suffix of ["", "-wal", "-shm"]) rmSync(fileOf(folder) + suffix, { force: true })
        copyFileSync(fileOf(other), fileOf(folder))
        const looked = Effect.orElseSucceed(checkpointOf, () => 20)
        while ((yield* looked) === 20) yield* Effect.sleep(20)
        expect(yield* checkpointOf).toBe(0)
      }).pipe(Effect.provide(Sqlite.layer({ folder })))
      expect(JSON.parse(readFileSync(join(folder, "latchkey.witness"), "utf8"))).toMatchObject({ position: 50 })
    })
  )

  test(
    "but the start is refused while nothing tells which of the two is the right one",
    Effect.gen(function* () {
      const [{ folder }, { folder: other }] = [yield* usedFolder, yield* usedFolder]
      yield* project(other, 30)
      copyFileSync(fileOf(other), fileOf(folder))
      rmSync(join(folder, "latchkey.witness"))
      expect(yield* openingFails(folder)).toContain("LATCHKEY_RESTORED=yes")
    })
  )
})

describe("a log that is not the one that was there", () => {
  /** Another log, with as many events. */
  const other = Effect.map(usedFolder, ({ file }) => file)
  const older = Effect.map(temporaryFolder, (folder) => join(folder, "none"))
  const put = (log: string, file: string) => {
    rmSync(file)
    if (existsSync(log)) copyFileSync(log, file)
  }

  test.each([
    ["older, or lost", older],
    ["another one", other]
  ] as const)("is refused when it is %s, until an operator says that a backup was restored", ([, log]) =>
    Effect.gen(function* () {
      const { folder, file } = yield* usedFolder
      put(yield* log, file)
      for (const _ of [1, 2]) expect(yield* openingFails(folder)).toMatch(/event 50 or later.*LATCHKEY_RESTORED=yes/)
      const head = yield* EventStore.use((store) => store.head).pipe(
        Effect.provide(Sqlite.layer({ folder, restored: true }), { local: true })
      )
      expect(yield* openStore(folder)).toBe(head)
    })
  )

  test(
    "is also known from a read model alone, and from one that had to be deleted",
    Effect.gen(function* () {
      for (const spoilt of [false, true]) {
        const { folder, file } = yield* usedFolder
        yield* Effect.gen(function* () {
          const [store, model] = [yield* EventStore, yield* ReadModel]
          yield* takeIn(model, yield* store.feed(0, 100))
        }).pipe(Effect.provide(Sqlite.layer({ folder }), { local: true }))
        rmSync(join(folder, "latchkey.witness"))
        if (spoilt) {
          const db = new DatabaseSync(join(folder, "read-model.db"))
          db.exec('DROP TABLE "rows users"')
          db.close()
        }
        put("none", file)
        for (const _ of [1, 2]) expect(yield* openingFails(folder)).toContain("event 50 or later")
      }
    })
  )

  test(
    "leaves nothing of itself in the read model when the one that was restored is taken",
    Effect.gen(function* () {
      const { folder, file } = yield* usedFolder
      yield* Effect.gen(function* () {
        const [store, model] = [yield* EventStore, yield* ReadModel]
        yield* takeIn(model, yield* store.feed(0, 100))
      }).pipe(Effect.provide(Sqlite.layer({ folder }), { local: true }))
      put(yield* other, file)
      expect(
        yield* ReadModel.use(positionOf).pipe(Effect.provide(Sqlite.layer({ folder, restored: true }), { local: true }))
      ).toBe(0)
    })
  )

  test(
    "is known by what is remembered while it is open, and not only at its end",
    Effect.gen(function* () {
      const { folder } = yield* usedFolder
      const remembered = () => JSON.parse(readFileSync(join(folder, "latchkey.witness"), "utf8")).position
      yield* EventStore.use((store) =>
        Effect.gen(function* () {
          yield* store.write(batch("new", 0, [event()]))
          while (remembered() < 51) yield* Effect.sleep(20)
        })
      ).pipe(Effect.provide(Sqlite.layer({ folder }), { local: true }))
    })
  )

  test(
    "would be hidden by a word that was left set: each start warns of it",
    Effect.gen(function* () {
      const { folder } = yield* usedFolder
      const log: Array<string> = []
      yield* Layer.build(Sqlite.layer({ folder, restored: true })).pipe(
        Effect.provide(Logger.layer([Logger.map(Logger.formatLogFmt, (line) => void log.push(line))]))
      )
      expect(log).toEqual([expect.stringContaining("LATCHKEY_RESTORED is set, and no backup was restored")])
    })
  )

  test(
    "is known though the read model is gone, or only the file that remembers it is damaged",
    Effect.gen(function* () {
      const { folder, file } = yield* usedFolder
      const witness = join(folder, "latchkey.witness")
      expect(JSON.parse(readFileSync(witness, "utf8"))).toMatchObject({ position: 50 })
      writeFileSync(witness, "{")
      expect(yield* openStore(folder)).toBe(50)
      expect(JSON.parse(readFileSync(witness, "utf8"))).toMatchObject({ position: 50 })
      for (const name of ["read-model.db", "read-model.db-wal", "read-model.db-shm"]) {
        rmSync(join(folder, name), { force: true })
      }
      put("none", file)
      expect(yield* openingFails(folder)).toContain("event 50 or later")
    })
  )
})

test(
  "the read model stays when a command opens it while a busy server moves it on",
  Effect.gen(function* () {
    const { folder } = yield* usedFolder
    yield* Effect.gen(function* () {
      const [store, model] = [yield* EventStore, yield* ReadModel]
      yield* takeIn(model, yield* store.feed(0, 100))
      let last = 50
      const busy = Effect.gen(function* () {
        yield* store.write(batch("busy", last - 50, [event()]))
        last = yield* takeIn(model, yield* store.feed(last, 100))
      }).pipe(Effect.forever, Effect.forkScoped)
      yield* busy
      for (let times = 0; times < 20; times++) {
        const before = last
        const seen = yield* ReadModel.use(positionOf).pipe(Effect.provide(Sqlite.layer({ folder }), { local: true }))
        expect(seen).toBeGreaterThanOrEqual(before)
      }
    }).pipe(Effect.provide(Sqlite.layer({ folder })), Effect.scoped)
  })
)

test(
  "a log is read without creating or changing anything",
  Effect.gen(function* () {
    const { folder, file } = yield* usedFolder
    const empty = yield* temporaryFolder
    const read = (folder: string) =>
      EventStore.use((store) => store.feed(0, 100)).pipe(Effect.provide(Sqlite.reader({ folder }), { local: true }))
    const before = readFileSync(file)
    expect(yield* read(folder)).toHaveLength(50)
    expect(readFileSync(file).equals(before)).toBe(true)
    for (const place of [empty, join(empty, "below")]) {
      expect((yield* Effect.flip(read(place))).message).toContain("There is no log in")
      const opened = yield* Effect.flip(Layer.build(Sqlite.layer({ folder: place, create: false })))
      expect(opened.message).toContain("There is no log in")
    }
    expect(readdirSync(empty)).toEqual([])
    yield* EventStore.use((store) =>
      Effect.gen(function* () {
        expect((yield* Effect.flip(store.write(batch("s-1", 1, [event()])))).message).toContain("opened read-only")
      })
    ).pipe(Effect.provide(Sqlite.reader({ folder }), { local: true }))
  })
)

test(
  "a folder that cannot be made is named at once, however deep",
  Effect.gen(function* () {
    for (const folder of ["/proc/nope", "/proc/nope/below/it"]) {
      expect(yield* openingFails(folder)).toContain(`The data folder ${folder} cannot be made`)
    }
    const deep = join(yield* temporaryFolder, "a", "b", "c")
    expect(yield* openStore(deep)).toBe(0)
    expect(statSync(deep).mode & 0o777).toBe(0o700)
  })
)

test(
  "the write-ahead log is small again once a reader that kept its snapshot has gone",
  Effect.gen(function* () {
    const { folder, file } = yield* usedFolder
    yield* EventStore.use((store) =>
      Effect.gen(function* () {
        const walOf = () => statSync(`${file}-wal`).size
        const reader = new DatabaseSync(file, { readOnly: true })
        reader.exec("BEGIN")
        reader.prepare("SELECT count(*) FROM events").get()
        for (let version = 0; walOf() <= WAL_BYTES; version++) {
          yield* store.write(batch("large", version, [event({ text: "x".repeat(2_000_000) })]))
        }
        reader.close()
        while (walOf() > WAL_BYTES) yield* Effect.sleep(20)
      })
    ).pipe(Effect.provide(Sqlite.layer({ folder })))
  })
)

test(
  "the files are for their owner alone",
  Effect.gen(function* () {
    const folder = yield* temporaryFolder
    const files = ["latchkey.db", "read-model.db"].flatMap((file) => [file, `${file}-wal`, `${file}-shm`])
    yield* EventStore.use((store) =>
      Effect.gen(function* () {
        yield* store.write(batch("a", 0, [event()]))
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
