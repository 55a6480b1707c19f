/** Backups: whole, of one instant, night after night, and never over what they do not hold. */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { copyFileSync, cpSync, openSync, readdirSync, readFileSync, statSync, writeFileSync, writeSync } from "node:fs"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { expect, it } from "@effect/vitest"
import { EventStore } from "@latchkey/core"
import { Sqlite } from "@latchkey/sqlite"
import { Effect, Fiber } from "effect"
import { batch, event, temporaryFolder } from "./fixture.ts"

const headIn = (folder: string) =>
  EventStore.use((store) => store.head).pipe(Effect.provide(Sqlite.layer({ folder }), { local: true }))

/** Something beside the log that is written with it, and has to be in step with it. */
const shadowsIn = (folder: string) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const db = new DatabaseSync(join(folder, "shadow.db"), { timeout: 5000 })
      db.exec("PRAGMA journal_mode = WAL; CREATE TABLE IF NOT EXISTS shadow (head INTEGER PRIMARY KEY)")
      return db
    }),
    (db) => Effect.sync(() => db.close())
  )
const newestShadow = (folder: string) => {
  const db = new DatabaseSync(join(folder, "shadow.db"), { readOnly: true })
  const row = db.prepare("SELECT max(head) AS head FROM shadow").get()
  db.close()
  return Number(row?.["head"])
}

it.live("holds all files as of one instant while they are written, on the second night as on the first", () =>
  Effect.gen(function* () {
    const [folder, target] = [yield* temporaryFolder, join(yield* temporaryFolder, "below", "backup")]
    writeFileSync(join(folder, "pin.key"), "a key of at least 32 bytes, surely\n")
    const shadows = yield* shadowsIn(folder)
    const save = shadows.prepare("INSERT INTO shadow VALUES (?)")
    yield* EventStore.use((store) =>
      Effect.gen(function* () {
        const write = Effect.gen(function* () {
          for (let version = 0; ; version++) {
            yield* store.write(batch("busy", version, [event({ text: "x".repeat(2_000) })]))
            save.run(version + 1)
          }
        })
        const busy = yield* Effect.forkChild(write, { startImmediately: true })
        let before = 0
        for (const _night of [1, 2, 3]) {
          while ((yield* store.head) < before + 20) yield* Effect.sleep(1)
          const events = yield* Sqlite.backup(folder, target)
          expect(events).toBeGreaterThanOrEqual(before + 20)
          before = events
          expect(readdirSync(target).toSorted()).toEqual(["latchkey.db", "pin.key", "shadow.db"])
          // Read from where nothing can be written: no file beside it is asked for (its header says so).
          expect(readFileSync(join(target, "shadow.db"))[18]).toBe(1)
          for (const name of readdirSync(target)) expect(statSync(join(target, name)).mode & 0o777).toBe(0o600)
          // What follows the log by one step is in the copy as it was then: behind by that step at most.
          expect([events, events - 1]).toContain(newestShadow(target))
          const restored = yield* temporaryFolder
          cpSync(target, restored, { recursive: true })
          expect(yield* headIn(restored)).toBe(events)
          // Left by whoever looked into it.
          writeFileSync(join(target, "shadow.db-wal"), "of the earlier copy")
        }
        yield* Fiber.interrupt(busy)
      })
    ).pipe(Effect.provide(Sqlite.layer({ folder })))
    expect(readFileSync(join(target, "pin.key"))).toEqual(readFileSync(join(folder, "pin.key")))
  }).pipe(Effect.scoped)
)

const used = Effect.gen(function* () {
  const folder = yield* temporaryFolder
  yield* EventStore.use((store) =>
    Effect.forEach([0, 1, 2], (version) => store.write(batch("s", version, [event({ text: "x".repeat(9_000) })])))
  ).pipe(Effect.provide(Sqlite.layer({ folder }), { local: true }))
  return folder
})
/** Has begun to write into the shadows, and ends once nobody may write into the log: somebody waits for all locks. */
const WRITER = `
  const { DatabaseSync } = require("node:sqlite")
  const [shadows, log] = process.argv.slice(1).map((file) => new DatabaseSync(file))
  shadows.exec("BEGIN IMMEDIATE; INSERT INTO shadow VALUES (7)")
  console.log("begun")
  const isHeld = () => {
    try {
      log.exec("BEGIN IMMEDIATE; ROLLBACK")
      return false
    } catch {
      return true
    }
  }
  const end = Date.now() + 8000
  while (!isHeld() && Date.now() < end) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5)
  shadows.exec("COMMIT")
`

it.live("begins to read nothing before nobody writes into any of the files", () =>
  Effect.gen(function* () {
    const [folder, target] = [yield* used, yield* temporaryFolder]
    yield* shadowsIn(folder)
    const files = ["shadow.db", "latchkey.db"].map((name) => join(folder, name))
    const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", "-e", WRITER, ...files], {
      stdio: ["ignore", "pipe", "inherit"]
    })
    const ended = once(child, "close")
    yield* Effect.promise(() => once(child.stdout, "data"))
    yield* Sqlite.backup(folder, target)
    expect(newestShadow(target)).toBe(7)
    yield* Effect.promise(() => ended)
  }).pipe(Effect.scoped)
)

const refusal = (folder: string, target: string) =>
  Effect.map(Effect.flip(Sqlite.backup(folder, target)), ({ message }) => message)

it.live("replaces only what it also holds", () =>
  Effect.gen(function* () {
    const [folder, other] = [yield* used, yield* used]
    const untouched = readFileSync(join(other, "latchkey.db"))
    expect(yield* refusal(folder, other)).toContain("holds events that this log does not")
    expect(readFileSync(join(other, "latchkey.db")).equals(untouched)).toBe(true)
    expect(yield* refusal(folder, folder)).toContain("is the data folder itself")
    expect(yield* refusal(folder, `${folder}/../${folder.split("/").at(-1)}`)).toContain("is the data folder itself")

    const target = yield* temporaryFolder
    writeFileSync(join(folder, "pin.key"), "new")
    writeFileSync(join(target, "pin.key"), "old")
    expect(yield* refusal(folder, target)).toContain("is not the key in")
    expect(readdirSync(target)).toEqual(["pin.key"])
    copyFileSync(join(folder, "pin.key"), join(target, "pin.key"))
    yield* Sqlite.backup(folder, target)
    // Somebody looks into it, or serves it: a file that is in use is not replaced.
    yield* Effect.provide(
      Effect.gen(function* () {
        yield* EventStore
        expect(yield* refusal(folder, target)).toContain("locked")
      }),
      Sqlite.layer({ folder: target }),
      { local: true }
    )
    expect(yield* Sqlite.backup(folder, target)).toBe(3)
  }).pipe(Effect.scoped)
)

it.live("is not made of what is not there, or damaged, and leaves the earlier one", () =>
  Effect.gen(function* () {
    const [folder, target, none] = [yield* used, yield* temporaryFolder, yield* temporaryFolder]
    yield* Sqlite.backup(folder, target)
    const earlier = readFileSync(join(target, "latchkey.db"))
    expect(yield* refusal(none, target)).toContain("there is no log in")
    expect(readdirSync(none)).toEqual([])
    const { size } = statSync(join(folder, "latchkey.db"))
    writeSync(openSync(join(folder, "latchkey.db"), "r+"), Buffer.alloc(8192, 0xff), 0, undefined, size - 8192)
    expect(yield* refusal(folder, target)).toContain("is damaged")
    expect(readdirSync(target)).toEqual(["latchkey.db"])
    expect(readFileSync(join(target, "latchkey.db")).equals(earlier)).toBe(true)
    expect(yield* refusal(folder, "/proc/nope")).toContain("No backup was made")
  }).pipe(Effect.scoped)
)
