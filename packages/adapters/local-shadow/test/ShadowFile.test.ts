/** A file that cannot be used says so at once, and what to do. */
import { closeSync, mkdirSync, openSync, readFileSync, rmSync, statSync, writeFileSync, writeSync } from "node:fs"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { describe, expect, it } from "@effect/vitest"
import { DeviceShadow } from "@latchkey/core"
import { LocalShadow, ShadowStoreError } from "@latchkey/local-shadow"
import { Effect, Layer, Logger } from "effect"
import { vi } from "vitest"
import { openShadowFile } from "../src/ShadowFile.ts"
import { steadyMillis } from "../src/ShadowOperation.ts"
import { temporaryFolder } from "./fixture.ts"

/** Why the shadows in a folder cannot be used, after something was done to the folder. */
const failureAfter = Effect.fnUntraced(function* (spoil: (folder: string, file: string) => void) {
  const folder = yield* temporaryFolder
  yield* LocalShadow.use((shadows) => shadows.update("thing", { state: { desired: { a: "x".repeat(5000) } } })).pipe(
    Effect.provide(LocalShadow.layer({ folder }))
  )
  spoil(folder, join(folder, "shadow.db"))
  const error = yield* Effect.flip(Layer.build(LocalShadow.layer({ folder })))
  expect(error).toBeInstanceOf(ShadowStoreError)
  expect(error.message).toContain(folder)
  return error.message
})

describe("opening", () => {
  it.live("refuses a file of a newer version", () =>
    Effect.gen(function* () {
      const message = yield* failureAfter((_, file) => {
        const db = new DatabaseSync(file)
        db.exec("PRAGMA user_version = 99")
        db.close()
      })
      expect(message).toContain("newer version of Latchkey (schema 99; this one knows up to 3)")
    })
  )

  it.live("refuses a file that is no database", () =>
    Effect.gen(function* () {
      expect(yield* failureAfter((_, file) => writeFileSync(file, "not a database".repeat(1000)))).toContain(
        "from a backup"
      )
    })
  )

  it.live("refuses a damaged file", () =>
    Effect.gen(function* () {
      const message = yield* failureAfter((_, file) => writeFileSync(file, Buffer.alloc(4096, 7), { flag: "r+" }))
      expect(message).toContain("from a backup")
      const inside = yield* failureAfter((_, file) => {
        // Behind the first page: only a check of the whole file finds it.
        const content = readFileSync(file)
        writeFileSync(file, content.fill(7, 4096, 4608))
      })
      expect(inside).toContain("is damaged")
    })
  )

  it.live("refuses a file that another program keeps locked", () =>
    Effect.gen(function* () {
      let other: DatabaseSync | undefined
      const message = yield* failureAfter((_, file) => {
        other = new DatabaseSync(file)
        other.exec("BEGIN IMMEDIATE")
      }).pipe(Effect.ensuring(Effect.sync(() => other?.close())))
      expect(message).toContain("is locked by another program")
    })
  )

  it.live("refuses a folder that it cannot make, and a file that it cannot open", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      writeFileSync(join(folder, "file"), "")
      const error = yield* Effect.flip(Layer.build(LocalShadow.layer({ folder: join(folder, "file", "data") })))
      expect(error.message).toContain("Cannot create the data folder")
      mkdirSync(join(folder, "shadow.db"))
      expect((yield* Effect.flip(Layer.build(LocalShadow.layer({ folder })))).message).toContain("cannot be opened")
    })
  )

  it.live("makes the folder and the files for their owner alone", () =>
    Effect.gen(function* () {
      const folder = join(yield* temporaryFolder, "data")
      yield* LocalShadow.use((shadows) =>
        Effect.gen(function* () {
          yield* shadows.update("thing", { state: {} })
          expect(statSync(folder).mode & 0o777).toBe(0o700)
          for (const file of ["shadow.db", "shadow.db-wal", "shadow.db-shm"]) {
            expect([file, statSync(join(folder, file)).mode & 0o777]).toEqual([file, 0o600])
          }
        })
      ).pipe(Effect.provide(LocalShadow.layer({ folder })))
    })
  )
})

describe("damage while the file is open", () => {
  /** Shadows that are in the file itself, and not in what was written lately. */
  const filled = Effect.fnUntraced(function* (things: number) {
    const folder = yield* temporaryFolder
    yield* LocalShadow.use((shadows) =>
      Effect.forEach(
        Array.from({ length: things }, (_, n) => `thing-${n}`),
        (thing) => shadows.update(thing, { state: { desired: { text: "x".repeat(3000) } } }),
        { concurrency: "unbounded" }
      )
    ).pipe(Effect.provide(LocalShadow.layer({ folder }), { local: true }))
    return { folder, file: join(folder, "shadow.db") }
  })
  const overwrite = (file: string, from: number, length: number) => {
    const handle = openSync(file, "r+")
    writeSync(handle, Buffer.alloc(length, 0xa5), 0, length, from)
    closeSync(handle)
  }
  const pageOf = (file: string, name: string) => {
    const db = new DatabaseSync(file, { readOnly: true })
    const page = db.prepare("SELECT rootpage FROM sqlite_schema WHERE name = ?").get(name)?.rootpage
    db.close()
    return (Number(page) - 1) * 4096
  }

  const table: ReadonlyArray<readonly [what: string, things: number, spoil: (file: string) => void]> = [
    ["all of it", 1, (file) => overwrite(file, 0, statSync(file).size)],
    ["its last page, which holds one shadow of 250", 250, (file) => overwrite(file, statSync(file).size - 4096, 4096)],
    ["the index of the shadows", 1, (file) => overwrite(file, pageOf(file, "sqlite_autoindex_shadow_1"), 4096)],
    ["what was changed lately", 1, (file) => overwrite(file, pageOf(file, "change"), 4096)],
    ["who is there", 1, (file) => overwrite(file, pageOf(file, "presence"), 4096)],
    [
      "a shadow that is no JSON, though SQLite sees no fault",
      1,
      (file) => {
        const db = new DatabaseSync(file)
        db.exec("UPDATE shadow SET content = '{'")
        db.close()
      }
    ]
  ]
  it.live.each(table)("is found before anybody asks, and nothing is answered any more: %s", ([, things, spoil]) =>
    Effect.gen(function* () {
      const { folder, file } = yield* filled(things)
      const log: Array<string> = []
      yield* Effect.gen(function* () {
        const { ready = Effect.void, send, find } = yield* DeviceShadow
        const shadows = yield* LocalShadow
        spoil(file)
        yield* Effect.promise(() => vi.waitUntil(() => log.length > 0, { timeout: 60_000 }))
        expect(log).toEqual([expect.stringContaining(`${file} is damaged`)])
        const open = { _tag: "OpenLock", commandId: "c", seq: 1, issuedAt: 1, expiresAt: 2 } as const
        const asked: ReadonlyArray<Effect.Effect<unknown, { readonly message: string }>> = [
          ready,
          shadows.get("thing-0"),
          shadows.update("thing-0", { state: {} }),
          send("thing-0", open, Date.now() + 1000),
          find("thing-0", "c", 1)
        ]
        for (const one of asked) expect((yield* Effect.flip(one)).message).toContain("is damaged")
      }).pipe(
        Effect.provide(LocalShadow.layer({ folder })),
        Effect.provide(Logger.layer([Logger.map(Logger.formatLogFmt, (line) => void log.push(line))]))
      )
    })
  )

  it.live("leaves no device online", () =>
    Effect.gen(function* () {
      const { folder, file } = yield* filled(1)
      yield* LocalShadow.use((shadows) =>
        Effect.gen(function* () {
          yield* shadows.connected("thing-0")
          expect(shadows.isOnline("thing-0")).toBe(true)
          overwrite(file, 0, statSync(file).size)
          yield* Effect.promise(() => vi.waitUntil(() => !shadows.isOnline("thing-0"), { timeout: 60_000 }))
        })
      ).pipe(Effect.provide(LocalShadow.layer({ folder })))
    })
  )

  it.live("is not what closing it is taken for", () =>
    Effect.gen(function* () {
      const { folder } = yield* filled(1)
      const log: Array<string> = []
      yield* Effect.flatMap(DeviceShadow, ({ ready = Effect.die("it cannot tell") }) => ready).pipe(
        Effect.provide(LocalShadow.layer({ folder })),
        Effect.provide(Logger.layer([Logger.map(Logger.formatLogFmt, (line) => void log.push(line))]))
      )
      expect(log).toEqual([])
    })
  )
})

describe("a file that goes less far than it was seen to go", () => {
  it.live("is refused, until an operator says that a backup was restored", () =>
    Effect.gen(function* () {
      for (const isThere of [true, false]) {
        const folder = yield* temporaryFolder
        const file = join(folder, "shadow.db")
        let kept = 0
        const witness = { seen: () => kept, keep: (changes: number) => (kept = changes), restored: false }
        const use = (n: number, restored = false) =>
          LocalShadow.use((shadows) => shadows.update("thing", { state: { desired: { n } } })).pipe(
            Effect.provide(LocalShadow.layer({ folder, witness: { ...witness, restored } }), { local: true })
          )
        yield* use(1)
        const older = readFileSync(file)
        for (const n of [2, 3]) yield* use(n)
        expect(kept).toBe(3)
        if (isThere) writeFileSync(file, older)
        else rmSync(file)
        for (const _ of [1, 2]) {
          const { message } = yield* Effect.flip(use(4))
          expect(message).toContain(`${file} is older than it was`)
          expect(message).toContain("LATCHKEY_RESTORED=yes")
        }
        yield* use(5, true)
        yield* use(6)
        expect(kept).toBe(isThere ? 3 : 2)
      }
    }).pipe(Effect.scoped)
  )
})

it.live("makes its folder, and those above it; says at once where none can be", () =>
  Effect.gen(function* () {
    yield* Layer.build(LocalShadow.layer({ folder: join(yield* temporaryFolder, "a", "b") }))
    for (const folder of ["/proc/nope", "/proc/nope/below"]) {
      const error = yield* Effect.flip(Layer.build(LocalShadow.layer({ folder })))
      expect(error.message).toContain(`Cannot create the data folder ${folder}`)
    }
  })
)

it.live("makes its write-ahead log small again once a reader that kept its snapshot has gone", () =>
  Effect.gen(function* () {
    const folder = yield* temporaryFolder
    const wal = () => statSync(join(folder, "shadow.db-wal")).size
    yield* LocalShadow.use((shadows) =>
      Effect.gen(function* () {
        yield* shadows.update("thing", { state: {} })
        const reader = new DatabaseSync(join(folder, "shadow.db"), { readOnly: true })
        reader.exec("BEGIN")
        reader.prepare("SELECT count(*) FROM shadow").get()
        const things = Array.from({ length: 500 }, (_, n) => `thing-${n}`)
        for (let round = 0; wal() <= 16 * 1024 * 1024; round++) {
          const state = { desired: { text: String(round % 10).repeat(7_000) } }
          yield* Effect.forEach(things, (thing) => shadows.update(thing, { state }), { concurrency: "unbounded" })
        }
        reader.close()
        while (wal() > 16 * 1024 * 1024) yield* Effect.sleep(20)
      })
    ).pipe(Effect.provide(LocalShadow.layer({ folder })))
  })
)

it("what comes too late is refused, though the clock was set back meanwhile", () => {
  const file = openShadowFile(":memory:", 8192)
  const late = steadyMillis() - 1
  vi.useFakeTimers({ toFake: ["Date"], now: 0 })
  try {
    const input = { thing: "thing", name: "", request: { state: {} }, now: 0, notAfter: late }
    expect(file.commit([{ name: "update", input }]).answers).toMatchObject([{ code: 408 }])
  } finally {
    vi.useRealTimers()
    file.close()
  }
})
