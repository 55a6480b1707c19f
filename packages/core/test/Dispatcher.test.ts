/** Deliveries as a receiver sees them: in order per lock, none lacking, whatever it answers and whoever stops on the way. */
import { describe, expect, it } from "@effect/vitest"
import { Context, Effect, Exit, Latch, Layer, Logger, Option, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import { layer, workers } from "../src/latchkey/Latchkey.ts"
import { Locks } from "../src/locks/Locks.ts"
import { cursorOf } from "../src/partners/Cursor.ts"
import { Deliver, type Parcel } from "../src/partners/Deliver.ts"
import { type Answered, MOST_HELD } from "../src/partners/Delivery.ts"
import { Dispatcher } from "../src/partners/Dispatcher.ts"
import { Webhooks } from "../src/partners/Webhooks.ts"
import { EventStore } from "../src/streams/EventStore.ts"
import { Feed } from "../src/streams/Feed.ts"
import { operator } from "./scenario.ts"
import { makeWorld } from "./world.ts"

interface Delivered {
  readonly id: string
  readonly url: string
  readonly lockId: number
  readonly version: number
  readonly at: number
  readonly bytes: number
}

const ok: Answered = { status: 200, response: "", durationMs: 1 }

const setUp = Effect.gen(function* () {
  const world = yield* makeWorld
  const sent: Array<Delivered> = []
  const delivered: Array<Delivered> = []
  const receiver = { answer: (_: Delivered): Effect.Effect<Answered> => Effect.succeed(ok) }
  const deliver = Layer.succeed(Deliver, {
    flawOf: () => undefined,
    secretOf: () => "secret",
    send: Effect.fnUntraced(function* ({ webhook: { url }, id, body, at }: Parcel) {
      const { detail } = JSON.parse(body)
      if (detail === undefined) return ok
      const one = { id, url, lockId: detail.data.lockId ?? 0, version: detail.version, at, bytes: body.length }
      sent.push(one)
      const answered = yield* receiver.answer(one)
      if (answered.status === 200) delivered.push(one)
      return answered
    })
  })
  let commands = 0
  /** A server over these ports, until it is stopped. */
  const serverOver = Effect.fnUntraced(function* (ports: typeof world.ports) {
    const scope = yield* Scope.make()
    yield* Effect.addFinalizer(() => Scope.close(scope, Exit.void))
    const everything = Dispatcher.layer.pipe(
      Layer.provideMerge(Webhooks.layer),
      Layer.provide(deliver),
      Layer.provideMerge(Layer.provideMerge(workers, layer()))
    )
    const services = yield* Layer.build(Layer.fresh(everything)).pipe(Scope.provide(scope), Effect.provide(ports))
    const { execute } = Context.get(services, Locks)
    const command = (lockId: number, request: object) =>
      execute({
        ...request,
        lockId,
        commandId: `command-${++commands}`,
        at: 1_000 + commands,
        principal: operator
      } as Parameters<typeof execute>[0])
    return {
      webhooks: Context.get(services, Webhooks),
      /** How far its deliveries are, as `/ready` tells. */
      position: () =>
        Context.get(services, Feed)
          .consumers()
          .find(({ name }) => name === "Partner deliveries")?.position,
      command,
      create: (lockId: number) =>
        Effect.andThen(
          command(lockId, {
            _tag: "CreateLock",
            index: 1,
            uuid: `0b0e8400-e29b-41d4-a716-${String(lockId).padStart(12, "0")}`
          }),
          command(lockId, { _tag: "SetOrganization", orgId: "org-1" })
        ),
      stop: Scope.close(scope, Exit.void)
    }
  })
  const by = () => ({ commandId: `asked-${++commands}`, at: 1_000 + commands, principal: operator })
  const pass = (seconds: number) =>
    Effect.forEach(Array.from({ length: seconds * 2 }), () => TestClock.adjust("500 millis"), { discard: true })
  const versions = (lockId: number) => delivered.filter((one) => one.lockId === lockId).map(({ version }) => version)
  return { ...world, sent, delivered, receiver, server: serverOver(world.ports), serverOver, by, pass, versions }
})

const upTo = (version: number) => Array.from({ length: version - 1 }, (_, n) => n + 2)
const create = { url: "https://partner.example/" }

describe("a receiver that fails at random", () => {
  it.effect.each([1, 2, 3, 4, 5, 6])("gets everything, in order per lock, with the same ids: seed %i", (seed) =>
    Effect.gen(function* () {
      const { server, receiver, by, pass, sent, versions } = yield* setUp
      let state = seed * 7_919
      const random = () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647
      receiver.answer = () =>
        Effect.andThen(
          Effect.sleep(Math.floor(random() * 400)),
          Effect.sync(() => (random() < 0.3 ? { ...ok, status: random() < 0.5 ? 500 : 301 } : ok))
        )
      const { webhooks, command, create: createLock } = yield* server
      yield* webhooks.create("org-1", create, by())
      for (const lockId of [1, 2, 3]) yield* createLock(lockId)
      for (let n = 0; n < 60; n++) {
        yield* command((n % 3) + 1, { _tag: "SetOwner", userId: `user-${n}` })
        if (n % 10 === 0) yield* pass(1)
      }
      for (let hours = 0; hours < 300 && [1, 2, 3].some((lockId) => versions(lockId).length < 21); hours++) {
        yield* TestClock.adjust("30 minutes")
      }
      for (const lockId of [1, 2, 3]) expect(versions(lockId)).toEqual(upTo(22))
      expect(new Map(sent.map(({ id, lockId, version }) => [id, `${lockId} ${version}`])).size).toBe(63)
    }).pipe(Effect.scoped)
  )
})

it.effect("a failing event holds up its own lock alone, until it is delivered", () =>
  Effect.gen(function* () {
    const { server, receiver, by, pass, versions } = yield* setUp
    receiver.answer = ({ lockId, version }) =>
      Effect.succeed(lockId === 1 && version === 3 ? { ...ok, status: 500 } : ok)
    const { webhooks, command, create: createLock } = yield* server
    yield* webhooks.create("org-1", create, by())
    for (const lockId of [1, 2]) yield* createLock(lockId)
    for (let n = 0; n < 30; n++) {
      for (const lockId of [1, 2]) yield* command(lockId, { _tag: "SetOwner", userId: `user-${n}` })
    }
    yield* pass(20)
    expect(versions(2)).toEqual(upTo(32))
    expect(versions(1)).toEqual([2])
    receiver.answer = () => Effect.succeed(ok)
    yield* TestClock.adjust("7 minutes")
    expect(versions(1)).toEqual(upTo(32))
  }).pipe(Effect.scoped)
)

it.effect("a refused event is given up, and the next of its lock follows", () =>
  Effect.gen(function* () {
    const { server, receiver, by, pass, versions } = yield* setUp
    receiver.answer = ({ version }) => Effect.succeed(version === 3 ? { ...ok, status: 400 } : ok)
    const { webhooks, command, create: createLock } = yield* server
    const { shown } = yield* webhooks.create("org-1", create, by())
    yield* createLock(1)
    for (let n = 0; n < 3; n++) yield* command(1, { _tag: "SetOwner", userId: `user-${n}` })
    yield* pass(3)
    expect(versions(1)).toEqual([2, 4, 5])
    const given = yield* webhooks.deliveries("org-1", shown.webhook.id, "given-up", undefined)
    expect(given.map(({ lockId, attempt, status }) => [lockId, attempt, status])).toEqual([[1, 1, 400]])
    yield* webhooks.dismiss("org-1", shown.webhook.id, given[0]?.eventId ?? "")
    expect(yield* webhooks.deliveries("org-1", shown.webhook.id, "given-up", undefined)).toEqual([])
  }).pipe(Effect.scoped)
)

it.effect("a receiver that is down is tried seldom, and gets everything when it is back", () =>
  Effect.gen(function* () {
    const { server, receiver, by, pass, versions, sent } = yield* setUp
    const { webhooks, command, create: createLock } = yield* server
    yield* webhooks.create("org-1", create, by())
    yield* pass(5)
    receiver.answer = () => Effect.succeed({ error: "refused", response: "", durationMs: 1 })
    for (let lockId = 1; lockId <= 40; lockId++) yield* createLock(lockId)
    yield* TestClock.adjust("2 hours")
    expect(sent.length).toBeLessThan(25)
    const [waiting] = yield* webhooks.list("org-1")
    expect(waiting).toMatchObject({ reason: expect.stringContaining("Waiting"), webhook: { status: "active" } })
    for (let lockId = 1; lockId <= 40; lockId++) yield* command(lockId, { _tag: "SetOwner", userId: "ada" })
    receiver.answer = () => Effect.succeed(ok)
    yield* TestClock.adjust("31 minutes")
    for (let lockId = 1; lockId <= 40; lockId++) expect(versions(lockId)).toEqual([2, 3])
    expect((yield* webhooks.list("org-1"))[0]).toMatchObject({ lag: 0, reason: undefined })
  }).pipe(Effect.scoped)
)

it.effect(
  "a receiver that was down is tried when the webhook's pause is over, whatever its events' own pauses are",
  () =>
    Effect.gen(function* () {
      const { server, receiver, by, pass, store, sent, versions } = yield* setUp
      const first = yield* server
      const { shown } = yield* first.webhooks.create("org-1", create, by())
      yield* pass(3)
      receiver.answer = () => Effect.succeed({ ...ok, status: 500 })
      yield* first.create(1)
      yield* pass(1)
      yield* first.stop
      const key = `delivery/${shown.webhook.id}`
      const { live, ...rest } = JSON.parse(Option.getOrThrow(yield* store.record(key)))
      const [[streamId, version, , , since]] = live.held
      const inAWeek = { ...live, held: [[streamId, version, 5, 7 * 24 * 3_600_000, since]] }
      const waiting = { ...rest, live: inAWeek, failedInRow: 5, waitUntil: 20_000 }
      yield* store.write({ put: [{ key, value: JSON.stringify(waiting) }] })
      yield* server
      yield* pass(10)
      expect(sent).toHaveLength(1)
      yield* pass(10)
      expect(sent).toHaveLength(2)
      receiver.answer = () => Effect.succeed(ok)
      yield* pass(15)
      expect(versions(1)).toEqual([2])
    }).pipe(Effect.scoped)
)

it.effect("a receiver that is back, and takes four at once, is asked for more now and then alone", () =>
  Effect.gen(function* () {
    const { server, receiver, by, pass, versions } = yield* setUp
    const { webhooks, command, create: createLock } = yield* server
    yield* webhooks.create("org-1", create, by())
    yield* pass(5)
    receiver.answer = () => Effect.succeed({ error: "refused", response: "", durationMs: 1 })
    const locks = Array.from({ length: 40 }, (_, n) => n + 1)
    for (const lockId of locks) yield* createLock(lockId)
    for (let n = 0; n < 9; n++)
      for (const lockId of locks) yield* command(lockId, { _tag: "SetOwner", userId: `user-${n}` })
    yield* TestClock.adjust("1 hour")
    const atOnce: Array<number> = []
    let [now, tooMany] = [0, 0]
    receiver.answer = () =>
      Effect.acquireUseRelease(
        Effect.sync(() => void atOnce.push(++now)),
        () => {
          if (now <= 4) return Effect.as(Effect.sleep("100 millis"), ok)
          tooMany++
          return Effect.succeed({ ...ok, status: 503 })
        },
        () => Effect.sync(() => void now--)
      )
    for (let n = 0; n < 90; n++) yield* TestClock.adjust("10 seconds")
    for (const lockId of locks) expect(versions(lockId)).toEqual(upTo(11))
    expect(atOnce.slice(0, 4)).toEqual([1, 1, 1, 1])
    expect(Math.max(...atOnce)).toBeLessThanOrEqual(6)
    expect(tooMany).toBeLessThan(12)
  }).pipe(Effect.scoped)
)

it.effect(
  "of several servers one delivers; stopped in the middle, the next goes on, and nothing is lost or out of order",
  () =>
    Effect.gen(function* () {
      const { server, receiver, by, pass, delivered, sent } = yield* setUp
      const first = yield* server
      yield* first.webhooks.create("org-1", create, by())
      for (const lockId of [1, 2, 3, 4]) yield* first.create(lockId)
      yield* pass(3)
      receiver.answer = () => Effect.as(Effect.sleep("300 millis"), ok)
      let running = first
      for (let n = 0; n < 12; n++) {
        const next = yield* server
        for (let k = 0; k < 12; k++) yield* next.command((k % 4) + 1, { _tag: "SetOwner", userId: `user-${n}-${k}` })
        yield* pass(1)
        yield* running.stop
        running = next
        yield* pass(2)
      }
      yield* pass(40)
      for (const lockId of [1, 2, 3, 4]) {
        const versions = delivered.filter((one) => one.lockId === lockId).map(({ version }) => version)
        expect([...new Set(versions)]).toEqual(upTo(38))
        // What was under way is sent once more, and nothing that came before it.
        for (const [index, version] of versions.entries()) {
          expect(version).toBeGreaterThanOrEqual(Math.max(0, ...versions.slice(0, index)))
        }
      }
      expect(new Set(sent.map(({ id }) => id)).size).toBe(4 * 37)
    }).pipe(Effect.scoped)
)

it.effect("a server that reaches the store no more sends nothing once its lease may be another's", () =>
  Effect.gen(function* () {
    const { server, serverOver, ports, store, by, pass, sent } = yield* setUp
    const reaches = Latch.makeUnsafe(true)
    const held = EventStore.of({ ...store, write: (batch) => Effect.andThen(reaches.await, store.write(batch)) })
    const first = yield* serverOver(Context.add(ports, EventStore, held))
    yield* first.webhooks.create("org-1", create, by())
    yield* first.create(1)
    yield* pass(3)
    const second = yield* server
    yield* reaches.close
    yield* pass(6.5)
    yield* second.command(1, { _tag: "SetOwner", userId: "ada" })
    yield* pass(0.5)
    const before = sent.map(({ version }) => version)
    yield* pass(10)
    yield* reaches.open
    yield* pass(10)
    expect([before, sent.map(({ version }) => version)]).toEqual([[2], [2, 3]])
  }).pipe(Effect.scoped)
)

it.effect("what is replayed is not sent either, when the store answers after the lease may be another's", () =>
  Effect.gen(function* () {
    const { server, serverOver, ports, store, by, pass, sent } = yield* setUp
    const [reaches, reads] = [Latch.makeUnsafe(true), Latch.makeUnsafe(true)]
    const held = EventStore.of({
      ...store,
      write: (batch) => Effect.andThen(reaches.await, store.write(batch)),
      record: (key) =>
        key.startsWith("given-up/") ? Effect.andThen(reads.await, store.record(key)) : store.record(key)
    })
    const first = yield* serverOver(Context.add(ports, EventStore, held))
    const { shown } = yield* first.webhooks.create("org-1", create, by())
    yield* first.create(1)
    yield* pass(3)
    yield* server
    yield* reads.close
    yield* first.webhooks.replay("org-1", shown.webhook.id, { after: cursorOf("org-1", 0) }, by())
    yield* pass(1)
    yield* reaches.close
    yield* pass(6.5)
    yield* reads.open
    yield* pass(0.5)
    const before = sent.map(({ version }) => version)
    yield* pass(10)
    yield* reaches.open
    yield* pass(10)
    expect([before, sent.map(({ version }) => version)]).toEqual([[2], [2, 2]])
  }).pipe(Effect.scoped)
)

it.effect("a webhook that another server deletes is told nothing more, and nobody is warned of it", () =>
  Effect.gen(function* () {
    const { server, serverOver, ports, store, receiver, by, pass, sent } = yield* setUp
    const lines: Array<unknown> = []
    const logger = Logger.make(({ message }) => lines.push(message))
    // It hears of what others write once a second.
    const behind = EventStore.of({ ...store, changes: Stream.never })
    const first = yield* Effect.provide(serverOver(Context.add(ports, EventStore, behind)), Logger.layer([logger]))
    const second = yield* server
    const { shown } = yield* first.webhooks.create("org-1", create, by())
    yield* first.create(1)
    yield* pass(3)
    const answers = Latch.makeUnsafe(false)
    receiver.answer = () => Effect.as(answers.await, ok)
    yield* first.command(1, { _tag: "SetOwner", userId: "ada" })
    yield* pass(3)
    yield* second.webhooks.remove("org-1", shown.webhook.id, by())
    yield* answers.open
    yield* pass(10)
    expect(sent.map(({ version }) => version)).toEqual([2, 3])
    expect(lines).toEqual([])
    expect(yield* store.record(`delivery/${shown.webhook.id}`)).toEqual(Option.none())
  }).pipe(Effect.scoped)
)

it.effect("the locks that may wait are bounded: then the cursor waits, and all come in the end", () =>
  Effect.gen(function* () {
    const { server, receiver, by, pass, store, sent, delivered } = yield* setUp
    const { webhooks } = yield* server
    const { shown } = yield* webhooks.create("org-1", create, by())
    yield* pass(3)
    let isUp = false
    // One succeeds now and then, so that new ones are tried.
    let count = 0
    receiver.answer = () => Effect.sync(() => (isUp || ++count % 4 === 0 ? ok : { ...ok, status: 500 }))
    const MANY = MOST_HELD * 1.5
    for (let lockId = 1; lockId <= MANY; lockId++) {
      const event = {
        eventId: `event-${lockId}`,
        type: "OwnerSet",
        data: { lockId, uuid: "u", timestamp: "2026-08-31T09:00:00Z", userId: "ada" },
        at: 1,
        orgId: "org-1",
        principal: operator,
        commandId: `event-${lockId}`
      }
      yield* store.write({ append: [{ streamId: `lock-${lockId}`, expectedVersion: 0, events: [event] }] })
    }
    yield* TestClock.adjust("4 seconds")
    const record = yield* store.record(`delivery/${shown.webhook.id}`)
    expect(JSON.stringify(record).length).toBeLessThan(200_000)
    expect(sent.length).toBeLessThan(MANY)
    isUp = true
    yield* pass(10)
    expect(new Set(delivered.map(({ id }) => id)).size).toBe(MANY)
  }).pipe(Effect.scoped)
)

it.effect("how far deliveries are is told: what is on its way, and not what a receiver keeps waiting", () =>
  Effect.gen(function* () {
    const { server, receiver, by, pass, store } = yield* setUp
    const { webhooks, command, create: createLock, position } = yield* server
    yield* webhooks.create("org-1", create, by())
    yield* createLock(1)
    yield* pass(3)
    expect(position()).toBe(Number.POSITIVE_INFINITY)
    receiver.answer = () => Effect.as(Effect.sleep("10 seconds"), { ...ok, status: 500 })
    const before = yield* store.head
    for (const userId of ["ada", "eve"]) yield* command(1, { _tag: "SetOwner", userId })
    yield* pass(3)
    expect(position()).toBe(before)
    yield* pass(10)
    expect(position()).toBe(Number.POSITIVE_INFINITY)
  }).pipe(Effect.scoped)
)

it.effect("an event that comes while its stream is read once more is delivered too", () =>
  Effect.gen(function* () {
    const { serverOver, ports, store, receiver, by, pass, versions } = yield* setUp
    const read = { isHeld: false, hasBegun: false, goesOn: Latch.makeUnsafe(false) }
    const slow = EventStore.of({
      ...store,
      read: (streamId, after, limit) =>
        Effect.tap(store.read(streamId, after, limit), () => {
          if (!read.isHeld || streamId !== "lock-1") return Effect.void
          read.isHeld = false
          read.hasBegun = true
          return read.goesOn.await
        })
    })
    const { webhooks, command, create: createLock } = yield* serverOver(Context.add(ports, EventStore, slow))
    yield* webhooks.create("org-1", create, by())
    receiver.answer = () => Effect.succeed({ ...ok, status: 500 })
    yield* createLock(1)
    yield* pass(2)
    receiver.answer = () => Effect.succeed(ok)
    read.isHeld = true
    yield* pass(6)
    expect(read.hasBegun).toBe(true)
    yield* command(1, { _tag: "SetOwner", userId: "ada" })
    yield* pass(2)
    yield* read.goesOn.open
    yield* pass(10)
    expect(versions(1)).toEqual([2, 3])
  }).pipe(Effect.scoped)
)

it.effect("what is answered in turns that follow each other is written down together", () =>
  Effect.gen(function* () {
    const { serverOver, ports, store, receiver, by, pass, sent, delivered } = yield* setUp
    let [writes, asked] = [0, 0]
    const counting: EventStore["Service"] = {
      ...store,
      write: (batch) => {
        if (batch.put?.some(({ key }) => key.startsWith("delivery/")) === true) writes++
        return store.write(batch)
      }
    }
    const { webhooks, command, create: createLock } = yield* serverOver(Context.add(ports, EventStore, counting))
    yield* webhooks.create("org-1", create, by())
    const locks = Array.from({ length: 16 }, (_, n) => n + 1)
    for (const lockId of locks) yield* createLock(lockId)
    yield* pass(20)
    // From now on as many are under way as may be, and of each four that are sent together one is answered a turn.
    receiver.answer = () => {
      const turns = asked++ % 4
      return Effect.as(
        Effect.forEach(Array.from({ length: turns }), () => Effect.yieldNow, { discard: true }),
        ok
      )
    }
    const [before, writesBefore] = [delivered.length, writes]
    for (let n = 0; n < 10; n++) {
      for (const lockId of locks) yield* command(lockId, { _tag: "SetOwner", userId: `user-${n}` })
    }
    yield* pass(10)
    expect(delivered).toHaveLength(before + 160)
    expect(new Set(sent).size).toBe(delivered.length)
    expect((delivered.length - before) / (writes - writesBefore)).toBeGreaterThan(4)
  }).pipe(Effect.scoped)
)

const LARGE = 400_000
/** The first event of a lock, of so many bytes and a few. */
const largeEventOf = (lockId: number) => {
  const event = {
    eventId: `event-${lockId}`,
    type: "OwnerSet",
    data: { lockId, uuid: "u", timestamp: "2026-08-31T09:00:00Z", userId: "x".repeat(LARGE) },
    at: 1,
    orgId: "org-1",
    principal: operator,
    commandId: `event-${lockId}`
  }
  return { append: [{ streamId: `lock-${lockId}`, expectedVersion: 0, events: [event] }] }
}

it.effect("bodies under way are so many bytes at most, and a webhook's only one waits for nobody", () =>
  Effect.gen(function* () {
    const { server, receiver, by, pass, store, sent, delivered } = yield* setUp
    const { webhooks } = yield* server
    const MB = 1024 * 1024
    const made = (_: unknown, n: number) => webhooks.create("org-1", { url: `https://partner.example/${n}` }, by())
    yield* Effect.all([Effect.forEach(Array.from({ length: 6 }), made), pass(3)], { concurrency: 2 })
    let [bytes, most, mostOfOne] = [0, 0, 0]
    const ofUrl = new Map<string, number>()
    const count = ({ url, bytes: size }: Delivered, sign: 1 | -1) => {
      bytes += sign * size
      ofUrl.set(url, (ofUrl.get(url) ?? 0) + sign * size)
      most = Math.max(most, bytes)
      mostOfOne = Math.max(mostOfOne, ...ofUrl.values())
    }
    receiver.answer = (one) =>
      Effect.acquireUseRelease(
        Effect.sync(() => count(one, 1)),
        () => Effect.as(Effect.sleep("1 second"), ok),
        () => Effect.sync(() => count(one, -1))
      )
    for (let lockId = 1; lockId <= 40; lockId++) yield* store.write(largeEventOf(lockId))
    yield* pass(3)
    expect(new Set(sent.map(({ url }) => url)).size).toBe(6)
    yield* pass(120)
    expect(delivered).toHaveLength(6 * 40)
    // Beside the room there is, one of each webhook.
    expect(mostOfOne).toBeLessThan(MB + LARGE + 1_000)
    expect(mostOfOne).toBeGreaterThan(LARGE * 2)
    expect(most).toBeLessThan(4 * MB + 6 * (LARGE + 1_000))
  }).pipe(Effect.scoped)
)

it.effect("a webhook that finds no room looks again: it does not wait for its own slow receiver", () =>
  Effect.gen(function* () {
    const { server, receiver, by, pass, store, sent } = yield* setUp
    const { webhooks, create: createLock } = yield* server
    const urlOf = (n: number) => `https://partner.example/${n}`
    const made = (_: unknown, n: number) => webhooks.create("org-1", { url: urlOf(n) }, by())
    yield* Effect.all([Effect.forEach(Array.from({ length: 6 }), made), pass(3)], { concurrency: 2 })
    // Their receivers take several at once.
    for (const lockId of [101, 102, 103, 104]) yield* createLock(lockId)
    yield* pass(3)
    receiver.answer = ({ url }) => Effect.as(Effect.sleep(url === urlOf(5) ? "1 minute" : "5 seconds"), ok)
    sent.length = 0
    for (const lockId of [1, 2]) yield* store.write(largeEventOf(lockId))
    const toSlow = () => sent.filter(({ url }) => url === urlOf(5)).length
    yield* pass(3)
    const first = toSlow()
    yield* pass(5)
    expect([first, toSlow()]).toEqual([1, 2])
  }).pipe(Effect.scoped)
)

it.effect("tests of an organization wait for each other, four at once", () =>
  Effect.gen(function* () {
    const { server, receiver, by, pass } = yield* setUp
    const { webhooks } = yield* server
    const { shown } = yield* webhooks.create("org-1", create, by())
    yield* pass(3)
    let [now, most] = [0, 0]
    receiver.answer = () =>
      Effect.acquireUseRelease(
        Effect.sync(() => void (most = Math.max(most, ++now))),
        () => Effect.as(Effect.sleep("10 seconds"), ok),
        () => Effect.sync(() => void now--)
      )
    const test = () => webhooks.test("org-1", shown.webhook.id, by())
    const tests = Effect.forEach(Array.from({ length: 10 }), test, { concurrency: "unbounded" })
    const [answers] = yield* Effect.all([tests, pass(40)], { concurrency: 2 })
    expect([answers.filter(({ delivered }) => delivered).length, most]).toEqual([10, 4])
  }).pipe(Effect.scoped)
)

it.effect("receivers that hang take no room from the others of their organization", () =>
  Effect.gen(function* () {
    const { server, receiver, by, pass, delivered } = yield* setUp
    const { webhooks, command, create: createLock } = yield* server
    const [hangs, answers] = ["https://hangs.example/", "https://answers.example/"]
    // Time passes beside it: one that is made while another is verified is tried again a moment later.
    const make = (_: unknown, n: number) => webhooks.create("org-1", { url: n < 18 ? hangs : answers }, by())
    yield* Effect.all([Effect.forEach(Array.from({ length: 20 }), make), pass(3)], { concurrency: 2 })
    for (let lockId = 1; lockId <= 40; lockId++) yield* createLock(lockId)
    yield* pass(3)
    expect(delivered).toHaveLength(20 * 40)
    const hanging = { error: "No answer within 15 seconds", response: "", durationMs: 15_000 }
    receiver.answer = ({ url }) => (url === hangs ? Effect.as(Effect.sleep("15 seconds"), hanging) : Effect.succeed(ok))
    for (let lockId = 1; lockId <= 40; lockId++) yield* command(lockId, { _tag: "SetOwner", userId: "ada" })
    yield* pass(2)
    expect(delivered.filter(({ url, version }) => url === answers && version === 3)).toHaveLength(2 * 40)
  }).pipe(Effect.scoped)
)

it.effect.each([
  ["410", { ...ok, status: 410 }],
  ["that it is to be left alone for a day", { ...ok, status: 429, retryAfter: 86_400_000 }],
  ["404", { ...ok, status: 404 }],
  ["500", { ...ok, status: 500 }]
] as const)("a webhook that has moved meanwhile does not heed that its former address answers %s", ([, answer]) =>
  Effect.gen(function* () {
    const { server, receiver, by, pass, delivered } = yield* setUp
    const { webhooks, create: createLock } = yield* server
    const { shown } = yield* webhooks.create("org-1", create, by())
    yield* pass(3)
    const { id } = shown.webhook
    const moved = "https://moved.example/"
    receiver.answer = ({ url }) => (url === moved ? Effect.succeed(ok) : Effect.as(Effect.sleep("10 seconds"), answer))
    yield* createLock(1)
    yield* pass(2)
    yield* webhooks.change("org-1", id, { url: moved }, by())
    yield* pass(12)
    expect(delivered.map(({ url, version }) => [url, version])).toEqual([[moved, 2]])
    expect(yield* webhooks.get("org-1", id)).toMatchObject({ webhook: { status: "active" }, reason: undefined, lag: 0 })
    expect(yield* webhooks.deliveries("org-1", id, "given-up", undefined)).toEqual([])
  }).pipe(Effect.scoped)
)

it.effect.each(["retry", "dismiss"] as const)(
  "of an event with which a lock left, given up when it was read once more, %s clears the list",
  (what) =>
    Effect.gen(function* () {
      const { server, receiver, by, pass } = yield* setUp
      const { webhooks, command, create: createLock } = yield* server
      const { shown } = yield* webhooks.create("org-1", create, by())
      const { id } = shown.webhook
      receiver.answer = () => Effect.succeed({ ...ok, status: 500 })
      yield* createLock(1)
      yield* pass(2)
      yield* command(1, { _tag: "SetOrganization", orgId: "org-2" })
      receiver.answer = ({ version }) => Effect.succeed(version === 3 ? { ...ok, status: 400 } : ok)
      yield* pass(10)
      const given = yield* webhooks.deliveries("org-1", id, "given-up", undefined)
      expect(given.map(({ type, lockId }) => [type, lockId])).toEqual([["OrganizationSet", 1]])
      receiver.answer = () => Effect.succeed(ok)
      yield* webhooks[what]("org-1", id, given[0]?.eventId ?? "", by())
      yield* pass(3)
      expect(yield* webhooks.deliveries("org-1", id, "given-up", undefined)).toEqual([])
    }).pipe(Effect.scoped)
)

it.effect("a replay that would end in the future is refused, and it is said which cursor is wrong", () =>
  Effect.gen(function* () {
    const { server, by } = yield* setUp
    const { webhooks } = yield* server
    const { shown } = yield* webhooks.create("org-1", create, by())
    const range = { after: cursorOf("org-1", 0), until: cursorOf("org-1", 1_000) }
    const refused = yield* Effect.flip(webhooks.replay("org-1", shown.webhook.id, range, by()))
    expect(refused).toMatchObject({ _tag: "InvalidCursor", field: "until" })
  }).pipe(Effect.scoped)
)
