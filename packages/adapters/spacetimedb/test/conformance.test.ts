/** The suites that every adapter passes, over the module as it is published. */
import { eventStoreSuite, readModelSuite } from "@latchkey/core/testing"
import { emptyLayer, place } from "./fixture.ts"

eventStoreSuite("spacetimedb", emptyLayer, { reopen: place })
readModelSuite("spacetimedb", emptyLayer)
