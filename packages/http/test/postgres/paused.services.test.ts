/**
 * One of two servers is stopped in the midst of everything that runs once, for longer than its leases last, and goes on: the
 * other has taken it all over meanwhile, and nothing happens twice.
 */
import { EventStore, lockOfStream, type StoredEvent } from "@latchkey/core"
import { Postgres } from "@latchkey/postgres"
import { randomOf } from "@latchkey/simulator"
import { Effect, ManagedRuntime } from "effect"
import { expect, it, vi } from "vitest"
import { rejudge } from "../campaign/rejudge.ts"
import { organization, superKey } from "../harness/callers.ts"
import { lockAt, newLockId, newUuid } from "../harness/locks.ts"
import { newSchema } from "../harness/postgres.ts"
import { configured, type Server, startServer, temporaryFolder } from "../harness/process.ts"
import { callsOf } from "../harness/request.ts"
import { startNotingReceiver } from "../partners/notingReceiver.ts"

const PATIENCE = { timeout: 90_000, interval: 50 }
const LOCKS = 8
const BULK_KEYS = 10
/** Deliveries that a server has under way to one endpoint, at most. */
const UNDER_WAY = 16

const keys = (count: number) =>
  Array.from({ length: count }, (_, index) => ({ keyUuid: newUuid(), keyIndexNumber: index + 1 }))

/** Locks whose hardware wants a key, and which are to have ten more, all asked of one server. */
const begin = async ({ url }: Server) => {
  const locks = Array.from({ length: LOCKS }, () => lockAt(url, newLockId()))
  const created = locks.map(({ post, uuid }) =>
    post("CreateLock", { index: 1, uuid, keys: [{ uuid: newUuid(), indexNumber: 90 }] })
  )
  for (const { status } of await Promise.all(created)) expect(status).toBe(201)
  const bulks = await Promise.all(locks.map(({ post }) => post("BulkAddKeys", { keys: keys(BULK_KEYS) })))
  for (const { status } of bulks) expect(status).toBeLessThan(300)
  // Under way, whatever becomes of them: their answers are not waited for.
  const opened = locks.map(({ post }) =>
    post("OpenLock").then(
      ({ status }) => status,
      () => undefined
    )
  )
  return { locks, opened }
}

it("a server that is stopped for longer than its leases last, and goes on, does nothing that another has done", {
  timeout: 900_000
}, async () => {
  using folder = temporaryFolder()
  await using schema = newSchema()
  await using receiver = await startNotingReceiver({ chance: randomOf(1, "receiver") })
  const environment = {
    ...configured(folder.path),
    ...schema.environment,
    HOST: "127.0.0.1",
    LATCHKEY_BUDGET_ORGANIZATION: "off",
    LATCHKEY_BUDGET_ORGANIZATION_KB: "off"
  }
  await using log = ManagedRuntime.make(Postgres.layer(schema))
  const feed = (): Promise<ReadonlyArray<StoredEvent>> =>
    log.runPromise(Effect.flatMap(EventStore, (store) => store.feed(0, 100_000)))
  /** Keys that requests for many still have to add. */
  const open = (events: ReadonlyArray<StoredEvent>) => {
    const ofBulks = events.filter(({ streamId }) => streamId.startsWith("bulk-"))
    const requests = ofBulks.filter(({ type }) => type === "BulkAddKeysRequested").length
    return requests * BULK_KEYS - (ofBulks.length - requests)
  }
  const undelivered = (events: ReadonlyArray<StoredEvent>) =>
    events.filter(({ streamId, version }) => {
      const lockId = lockOfStream(streamId)
      return lockId !== undefined && version > receiver.upTo(lockId)
    }).length

  // Alone, so that whatever runs once is its own.
  await using first = await startServer(environment)
  const webhook = await callsOf(first.url, organization)("POST", "/webhooks", { body: { url: receiver.url } })
  expect(webhook.status).toBe(201)
  await begin(first)
  await vi.waitUntil(() => receiver.state.taken > 0, PATIENCE)
  await using second = await startServer(environment)

  const locks: Array<Awaited<ReturnType<typeof begin>>["locks"][number]> = []
  const opened: Array<Promise<number | undefined>> = []
  // Until it is caught in the midst of them: a quick machine may be done before the signal.
  for (let isCaught = false; !isCaught; ) {
    const before = (await feed()).length
    const more = await begin(first)
    await vi.waitUntil(async () => (await feed()).length > before + LOCKS * 3, { ...PATIENCE, interval: 1 })
    first.signal("SIGSTOP")
    const events = await feed()
    isCaught = open(events) > 0 && undelivered(events) > 0
    locks.push(...more.locks)
    opened.push(...more.opened)
    if (!isCaught) first.signal("SIGCONT")
  }

  // The other takes over when the leases are over; until then it serves commands.
  const setOwner = (server: Server, owner: string) =>
    Promise.all(
      locks.map(({ lockId }) =>
        vi.waitFor(async () => {
          const body = { userId: owner }
          const { status } = await callsOf(server.url, superKey)("POST", `/locks/${lockId}/SetOwner`, { body })
          expect(status).toBe(200)
        }, PATIENCE)
      )
    )
  await setOwner(second, "while it was stopped")
  await vi.waitUntil(async () => open(await feed()) === 0, PATIENCE)
  await vi.waitUntil(async () => undelivered(await feed()) === 0, PATIENCE)
  const requests = receiver.state.requests
  const ended = await feed()

  first.signal("SIGCONT")
  await setOwner(first, "after it went on")
  const statuses = await Promise.all(opened)
  await vi.waitUntil(async () => undelivered(await feed()) === 0, PATIENCE)
  const events = await feed()

  expect(receiver.wrong).toEqual([])
  // Told once more at most what was under way when it was stopped.
  expect(receiver.state.requests - requests).toBeLessThanOrEqual(events.length - ended.length + UNDER_WAY)
  // Each key was added once, and is in the shadow as one command.
  const added = events.filter(({ streamId, type }) => type === "KeyAdded" && lockOfStream(streamId) !== undefined)
  expect(new Set(added.map(({ data }) => data["keyUuid"])).size).toBe(added.length)
  const ofBulks = events.filter(({ type }) => type.startsWith("BulkKey"))
  expect(new Set(ofBulks.map(({ type }) => type))).toEqual(new Set(["BulkKeyAdded"]))
  expect(new Set(ofBulks.map(({ streamId, data }) => `${streamId} ${data["index"]}`)).size).toBe(ofBulks.length)
  // What was answered is there, and each opening at most once.
  for (const [n, { lockId }] of locks.entries()) {
    const openings = events.filter(
      ({ streamId, type }) => type === "LockOpenRequested" && lockOfStream(streamId) === lockId
    )
    expect(openings.length).toBeLessThanOrEqual(1)
    if (statuses[n] === 200) expect(openings.length).toBe(1)
  }
  for (const [streamId, stream] of Map.groupBy(events, (event) => event.streamId)) {
    const lockId = lockOfStream(streamId)
    if (lockId !== undefined) expect(rejudge(lockId, stream, () => undefined).violations).toEqual([])
  }
})
