/** The in-memory ports pass the suites that every adapter passes. */
import { eventStoreSuite, MemoryEventStore } from "@latchkey/core/testing"

eventStoreSuite("memory", MemoryEventStore.layer)
