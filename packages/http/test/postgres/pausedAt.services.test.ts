/**
 * A server is stopped in the midst of one piece of work, just before one of its writes, and goes on when another has done it:
 * the store refuses what it then writes, and nothing happens twice.
 */
import { readFileSync } from "node:fs"
import { EventStore, lockOfStream, type StoredEvent, streamOfLock } from "@latchkey/core"
import { LocalShadow } from "@latchkey/local-shadow"
import { Postgres } from "@latchkey/postgres"
import { Effect, Layer } from "effect"
import { expect, it, vi } from "vitest"
import { DEVICE_EVENTS } from "../campaign/account.ts"
import { rejudge } from "../campaign/rejudge.ts"
import { superKey } from "../harness/callers.ts"
import { commandsHeld } from "../harness/dataFolder.ts"
import { lockAt, newLockId, newUuid } from "../harness/locks.ts"
import { newSchema } from "../harness/postgres.ts"
import { configured, type Environment, type Server, startServer, temporaryFolder } from "../harness/process.ts"
import { callsOf } from "../harness/request.ts"

const HOOK = new URL("../harness/stopAt.ts", import.meta.url).href
const PATIENCE = { timeout: 240_000, interval: 100 }
const SLOW = { timeout: 600_000 }

/** Waits until the system says that it is stopped. */
const isStopped = ({ pid }: Server) =>
  vi.waitUntil(() => /\) T /.test(readFileSync(`/proc/${pid}/stat`, "utf8")), PATIENCE)

const scene = () => {
  const folder = temporaryFolder()
  const schema = newSchema()
  const log = Postgres.layer(schema)
  const environment = { ...configured(folder.path), ...schema.environment, HOST: "127.0.0.1" }
  const lock = { lockId: newLockId(), uuid: newUuid() }
  const reservations = Effect.flatMap(EventStore, (store) => store.records("reservation/", "", 10))
  return {
    ...lock,
    start: (more: Environment = {}) => startServer({ ...environment, ...more }),
    /** One that stops just before it tells the database of this for the nth time. */
    startStoppingAt: (text: string, n: number) =>
      startServer({ ...environment, NODE_OPTIONS: `--import=${HOOK}`, STOP_AT: text, STOP_ON: String(n) }),
    /** Asked of a server that may be stopped before it answers. */
    ask: ({ url }: Server, command: string, body: object = {}) =>
      lockAt(url, lock.lockId, lock.uuid)
        .post(command, body)
        .then(
          ({ status }) => status,
          () => undefined
        ),
    events: (): Promise<ReadonlyArray<StoredEvent>> =>
      Effect.runPromise(
        Effect.provide(
          Effect.flatMap(EventStore, (store) => store.read(streamOfLock(lock.lockId), 0, 1_000)),
          log
        )
      ),
    prepared: () => Effect.runPromise(Effect.provide(reservations, log)),
    inShadow: () => commandsHeld(Layer.provide(LocalShadow.layerInStore, log), [lock.uuid]),
    [Symbol.asyncDispose]: async () => {
      await schema[Symbol.asyncDispose]()
      folder[Symbol.dispose]()
    }
  }
}
type Scene = ReturnType<typeof scene>

/** Waits until the server has changed the lock, and so has written whatever it had to write before. */
const changes = ({ lockId }: Scene, { url }: Server, userId: string) =>
  vi.waitFor(async () => {
    const { status } = await callsOf(url, superKey)("POST", `/locks/${lockId}/SetOwner`, { body: { userId } })
    expect(status).toBe(200)
  }, PATIENCE)

/** In log and shadow is the same, once, and every decision follows from those before it. */
const agrees = async ({ lockId, events, prepared, inShadow }: Scene) => {
  await vi.waitUntil(async () => (await prepared()).length === 0, PATIENCE)
  const stream = await events()
  expect(stream.every(({ streamId }) => lockOfStream(streamId) === lockId)).toBe(true)
  const sent = stream.filter(({ type }) => DEVICE_EVENTS.includes(type)).map(({ commandId }) => commandId)
  expect(new Set(sent).size).toBe(sent.length)
  for (const commandId of await inShadow()) expect(sent).toContain(commandId)
  expect(rejudge(lockId, stream, () => undefined).violations).toEqual([])
  return stream
}

it.each([
  ["before it prepares", 1],
  ["before it sends", 2],
  ["before it commits", 3]
])("the reconciler, stopped %s a key for the hardware", SLOW, async (_, n) => {
  await using it = scene()
  const keyUuid = newUuid()
  await using first = await it.startStoppingAt(`keys-${it.lockId}-`, n)
  const asked = it.ask(first, "CreateLock", { index: 1, uuid: it.uuid, keys: [{ uuid: keyUuid, indexNumber: 9 }] })
  await isStopped(first)

  await using second = await it.start()
  const types = async () => (await it.events()).map(({ type }) => type)
  await vi.waitUntil(async () => (await types()).includes("KeyAdditionSent"), PATIENCE)
  // What the first one is about to say is no longer so.
  await vi.waitUntil(async () => (await it.ask(second, "RemoveKey", { keyUuid })) === 200, PATIENCE)
  await changes(it, second, "while it was stopped")

  first.signal("SIGCONT")
  await asked
  await changes(it, first, "after it went on")
  const stream = await agrees(it)
  expect(stream.filter(({ type }) => type === "KeyAdditionSent")).toHaveLength(1)
  expect(stream.filter(({ type }) => type === "KeyRemoved")).toHaveLength(1)
})

it.each([
  // The command as the shadow holds it, and the event that follows: the first time it is prepared, the second time committed.
  ["the command was not sent", "OpenLock", 1, 0],
  ["it was", "LockOpenRequested", 2, 1]
])(
  "the sweep, stopped before it settles what a killed server had prepared, where %s",
  SLOW,
  async (_, text, n, openings) => {
    await using it = scene()
    {
      await using killed = await it.startStoppingAt(text, n)
      expect(await it.ask(killed, "CreateLock", { index: 1, uuid: it.uuid })).toBe(201)
      const asked = it.ask(killed, "OpenLock")
      await isStopped(killed)
      await killed.kill()
      await asked
    }
    const [prepared] = await it.prepared()
    const { commandId } = JSON.parse(prepared?.value ?? "{}")
    expect(commandId).toEqual(expect.any(String))
    await using first = await it.startStoppingAt(commandId, 1)
    await isStopped(first)

    await using second = await it.start()
    await vi.waitUntil(async () => (await it.prepared()).length === 0, PATIENCE)
    const settled = await it.events()
    await changes(it, second, "while it was stopped")

    first.signal("SIGCONT")
    await changes(it, first, "after it went on")
    const stream = await agrees(it)
    const openingsIn = (events: ReadonlyArray<StoredEvent>) => events.filter(({ type }) => type === "LockOpenRequested")
    expect(openingsIn(stream)).toEqual(openingsIn(settled))
    expect(openingsIn(stream)).toHaveLength(openings)
  }
)
