/** A file that cannot be used says so at once, and what to do. */
import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { describe, expect, it } from "@effect/vitest"
import { LocalShadow, ShadowStoreError } from "@latchkey/local-shadow"
import { Effect, Layer } from "effect"
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
