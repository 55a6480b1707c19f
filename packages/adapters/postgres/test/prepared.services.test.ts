/** Statements are prepared once for each connection, and sent without a name where that does not work. */
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Database from "../src/Database.ts"
import { place } from "./fixture.ts"

/** A test asks one question at a time, so all go over one connection. */
const asking = Effect.flatMap(place, ({ url, schema }) => Database.make(url, schema))

const NAMES = "SELECT name FROM pg_prepared_statements WHERE statement = 'SELECT 8'"

describe("a prepared statement", () => {
  it.live("is made once for each connection", () =>
    Effect.gen(function* () {
      const { ask } = yield* asking
      for (let n = 0; n < 3; n++) expect(yield* ask("SELECT 8")).toEqual([["8"]])
      expect(yield* ask(NAMES)).toHaveLength(1)
    })
  )

  it.live("is sent without a name once it is missing, as behind a pooler that changes connections", () =>
    Effect.gen(function* () {
      const { ask } = yield* asking
      yield* ask("SELECT 8")
      yield* ask("DEALLOCATE ALL")
      for (let n = 0; n < 3; n++) expect(yield* ask("SELECT 8")).toEqual([["8"]])
      // Nothing is prepared from then on.
      expect(yield* ask(NAMES)).toEqual([])
    })
  )

  it.live("is sent without a name when its name is taken on this connection", () =>
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

  it.live("is sent again when another version has changed its columns", () =>
    Effect.gen(function* () {
      const { ask, schema } = yield* asking
      yield* ask(`CREATE SCHEMA ${schema}`)
      yield* ask("CREATE TABLE $.kept AS SELECT 1 AS one")
      expect(yield* ask("SELECT * FROM $.kept")).toEqual([["1"]])
      yield* ask("ALTER TABLE $.kept ADD COLUMN two integer")
      expect(yield* ask("SELECT * FROM $.kept")).toEqual([["1", null]])
    })
  )

  it.live("that writes is written once when it was missing", () =>
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

  it.live("fails when the database does not support it, and is not repeated endlessly", () =>
    Effect.gen(function* () {
      const { ask } = yield* asking
      const refused = ask("DO $do$ BEGIN RAISE feature_not_supported; END $do$")
      expect(yield* Effect.flip(refused)).toMatchObject({ _tag: "StoreUnavailable" })
      expect(yield* ask("SELECT 8")).toEqual([["8"]])
    })
  )
})
