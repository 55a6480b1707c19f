/** Many keys for one lock: answered at once, added one by one, whatever happens meanwhile. */
import { describe, expect, it } from "@effect/vitest"
import { Context, Effect, Exit, Scope } from "effect"
import { BulkAddKeys, type BulkCommand, type BulkProgress } from "../src/locks/BulkAddKeys.ts"
import { Locks } from "../src/locks/Locks.ts"
import { EventStore, StoreUnavailable } from "../src/streams/EventStore.ts"
import type { Principal } from "../src/values/Principal.ts"
import { asked, lockId, operator } from "./scenario.ts"
import { append, create, createAnother, eventually, makeWorld } from "./world.ts"

/** A UUID of version 7, by default of the present, as the clock of these tests has it. */
const instanceId = (millis = Date.now()) => {
  const time = millis.toString(16).padStart(12, "0")
  return `${time.slice(0, 8)}-${time.slice(8)}-7000-8000-000000000001`
}

const keys = (first: string, ...rest: ReadonlyArray<string>): BulkCommand["keys"] => [
  { keyUuid: first },
  ...rest.map((keyUuid) => ({ keyUuid }))
]

const bulk = (keys: BulkCommand["keys"], context: Partial<BulkCommand> = {}): BulkCommand => ({
  lockId,
  commandId: instanceId(),
  at: 0,
  principal: operator,
  keys,
  ...context
})

const isDone = ({ status }: BulkProgress): boolean => status === "done"

/** A world with the lock, and a process in it. */
const makeBulk = Effect.gen(function* () {
  const world = yield* makeWorld
  const services = yield* world.latchkey()
  yield* Context.get(services, Locks).execute(asked(create, { commandId: "create" }))
  const bulkAddKeys = Context.get(services, BulkAddKeys)
  const done = (instance: string, { progress } = bulkAddKeys) =>
    eventually(progress(operator, lockId, instance), isDone)
  return { ...world, ...bulkAddKeys, done }
})

describe("a request for many keys", () => {
  it.live("answers at once with an id to follow it by, and adds its keys in order", () =>
    Effect.gen(function* () {
      const { start, progress, done, log, store } = yield* makeBulk
      const command = bulk([{ keyUuid: "key-1", keyIndexNumber: 1, userId: "ada" }, ...keys("key-2", "key-3")])
      const instance = yield* start(command)
      expect(instance).toBe(command.commandId)
      expect(yield* progress(operator, lockId, instance)).toMatchObject({
        lockId,
        instanceId: instance,
        total: 3,
        failed: []
      })
      expect(yield* done(instance)).toEqual({
        lockId,
        instanceId: instance,
        status: "done",
        total: 3,
        added: 3,
        failed: []
      })
      expect(yield* log).toEqual(["LockCreated", "KeyAdded", "KeyAdded", "KeyAdded"])
      const added = yield* store.read("lock-7", 1, 3)
      expect(added[0]?.data).toMatchObject({ keyUuid: "key-1", keyIndexNumber: 1, userId: "ada" })
      expect(added.map(({ data }) => data["keyUuid"])).toEqual(["key-1", "key-2", "key-3"])
    })
  )

  it.live("goes on when one of its keys is bad, and says which and why", () =>
    Effect.gen(function* () {
      const { start, done } = yield* makeBulk
      const instance = yield* start(bulk(keys("key-1", "key-1", "key-2")))
      expect(yield* done(instance)).toMatchObject({
        added: 2,
        failed: [{ keyUuid: "key-1", reason: "Key key-1 is already on lock 7." }]
      })
    })
  )

  it.live("waits for a device that cannot be told for a moment", () =>
    Effect.gen(function* () {
      const { start, progress, done, shadow, log } = yield* makeBulk
      yield* shadow.setMode("reject")
      const instance = yield* start(bulk(keys("key-1", "key-2")))
      expect(yield* progress(operator, lockId, instance)).toMatchObject({ status: "running", added: 0 })
      yield* shadow.setMode("ok")
      expect(yield* done(instance)).toMatchObject({ added: 2, failed: [] })
      expect(yield* log).toEqual(["LockCreated", "KeyAdded", "KeyAdded"])
    })
  )

  it.live("is for whom the lock is for, and so is its progress", () =>
    Effect.gen(function* () {
      const { start, progress } = yield* makeBulk
      const mallory: Principal = { _tag: "User", userId: "mallory" }
      expect(yield* Effect.flip(start(bulk(keys("key-1"), { principal: mallory })))).toMatchObject({
        _tag: "AccessDenied"
      })
      expect(yield* Effect.flip(start(bulk(keys("key-1"), { lockId: 8 })))).toMatchObject({ _tag: "LockNotFound" })
      const instance = yield* start(bulk(keys("key-1")))
      expect(yield* Effect.flip(progress(mallory, lockId, instance))).toMatchObject({ _tag: "AccessDenied" })
      expect(yield* Effect.flip(progress(operator, lockId, "unknown"))).toMatchObject({ _tag: "BulkNotFound" })
    })
  )

  it.live.each([
    ["its owner's", { _tag: "User", userId: "ann" }, { _tag: "SetOwner", userId: "ben" }],
    ["its organization's", { _tag: "Organization", orgId: "org-1" }, { _tag: "SetOrganization", orgId: "org-2" }],
    ["the operator's", operator, { _tag: "SetOwner", userId: "ben" }]
  ] as const)("of %s adds nothing more once the lock has changed hands", ([_, principal, handOver]) =>
    Effect.gen(function* () {
      const { start, done, log, process, shadow } = yield* makeBulk
      const execute = yield* process()
      yield* execute({ _tag: "SetOwner", userId: "ann" })
      yield* execute({ _tag: "SetOrganization", orgId: "org-1" })
      yield* shadow.setMode("reject")
      const instance = yield* start(bulk(keys("key-1", "key-2"), { principal }))
      yield* execute(handOver)
      yield* shadow.setMode("ok")
      const { added, failed } = yield* done(instance)
      expect([added, failed.length]).toEqual([0, 2])
      expect(failed[1]?.reason).toContain("You are not allowed to do this")
      expect(yield* log).not.toContain("KeyAdded")
    })
  )

  it.live("is not found under another lock", () =>
    Effect.gen(function* () {
      const { start, progress, process } = yield* makeBulk
      yield* (yield* process())(createAnother, { lockId: 8 })
      const instance = yield* start(bulk(keys("key-1")))
      expect(yield* Effect.flip(progress(operator, 8, instance))).toMatchObject({ _tag: "BulkNotFound" })
    })
  )

  it.live("sent again with its receipt is the same request", () =>
    Effect.gen(function* () {
      const { start, done, log } = yield* makeBulk
      const receipt = { id: "receipt-1", fingerprint: "bulk" }
      const instance = yield* start(bulk(keys("key-1"), { receipt }))
      yield* done(instance)
      expect(yield* start(bulk(keys("key-1"), { receipt, commandId: "another" }))).toBe(instance)
      expect(yield* log).toEqual(["LockCreated", "KeyAdded"])
      const reused = start(bulk(keys("key-2"), { receipt: { ...receipt, fingerprint: "other" }, commandId: "third" }))
      expect(yield* Effect.flip(reused)).toMatchObject({ _tag: "ReceiptReused" })
    })
  )

  it.live("sent twice at the same time is the same request", () =>
    Effect.gen(function* () {
      const { start, done, log, ports, store, latchkey } = yield* makeBulk
      const receipt = { id: "receipt-1", fingerprint: "bulk" }
      let isFirstLook = true
      const late: EventStore["Service"] = {
        ...store,
        // As if it had looked before the other one was stored.
        record: (key) => {
          if (!key.startsWith("receipt/")) return store.record(key)
          const found = isFirstLook ? Effect.succeedNone : store.record(key)
          isFirstLook = false
          return found
        }
      }
      const other = Context.get(yield* latchkey(Context.add(ports, EventStore, late)), BulkAddKeys)
      const instance = yield* start(bulk(keys("key-1"), { receipt }))
      expect(yield* other.start(bulk(keys("key-1"), { receipt, commandId: "another" }))).toBe(instance)
      yield* done(instance)
      expect(yield* log).toEqual(["LockCreated", "KeyAdded"])
    })
  )
})

describe("a process that stops", () => {
  it.live("leaves the rest to the next one, which adds no key twice", () =>
    Effect.gen(function* () {
      const { latchkey, shadow, store, process, log } = yield* makeWorld
      yield* (yield* process())(create)
      const scope = yield* Scope.make()
      const first = Context.get(yield* Effect.provideService(latchkey(), Scope.Scope, scope), BulkAddKeys)
      yield* shadow.setMode("reject")
      const instance = yield* first.start(bulk(keys("key-1", "key-2", "key-3")))
      yield* Scope.close(scope, Exit.void)
      expect(yield* log).toEqual(["LockCreated"])

      yield* shadow.setMode("ok")
      const second = Context.get(yield* latchkey(), BulkAddKeys)
      expect(yield* eventually(second.progress(operator, lockId, instance), isDone)).toMatchObject({
        added: 3,
        failed: []
      })
      yield* latchkey()
      expect(yield* log).toEqual(["LockCreated", "KeyAdded", "KeyAdded", "KeyAdded"])
      expect(yield* store.read(`bulk-${instance}`, 0, 10)).toHaveLength(4)
    })
  )

  it.live("after it added a key and before it noted that, does not have it added again", () =>
    Effect.gen(function* () {
      const { latchkey, process, log, store } = yield* makeWorld
      const execute = yield* process()
      yield* execute(create)
      const command = bulk(keys("key-1", "key-2"))
      const id = `${command.commandId}-0`
      yield* execute({ _tag: "AddKey", keyUuid: "key-1" }, { commandId: id, receipt: { id, fingerprint: id } })
      const { commandId, principal } = command
      const data = { lockId, keys: [{ keyUuid: "key-1" }, { keyUuid: "key-2" }] }
      const request = {
        eventId: `${commandId}-request`,
        type: "BulkAddKeysRequested",
        data,
        at: 0,
        orgId: "",
        principal,
        commandId
      }
      yield* append(store, `bulk-${commandId}`, 0, [request])

      const { progress } = Context.get(yield* latchkey(), BulkAddKeys)
      expect(yield* eventually(progress(operator, lockId, commandId), isDone)).toMatchObject({ added: 2, failed: [] })
      expect(yield* log).toEqual(["LockCreated", "KeyAdded", "KeyAdded"])
    })
  )
})

it.live("a request that every start has passed over, as after a clock that was set, is begun by whoever asks", () =>
  Effect.gen(function* () {
    const { latchkey, process, log, store } = yield* makeWorld
    yield* (yield* process())(create)
    const { commandId, principal } = bulk(keys("key-1"))
    const data = { lockId, keys: [{ keyUuid: "key-1" }] }
    const type = "BulkAddKeysRequested"
    const request = { eventId: `${commandId}-1`, type, data, at: 0, orgId: "", principal, commandId }
    yield* append(store, `bulk-${commandId}`, 0, [request])
    yield* store.write({ put: [{ key: "cursor/bulk-add-keys", value: String(yield* store.head) }] })
    const { progress } = Context.get(yield* latchkey(), BulkAddKeys)
    expect(yield* eventually(progress(operator, lockId, commandId), isDone)).toMatchObject({ added: 1, failed: [] })
    expect(yield* log).toEqual(["LockCreated", "KeyAdded"])
  })
)

it.live(
  "a request that no server could go on with for days does not run forever: the rest of its keys has failed",
  () =>
    Effect.gen(function* () {
      const { latchkey, process, log, store } = yield* makeWorld
      const execute = yield* process()
      yield* execute(create)
      const { commandId, principal } = bulk(keys("key-1", "key-2"), {
        commandId: instanceId(Date.now() - 2 * 86_400_000)
      })
      const id = `${commandId}-0`
      yield* execute({ _tag: "AddKey", keyUuid: "key-1" }, { commandId: id, receipt: { id, fingerprint: id } })
      const data = { lockId, keys: [{ keyUuid: "key-1" }, { keyUuid: "key-2" }] }
      const type = "BulkAddKeysRequested"
      const request = { eventId: `${commandId}-1`, type, data, at: 0, orgId: "", principal, commandId }
      yield* append(store, `bulk-${commandId}`, 0, [request])

      const { progress } = Context.get(yield* latchkey(), BulkAddKeys)
      expect(yield* eventually(progress(operator, lockId, commandId), isDone)).toMatchObject({
        added: 1,
        failed: [{ keyUuid: "key-2", reason: expect.stringContaining("given up") }]
      })
      expect(yield* log).toEqual(["LockCreated", "KeyAdded"])
    })
)

describe("two processes at the same request", () => {
  it.live("add every key once", () =>
    Effect.gen(function* () {
      const { start, latchkey, done, log, store } = yield* makeBulk
      const rest = Array.from({ length: 19 }, (_, n) => `key-${n + 2}`)
      const instance = yield* start(bulk(keys("key-1", ...rest)))
      yield* latchkey()
      yield* latchkey()
      expect(yield* done(instance)).toMatchObject({ added: 20, failed: [] })
      expect(yield* log).toHaveLength(21)
      expect(yield* store.read(`bulk-${instance}`, 0, 100)).toHaveLength(21)
    })
  )
})

describe("a store that fails for a moment", () => {
  it.live("does not stop the request", () =>
    Effect.gen(function* () {
      const { ports, store, latchkey, process } = yield* makeWorld
      yield* (yield* process())(create)
      let failures = 2
      const flaky = EventStore.of({
        ...store,
        write: (batch) =>
          batch.append?.some(({ streamId, expectedVersion }) => streamId.startsWith("bulk-") && expectedVersion > 0) &&
          failures-- > 0
            ? Effect.fail(new StoreUnavailable({ message: "down for a moment" }))
            : store.write(batch)
      })
      const { start, progress } = Context.get(yield* latchkey(Context.add(ports, EventStore, flaky)), BulkAddKeys)
      const instance = yield* start(bulk(keys("key-1", "key-2")))
      expect(yield* eventually(progress(operator, lockId, instance), isDone)).toMatchObject({ added: 2, failed: [] })
    })
  )
})
