/** An import beside another one into the same store. */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { expect, it } from "@effect/vitest"
import { beginImport, EventStore, holdsPart, importFeed, type StoredEvent } from "@latchkey/core"
import { MemoryEventStore } from "@latchkey/core/memory"
import { Effect, Layer } from "effect"
import { importEvents } from "../src/cli/importEvents.ts"
import { temporaryFolder } from "./harness/process.ts"

const event: StoredEvent = {
  position: 1,
  streamId: "lock-1",
  version: 1,
  eventId: "event-1",
  type: "Tested",
  data: {},
  at: 1_767_225_600_000,
  orgId: "",
  principal: { _tag: "System" },
  commandId: "command-1"
}

it.effect("one that took nothing leaves the store to another that is under way", () =>
  Effect.gen(function* () {
    using folder = temporaryFolder()
    const path = join(folder.path, "broken.jsonl")
    writeFileSync(path, "not an export\n")
    const store = yield* EventStore
    // It has looked at the store, and says that it begins; then the other one comes.
    const comes = yield* Effect.cached(Effect.andThen(beginImport(store), importFeed(store, [event])))
    const overtaken = EventStore.of({ ...store, write: (batch) => Effect.tap(store.write(batch), () => comes) })
    const error = yield* Effect.flip(Effect.provideService(importEvents(path), EventStore, overtaken))
    expect(error.message).toContain("Nothing was imported")
    expect(yield* holdsPart(store)).toBe(true)
  }).pipe(Effect.provide(Layer.mergeAll(MemoryEventStore.layer, NodeServices.layer)))
)
