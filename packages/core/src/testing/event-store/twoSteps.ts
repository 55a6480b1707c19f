/** The two-step append: durable but invisible, in nobody's way longer than it must be, and settled once. */
import { expect } from "@effect/vitest"
import { Clock, Deferred, Effect, Fiber, Stream } from "effect"
import { AttemptExists, CommandExists, EventExists, StreamReserved } from "../../streams/OldEventStore.ts"
import { clockPast } from "../clockPast.ts"
import { asStored, type Check, contentOf, type StoreFixture, THING } from "./fixture.ts"

export const checkTwoSteps = (check: Check) => {
  check("shows nothing of a prepared append until it is committed", ({ store, name, events, reserve, receipt, feed }) =>
    Effect.gen(function* () {
      const stream = name("a")
      const [first, second] = [events(1), events(2)]
      const { position } = yield* store.append(stream, 0, first)
      const command = reserve(stream, "c")
      const seen: Array<number> = []
      const started = yield* Deferred.make<void>()
      const subscriber = yield* store.changes.pipe(
        Stream.tap((head) =>
          Effect.andThen(
            Effect.sync(() => seen.push(head)),
            Deferred.succeed(started, undefined)
          )
        ),
        Stream.takeUntil((head) => head > position),
        Stream.runDrain,
        Effect.forkChild
      )
      yield* Deferred.await(started)
      yield* store.prepare(1, second, command, receipt("r"))
      expect(yield* contentOf(store, stream)).toEqual(asStored(first, stream))
      expect(yield* feed(position)).toEqual([])
      expect(yield* store.head).toBe(position)
      expect((yield* store.receipt(receipt("r").id))._tag).toBe("None")

      expect(yield* store.commit(command.commandId, THING)).toEqual({
        _tag: "Committed",
        version: 3,
        position: position + 2
      })
      expect(yield* contentOf(store, stream)).toEqual(asStored([...first, ...second], stream))
      expect(yield* feed(position)).toEqual(yield* store.read(stream, 1, 10))
      expect(yield* store.head).toBe(position + 2)
      yield* Fiber.join(subscriber)
      expect(seen).toEqual([position, position + 2])
    })
  )

  check("is stamped with the time of its first commit; what is appended is not", (fixture) =>
    Effect.gen(function* () {
      const { store, name, events, reserve } = fixture
      const stream = name("a")
      const { commandId } = reserve(stream, "c")
      const stamps = Effect.map(store.read(stream, 0, 10), (stored) => stored.map(({ acceptedAt }) => acceptedAt))
      yield* store.append(stream, 0, events(1))
      yield* store.prepare(1, events(2), reserve(stream, "c"))
      const before = yield* Clock.currentTimeMillis
      yield* store.commit(commandId, THING)
      const after = yield* Clock.currentTimeMillis
      const [none, first, second] = yield* stamps
      expect([none, second]).toEqual([undefined, first])
      expect(first).toBeGreaterThanOrEqual(before)
      expect(first).toBeLessThanOrEqual(after)
      // A stamp that was made anew would be another one.
      yield* clockPast(after)
      yield* store.commit(commandId, THING)
      expect(yield* stamps).toEqual([none, first, second])
      // An import brings the stamps of others.
      yield* store.append(
        stream,
        3,
        events(1).map((event) => ({ ...event, acceptedAt: 4_711 }))
      )
      expect((yield* stamps).at(-1)).toBe(4_711)
    })
  )

  check("can begin a stream", ({ store, name, events, reserve }) =>
    Effect.gen(function* () {
      const stream = name("a")
      const prepared = events(1)
      const command = reserve(stream, "c")
      yield* store.prepare(0, prepared, command)
      expect(yield* store.commit(command.commandId, THING)).toMatchObject({ _tag: "Committed", version: 1 })
      expect(yield* contentOf(store, stream)).toEqual(asStored(prepared, stream))
    })
  )

  check("refuses to prepare at another version, and reserves nothing then", ({ store, name, events, reserve }) =>
    Effect.gen(function* () {
      const stream = name("a")
      yield* store.append(stream, 0, events(1))
      for (const expected of [0, 2]) {
        expect(yield* Effect.flip(store.prepare(expected, events(1), reserve(stream, `c-${expected}`)))).toMatchObject({
          _tag: "VersionConflict",
          streamId: stream,
          expected,
          actual: 1
        })
      }
      expect(yield* store.append(stream, 1, events(1))).toMatchObject({ version: 2 })
    })
  )

  check("keeps other appends off its stream, and off no other", ({ store, name, events, reserve, receipt }) =>
    Effect.gen(function* () {
      const stream = name("a")
      const command = reserve(stream, "c", 4_711)
      yield* store.prepare(0, events(1), command)
      const attempts = [
        store.append(stream, 0, events(1)),
        store.append(stream, 0, [], receipt("r")),
        store.prepare(0, events(1), reserve(stream, "other"))
      ]
      for (const attempt of attempts) {
        const refused = yield* Effect.flip(attempt)
        expect(refused).toBeInstanceOf(StreamReserved)
        expect(refused).toMatchObject({ ...command, released: false })
      }
      expect(yield* store.append(name("b"), 0, events(1))).toMatchObject({ version: 1 })
      yield* store.prepare(0, events(1), reserve(name("c"), "third"))
    })
  )

  check("is refused when its command id is unsettled, on whatever stream, or was committed", (fixture) =>
    Effect.gen(function* () {
      const { store, name, events, reserve } = fixture
      const [a, b] = [name("a"), name("b")]
      const prepared = events(1)
      const { commandId } = reserve(a, "c")
      const again = (stream: string, expected: number) =>
        Effect.flip(store.prepare(expected, events(1), reserve(stream, "c")))
      const refused = (error: unknown) => {
        expect(error).toBeInstanceOf(CommandExists)
        expect(error).toMatchObject({ commandId })
      }
      yield* store.prepare(0, prepared, reserve(a, "c"))
      // On its own stream it meets itself. Elsewhere the id says more than the version.
      expect(yield* again(a, 0)).toBeInstanceOf(StreamReserved)
      refused(yield* again(b, 0))
      refused(yield* again(b, 7))
      expect(yield* store.append(b, 0, events(1))).toMatchObject({ version: 1 })

      expect(yield* store.commit(commandId, THING)).toMatchObject({ _tag: "Committed", version: 1 })
      expect(yield* contentOf(store, a)).toEqual(asStored(prepared, a))
      for (const [stream, expected] of [
        [a, 1],
        [a, 0],
        [b, 1]
      ] as const) {
        refused(yield* again(stream, expected))
      }
      expect(yield* store.commit(commandId, THING)).toMatchObject({ _tag: "Committed", version: 1 })
    })
  )

  check("may be prepared again with the command id of one that was discarded", ({ store, name, events, reserve }) =>
    Effect.gen(function* () {
      const [a, b] = [name("a"), name("b")]
      const prepared = events(2)
      const { commandId } = reserve(a, "c")
      yield* store.prepare(0, events(1), reserve(a, "c"))
      yield* store.release(commandId, 1)
      yield* store.discard({ commandId, attempt: 1 })
      yield* store.prepare(0, prepared, reserve(b, "c", 2_000, 2))
      expect(yield* Effect.flip(store.append(b, 0, events(1)))).toMatchObject({
        ...reserve(b, "c", 2_000, 2),
        released: false
      })
      expect(yield* store.append(a, 0, events(1))).toMatchObject({ version: 1 })
      expect(yield* store.commit(commandId, THING)).toMatchObject({ _tag: "Committed", version: 2 })
      expect(yield* contentOf(store, b)).toEqual(asStored(prepared, b))
    })
  )

  check("leaves nothing when it is discarded", ({ store, name, events, reserve }) =>
    Effect.gen(function* () {
      const stream = name("a")
      const kept = events(1)
      const head = yield* store.head
      const command = reserve(stream, "c")
      yield* store.prepare(0, events(2), command)
      expect(yield* store.discard({ commandId: command.commandId, attempt: 1 })).toEqual({ _tag: "Discarded" })
      expect(yield* store.head).toBe(head)
      expect(yield* store.append(stream, 0, kept)).toEqual({ version: 1, position: head + 1 })
      expect(yield* contentOf(store, stream)).toEqual(asStored(kept, stream))
    })
  )

  check("lets appends pass that may, once it is released, but no other prepare", ({ store, name, events, reserve }) =>
    Effect.gen(function* () {
      const stream = name("a")
      const [first, passing, prepared] = [events(1), events(3), events(2)]
      const command = reserve(stream, "c", 4_711)
      yield* store.append(stream, 0, first)
      yield* store.prepare(1, prepared, command)
      expect(yield* Effect.flip(store.append(stream, 1, passing, undefined, true))).toMatchObject({
        _tag: "StreamReserved",
        released: false
      })
      yield* store.release(command.commandId, 1)
      yield* store.release(command.commandId, 1)
      expect(yield* Effect.flip(store.append(stream, 1, passing))).toMatchObject({
        _tag: "StreamReserved",
        released: true
      })
      expect(yield* store.append(stream, 1, passing, undefined, true)).toMatchObject({ version: 4 })
      expect(yield* Effect.flip(store.prepare(4, events(1), reserve(stream, "other")))).toMatchObject({
        _tag: "StreamReserved",
        ...command,
        released: true
      })
      expect(yield* Effect.flip(store.append(stream, 1, events(1), undefined, true))).toMatchObject({
        _tag: "VersionConflict",
        actual: 4
      })

      expect(yield* store.commit(command.commandId, THING)).toMatchObject({ _tag: "Committed", version: 6 })
      expect(yield* contentOf(store, stream)).toEqual(asStored([...first, ...passing, ...prepared], stream))
      yield* store.prepare(6, events(1), reserve(stream, "next"))
    })
  )

  check("is discarded after a release as before one", ({ store, name, events, reserve }) =>
    Effect.gen(function* () {
      const stream = name("a")
      const passing = events(1)
      const command = reserve(stream, "c")
      yield* store.prepare(0, events(1), command)
      yield* store.release(command.commandId, 1)
      yield* store.append(stream, 0, passing, undefined, true)
      expect(yield* store.discard({ commandId: command.commandId, attempt: 1 })).toEqual({ _tag: "Discarded" })
      expect(yield* contentOf(store, stream)).toEqual(asStored(passing, stream))
      yield* store.prepare(1, events(1), reserve(stream, "next"))
    })
  )

  check("stays as it was settled first, whoever settles it again", ({ store, name, events, reserve }) =>
    Effect.gen(function* () {
      const stream = name("a")
      const [one, two] = [reserve(stream, "one"), reserve(stream, "two")]
      yield* store.prepare(0, events(2), one)
      const committed = yield* store.commit(one.commandId, THING)
      yield* store.prepare(2, events(1), two)
      yield* store.discard({ commandId: two.commandId, attempt: 1 })
      yield* store.append(stream, 2, events(3))
      const before = yield* contentOf(store, stream)
      for (const again of [
        store.commit(one.commandId, THING),
        store.discard({ commandId: one.commandId, attempt: 1 })
      ]) {
        expect(yield* again).toEqual(committed)
      }
      for (const again of [
        store.commit(two.commandId, THING),
        store.discard({ commandId: two.commandId, attempt: 1 })
      ]) {
        expect(yield* again).toEqual({ _tag: "Discarded" })
      }
      yield* store.release(one.commandId, 1)
      yield* store.release(two.commandId, 1)
      expect(yield* contentOf(store, stream)).toEqual(before)
      expect(yield* store.append(stream, 5, events(1))).toMatchObject({ version: 6 })
    })
  )

  check("is settled one way when many settle it at once", ({ store, name, events, reserve }) =>
    Effect.gen(function* () {
      for (let round = 0; round < 5; round++) {
        const stream = name(`a-${round}`)
        const command = reserve(stream, `c-${round}`)
        yield* store.prepare(0, events(2), command)
        const settlements = yield* Effect.forEach(
          Array.from({ length: 20 }, (_, index) => (index + round) % 2 === 0),
          (commit) =>
            commit
              ? store.commit(command.commandId, THING)
              : store.discard({ commandId: command.commandId, attempt: 1 }),
          { concurrency: "unbounded" }
        )
        for (const settlement of settlements) expect(settlement).toEqual(settlements[0])
        expect(yield* contentOf(store, stream)).toHaveLength(settlements[0]?._tag === "Committed" ? 2 : 0)
      }
    })
  )

  check("is not touched by evidence from another thing", ({ store, name, events, reserve }) =>
    Effect.gen(function* () {
      const stream = name("a")
      const command = reserve(stream, "c")
      yield* store.prepare(0, events(1), command)
      expect(yield* store.commit(command.commandId, "thing-2")).toEqual({ _tag: "Discarded" })
      expect(yield* contentOf(store, stream)).toEqual([])
      expect(yield* Effect.flip(store.append(stream, 0, events(1)))).toBeInstanceOf(StreamReserved)
      expect(yield* store.commit(command.commandId, THING)).toMatchObject({ _tag: "Committed", version: 1 })
    })
  )

  check("counts an unknown command as discarded", ({ store, name }) =>
    Effect.gen(function* () {
      expect(yield* store.discard({ commandId: name("nobody"), attempt: 1 })).toEqual({ _tag: "Discarded" })
      expect(yield* store.commit(name("nobody"), THING)).toEqual({ _tag: "Discarded" })
      yield* store.release(name("nobody"), 1)
    })
  )

  check("is listed as unsettled until it settles", ({ store, name, events, reserve }) =>
    Effect.gen(function* () {
      const commands = [1_000, 2_000, 3_000].map((deadline) =>
        reserve(name(`s-${deadline}`), `c-${deadline}`, deadline)
      )
      const [early, middle, late] = commands as [Reserved, Reserved, Reserved]
      for (const command of commands) yield* store.prepare(0, events(1), command)
      const ours = new Set(commands.map(({ commandId }) => commandId))
      const unsettled = Effect.map(store.unsettled, (all) =>
        all.filter(({ commandId }) => ours.has(commandId)).toSorted((a, b) => a.deadline - b.deadline)
      )
      yield* store.release(middle.commandId, 1)
      expect(yield* unsettled).toEqual([
        { ...early, released: false },
        { ...middle, released: true },
        { ...late, released: false }
      ])
      yield* store.commit(early.commandId, THING)
      yield* store.discard({ commandId: middle.commandId, attempt: 1 })
      expect(yield* unsettled).toEqual([{ ...late, released: false }])
    })
  )

  check("is settled by evidence of its own attempt, and by no other's", ({ store, name, events, reserve }) =>
    Effect.gen(function* () {
      const stream = name("a")
      const [first, second] = [events(1), events(1)]
      const { commandId } = reserve(stream, "c")
      yield* store.prepare(0, first, reserve(stream, "c"))
      expect(yield* store.discard({ commandId, attempt: 2 })).toEqual({ _tag: "Discarded" })
      expect(yield* store.commit(commandId, THING, 2)).toEqual({ _tag: "Discarded" })
      yield* store.release(commandId, 2)
      expect((yield* store.unsettled).filter((open) => open.commandId === commandId)).toEqual([
        { ...reserve(stream, "c"), released: false }
      ])
      yield* store.discard({ commandId, attempt: 1 })

      // The number of an attempt is taken once.
      const again = yield* Effect.flip(store.prepare(0, second, reserve(stream, "c")))
      expect(again).toBeInstanceOf(AttemptExists)
      expect(again).toMatchObject({ commandId, attempt: 1 })
      yield* store.prepare(0, second, reserve(stream, "c", 1_000, 2))
      // What was learned of the first attempt comes late.
      expect(yield* store.discard({ commandId, attempt: 1 })).toEqual({ _tag: "Discarded" })
      expect(yield* store.commit(commandId, THING, 1)).toEqual({ _tag: "Discarded" })
      yield* store.release(commandId, 1)
      expect(yield* Effect.flip(store.append(stream, 0, events(1), undefined, true))).toMatchObject({
        _tag: "StreamReserved",
        attempt: 2,
        released: false
      })
      const committed = yield* store.commit(commandId, THING, 2)
      expect(committed).toMatchObject({ _tag: "Committed", version: 1 })
      for (const settle of [store.commit(commandId, THING, 1), store.discard({ commandId, attempt: 1 })]) {
        expect(yield* settle).toEqual({ _tag: "Discarded" })
      }
      for (const settle of [store.commit(commandId, THING), store.discard({ commandId, attempt: 2 })]) {
        expect(yield* settle).toEqual(committed)
      }
      expect(yield* contentOf(store, stream)).toEqual(asStored(second, stream))
    })
  )

  check("is committed by the word of a device, whichever attempt it is", ({ store, name, events, reserve }) =>
    Effect.gen(function* () {
      const stream = name("a")
      const { commandId } = reserve(stream, "c")
      yield* store.prepare(0, events(1), reserve(stream, "c"))
      yield* store.discard({ commandId, attempt: 1 })
      yield* store.prepare(0, events(1), reserve(stream, "c", 1_000, 2))
      expect(yield* store.commit(commandId, THING)).toMatchObject({ _tag: "Committed", version: 1 })
    })
  )

  check("keeps the ids of its events to itself, until it is discarded", ({ store, name, events, reserve }) =>
    Effect.gen(function* () {
      const prepared = events(2)
      const eventId = prepared[1]?.eventId
      yield* store.prepare(0, prepared, reserve(name("a"), "c"))
      const attempts = [
        store.append(name("b"), 0, prepared.slice(1)),
        store.prepare(0, prepared.slice(1), reserve(name("b"), "other"))
      ]
      for (const attempt of attempts) {
        const refused = yield* Effect.flip(attempt)
        expect(refused).toBeInstanceOf(EventExists)
        expect(refused).toMatchObject({ eventId })
      }
      expect((yield* store.event(eventId ?? ""))._tag).toBe("None")
      yield* store.discard({ commandId: name("c"), attempt: 1 })
      expect(yield* store.append(name("b"), 0, prepared)).toMatchObject({ version: 2 })
    })
  )

  check("comes no earlier in its stream than what has passed it", ({ store, name, events, reserve }) =>
    Effect.gen(function* () {
      const stream = name("a")
      const at = 1_700_000_000_000
      const timed = (offset: number) => events(1).map((event) => ({ ...event, at: at + offset }))
      yield* store.append(stream, 0, timed(0))
      yield* store.prepare(1, timed(10), reserve(stream, "c"))
      yield* store.release(name("c"), 1)
      yield* store.append(stream, 1, timed(20), undefined, true)
      yield* store.commit(name("c"), THING)
      expect((yield* store.read(stream, 0, 10)).map((event) => event.at - at)).toEqual([0, 20, 20])
    })
  )
}

type Reserved = ReturnType<StoreFixture["reserve"]>
