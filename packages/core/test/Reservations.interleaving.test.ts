/** Several writers over one store, call by call in whatever order: what is prepared is settled once, and for everybody alike. */
import { expect, it } from "@effect/vitest"
import { MemoryEventStore } from "@latchkey/core/testing"
import { Effect, Option, Result } from "effect"
import fc from "fast-check"
import { EventStore, type NewEvent } from "../src/streams/EventStore.ts"
import { findReceipt } from "../src/streams/Receipts.ts"
import {
  append,
  commit,
  discard,
  find,
  prepare,
  type Reservation,
  release,
  type Settlement,
  unsettled
} from "../src/streams/Reservations.ts"
import { makeInterleaving } from "./interleaved.ts"

const draws = fc.infiniteStream(fc.nat())
const drawn = (draws: Iterator<number>) => (choices: number) => Number(draws.next().value) % choices

const streamId = fc.constantFrom("lock-1", "lock-2")
const commandId = fc.constantFrom("a", "b", "c", "d")
const receiptId = fc.constantFrom(undefined, undefined, "r", "s")
const settle = fc.constantFrom("commit", "discard", "release")
const step = fc.oneof(
  fc.record({ do: fc.constant("append" as const), streamId, commandId, receiptId, mayPass: fc.boolean() }),
  fc.record({
    do: fc.constant("prepare" as const),
    streamId,
    commandId,
    receiptId,
    hows: fc.array(settle, { maxLength: 2 })
  }),
  fc.record({ do: fc.constant("settle" as const), commandId, how: settle })
)
type Step = typeof step extends fc.Arbitrary<infer A> ? A : never

const MOST_EVENTS = 2

it("a command counts once, a receipt names what it was given for, and only what may pass comes before what was prepared", () =>
  fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 2, maxLength: 12 }), draws, (steps, draws) =>
      Effect.runPromise(
        Effect.scoped(
          Effect.gen(function* () {
            const store = yield* EventStore
            const { gated, run } = makeInterleaving(store)
            const told: Array<readonly [Reservation, Settlement]> = []
            const prepared: Array<Reservation> = []
            const passing = new Set<string>()
            const written: Array<string> = []
            const given = new Map<string, Array<string>>()

            const settleBy = (reservation: Reservation, how: "commit" | "discard" | "release") =>
              how === "release"
                ? release(gated, reservation)
                : Effect.map((how === "commit" ? commit : discard)(gated, reservation), (settlement) => {
                    told.push([reservation, settlement])
                  })

            const act = Effect.fnUntraced(function* (step: Step, n: number) {
              if (step.do === "settle") {
                const known = yield* find(gated, step.commandId)
                if (known._tag !== "Prepared") return
                // Nothing can say that a shadow holds what nobody has sent yet.
                const isSent = prepared.some(
                  ({ commandId, attempt }) => commandId === step.commandId && attempt === known.reservation.attempt
                )
                yield* settleBy(known.reservation, isSent || step.how !== "commit" ? step.how : "discard")
                return
              }
              const { streamId, commandId, receiptId } = step
              const receipt = receiptId === undefined ? undefined : { id: receiptId, fingerprint: `${n}` }
              const events = Array.from({ length: 1 + (n % MOST_EVENTS) }, (_, index) => event(commandId, index, n))
              const expectedVersion = (yield* gated.read(streamId, 0, 1_000)).length
              const appending = { streamId, expectedVersion, events, commandId, receipt }
              if (step.do === "append") {
                if (step.mayPass) passing.add(`${n}`)
                const answer = yield* Effect.result(append(gated, appending, () => step.mayPass))
                if (Result.isSuccess(answer)) written.push(`${n}`)
                return
              }
              const answer = yield* Effect.result(prepare(gated, { ...appending, thing: "thing", deadline: 0 }))
              if (Result.isFailure(answer)) return
              prepared.push(answer.success)
              for (const how of step.hows) yield* settleBy(answer.success, how)
            })
            yield* run(steps.map(act), drawn(draws))

            // Whatever is left is settled, and nothing is left.
            for (const reservation of yield* unsettled(store))
              told.push([reservation, yield* commit(store, reservation)])
            expect(yield* unsettled(store)).toEqual([])

            const feed = yield* store.feed(0, 1_000)
            const stepsOf = new Map<string, Set<string>>()
            for (const { commandId, data } of feed)
              stepsOf.set(commandId, (stepsOf.get(commandId) ?? new Set()).add(String(data["step"])))
            for (const used of stepsOf.values()) expect(used.size).toBe(1)
            const inLog = new Set([...stepsOf.values()].flatMap((used) => [...used]))
            for (const n of written) expect(inLog).toContain(n)

            for (const reservation of prepared) {
              const { commandId, attempt, streamId, events, version = 0 } = reservation
              const n = String(events[0]?.data["step"])
              const answers = told.filter(([{ commandId: id, attempt: of }]) => id === commandId && of === attempt)
              const ends = new Set(answers.map(([, { _tag }]) => _tag))
              expect(ends.size).toBeLessThanOrEqual(1)
              expect(inLog.has(n)).toBe(!ends.has("Discarded"))
              if (!inLog.has(n)) continue
              const stream = yield* store.read(streamId, version, 1_000)
              const place = stream.findIndex((stored) => stored.data["step"] === Number(n))
              for (const [, settlement] of answers)
                expect(settlement).toMatchObject({ streamId, version: version + place + events.length })
              for (const { data } of stream.slice(0, place)) expect(passing).toContain(String(data["step"]))
              const times = stream.map(({ at }) => at)
              for (const [index, at] of times.entries())
                if (index < place + events.length) expect(at).toBeGreaterThanOrEqual(times[index - 1] ?? at)
            }

            for (const id of ["r", "s"]) {
              const receipted = Option.getOrUndefined(yield* findReceipt(store, id))
              if (receipted === undefined) continue
              const { streamId, firstVersion, version, fingerprint } = receipted
              const events = yield* store.read(streamId, firstVersion - 1, version - firstVersion + 1)
              expect(events.length).toBeGreaterThan(0)
              for (const { data } of events) given.set(id, [...(given.get(id) ?? []), String(data["step"])])
              expect(new Set(given.get(id))).toEqual(new Set([fingerprint]))
            }
          }).pipe(Effect.provide(MemoryEventStore.layer))
        )
      )
    ),
    { numRuns: 500 }
  ))

const event = (commandId: string, index: number, step: number): NewEvent => ({
  eventId: `${commandId}-${index + 1}`,
  type: "Tested",
  data: { step },
  at: 0,
  orgId: "",
  principal: { _tag: "System" },
  commandId
})
