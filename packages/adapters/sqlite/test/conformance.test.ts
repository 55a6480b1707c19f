/** The suites that every adapter passes. */
import { join } from "node:path"
import { vi } from "@effect/vitest"
import { Presence, ReadModel, StoreUnavailable } from "@latchkey/core"
import { killSuite, presenceSuite, readModelSuite, type StoreFaults, storeSuite } from "@latchkey/core/testing"
import { Sqlite } from "@latchkey/sqlite"
import { Context, Effect, Layer } from "effect"
import * as ReadModelFile from "../src/ReadModelFile.ts"
import * as SqlitePresence from "../src/SqlitePresence.ts"
import * as SqliteReadModel from "../src/SqliteReadModel.ts"
import { Writer } from "../src/Writer.ts"
import { temporaryFolder } from "./fixture.ts"

/** Once: what is handed to a writer is not carried out, or its answers are lost. */
const failNextWrite: NonNullable<StoreFaults["failNextWrite"]> = (when) =>
  Effect.sync(() => {
    const lost = new StoreUnavailable({ message: "The answer was lost." })
    const submit = vi.spyOn(Writer.prototype, "submit")
    submit.mockImplementationOnce(function (this: Writer, request, answer) {
      submit.mockRestore()
      if (when === "before") answer(lost)
      else this.submit(request, () => answer(lost))
    })
  })

storeSuite(
  "sqlite",
  Effect.map(temporaryFolder, (folder) => {
    const open = Sqlite.layer({ folder })
    return { open, reopen: open, faults: { failNextWrite } }
  })
)

killSuite("sqlite", { module: import.meta.resolve("./open.ts"), place: temporaryFolder })

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
