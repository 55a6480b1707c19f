/** A file that cannot be used says so at once, and what to do. */
import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { describe, expect, it } from "@effect/vitest"
import { LocalShadow, ShadowStoreError } from "@latchkey/local-shadow"
import { Effect, Layer } from "effect"
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
