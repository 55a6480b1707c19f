/** A long feed, met by a client that has seen nothing of it. */
import { randomUUID } from "node:crypto"
import { type NewEvent, rebuild, streamOfLock, toStored } from "@latchkey/core"
import { Spacetime } from "@latchkey/spacetimedb"
import { Effect } from "effect"
import { expect, it } from "vitest"
import { append, connected, publish, startHost } from "./fixture.ts"

const LOCKS = 300
const EVENTS = 100
const TIME = "2026-01-01T00:00:00.000Z"

/** The life of a lock: made, then given keys. */
const eventsOf = (lockId: number): ReadonlyArray<NewEvent> =>
  Array.from({ length: EVENTS }, (_, index) => {
    const about = { lockId, uuid: `thing-${lockId}`, timestamp: TIME }
    return {
      ...toStored(
        index === 0
          ? { _tag: "LockCreated", ...about, ownerId: `owner-${lockId % 10}` }
          : { _tag: "KeyAdded", ...about, keyUuid: `key-${index}`, userId: `holder-${index}` }
      ),
      eventId: randomUUID(),
      at: Date.parse(TIME) + index,
      orgId: "",
      principal: { _tag: "System" },
      commandId: randomUUID()
    }
  })

it("30,000 events are read in order, and projected, by a client that starts cold", { timeout: 120_000 }, async () => {
  const host = await startHost()
  const options = await publish(host)
  await using writer = await connected(options)
  const create = (lockId: number) => append(writer, streamOfLock(lockId), 0, eventsOf(lockId))
  const lockIds = Array.from({ length: LOCKS }, (_, index) => index + 1)
  await Effect.runPromise(Effect.forEach(lockIds, create, { concurrency: 20, discard: true }))

  await using reader = await connected(options)
  const { store, readModel } = reader
  let position = 0
  while (position < LOCKS * EVENTS) {
    const page = await Effect.runPromise(store.feed(position, 7_000))
    expect(page.map((event) => event.position)).toEqual(page.map((_, index) => position + index + 1))
    expect(page).not.toEqual([])
    position += page.length
  }
  expect(await Effect.runPromise(store.feed(position, 10))).toEqual([])

  expect(await Effect.runPromise(Effect.provide(rebuild, Spacetime.layer(options)))).toBe(LOCKS * EVENTS)
  const owned = await Effect.runPromise(readModel.devicesOwnedBy("owner-3"))
  expect(owned).toHaveLength(LOCKS / 10)
  expect(new Set(owned.map(({ keysCount }) => keysCount))).toEqual(new Set([EVENTS - 1]))
  expect(await Effect.runPromise(readModel.isKnownUser(`holder-${EVENTS - 1}`))).toBe(true)
})
