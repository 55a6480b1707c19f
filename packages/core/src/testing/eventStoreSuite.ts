/** The conformance suite of event stores: an adapter's test file calls it and needs little else. */
import { describe, it } from "@effect/vitest"
import { Effect, type Layer, type Scope } from "effect"
import type { EventStore } from "../streams/OldEventStore.ts"
import { checkAppending } from "./event-store/appending.ts"
import { checkFeed } from "./event-store/feed.ts"
import { type Check, storeFixture } from "./event-store/fixture.ts"
import { checkImporting } from "./event-store/importing.ts"
import { checkReceipts } from "./event-store/receipts.ts"
import { checkReopening } from "./event-store/reopening.ts"
import { checkTwoSteps } from "./event-store/twoSteps.ts"

/** What an event store can do, where stores may differ. */
export interface EventStoreSuiteOptions {
  /**
   * For a store that outlives its process: makes a place for data, which goes with the scope, and answers the layer
   * that opens this same place whenever it is built.
   */
  readonly reopen?: Effect.Effect<Layer.Layer<EventStore, unknown>, unknown, Scope.Scope>
  /** The layer opens a database that cannot be emptied for every test; nobody else writes to it meanwhile. */
  readonly shared?: boolean
  /** `false`: the store cannot keep U+0000 in event data. */
  readonly nul?: boolean
  /** Milliseconds that a test may take; 20,000 unless given. */
  readonly timeout?: number
}

/** Registers the tests; each builds the layer anew. */
export const eventStoreSuite = (
  name: string,
  layer: Layer.Layer<EventStore, unknown>,
  { reopen, shared = false, nul = true, timeout = 20_000 }: EventStoreSuiteOptions = {}
): void => {
  describe(`event store: ${name}`, () => {
    const check: Check = (sentence, body) =>
      it.live(
        sentence,
        () => storeFixture.pipe(Effect.flatMap(body), Effect.scoped, Effect.provide(layer, { local: true })),
        timeout
      )
    describe("a stream", () => checkAppending(check, { nul }))
    describe("the feed", () => checkFeed(check, { shared }))
    describe("a two-step append", () => checkTwoSteps(check))
    describe("receipts", () => checkReceipts(check))
    if (!shared) describe("an import", () => checkImporting(check))
    if (reopen !== undefined) describe("opened again", () => checkReopening(reopen, timeout))
  })
}
