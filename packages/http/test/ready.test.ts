/** When a server is ready: its store answers and takes what it is given, and so do its own device shadows. */
import { closeSync, openSync, statSync, writeSync } from "node:fs"
import { join } from "node:path"
import { expect, it } from "@effect/vitest"
import { byOne, DeviceShadow, EventStore, Feed, ShadowUnavailable, StoreUnavailable } from "@latchkey/core"
import { MemoryDeviceShadow, MemoryEventStore, MemoryReadModel } from "@latchkey/core/memory"
import { Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { vi } from "vitest"
import { makeOperations } from "../src/operations/Operations.ts"
import { createLock, lockAt } from "./harness/locks.ts"
import { configured, startServer, temporaryFolder } from "./harness/process.ts"
import { callsOf } from "./harness/request.ts"

const inMemory = Feed.layer.pipe(
  Layer.provideMerge(Layer.mergeAll(MemoryEventStore.layer, MemoryDeviceShadow.layer, MemoryReadModel.layer))
)

it.effect("is asked of the store by writing to it, four times a second at most, however many ask", () =>
  Effect.gen(function* () {
    const memory = yield* EventStore
    let isFull = false
    const states: Array<string> = []
    const store = EventStore.of({
      ...memory,
      write: (batch) => {
        states.push(...(batch.put ?? []).map(({ value }) => value))
        return isFull ? Effect.fail(new StoreUnavailable({ message: "the disk is full" })) : memory.write(batch)
      }
    })
    const { "/ready": ready = () => Effect.die("there is no /ready") } = yield* Effect.provideService(
      makeOperations(true),
      EventStore,
      store
    )
    const status = Effect.map(ready({}), (answer) => answer.status)
    expect(
      yield* Effect.all(
        Array.from({ length: 50 }, () => status),
        { concurrency: "unbounded" }
      )
    ).toEqual(Array(50).fill(200))
    expect(states).toHaveLength(1)

    isFull = true
    yield* TestClock.adjust(250)
    for (const _ of [1, 2]) expect(yield* status).toBe(503)
    isFull = false
    expect(yield* status).toBe(200)
    // What is written takes room, and is never what is there already.
    expect(states.map(({ length }) => length)).toEqual([16_384, 16_384, 16_384, 16_384])
    expect(new Set(states).size).toBe(4)
    expect(yield* memory.head).toBe(0)
  }).pipe(Effect.provide(inMemory))
)

it.effect("is asked of the shadows too, where they can tell", () =>
  Effect.gen(function* () {
    let isDamaged = false
    const ready = Effect.suspend(() =>
      isDamaged ? Effect.fail(new ShadowUnavailable({ thing: "all things", message: "damaged" })) : Effect.void
    )
    const shadows = DeviceShadow.of({ ...(yield* DeviceShadow), ready })
    const { "/ready": asked = () => Effect.die("there is no /ready") } = yield* Effect.provideService(
      makeOperations(true),
      DeviceShadow,
      shadows
    )
    expect(yield* asked({})).toMatchObject({ status: 200 })
    isDamaged = true
    yield* TestClock.adjust(250)
    expect(yield* asked({})).toMatchObject({ status: 503, body: expect.stringContaining("device shadows") })
  }).pipe(Effect.provide(inMemory))
)

it.effect("tells the store, how far its consumers are behind, and whether anybody does what one server does", () =>
  Effect.gen(function* () {
    const store = yield* EventStore
    const feed = yield* Feed
    const { "/ready": asked = () => Effect.die("there is no /ready") } = yield* makeOperations(true)
    const told = Effect.map(asked({}), ({ body }) => JSON.parse(String(body)))
    expect(yield* told).toEqual({ status: "ready", store: "memory", consumers: [], leases: [] })
    yield* feed.follow({ name: "slow", cursor: Effect.succeed(0), take: () => Effect.never })
    yield* Effect.forkScoped(byOne(store, "something", () => Effect.never))
    yield* Effect.forkScoped(byOne(EventStore.of({ ...store }), "something", () => Effect.never))
    const event = {
      eventId: "1",
      type: "T",
      data: {},
      at: 1,
      orgId: "",
      principal: { _tag: "System" },
      commandId: "1"
    } as const
    yield* store.write({ append: [{ streamId: "x-1", expectedVersion: 0, events: [event] }] })
    yield* TestClock.adjust("2 seconds")
    expect(yield* told).toEqual({
      status: "ready",
      store: "memory",
      consumers: [{ name: "slow", behind: 1 }],
      leases: [{ work: "something", holder: "this server" }]
    })
  }).pipe(Effect.provide(inMemory))
)

it.live(
  "is no server whose file of shadows is damaged while it runs: devices' commands are 502, none is recorded",
  () =>
    Effect.promise(async () => {
      using folder = temporaryFolder()
      const environment = configured(folder.path)
      // What the first one wrote is in the file itself when the second one opens it.
      const first = await startServer(environment)
      const lock = await createLock(first.url)
      expect((await lock.post("OpenLock")).status).toBe(200)
      first.signal("SIGTERM")
      await first.ended
      await using server = await startServer(environment)
      const call = callsOf(server.url)
      const ready = async () => (await call("GET", "/ready")).status
      expect(await ready()).toBe(200)
      const file = join(folder.path, "shadow.db")
      const handle = openSync(file, "r+")
      writeSync(handle, Buffer.alloc(statSync(file).size, 0xa5), 0)
      closeSync(handle)
      await vi.waitUntil(async () => (await ready()) === 503, { timeout: 60_000, interval: 300 })
      const again = await lockAt(server.url, lock.lockId).post("OpenLock")
      expect([again.status, again.body]).toEqual([
        502,
        expect.objectContaining({ message: "Failed to update device shadow" })
      ])
      expect(
        server
          .output()
          .split("\n")
          .filter((line) => line.includes("is damaged"))
      ).not.toEqual([])
      expect((await call("GET", "/health")).status).toBe(200)
    })
)
