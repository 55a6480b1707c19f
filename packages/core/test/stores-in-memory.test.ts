/** The store in memory passes the suite that every store passes. */
import { MemoryStreams } from "@latchkey/core/memory"
import { storeSuite } from "@latchkey/core/testing"
import { Effect } from "effect"

storeSuite(
  "memory",
  Effect.sync(() => {
    const open = MemoryStreams.layerOf(MemoryStreams.make())
    return { open, reopen: open }
  })
)
