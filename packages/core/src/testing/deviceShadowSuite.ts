/** The conformance suite of device shadows: an adapter's test file calls it and needs little else. */
import { describe, expect, it } from "@effect/vitest"
import { Clock, Effect, Exit, Fiber, type Layer, Queue, Random, type Scope, Stream } from "effect"
import { type DeviceCommand, SHADOW_LIMIT, toDocument } from "../device/DeviceCommand.ts"
import { DeviceShadow, ShadowRejected } from "../device/DeviceShadow.ts"
import type { Openings } from "../device/ReportedState.ts"
import { clockPast } from "./clockPast.ts"

const TIMEOUT = 120_000

/** What a device says about a command that it has carried out, or not. */
export type Acknowledge<R> = (
  thing: string,
  commandId: string,
  outcome: "done" | "failed" | "expired"
) => Effect.Effect<void, unknown, R | Scope.Scope>

/** What a device says of the openings that it holds: all of them, each time. */
export type SayOpenings<R> = (thing: string, openings: Openings) => Effect.Effect<void, unknown, R | Scope.Scope>

/**
 * Registers the tests; each builds the layer anew. With `acknowledge` and `sayOpenings`, which play the device, reports are
 * checked too.
 *
 * @example
 * ```ts
 * deviceShadowSuite("mine", MyShadow.layer, {
 *   acknowledge: (thing, commandId, outcome) => MyShadow.report(thing, { commands: { [commandId]: { outcome } } })
 * })
 * ```
 */
export const deviceShadowSuite = <R = never>(
  name: string,
  layer: Layer.Layer<DeviceShadow | R, unknown>,
  options: {
    readonly acknowledge?: Acknowledge<NoInfer<R>>
    readonly sayOpenings?: SayOpenings<NoInfer<R>>
  } = {}
): void => {
  const { acknowledge, sayOpenings } = options
  const check = (
    sentence: string,
    body: (shadow: DeviceShadow["Service"], thing: string) => Effect.Effect<unknown, unknown, R | Scope.Scope>
  ) =>
    it.live(
      sentence,
      () =>
        Effect.gen(function* () {
          const shadow = yield* DeviceShadow
          // Shadows outlive a test where the service is real.
          return yield* body(shadow, `suite-${yield* Random.nextInt}`)
        }).pipe(Effect.scoped, Effect.provide(layer, { local: true })),
      TIMEOUT
    )

  describe(`device shadow: ${name}`, () => {
    check("holds what it was sent", (shadow, thing) =>
      Effect.gen(function* () {
        const { commandId } = addKey("one")
        yield* shadow.send(thing, addKey("one"), LATER)
        expect(yield* shadow.find(thing, commandId, 1)).toBe(true)
        expect(yield* shadow.find(thing, commandId, 1)).toBe(true)
      })
    )

    check("holds nothing else", (shadow, thing) =>
      Effect.gen(function* () {
        expect(yield* shadow.find(thing, "nobody", 1)).toBe(false)
        yield* shadow.send(thing, addKey("one"), LATER)
        expect(yield* shadow.find(thing, "nobody", 1)).toBe(false)
        expect(yield* shadow.find(`${thing}-other`, "one", 1)).toBe(false)
        expect(yield* shadow.find(thing, "one", 1)).toBe(true)
      })
    )

    check("takes a command for a thing that nobody has seen, also after it was asked for it", (shadow, thing) =>
      Effect.gen(function* () {
        yield* shadow.settle(thing, "one")
        expect(yield* shadow.find(thing, "one", 1)).toBe(false)
        yield* shadow.send(thing, addKey("one"), LATER)
        expect(yield* shadow.find(thing, "one", 1)).toBe(true)
      })
    )

    check("forgets a command that is settled, once or more often, and keeps the others", (shadow, thing) =>
      Effect.gen(function* () {
        yield* shadow.send(thing, addKey("one"), LATER)
        yield* shadow.send(thing, addKey("two"), LATER)
        for (let time = 0; time < 2; time++) {
          yield* shadow.settle(thing, "one")
          expect(yield* shadow.find(thing, "one", 1)).toBe(false)
          expect(yield* shadow.find(thing, "two", 1)).toBe(true)
        }
      })
    )

    check("tells attempts at a command apart", (shadow, thing) =>
      Effect.gen(function* () {
        expect(yield* shadow.find(thing, "one", 1)).toBe(false)
        yield* shadow.send(thing, { ...addKey("one"), attempt: 2 }, LATER)
        expect(yield* shadow.find(thing, "one", 1)).toBe(false)
        expect(yield* shadow.find(thing, "one", 2)).toBe(true)
        // Who is late with the first attempt takes the second one away from nobody.
        yield* shadow.settle(thing, "one", 1)
        expect(yield* shadow.find(thing, "one", 2)).toBe(true)
        yield* shadow.settle(thing, "one", 2)
        expect(yield* shadow.find(thing, "one", 2)).toBe(false)
        yield* shadow.send(thing, addKey("one"), LATER)
        yield* shadow.settle(thing, "one", 2)
        expect(yield* shadow.find(thing, "one", 1)).toBe(true)
        yield* shadow.send(thing, { ...addKey("one"), attempt: 2 }, LATER)
        yield* shadow.settle(thing, "one")
        for (const attempt of [1, 2]) expect(yield* shadow.find(thing, "one", attempt)).toBe(false)
        for (const attempt of [1, 2]) {
          yield* shadow.send(thing, { ...addKey("two"), ...(attempt === 1 ? {} : { attempt }) }, LATER)
          yield* shadow.settle(thing, "two", "any")
          expect(yield* shadow.find(thing, "two", attempt)).toBe(false)
        }
      })
    )

    check("keeps the keys' own text", (shadow, thing) =>
      Effect.gen(function* () {
        const command = { ...addKey("one"), keyUuid: "🔑 'ä' \" \\ %" }
        yield* shadow.send(thing, command, LATER)
        expect(yield* shadow.find(thing, "one", 1)).toBe(true)
      })
    )

    check("holds both of two commands that are sent at once, and all of ten", (shadow, thing) =>
      Effect.gen(function* () {
        for (const count of [2, 10]) {
          const ids = Array.from({ length: count }, (_, index) => `${count}-${index}`)
          yield* Effect.forEach(ids, (id) => shadow.send(thing, addKey(id), LATER), { concurrency: "unbounded" })
          for (const id of ids) expect(yield* shadow.find(thing, id, 1)).toBe(true)
        }
      })
    )

    check("drops expired commands with the next one", (shadow, thing) =>
      Effect.gen(function* () {
        const open = (commandId: string, expiresAt: number): DeviceCommand => ({
          _tag: "OpenLock",
          commandId,
          seq: 1,
          issuedAt: 0,
          expiresAt
        })
        yield* shadow.send(thing, open("expired", 1), LATER)
        yield* shadow.send(thing, open("good", LATER), LATER)
        yield* shadow.send(thing, addKey("endless"), LATER)
        expect(yield* shadow.find(thing, "expired", 1)).toBe(false)
        expect(yield* shadow.find(thing, "good", 1)).toBe(true)
        expect(yield* shadow.find(thing, "endless", 1)).toBe(true)
      })
    )

    check(
      "refuses what no longer fits, keeps what it holds, and has room again once something is settled",
      (shadow, thing) =>
        Effect.gen(function* () {
          const held = yield* fill(shadow, thing, "command", addKey)
          expect(held).toBeGreaterThan(SHADOW_LIMIT / 2 / ENTRY_SIZE)
          expect(held * ENTRY_SIZE).toBeLessThanOrEqual(SHADOW_LIMIT)
          expect(yield* shadow.find(thing, idOf(held), 1)).toBe(false)
          for (let n = 0; n < held; n++) expect(yield* shadow.find(thing, idOf(n), 1)).toBe(true)
          yield* shadow.settle(thing, idOf(0))
          yield* shadow.send(thing, addKey(idOf(held)), LATER)
          expect(yield* shadow.find(thing, idOf(held), 1)).toBe(true)
        })
    )

    check(
      "keeps room that guests cannot fill, and room that nobody fills but for the removal of keys",
      (shadow, thing) =>
        Effect.gen(function* () {
          const opened = yield* fill(shadow, thing, "guest", openAs("guest"))
          expect(yield* isTaken(shadow.send(thing, openAs("owner")("by-owner"), LATER))).toBe(true)
          const added = yield* fill(shadow, thing, "added", addKey)
          expect(yield* isTaken(shadow.send(thing, openAs("owner")("by-owner-again"), LATER))).toBe(false)
          expect(yield* isTaken(shadow.send(thing, openAs("guest")("guest-again"), LATER))).toBe(false)
          const removed = yield* fill(shadow, thing, "removed", removeKey)
          // Each has enough for what it is: dozens of guests, some changes, and several stolen keys.
          expect(opened).toBeGreaterThan(20)
          expect(added).toBeGreaterThan(5)
          expect(removed).toBeGreaterThan(5)
          for (const [kind, count] of Object.entries({ guest: opened, added, removed })) {
            for (let n = 0; n < count; n++) expect(yield* shadow.find(thing, idOf(n, kind), 1)).toBe(true)
          }
        })
    )

    check("refuses a command that never fits", (shadow, thing) =>
      Effect.gen(function* () {
        const refused = yield* Effect.flip(
          shadow.send(thing, { ...addKey("one"), keyUuid: "x".repeat(SHADOW_LIMIT) }, LATER)
        )
        expect(refused).toBeInstanceOf(ShadowRejected)
        expect(refused).toMatchObject({ thing })
        expect(yield* shadow.find(thing, "one", 1)).toBe(false)
        yield* shadow.send(thing, addKey("two"), LATER)
      })
    )

    check("writes nothing when it is too late, and says so", (shadow, thing) =>
      Effect.gen(function* () {
        yield* shadow.send(thing, addKey("held"), LATER)
        const refused = yield* Effect.flip(shadow.send(thing, addKey("late"), (yield* Clock.currentTimeMillis) - 1))
        expect(refused).toBeInstanceOf(ShadowRejected)
        expect(refused).toMatchObject({ thing })
        expect(yield* shadow.find(thing, "late", 1)).toBe(false)
        expect(yield* shadow.find(thing, "held", 1)).toBe(true)
      })
    )

    check("lets nothing arrive that it did not find once it was too late, however busy the thing", (shadow, thing) =>
      Effect.gen(function* () {
        // Many at once are in each other's way, so some try again until their time is over.
        const ids = Array.from({ length: 40 }, (_, n) => idOf(n))
        const notAfter = (yield* Clock.currentTimeMillis) + 15
        const sending = yield* Effect.forEach(ids, (id) => Effect.exit(shadow.send(thing, addKey(id), notAfter)), {
          concurrency: "unbounded"
        }).pipe(Effect.forkChild({ startImmediately: true }))
        yield* clockPast(notAfter)
        const whatIsHeld = Effect.forEach(ids, (id) => shadow.find(thing, id, 1))
        const found = yield* whatIsHeld
        const exits = yield* Fiber.join(sending)
        expect(yield* whatIsHeld).toEqual(found)
        // Anyone who was told that the command is held finds it; anyone who was refused does not.
        for (const [n, exit] of exits.entries()) if (Exit.isSuccess(exit)) expect(found[n]).toBe(true)
      })
    )

    if (sayOpenings !== undefined) {
      check("passes on openings, and begins with those that it still holds, until they are cleared", (shadow, thing) =>
        Effect.gen(function* () {
          const first = openings("a", 1, 2)
          const reader = yield* openingsOf(shadow, thing).pipe(Stream.take(1), Stream.runCollect, Effect.forkChild)
          yield* sayOpenings(thing, first)
          expect(yield* Fiber.join(reader)).toEqual([first])
          expect(yield* heldBy(shadow, thing)).toEqual([first])
          yield* shadow.clearOpenings(thing, "a", 2)
          yield* shadow.clearOpenings(thing, "a", 2)
          yield* sayOpenings(`${thing}-end`, openings("end", 1))
          const end = yield* openingsOf(shadow, thing, `${thing}-end`).pipe(Stream.take(1), Stream.runCollect)
          expect(end).toEqual([openings("end", 1)])
        })
      )

      check("clears no openings that came meanwhile, nor those of another series", (shadow, thing) =>
        Effect.gen(function* () {
          for (const held of [openings("a", 1, 2, 3), openings("b", 1)]) {
            yield* sayOpenings(thing, held)
            yield* shadow.clearOpenings(thing, "a", 2)
            expect(yield* heldBy(shadow, thing)).toEqual([held])
          }
        })
      )
    }

    if (acknowledge === undefined) return

    check("passes on what devices report, and finds acknowledged commands until they are settled", (shadow, thing) =>
      Effect.gen(function* () {
        const heard = yield* Queue.unbounded<readonly [string, string]>()
        yield* outcomesOf(shadow, thing).pipe(
          Stream.runForEach((outcome) => Queue.offer(heard, outcome)),
          Effect.forkScoped
        )
        yield* shadow.send(thing, addKey("one"), LATER)
        yield* shadow.send(thing, addKey("two"), LATER)
        yield* acknowledge(thing, "one", "done")
        expect(yield* Queue.take(heard)).toEqual(["one", "done"])
        // The reader is there by now: what comes is not what was held when it began.
        yield* acknowledge(thing, "two", "failed")
        expect(yield* Queue.take(heard)).toEqual(["two", "failed"])
        expect(yield* shadow.find(thing, "one", 1)).toBe(true)
        yield* shadow.settle(thing, "one")
        expect(yield* shadow.find(thing, "one", 1)).toBe(false)
        expect(yield* shadow.find(thing, "two", 1)).toBe(true)
      })
    )

    check("finds what a device has acknowledged, also when the command alone was taken away", (shadow, thing) =>
      Effect.gen(function* () {
        const reader = yield* outcomesOf(shadow, thing).pipe(Stream.take(1), Stream.runDrain, Effect.forkChild)
        yield* shadow.send(thing, addKey("one"), LATER)
        yield* acknowledge(thing, "one", "done")
        yield* Fiber.join(reader)
        for (const attempt of [1, "any"] as const) {
          yield* shadow.settle(thing, "one", attempt)
          expect(yield* shadow.find(thing, "one", 1)).toBe(true)
        }
        yield* shadow.settle(thing, "one")
        expect(yield* shadow.find(thing, "one", 1)).toBe(false)
      })
    )

    check("begins with the outcomes that it still holds, without those that are settled", (shadow, thing) =>
      Effect.gen(function* () {
        const reader = yield* outcomesOf(shadow, thing).pipe(Stream.take(2), Stream.runDrain, Effect.forkChild)
        yield* shadow.send(thing, addKey("one"), LATER)
        yield* shadow.send(thing, addKey("two"), LATER)
        yield* acknowledge(thing, "one", "done")
        yield* acknowledge(thing, "two", "expired")
        yield* Fiber.join(reader)
        yield* shadow.settle(thing, "one")
        expect(yield* outcomesOf(shadow, thing).pipe(Stream.take(1), Stream.runCollect)).toEqual([["two", "expired"]])
      })
    )

    check("counts outcomes as part of what fits", (shadow, thing) =>
      Effect.gen(function* () {
        const reader = yield* outcomesOf(shadow, thing).pipe(Stream.take(10), Stream.runDrain, Effect.forkChild)
        for (let n = 0; n < 10; n++) {
          yield* shadow.send(thing, addKey(idOf(n)), LATER)
          yield* acknowledge(thing, idOf(n), "done")
        }
        yield* Fiber.join(reader)
        const held = yield* fill(shadow, thing, "more", addKey)
        const removed = yield* fill(shadow, thing, "removed", removeKey)
        expect((10 + held + removed) * ENTRY_SIZE + 10 * OUTCOME_SIZE).toBeLessThanOrEqual(SHADOW_LIMIT)
      })
    )
  })
}

const addKey = (commandId: string): Extract<DeviceCommand, { readonly _tag: "AddKey" }> => ({
  _tag: "AddKey",
  commandId,
  seq: 1,
  issuedAt: 1_700_000_000_000,
  keyUuid: commandId.padEnd(100, "-")
})

const removeKey = (commandId: string): DeviceCommand => ({ ...addKey(commandId), _tag: "RemoveKey" })

const openAs =
  (who: "guest" | "owner") =>
  (commandId: string): DeviceCommand => ({
    _tag: "OpenLock",
    commandId,
    seq: 1,
    issuedAt: 1_700_000_000_000,
    expiresAt: LATER,
    ...(who === "guest" && { byGuest: true })
  })

/** A time after which nothing is sent here. */
const LATER = 253_402_300_799_999

const idOf = (n: number, kind = "command"): string => `${kind}-${String(n).padStart(4, "0")}`
/** Fewest bytes that a command and an outcome take in a shadow. */
const ENTRY_SIZE = JSON.stringify({ [idOf(0)]: toDocument(addKey(idOf(0))) }).length - 1
const OUTCOME_SIZE = JSON.stringify({ [idOf(0)]: { outcome: "done" } }).length - 1

/** Sends commands of a kind until one is refused; answers how many were taken. */
const fill = Effect.fnUntraced(function* (
  shadow: DeviceShadow["Service"],
  thing: string,
  kind: string,
  commandOf: (commandId: string) => DeviceCommand
) {
  for (let n = 0; n < SHADOW_LIMIT; n++) {
    if (!(yield* isTaken(shadow.send(thing, commandOf(idOf(n, kind)), LATER)))) return n
  }
  return expect.fail("the shadow took more than it may hold")
})

const isTaken = <E>(sent: Effect.Effect<void, E | ShadowRejected>) =>
  Effect.as(sent, true).pipe(
    Effect.catchIf(
      (error): error is ShadowRejected => error instanceof ShadowRejected,
      () => Effect.succeed(false)
    )
  )

const openings = (series: string, ...ns: ReadonlyArray<number>): Openings => ({
  series,
  dropped: 0,
  list: ns.map((n) => ({ n, by: "thumbTurn" }))
})

/** The openings of things, as they are reported. */
const openingsOf = (shadow: DeviceShadow["Service"], ...things: ReadonlyArray<string>) =>
  Stream.flatMap(shadow.reports, (report) => {
    if (report._tag !== "Openings" || !things.includes(report.thing)) return Stream.empty
    const { _tag, thing, ...openings } = report
    return Stream.succeed<Openings>(openings)
  })

/** What a thing's shadow holds, as one who begins to listen is told. */
const heldBy = (shadow: DeviceShadow["Service"], thing: string) =>
  openingsOf(shadow, thing).pipe(Stream.take(1), Stream.runCollect)

/** Ids and outcomes of a thing's commands as they are reported, without repetitions. */
const outcomesOf = (shadow: DeviceShadow["Service"], thing: string) => {
  const seen = new Set<string>()
  return shadow.reports.pipe(
    Stream.flatMap((report) => {
      if (report._tag !== "CommandOutcome" || report.thing !== thing || seen.has(report.commandId)) return Stream.empty
      seen.add(report.commandId)
      return Stream.succeed([report.commandId, report.outcome] as const)
    })
  )
}
