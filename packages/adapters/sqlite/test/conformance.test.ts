/** The suites that every adapter passes. */
import { eventStoreSuite, readModelSuite } from "@latchkey/core/testing"
import { Sqlite } from "@latchkey/sqlite"
import { Effect } from "effect"
import { temporaryFolder } from "./fixture.ts"

const reopen = Effect.map(temporaryFolder, (folder) => Sqlite.layer({ folder }))
const layer = Sqlite.layer({ folder: ":memory:" })

eventStoreSuite("sqlite", layer, { reopen })
readModelSuite("sqlite", layer)
