/** The suites that every adapter passes. */
import { join } from "node:path"
import { Presence, ReadModel } from "@latchkey/core"
import { eventStoreSuite, presenceSuite, readModelSuite } from "@latchkey/core/testing"
import { Sqlite } from "@latchkey/sqlite"
import { Context, Effect, Layer } from "effect"
import * as ReadModelFile from "../src/ReadModelFile.ts"
import * as SqlitePresence from "../src/SqlitePresence.ts"
import * as SqliteReadModel from "../src/SqliteReadModel.ts"
import { temporaryFolder } from "./fixture.ts"

const reopen = Effect.map(temporaryFolder, (folder) => Sqlite.layer({ folder }))
const layer = Sqlite.layer({ folder: ":memory:" })

eventStoreSuite("sqlite", layer, { reopen })

/** Without the log, which would tell that these rows are not of it. */
const rowsAlone = Effect.map(temporaryFolder, (folder) => {
  const file = ReadModelFile.make(
    join(folder, "read-model.db"),
    () => undefined,
    () => true
  )
  const open = Layer.effectContext(
    Effect.map(file, (file) =>
      Context.make(ReadModel, SqliteReadModel.make(file)).pipe(Context.add(Presence, SqlitePresence.make(file)))
    )
  )
  return { open, reopen: open }
})

readModelSuite("sqlite", rowsAlone)
presenceSuite("sqlite", rowsAlone)
