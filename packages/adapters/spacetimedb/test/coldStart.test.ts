/** A long feed, met by a client that has seen nothing of it. */
import { randomUUID } from "node:crypto"
import type { NewEvent } from "@latchkey/core"
import { streamOfLock, toStored } from "@latchkey/core"
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
      orgId: `organization-${lockId % 10}`,
      principal: { _tag: "System" },
      commandId: randomUUID()
    }
  })

it("30,000 events are read in order, all and of one organization, by a client that starts cold", async () => {
  const host = await startHost()
  const options = await publish(host)
  await using writer = await connected(options)
  const create = (lockId: number) => append(writer, streamOfLock(lockId), 0, eventsOf(lockId))
  const lockIds = Array.from({ length: LOCKS }, (_, index) => index + 1)
  await Effect.runPromise(Effect.forEach(lockIds, create, { concurrency: 20, discard: true }))

  await using reader = await connected(options)
  const { store } = reader
  let position = 0
  while (position < LOCKS * EVENTS) {
    const page = await Effect.runPromise(store.feed(position, 7_000))
    expect(page.map((event) => event.position)).toEqual(page.map((_, index) => position + index + 1))
    expect(page).not.toEqual([])
    position += page.length
  }
  expect(await Effect.runPromise(store.feed(position, 10))).toEqual([])

  const one = await Effect.runPromise(store.feed(0, 1_000, { category: "lock", orgId: "organization-3" }))
  expect(new Set(one.map(({ orgId }) => orgId))).toEqual(new Set(["organization-3"]))
  expect(one.map(({ position }) => position)).toEqual(one.map(({ position }) => position).toSorted((a, b) => a - b))
  expect(
    await Effect.runPromise(store.feed(one.at(-1)?.position ?? 0, 5_000, { orgId: "organization-3" }))
  ).toHaveLength((LOCKS / 10) * EVENTS - 1_000)
})
