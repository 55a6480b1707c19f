/** An audit has one row for each version, none left out, and reads no faster than it is taken. */
import { describe, expect, it } from "@effect/vitest"
import { Context, Effect, Stream } from "effect"
import type { Lock } from "../src/lock/Lock.ts"
import { auditOf } from "../src/locks/Audit.ts"
import { LockQueries } from "../src/locks/LockQueries.ts"
import type { EventStore, StoredEvent } from "../src/streams/EventStore.ts"
import type { Principal } from "../src/values/Principal.ts"
import { created, given, lockId, lockUuid, millis, operator } from "./scenario.ts"
import { create, makeWorld } from "./world.ts"

const ada: Principal = { _tag: "User", userId: "ada" }
const ben: Principal = { _tag: "User", userId: "ben" }

const opened = (version: number): StoredEvent => ({
  eventId: `event-${version}`,
  type: "LockOpenRequested",
  data: { lockId, uuid: lockUuid, timestamp: "2026-08-31T09:00:00.000Z" },
  at: millis("09:00") + version,
  orgId: "",
  principal: ada,
  commandId: `command-${version}`,
  streamId: `lock-${lockId}`,
  version,
  position: version
})

/** A history of so many openings, of which so many can be read. */
const long = (versions: number, readable = versions) => {
  const counted = { events: 0 }
  const read: EventStore["Service"]["read"] = (_, after, limit) =>
    Effect.sync(() => {
      const events = Array.from({ length: Math.max(0, Math.min(limit, readable - after)) }, (_, n) =>
        opened(after + n + 1)
      )
      counted.events += events.length
      return events
    })
  const lock = { ...(given(created).lock() as Lock), version: versions }
  return { counted, rows: (after = 0) => auditOf({ read } as EventStore["Service"], operator, lock, after) }
}

describe("an audit", () => {
  it.effect("counts every version to the last, and goes on after any", () =>
    Effect.gen(function* () {
      const { rows } = long(1_234)
      const all = yield* Stream.runCollect(rows())
      expect(all.map(({ version }) => version)).toEqual(Array.from({ length: 1_234 }, (_, n) => n + 1))
      expect(all.every(({ lastVersion, shown }) => lastVersion === 1_234 && shown === "all")).toBe(true)
      expect((yield* Stream.runCollect(rows(1_230))).map(({ version }) => version)).toEqual([
        1_231, 1_232, 1_233, 1_234
      ])
      for (const after of [1_234, 9_999]) expect(yield* Stream.runCollect(rows(after))).toEqual([])
    })
  )

  it.effect("reads no faster than it is taken", () =>
    Effect.gen(function* () {
      const { counted, rows } = long(100_000)
      yield* Stream.runCollect(Stream.take(rows(), 150))
      expect(counted.events).toBeLessThanOrEqual(300)
    })
  )

  it.effect("breaks off rather than leave something out", () =>
    Effect.gen(function* () {
      const { rows } = long(1_000, 990)
      expect(yield* Effect.flip(Stream.runDrain(rows()))).toMatchObject({ _tag: "StoreUnavailable" })
    })
  )

  it.live("has a row without an event for what is not for the one who asks", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld
      const execute = yield* world.process()
      const { audit } = Context.get(yield* world.latchkey(), LockQueries)
      yield* execute({ ...create, ownerId: "ada" })
      yield* execute({ _tag: "AddResident", name: "Ann", userId: "ann" }, { principal: ada })
      yield* execute({ _tag: "SetOwner", userId: "ben" }, { principal: ada })
      yield* execute({ _tag: "OpenLock" }, { principal: ben })
      const seen = (by: Principal) =>
        Effect.map(Effect.flatMap(audit(by, lockId, 0), Stream.runCollect), (rows) =>
          rows.map(({ version, lastVersion, shown, event }) => [version, lastVersion, shown, event?.type])
        )
      expect(yield* seen(ben)).toEqual([
        [1, 4, "hardware", "LockCreated"],
        [2, 4, "nothing", undefined],
        [3, 4, "all", "OwnerSet"],
        [4, 4, "all", "LockOpenRequested"]
      ])
      expect(yield* seen(ada)).toEqual([
        [1, 3, "all", "LockCreated"],
        [2, 3, "all", "ResidentAdded"],
        [3, 3, "all", "OwnerSet"]
      ])
      expect(yield* Effect.flip(audit({ _tag: "User", userId: "eve" }, lockId, 0))).toMatchObject({
        _tag: "AccessDenied"
      })
    })
  )
})
