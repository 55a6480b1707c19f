/** Latchkey for backends that do not use Effect. */
import { describe, expect, it } from "@effect/vitest"
import { MemoryDeviceShadow, MemoryEventStore, MemoryPresence, MemoryReadModel } from "@latchkey/core/testing"
import { Context, Deferred, Effect, Layer } from "effect"
import { DeviceShadow } from "../src/device/DeviceShadow.ts"
import type { Presence } from "../src/device/Presence.ts"
import { createLatchkey } from "../src/latchkey/createLatchkey.ts"
import type { CommandInput, ErrorStyle } from "../src/latchkey/Embedded.ts"
import type { ReadModel } from "../src/read-model/ReadModel.ts"
import { EventStore } from "../src/streams/EventStore.ts"
import { clock, lockId, lockUuid, millis, operator } from "./scenario.ts"

const store = Layer.mergeAll(MemoryEventStore.layer, MemoryReadModel.layer, MemoryPresence.layer)
const shadow = MemoryDeviceShadow.layer
const inMemory = <Style extends ErrorStyle = "throw">(errors?: Style) =>
  createLatchkey({
    store: Layer.fresh(store),
    shadow: Layer.fresh(shadow),
    ...(errors === undefined ? {} : { errors })
  })

const context = { lockId, commandId: "command-1", at: millis("09:00"), principal: operator } as const
const create: CommandInput = { ...context, _tag: "CreateLock", index: 1, uuid: lockUuid, ownerId: "ada" }
const open: CommandInput = { ...context, commandId: "command-2", _tag: "OpenLock" }

describe("with errors thrown", () => {
  it("answers with what was done", async () => {
    await using latchkey = await inMemory()
    expect(await latchkey.execute(create)).toMatchObject({
      lockId,
      version: 1,
      events: [{ _tag: "LockCreated", keys: [] }]
    })
    expect(await latchkey.execute(open)).toMatchObject({ version: 2, events: [{ _tag: "LockOpenRequested" }] })
  })

  it("rejects with the typed refusal", async () => {
    await using latchkey = await inMemory()
    await expect(latchkey.execute(open)).rejects.toMatchObject({ _tag: "LockNotFound", lockId })
    await expect(latchkey.lock(operator, lockId)).rejects.toMatchObject({ _tag: "LockNotFound" })
  })

  it("rejects a command that is none, and says which field is wrong", async () => {
    await using latchkey = await inMemory("throw")
    const invalid = { _tag: "InvalidCommand" }
    await expect(latchkey.execute({ ...create, index: 0 })).rejects.toMatchObject({
      ...invalid,
      message: expect.stringContaining("index")
    })
    await expect(latchkey.execute({ ...open, lockId: 0 })).rejects.toMatchObject({
      ...invalid,
      message: expect.stringContaining("lockId")
    })
    await expect(latchkey.execute({ ...open, at: Number.NaN })).rejects.toMatchObject(invalid)
    await expect(latchkey.execute(JSON.parse("null"))).rejects.toMatchObject(invalid)
    await expect(latchkey.execute(JSON.parse('{ "_tag": "PaintLock" }'))).rejects.toMatchObject(invalid)
    await expect(latchkey.bulkAddKeys(open)).rejects.toMatchObject(invalid)
    await expect(
      latchkey.bulkAddKeys({ ...context, commandId: "not-version-7", _tag: "BulkAddKeys", keys: [{ keyUuid: "1" }] })
    ).rejects.toMatchObject(invalid)
    await expect(latchkey.lock(JSON.parse("null"), lockId)).rejects.toMatchObject(invalid)
    await expect(latchkey.lock(operator, JSON.parse('"x"'))).rejects.toMatchObject(invalid)
    await expect(latchkey.history(operator, lockId, { page: 0 })).rejects.toMatchObject(invalid)
    await expect(latchkey.history(operator, lockId, { limit: Number.POSITIVE_INFINITY })).rejects.toMatchObject(invalid)
    await expect(latchkey.execute({ ...open, _tag: "BulkAddKeys", keys: [{ keyUuid: "1" }] })).rejects.toMatchObject(
      invalid
    )
  })
})

describe("what a command says and nobody understands", () => {
  const window = { validFrom: clock("09:00"), validUntil: clock("17:00") }
  const misspelt = {
    "a temp key": { _tag: "CreateTempKey", tempKeyUuid: lockUuid, accessMode: "public", ...window, max_uses: 1 },
    "its schedule": {
      _tag: "CreateTempKey",
      tempKeyUuid: lockUuid,
      accessMode: "public",
      ...window,
      schedule: { timeZone: "UTC", windows: [{ days: ["monday"], from: "09:00", to: "11:00", max_uses: 1 }] }
    },
    "the keys of a lock": { _tag: "CreateLock", index: 1, uuid: lockUuid, keys: [{ uuid: "a", max_uses: 1 }] },
    "who asks": { _tag: "OpenLock", principal: { ...operator, max_uses: 1 } }
  }

  it.each(Object.entries(misspelt))("is refused of %s, as over HTTP", async (_, said) => {
    await using latchkey = await inMemory()
    await latchkey.execute(create)
    await expect(latchkey.execute(JSON.parse(JSON.stringify({ ...open, ...said })))).rejects.toMatchObject({
      _tag: "InvalidCommand",
      message: expect.stringMatching(/^Not known here\. Did you mean \w+\?\n {2}at .*max_uses$/)
    })
  })

  it("is refused of a key to several doors", async () => {
    await using latchkey = await inMemory()
    await latchkey.execute(create)
    const { lockId: _, ...by } = context
    const key = { ...by, uuid: lockUuid, ...window, doors: [{ lockId: String(lockId), accessmethod: "code" as const }] }
    await expect(latchkey.sharedKeys.create(key)).rejects.toMatchObject({
      message: "Not known here. Did you mean accessMethod?\n  at doors.0.accessmethod"
    })
  })

  it("is left aside where HTTP leaves it aside", async () => {
    await using latchkey = await inMemory()
    await latchkey.execute({ ...create, ...{ color: "red" } })
    expect(await latchkey.execute({ ...open, ...{ color: "red" } })).toMatchObject({ version: 2 })
  })
})

describe("with errors as values", () => {
  it("answers either way", async () => {
    await using latchkey = await inMemory("return")
    expect(await latchkey.execute(open)).toMatchObject({ ok: false, error: { _tag: "LockNotFound" } })
    expect(await latchkey.execute(create)).toMatchObject({ ok: true, value: { version: 1 } })
    expect(await latchkey.execute({ ...open, lockId: -1 })).toMatchObject({
      ok: false,
      error: { _tag: "InvalidCommand" }
    })
  })
})

describe("the questions", () => {
  it("are those of LockQueries", async () => {
    await using latchkey = await inMemory()
    await latchkey.execute(create)
    const tempKeyUuid = "7e3b0000-0000-4000-8000-00000000000a"
    const window = { validFrom: clock("09:00"), validUntil: clock("17:00") }
    await latchkey.execute({
      ...context,
      commandId: "2",
      _tag: "CreateTempKey",
      tempKeyUuid,
      accessMode: "public",
      ...window
    })

    const ada = { _tag: "User", userId: "ada" } as const
    expect(await latchkey.lock(ada, lockId)).toMatchObject({ uuid: lockUuid, ownerId: "ada", keys: [] })
    expect(Object.keys(await latchkey.lock(ada, lockId))).not.toContain("tempKeys")
    expect(await latchkey.tempKeys(ada, lockId, millis("09:00"))).toMatchObject([
      { uuid: tempKeyUuid, status: "valid" }
    ])
    expect(await latchkey.history(ada, lockId)).toMatchObject({
      totalEvents: 2,
      events: [{ wire: { type: "LockCreated" } }, {}]
    })
    expect(await latchkey.ownedLocks(ada, "ada")).toMatchObject({ locks: [{ lockId }], source: "memory" })
  })

  it("follow many keys on their way", async () => {
    await using latchkey = await inMemory()
    await latchkey.execute(create)
    const commandId = "01987654-3210-7000-8000-000000000001"
    const keys = [{ keyUuid: "key-1" }, { keyUuid: "key-2" }] as const
    expect(await latchkey.bulkAddKeys({ ...context, commandId, _tag: "BulkAddKeys", keys })).toBe(commandId)
    await expect
      .poll(() => latchkey.bulkProgress(operator, lockId, commandId))
      .toMatchObject({ status: "done", added: 2, failed: [] })
  })
})

describe("the end", () => {
  it("waits for what is under way, and then closes the adapters", async () => {
    const seen: Array<string> = []
    const [sending, answered] = [Deferred.makeUnsafe<void>(), Deferred.makeUnsafe<void>()]
    const slow = Layer.effect(
      DeviceShadow,
      Effect.gen(function* () {
        const inner = Context.get(yield* Layer.build(Layer.fresh(shadow)), DeviceShadow)
        yield* Effect.addFinalizer(() => Effect.sync(() => seen.push("closed")))
        return DeviceShadow.of({
          ...inner,
          send: (...args) =>
            Deferred.succeed(sending, undefined).pipe(
              Effect.andThen(Deferred.await(answered)),
              Effect.andThen(inner.send(...args))
            )
        })
      })
    )
    const latchkey = await createLatchkey({ store: Layer.fresh(store), shadow: slow })
    await latchkey.execute(create)
    const opening = latchkey.execute(open).then(({ version }) => seen.push(`version ${version}`))
    await Effect.runPromise(Deferred.await(sending))
    const ended = latchkey.dispose()
    // Turns enough for an end that waits for nothing.
    for (let turn = 0; turn < 100; turn++) await new Promise((resolve) => setImmediate(resolve))
    expect(seen).toEqual([])
    Deferred.doneUnsafe(answered, Effect.void)
    await Promise.all([opening, ended])
    expect(seen).toEqual(["version 2", "closed"])
  })

  it("comes also when an adapter cannot start: nothing is left open", async () => {
    const seen: Array<string> = []
    const opened = Layer.effectDiscard(
      Effect.acquireRelease(
        Effect.sync(() => seen.push("opened")),
        () => Effect.sync(() => seen.push("closed"))
      )
    )
    const broken = Layer.effect(DeviceShadow, Effect.fail(new Error("no such file")))
    const starting = createLatchkey({ store: Layer.provideMerge(store, opened), shadow: broken })
    await expect(starting).rejects.toThrow("no such file")
    expect(seen).toEqual(["opened", "closed"])
  })
})

describe("adapters", () => {
  it("are used as they are given", async () => {
    const kept = MemoryEventStore.layer
    const shared = Effect.runSync(Effect.scoped(Layer.build(kept)))
    const over = Layer.mergeAll(
      Layer.succeed(EventStore, Context.get(shared, EventStore)),
      MemoryReadModel.layer,
      MemoryPresence.layer
    )
    await using first = await createLatchkey({ store: over, shadow })
    await first.execute(create)
    await using second = await createLatchkey({ store: over, shadow })
    expect(await second.lock(operator, lockId)).toMatchObject({ ownerId: "ada" })
  })
})

describe("without workers", () => {
  const beside = async (workers: boolean, over: Layer.Layer<EventStore | ReadModel | Presence>) =>
    createLatchkey({ store: over, shadow: Layer.fresh(shadow), workers })

  it("carries out commands, and fills the read model for whoever asks", async () => {
    await using latchkey = await beside(false, Layer.fresh(store))
    await latchkey.execute(create)
    expect((await latchkey.ownedLocks(operator, "ada")).locks).toHaveLength(1)
    await latchkey.execute({ ...context, commandId: "command-3", _tag: "SetOwner", userId: "bob" })
    expect((await latchkey.ownedLocks(operator, "bob")).locks).toHaveLength(1)
  })

  it("leaves a request for many keys to a process that has some", async () => {
    const services = await Effect.runPromise(Effect.scoped(Layer.build(Layer.fresh(store))))
    const over = Layer.succeedContext(services)
    await using idle = await beside(false, over)
    await idle.execute(create)
    const at = Date.now()
    const commandId = at.toString(16).padStart(12, "0").replace(/.{4}$/, "-$&-7000-8000-000000000001")
    const request = { ...context, at, commandId, _tag: "BulkAddKeys", keys: [{ keyUuid: "a" }] } as const
    const instanceId = await idle.bulkAddKeys(request)
    await using working = await beside(true, over)
    const progress = () => working.bulkProgress(operator, lockId, instanceId)
    await expect.poll(progress, { timeout: 60_000 }).toMatchObject({ status: "done", added: 1 })
  })
})
