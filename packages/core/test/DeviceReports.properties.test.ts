/** Reports come shuffled and more than once, in several processes: what is left of them is always the same. */
import { describe, expect, it } from "@effect/vitest"
import { Arbitrary, Context, Effect, Schema } from "effect"
import type { DeviceReport } from "../src/device/DeviceShadow.ts"
import { DeviceReports } from "../src/locks/DeviceReports.ts"
import { Locks } from "../src/locks/Locks.ts"
import { Projector } from "../src/read-model/Projector.ts"
import { asked, clock, lockUuid } from "./scenario.ts"
import { create, makeWorld } from "./world.ts"

const COMMANDS = ["open-1", "open-2", "add-1", "in-doubt"]

/** One outcome a command, as a device gives it, and whatever else is said. */
const Outcomes = Schema.Array(
  Schema.Struct({
    outcome: Schema.Literals(["done", "failed", "expired"]),
    at: Schema.Literals([-5, 0, 1_788_166_800_000, 253_402_300_800_000]),
    detail: Schema.optionalKey(Schema.Literals(["", "blocked \u{1F529}"]))
  })
).check(Schema.isMinLength(COMMANDS.length), Schema.isMaxLength(COMMANDS.length))

const Said = Schema.Array(
  Schema.Union([
    Schema.TaggedStruct("Presence", {
      thing: Schema.Literal(lockUuid),
      online: Schema.Boolean,
      at: Schema.Literals([1, 2, 3])
    }),
    Schema.TaggedStruct("State", {
      thing: Schema.Literal(lockUuid),
      reported: Schema.Struct({ battery: Schema.Literal(80) }),
      at: Schema.Literals([1, 4])
    }),
    Schema.TaggedStruct("CommandOutcome", {
      thing: Schema.Literals(["elsewhere", ""]),
      commandId: Schema.Literals([...COMMANDS, "nobody's"]),
      outcome: Schema.Literal("done"),
      at: Schema.Literal(1)
    })
  ])
)

/** A shuffle with repetitions: every report goes once or twice, in the order of these numbers. */
const Order = Schema.Array(Schema.Struct({ by: Schema.Int, again: Schema.Literals([0, 1, 2]), first: Schema.Boolean }))

const story = Effect.fnUntraced(function* (reports: ReadonlyArray<readonly [process: boolean, DeviceReport]>) {
  const world = yield* makeWorld
  const processes = [yield* world.latchkey(), yield* world.latchkey()] as const
  const { execute } = Context.get(processes[0], Locks)
  yield* execute(asked({ ...create, ownerId: "ada" }, { commandId: "create" }))
  yield* execute(asked({ _tag: "OpenLock" }, { commandId: "open-1" }))
  yield* execute(asked({ _tag: "AddKey", keyUuid: "key-1" }, { commandId: "add-1" }))
  yield* execute(asked({ _tag: "OpenLock" }, { commandId: "open-2" }))
  const [created] = yield* world.store.read("lock-7", 0, 1)
  if (created === undefined) return yield* Effect.die("the lock was created")
  const doubt = {
    ...created,
    type: "LockOpenRequested",
    data: { lockId: 7, uuid: lockUuid, timestamp: clock("09:00") },
    eventId: "doubt-1",
    commandId: "in-doubt"
  }
  yield* world.prepare(4, [doubt], { commandId: "in-doubt", deadline: Date.now() + 60_000 })

  const takers = processes.map((services) => Context.get(services, DeviceReports).take)
  yield* Effect.forEach(reports, ([second, report]) => (takers[second ? 1 : 0] as (typeof takers)[0])(report), {
    // Whoever meets the command in doubt waits until its own outcome settles it.
    concurrency: "unbounded",
    discard: true
  })
  yield* Context.get(processes[1], Projector).catchUp("10 seconds")
  const history = yield* world.store.read("lock-7", 0, 1_000)
  const [row] = yield* world.ownedBy("ada")
  return { history, row, held: yield* world.shadow.held(lockUuid) }
})

describe("reports, in whatever order and however often they come", () => {
  it.live.prop(
    "leave the same rows and the same history",
    [Arbitrary.schema(Outcomes), Arbitrary.schema(Said), Arbitrary.schema(Order)],
    ([outcomes, said, order]) =>
      Effect.gen(function* () {
        const real = COMMANDS.map((commandId, n): DeviceReport => {
          const { outcome, at, detail } = outcomes[n] ?? { outcome: "done", at: 0 }
          const words = detail === undefined ? {} : { detail }
          return { _tag: "CommandOutcome", thing: lockUuid, commandId, outcome, at, ...words }
        })
        const all = [...real, ...(said as ReadonlyArray<DeviceReport>)]
        const shuffled = all
          .flatMap((report, n) => {
            const { by, again, first } = order[n % Math.max(order.length, 1)] ?? { by: n, again: 1, first: true }
            return Array.from({ length: again + 1 }, (_, time) => ({
              key: Math.imul(by + n, 2_654_435_761) ^ Math.imul(time + 1, 40_503),
              report: [first === (time % 2 === 0), report] as const
            }))
          })
          .toSorted((a, b) => a.key - b.key)
          .map(({ report }) => report)

        const straight = yield* story(all.map((report) => [false, report] as const))
        const jumbled = yield* story(shuffled)

        const told = ({ history }: typeof straight) =>
          history
            .filter(({ type }) => type === "CommandOutcomeReported")
            .map(({ data: { timestamp: _, acceptedAt: __, ...data }, commandId, eventId }) => [
              eventId,
              commandId,
              data
            ])
            .toSorted(([a], [b]) => (String(a) < String(b) ? -1 : 1))
        expect(told(jumbled)).toEqual(told(straight))
        expect(told(straight).map(([, commandId]) => commandId)).toEqual(
          COMMANDS.toSorted().map((id) => `${id}-outcome`)
        )
        // What was asked stands in its order, the one in doubt included, and nothing else came in.
        const asks = ({ history }: typeof straight) =>
          history.filter(({ type }) => type !== "CommandOutcomeReported").map(({ type }) => type)
        expect(asks(jumbled).toSorted()).toEqual(
          ["LockCreated", "KeyAdded", "LockOpenRequested", "LockOpenRequested", "LockOpenRequested"].toSorted()
        )
        expect({ ...jumbled.row, lastUpdated: 0, lastEvent: "" }).toEqual({
          ...straight.row,
          lastUpdated: 0,
          lastEvent: ""
        })
        const news = said.flatMap((report) => (report._tag === "Presence" ? [report] : []))
        const newest = Math.max(0, ...news.map(({ at }) => at))
        expect(straight.row?.online).toBe(news.some(({ online, at }) => online && at === newest))
        expect([straight.held, jumbled.held]).toEqual([{}, {}])
      }),
    { arbitrary: { runs: 40 } }
  )
})
