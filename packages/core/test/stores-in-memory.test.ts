/** The store in memory passes the suite that every store passes. */
import { MemoryEventStore } from "@latchkey/core/memory"
import { storeSuite } from "@latchkey/core/testing"
import { Effect } from "effect"

storeSuite(
  "memory",
  Effect.sync(() => {
    const open = MemoryEventStore.layerOf(MemoryEventStore.make())
    return { open, reopen: open }
  })
)
