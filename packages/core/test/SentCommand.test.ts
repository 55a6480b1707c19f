/** What a lock remembers of the commands that were sent to its device. */
import { readdirSync, readFileSync } from "node:fs"
import { describe, expect, it } from "@effect/vitest"
import { Arbitrary, Schema } from "effect"
import { answeredIn, outcomeOf, sentWith } from "../src/lock/DeviceEvents.ts"
import { evolve, evolveStored, initial } from "../src/lock/Evolve.ts"
import { toStored } from "../src/lock/LockEvent.ts"
import {
  type AnsweredCommand,
  MOST_LATE,
  MOST_PENDING,
  RECENT_OUTCOMES,
  type SentCommand,
  withPending
} from "../src/lock/SentCommand.ts"
import type { StoredEvent } from "../src/streams/EventStore.ts"
import { created, type Fact, happened, lockUuid, millis } from "./scenario.ts"

const stored = (fact: Fact, version: number, fields: Partial<StoredEvent> = {}): StoredEvent => ({
  ...toStored(happened(fact)),
  streamId: "lock-7",
  version,
  position: version,
  eventId: `event-${version}`,
  at: millis("08:00"),
  orgId: "",
  principal: { _tag: "System" },
  commandId: `command-${version}`,
  ...fields
})

const acceptedAt = millis("08:00") + 12
const about = { thing: lockUuid, requestedAt: millis("08:00"), acceptedAt }

const answered: AnsweredCommand = {
  ...about,
  commandId: "command-2",
  type: "OpenLock",
  expiresAt: millis("08:00") + 10_000,
  outcome: "done",
  reportedAt: millis("08:01")
}
const outcome = { _tag: "CommandOutcomeReported", ...outcomeOf(answered) } as Fact

const sent = (n: number, fields: Partial<SentCommand> = {}): SentCommand => ({
  ...about,
  commandId: `command-${n}`,
  type: "OpenLock",
  ...fields
})

describe("a command that the shadow accepted", () => {
  it.each<[Fact, Partial<SentCommand>]>([
    [{ _tag: "LockOpenRequested" }, { type: "OpenLock", expiresAt: millis("08:00") + 10_000 }],
    [
      { _tag: "KeyWriteRequested", keyUuid: "key-1" },
      { type: "WriteKey", expiresAt: millis("08:00") + 60_000 }
    ],
    [{ _tag: "KeyAdded", keyUuid: "key-1" }, { type: "AddKey" }],
    [{ _tag: "KeyRemoved", keyUuid: "key-1" }, { type: "RemoveKey" }]
  ])("is told of by %o", (fact, command) => {
    expect(sentWith(stored(fact, 2, { acceptedAt }))).toStrictEqual({ ...about, commandId: "command-2", ...command })
  })

  it("is not told of by what needs no device, nor by what was stored before acceptance was noted", () => {
    expect(sentWith(stored({ _tag: "TempKeyUsed", tempKeyUuid: lockUuid, usedCount: 1 }, 2, { acceptedAt }))).toBe(
      undefined
    )
    expect(sentWith(stored({ _tag: "LockOpenRequested" }, 2))).toBe(undefined)
  })

  it("is pending until its outcome is known, which is remembered then", () => {
    const [create, open, add, done] = [
      stored(created, 1),
      stored({ _tag: "LockOpenRequested" }, 2, { acceptedAt }),
      stored({ _tag: "KeyAdded", keyUuid: "key-1" }, 3, { acceptedAt }),
      stored(outcome, 4)
    ]
    const pending = [create, open, add].reduce(evolveStored, initial)
    expect(pending?.pendingCommands.map(({ type }) => type)).toEqual(["OpenLock", "AddKey"])
    const after = evolveStored(pending, done)
    expect(after?.pendingCommands.map(({ type }) => type)).toEqual(["AddKey"])
    expect(after).toMatchObject({ version: 4, recentOutcomes: [answered] })
  })

  it("leaves the lock at the version of an event that only a later Latchkey understands", () => {
    const later = { ...stored({ _tag: "LockOpenRequested" }, 2), type: "LockPainted" }
    const first = evolveStored(initial, stored(created, 1))
    const second = evolveStored(first, later)
    const third = evolveStored(second, stored({ _tag: "OwnerSet", userId: "ada" }, 3))
    expect([first?.version, second, third?.version]).toEqual([1, { ...first, version: 2 }, 3])
    expect(third).toMatchObject({ lockId: 7, ownerId: "ada" })
    expect(evolveStored(initial, later)).toBeUndefined()
  })

  it("remembers the last outcomes only", () => {
    const outcomes = Array.from({ length: RECENT_OUTCOMES + 5 }, (_, n) =>
      happened({ _tag: "CommandOutcomeReported", ...outcomeOf({ ...answered, commandId: `c-${n}` }) } as Fact)
    )
    const lock = [happened(created), ...outcomes].reduce((lock, event) => evolve(lock, event), initial)
    expect(lock?.recentOutcomes.map(({ commandId }) => commandId)).toEqual(
      Array.from({ length: RECENT_OUTCOMES }, (_, n) => `c-${n + 5}`)
    )
  })

  it.each<AnsweredCommand>([answered, { ...answered, outcome: "failed", detail: "blocked" }])(
    "is in the event of its outcome as it was: %o",
    (answered) => expect(answeredIn(outcomeOf(answered))).toStrictEqual(answered)
  )
})

describe("what is remembered as pending", () => {
  const Ages = Arbitrary.schema(
    Schema.Array(Schema.Struct({ after: Schema.Literals([0, 1, 5]), ends: Schema.Boolean }))
  )
  const story = (ages: ReadonlyArray<{ readonly after: number; readonly ends: boolean }>) => {
    let requestedAt = 0
    return ages.map(({ after, ends }, n) => {
      requestedAt += after
      return sent(n, ends ? { requestedAt, expiresAt: requestedAt + 10 } : { requestedAt })
    })
  }

  it.prop("is bounded, in order, and loses only the oldest that had expired", [Ages], ([ages]) => {
    // As long as more live ones than a shadow holds do not come together.
    const commands = story(ages.slice(0, MOST_PENDING))
    const pending = commands.reduce<ReadonlyArray<SentCommand>>(withPending, [])
    expect(pending).toEqual(commands.filter((command) => pending.includes(command)))
    const now = commands.at(-1)?.requestedAt ?? 0
    const expired = ({ expiresAt }: SentCommand) => expiresAt !== undefined && expiresAt <= now
    expect(pending.filter(expired)).toEqual(commands.filter(expired).slice(-MOST_LATE))
    expect(pending.filter((command) => !expired(command))).toEqual(commands.filter((command) => !expired(command)))
  })

  it("stays bounded whatever is in the log", () => {
    const commands = Array.from({ length: 3 * MOST_PENDING }, (_, n) => sent(n))
    expect(commands.reduce<ReadonlyArray<SentCommand>>(withPending, [])).toEqual(commands.slice(-MOST_PENDING))
  })
})

it("a golden event of a command that the shadow accepted is one", () => {
  const file = readdirSync(new URL("golden/", import.meta.url)).find((name) => name.includes("accepted"))
  const event: StoredEvent = JSON.parse(readFileSync(new URL(`golden/${file}`, import.meta.url), "utf8"))
  expect(sentWith(event)).toMatchObject({ type: "OpenLock", acceptedAt: event.at + 12 })
})
