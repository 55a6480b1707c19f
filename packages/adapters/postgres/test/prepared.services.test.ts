/** Statements are prepared once a connection; where that is of no use, they are asked as they are. */
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Database from "../src/Database.ts"
import { place } from "./fixture.ts"

/** One after the other, so all over one connection. */
const asking = Effect.flatMap(place, ({ url, schema }) => Database.make(url, schema))

const NAMES = "SELECT name FROM pg_prepared_statements WHERE statement = 'SELECT 8'"

describe("a statement", () => {
  it.live("is prepared once", () =>
    Effect.gen(function* () {
      const { ask } = yield* asking
      for (let n = 0; n < 3; n++) expect(yield* ask("SELECT 8")).toEqual([["8"]])
      expect(yield* ask(NAMES)).toHaveLength(1)
    })
  )

  it.live("that is gone, as behind a pooler that gives each transaction another connection, is asked without it", () =>
    Effect.gen(function* () {
      const { ask } = yield* asking
      yield* ask("SELECT 8")
      yield* ask("DEALLOCATE ALL")
      for (let n = 0; n < 3; n++) expect(yield* ask("SELECT 8")).toEqual([["8"]])
      // Nothing is prepared from then on.
      expect(yield* ask(NAMES)).toEqual([])
    })
  )

  it.live("that somebody else has prepared on this connection is asked without it", () =>
    Effect.gen(function* () {
      const other = yield* asking
      yield* other.ask("SELECT 8")
      const [[name] = []] = yield* other.ask<[string]>(NAMES)
      expect(name).toBeDefined()
      const { ask } = yield* asking
      yield* ask(`PREPARE "${name}" AS SELECT 8`)
      expect(yield* ask("SELECT 8")).toEqual([["8"]])
    })
  )

  it.live("whose columns another version has changed meanwhile is asked anew", () =>
    Effect.gen(function* () {
      const { ask, schema } = yield* asking
      yield* ask(`CREATE SCHEMA ${schema}`)
      yield* ask("CREATE TABLE $.kept AS SELECT 1 AS one")
      expect(yield* ask("SELECT * FROM $.kept")).toEqual([["1"]])
      yield* ask("ALTER TABLE $.kept ADD COLUMN two integer")
      expect(yield* ask("SELECT * FROM $.kept")).toEqual([["1", null]])
    })
  )

  it.live("that writes, and is gone, has written nothing, and writes once when it is asked without", () =>
    Effect.gen(function* () {
      const { ask, write, schema } = yield* asking
      yield* ask(`CREATE SCHEMA ${schema}`)
      yield* ask("CREATE TABLE $.written (n integer)")
      const insert = () => Effect.promise(() => write("INSERT INTO $.written VALUES (1)"))
      yield* insert()
      yield* Effect.promise(() => write("DEALLOCATE ALL"))
      yield* insert()
      expect(yield* ask("SELECT count(*) FROM $.written")).toEqual([[2]])
    })
  )

  it.live("that the database cannot do fails, and is not tried for ever", () =>
    Effect.gen(function* () {
      const { ask } = yield* asking
      const refused = ask("DO $do$ BEGIN RAISE feature_not_supported; END $do$")
      expect(yield* Effect.flip(refused)).toMatchObject({ _tag: "StoreUnavailable" })
      expect(yield* ask("SELECT 8")).toEqual([["8"]])
    })
  )
})
