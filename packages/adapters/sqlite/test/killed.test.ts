/** What was answered is there after the processes that wrote were killed. */
import { killSuite } from "@latchkey/core/testing"
import { temporaryFolder } from "./fixture.ts"

killSuite("sqlite", { module: import.meta.resolve("./killed.ts"), place: temporaryFolder })
