/** Receipts: a retried request finds out what became of the first one. */
import { expect } from "@effect/vitest"
import { Effect, Exit } from "effect"
import { ReceiptExists } from "../../streams/OldEventStore.ts"
import { asStored, type Check, contentOf, THING } from "./fixture.ts"

export const checkReceipts = (check: Check) => {
  check("tells which versions a receipt was given for", ({ store, name, events, receipt }) =>
    Effect.gen(function* () {
      const stream = name("a")
      yield* store.append(stream, 0, events(2))
      yield* store.append(stream, 2, events(3), receipt("r"))
      yield* store.append(stream, 5, events(1))
      expect(yield* store.receipt(receipt("r").id)).toMatchObject({
        _tag: "Some",
        value: { ...receipt("r"), streamId: stream, firstVersion: 3, version: 5 }
      })
      expect((yield* store.receipt(name("nobody")))._tag).toBe("None")
    })
  )

  check("gives a receipt for a command that changed nothing", ({ store, name, events, receipt }) =>
    Effect.gen(function* () {
      const stream = name("a")
      const { position } = yield* store.append(stream, 0, events(2))
      expect(yield* store.append(stream, 2, [], receipt("r"))).toEqual({ version: 2, position })
      expect(yield* store.head).toBe(position)
      expect(yield* store.receipt(receipt("r").id)).toMatchObject({
        value: { ...receipt("r"), streamId: stream, firstVersion: 3, version: 2 }
      })
      expect(yield* Effect.flip(store.append(stream, 1, [], receipt("stale")))).toMatchObject({
        _tag: "VersionConflict",
        actual: 2
      })
    })
  )

  check(
    "refuses a receipt id that is there, before it looks at the version",
    ({ store, name, events, receipt, reserve }) =>
      Effect.gen(function* () {
        const [a, b] = [name("a"), name("b")]
        const first = events(1)
        yield* store.append(a, 0, first, receipt("r"))
        const again = { id: receipt("r").id, fingerprint: "of another request" }
        const attempts = [
          store.append(a, 0, events(1), receipt("r")),
          store.append(a, 1, events(1), again),
          store.append(b, 0, events(1), receipt("r")),
          store.append(b, 7, [], again),
          store.prepare(0, events(1), reserve(b, "c"), receipt("r")),
          store.prepare(0, events(1), reserve(a, "d"), receipt("r"))
        ]
        for (const attempt of attempts) {
          const refused = yield* Effect.flip(attempt)
          expect(refused).toBeInstanceOf(ReceiptExists)
          expect(refused).toMatchObject({ id: receipt("r").id })
        }
        expect(yield* contentOf(store, a)).toEqual(asStored(first, a))
        expect(yield* contentOf(store, b)).toEqual([])
        expect(yield* store.append(b, 0, events(1))).toMatchObject({ version: 1 })
        expect(yield* store.receipt(receipt("r").id)).toMatchObject({ value: { ...receipt("r"), streamId: a } })
      })
  )

  check("lets one of many concurrent appends have a receipt id", ({ store, name, events, receipt }) =>
    Effect.gen(function* () {
      const streams = Array.from({ length: 20 }, (_, index) => name(`s-${index}`))
      const exits = yield* Effect.forEach(
        streams,
        (stream) => Effect.exit(store.append(stream, 0, events(1), receipt("r"))),
        { concurrency: "unbounded" }
      )
      expect(exits.filter(Exit.isSuccess)).toHaveLength(1)
      expect(yield* store.streams(name("s-"), "", 30)).toEqual(
        streams.filter((_, index) => exits[index]?._tag === "Success")
      )
    })
  )

  check("keeps no receipt of a refused append", ({ store, name, events, receipt }) =>
    Effect.gen(function* () {
      const stream = name("a")
      yield* Effect.flip(store.append(stream, 1, events(1), receipt("r")))
      expect((yield* store.receipt(receipt("r").id))._tag).toBe("None")
      expect(yield* store.append(stream, 0, events(1), receipt("r"))).toMatchObject({ version: 1 })
    })
  )

  check("gives the receipt of a prepared append with its commit, for the versions it got", (fixture) =>
    Effect.gen(function* () {
      const { store, name, events, receipt, reserve } = fixture
      const stream = name("a")
      const { commandId } = reserve(stream, "c")
      yield* store.prepare(0, events(2), reserve(stream, "c"), receipt("r"))
      yield* store.release(commandId, 1)
      yield* store.append(stream, 0, events(3), undefined, true)
      expect((yield* store.receipt(receipt("r").id))._tag).toBe("None")
      yield* store.commit(commandId, THING)
      expect(yield* store.receipt(receipt("r").id)).toMatchObject({
        value: { ...receipt("r"), streamId: stream, firstVersion: 4, version: 5 }
      })
      expect(yield* Effect.flip(store.append(stream, 5, [], receipt("r")))).toBeInstanceOf(ReceiptExists)
    })
  )

  check("gives the receipt of a discarded append to the next one", ({ store, name, events, receipt, reserve }) =>
    Effect.gen(function* () {
      const stream = name("a")
      yield* store.prepare(0, events(1), reserve(stream, "c"), receipt("r"))
      yield* store.discard({ commandId: reserve(stream, "c").commandId, attempt: 1 })
      expect((yield* store.receipt(receipt("r").id))._tag).toBe("None")
      yield* store.prepare(0, events(1), reserve(stream, "d"), receipt("r"))
      yield* store.commit(reserve(stream, "d").commandId, THING)
      expect(yield* store.receipt(receipt("r").id)).toMatchObject({ value: { firstVersion: 1, version: 1 } })
    })
  )

  check("commits a prepared append even if its receipt id was taken meanwhile", (fixture) =>
    Effect.gen(function* () {
      const { store, name, events, receipt, reserve } = fixture
      const [a, b] = [name("a"), name("b")]
      const prepared = events(1)
      yield* store.prepare(0, prepared, reserve(a, "c"), receipt("r"))
      yield* store.append(b, 0, events(1), receipt("r"))
      expect(yield* store.commit(reserve(a, "c").commandId, THING)).toMatchObject({ _tag: "Committed", version: 1 })
      expect(yield* contentOf(store, a)).toEqual(asStored(prepared, a))
      expect(yield* store.receipt(receipt("r").id)).toMatchObject({ value: { streamId: b } })
    })
  )

  check("forgets a receipt when it expires, and gives its id anew", ({ store, name, events, receipt, reserve }) =>
    Effect.gen(function* () {
      const [a, b] = [name("a"), name("b")]
      const ended = { ...receipt("r"), expiresAt: 1 }
      const lasting = { ...receipt("r"), expiresAt: FAR }
      yield* store.append(a, 0, events(1), ended)
      expect((yield* store.receipt(ended.id))._tag).toBe("None")
      yield* store.prepare(0, events(1), reserve(b, "c"), ended)
      yield* store.commit(reserve(b, "c").commandId, THING)
      expect((yield* store.receipt(ended.id))._tag).toBe("None")
      yield* store.append(a, 1, events(1), lasting)
      expect(yield* store.receipt(lasting.id)).toMatchObject({ value: { ...lasting, streamId: a, firstVersion: 2 } })
      expect(yield* Effect.flip(store.append(a, 2, events(1), ended))).toBeInstanceOf(ReceiptExists)
    })
  )

  check("keeps the end of a receipt from prepare to commit", ({ store, name, events, receipt, reserve }) =>
    Effect.gen(function* () {
      const stream = name("a")
      const lasting = { ...receipt("r"), expiresAt: FAR }
      yield* store.prepare(0, events(1), reserve(stream, "c"), lasting)
      yield* store.commit(reserve(stream, "c").commandId, THING)
      expect(yield* store.receipt(lasting.id)).toMatchObject({ value: lasting })
    })
  )

  check("keeps a receipt without an end, whatever else expires", ({ store, name, events, receipt }) =>
    Effect.gen(function* () {
      const stream = name("a")
      yield* store.append(stream, 0, events(1), receipt("kept"))
      for (let version = 1; version < 4; version++) {
        yield* store.append(stream, version, events(1), { ...receipt(`ended-${version}`), expiresAt: 1 })
      }
      expect(yield* store.receipt(receipt("kept").id)).toMatchObject({ value: receipt("kept") })
      expect(yield* Effect.flip(store.append(stream, 4, [], receipt("kept")))).toBeInstanceOf(ReceiptExists)
    })
  )
}

/** Epoch milliseconds that no clock of a test reaches. */
const FAR = 8e15
