/** What is wrong with locks, as the read model keeps it. */
import { describe, expect, it } from "@effect/vitest"
import { lockFeed } from "@latchkey/core/testing"
import { evolveStored } from "../src/lock/Evolve.ts"
import type { Lock } from "../src/lock/Lock.ts"
import { attentionOf, type ConditionRow, conditions } from "../src/read-model/LockConditions.ts"
import { factOf, lockKey } from "../src/read-model/LockFact.ts"
import type { StoredEvent } from "../src/streams/EventStore.ts"
import { about, created, feedOf } from "./lockFeeds.ts"

const DAY = 86_400_000
const THING = "0b0e8400-e29b-41d4-a716-446655440000"

const foldOf = (feed: ReadonlyArray<StoredEvent>, before?: ConditionRow): ConditionRow | undefined =>
  feed.reduce<ConditionRow | undefined>((row, event) => {
    const fact = factOf(event)
    return fact === undefined || conditions.keysOf(fact).length === 0 ? row : conditions.fold(row, fact, lockKey(1))
  }, before)
const rowAfter = (feed: ReadonlyArray<StoredEvent>) => foldOf(feed) ?? expect.fail("there is no row")
const kindsOf = (row: ConditionRow, now = 0) => attentionOf(row, now).map(({ kind }) => kind)

const lock = created(1, { uuid: THING })
const keyed = { ...about(1), keyUuid: "key-1", keyIndexNumber: 3 }
const state = (fields: object) =>
  ({ _tag: "DeviceStateReported", ...about(1), seenAt: about(1).timestamp, ...fields, ignorable: true }) as const

/** Events of other streams than the lock's. */
const beside = (streamId: string, type: string, at: number, data: object): StoredEvent => ({
  ...(feedOf(lock)[0] ?? expect.fail()),
  streamId,
  type,
  at,
  data: { lockId: 1, ...data }
})
const outage = (type: string, since: number, thing = THING) => beside(`presence-${thing}`, type, since, { since })

it.prop(
  "keys that were removed, and those that a person has to look at, are those of the lock's hardware",
  [lockFeed],
  ([feed]) => {
    const rows = new Map<number, ConditionRow | undefined>()
    const locks = new Map<number, Lock | undefined>()
    for (const event of feed) {
      const fact = factOf(event) ?? expect.fail("not about a lock")
      const { lockId } = fact
      if (conditions.keysOf(fact).length > 0) rows.set(lockId, conditions.fold(rows.get(lockId), fact, lockKey(lockId)))
      const lock = evolveStored(locks.get(lockId), event)
      locks.set(lockId, lock)
      if (lock === undefined || lock.retired !== undefined) continue
      const kept = rows.get(lockId)?.unsettled.keys ?? []
      const named = (keys: Iterable<readonly [string, unknown]>) => Object.fromEntries(keys)
      expect(named(kept.flatMap((key) => (key.exposedSince === undefined ? [] : [[key.uuid, true]])))).toEqual(
        named(lock.hardware.flatMap((key) => (key.exposedSince === undefined ? [] : [[key.uuid, true]])))
      )
      expect(
        named(kept.flatMap((key) => (key.attention === undefined ? [] : [[key.uuid, key.attention.reason]])))
      ).toEqual(named(lock.hardware.flatMap((key) => (key.attention === undefined ? [] : [[key.uuid, key.attention]]))))
    }
  }
)

describe("a lock needs somebody", () => {
  it("while its device says that something is wrong, since it first said so", () => {
    const row = rowAfter(
      feedOf(lock, state({ battery: 10, batteryLow: true }), state({ battery: 9, batteryLow: true, bolt: "jammed" }))
    )
    const [low, jammed] = attentionOf(row, 0)
    expect([low?.kind, jammed?.kind, (jammed?.since ?? 0) - (low?.since ?? 0)]).toEqual([
      "battery-low",
      "bolt-jammed",
      1_000
    ])
    expect(row.battery).toBe("low")
    const good = rowAfter(
      feedOf(lock, state({ batteryLow: true, door: "forced" }), state({ battery: 90, batteryLow: false }))
    )
    expect([kindsOf(good), good.battery]).toEqual([[], "good"])
    expect(kindsOf(rowAfter(feedOf(lock, state({ door: "leftOpen" }))))).toEqual(["door-left-open"])
    expect(rowAfter(feedOf(lock, state({ door: "closed" }))).battery).toBe("unknown")
  })

  it("while its device is gone, and not another that it has no more", () => {
    const away = rowAfter([...feedOf(lock), outage("DeviceOffline", 5)])
    expect(attentionOf(away, 0)).toEqual([{ kind: "offline", since: 5 }])
    expect(kindsOf(rowAfter([...feedOf(lock), outage("DeviceOffline", 5), outage("DeviceOnline", 6)]))).toEqual([])
    expect(kindsOf(rowAfter([...feedOf(lock), outage("DeviceOffline", 5, THING.replaceAll("0", "1"))]))).toEqual([])
    const [, changed] = feedOf(lock, { _tag: "LockUuidChanged", ...about(1), newUuid: "other", previousUuid: THING })
    expect(kindsOf(foldOf(changed === undefined ? [] : [changed], away) ?? expect.fail())).toEqual([])
  })

  it("for a day after somebody was locked out who entered wrong PINs", () => {
    const row = rowAfter([...feedOf(lock), beside("pin-attempts-lock-1", "PinRefused", 7, { lockedOutUntil: 9 })])
    expect([kindsOf(row, 7), kindsOf(row, 7 + DAY)]).toEqual([["wrong-pins"], []])
    const refused = [
      beside("pin-attempts-lock-1", "PinRefused", 7, {}),
      beside("pin-guessers-x", "PinRefused", 7, { lockedOutUntil: 9 })
    ]
    expect(kindsOf(rowAfter([...feedOf(lock), ...refused]), 7)).toEqual([])
  })

  it("for keys that it failed to take, until somebody asks to begin again", () => {
    const failed = { _tag: "KeyNeedsAttention", ...keyed, wanted: true, reason: "failed", failures: 5 } as const
    const row = rowAfter(feedOf(lock, { _tag: "KeyAdded", ...keyed }, failed))
    expect(attentionOf(row, 0)).toMatchObject([
      { kind: "key-failed", keysCount: 1, keys: [{ uuid: "key-1", indexNumber: 3 }] }
    ])
    const synced = rowAfter(
      feedOf(lock, { _tag: "KeyAdded", ...keyed }, failed, { _tag: "KeysSyncRequested", ...about(1) })
    )
    expect(kindsOf(synced)).toEqual([])
  })

  it("for keys that were removed until it says that they are gone, however many they are", () => {
    const count = 250
    const removed = Array.from(
      { length: count },
      (_, n) => ({ _tag: "KeyRemoved", ...about(1), keyUuid: `key-${n}`, reconciled: true }) as const
    )
    const feed = feedOf(lock, ...removed)
    const row = rowAfter(feed)
    expect(attentionOf(row, 0)).toMatchObject([{ kind: "key-exposed", keysCount: count }])
    expect(row.unsettled.keys.length).toBeLessThan(count)
    expect(JSON.stringify(row).length).toBeLessThan(65_536)
    const commandOf = (n: number) => `command-of-${n}`
    const told = feedOf(
      ...removed.flatMap(({ keyUuid }, n) => [
        { _tag: "KeyRemovalSent", ...about(1), keyUuid } as const,
        {
          _tag: "CommandOutcomeReported",
          ...about(1),
          commandId: commandOf(n),
          commandType: "RemoveKey",
          outcome: "done",
          requestedAt: about(1).timestamp,
          acceptedAt: about(1).timestamp,
          reportedAt: about(1).timestamp
        } as const
      ])
    ).map(
      (event, n): StoredEvent => (n % 2 === 0 ? { ...event, commandId: commandOf(n / 2), acceptedAt: event.at } : event)
    )
    expect(kindsOf(foldOf(told.slice(0, -1), row) ?? expect.fail())).toEqual(["key-exposed"])
    expect(kindsOf(foldOf(told, row) ?? expect.fail())).toEqual([])
  })

  it("for keys that it holds and nobody wanted, until it lists them no more, whatever they are called", () => {
    const lists = (keyUuids: ReadonlyArray<string>) => {
      const { timestamp } = about(1)
      const keys = keyUuids.map((keyUuid) => ({ keyUuid }))
      const exposed = keys.map((key) => ({ ...key, since: timestamp, foreign: true as const }))
      return { _tag: "KeysReported", ...about(1), keys, exposed, seenAt: timestamp, ignorable: true } as const
    }
    const foreign = lists(["installer", "i".repeat(200)])
    expect(attentionOf(rowAfter(feedOf(lock, foreign, foreign)), 0)).toMatchObject([
      { kind: "key-foreign", keysCount: 2, keys: [{ uuid: "installer" }, { uuid: "i".repeat(200) }] }
    ])
    const removed = { _tag: "KeyRemoved", ...about(1), keyUuid: "installer" } as const
    expect(kindsOf(rowAfter(feedOf(lock, foreign, removed)))).toEqual(["key-foreign", "key-exposed"])
    expect(kindsOf(rowAfter(feedOf(lock, foreign, lists([]))))).toEqual([])
  })
})

it("a lock that is retired is in no list", () => {
  expect(foldOf(feedOf(lock, { _tag: "LockRetired", ...about(1), freed: false }))).toBeUndefined()
})
