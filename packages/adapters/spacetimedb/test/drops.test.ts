/** The connection breaks at every point of a call: nothing is lost, nothing is done twice, and the answer is the right one. */
import { nowhere } from "@latchkey/core"
import { Effect } from "effect"
import { describe, expect, it } from "vitest"
import { append, type Client, connected, idsOf, newEvents, publish, startHost } from "./fixture.ts"

const host = await startHost()
const run = Effect.runPromise

/** Over a client that has one event already, on the stream `a`. */
const furnished = async () => {
  const client = await connected({ ...(await publish(host)), deadline: "2 seconds" })
  await run(append(client, "a", 0, newEvents(1)))
  return client
}

const events = newEvents(3)
const cursor = { format: 1, position: 1, eventId: "event" }
const unchanged = { after: nowhere, cursor, put: [], remove: [], list: [], unlist: [] }
const record = { key: "record", value: "1" }

interface Case {
  readonly call: string
  readonly what: string
  readonly ask: (client: Client) => Promise<unknown>
  readonly answer: unknown
  /** What is in the feed behind the first event. */
  readonly feed?: ReadonlyArray<{ readonly eventId: string }>
}

const cases: ReadonlyArray<Case> = [
  {
    call: "write",
    what: "events",
    ask: (client) => run(append(client, "a", 1, events)),
    answer: { position: 4 },
    feed: events
  },
  {
    call: "write",
    what: "a record that shall be new",
    ask: ({ store }) => run(store.write({ expect: [{ key: "record", value: undefined }], put: [record] })),
    answer: { position: 1 }
  },
  {
    call: "write",
    what: "the end of a record",
    ask: ({ store }) => run(store.write({ remove: ["record"] })),
    answer: { position: 1 }
  },
  { call: "read_feed", what: "the feed", ask: async (client) => (await idsOf(client)).length, answer: 1 },
  {
    call: "apply_rows",
    what: "rows",
    ask: ({ readModel }) =>
      run(
        Effect.gen(function* () {
          const applied = yield* readModel.apply({ ...unchanged, put: [{ table: "t", key: "1", value: "row" }] })
          return [applied, yield* readModel.get("t", ["1"]), yield* readModel.cursor]
        })
      ),
    answer: [true, [{ key: "1", value: "row" }], unchanged.cursor]
  },
  {
    call: "report_device",
    what: "a device",
    ask: ({ presence }) =>
      run(Effect.andThen(presence.report({ thing: "thing", online: true, at: 1 }), presence.of(["thing"]))),
    answer: new Map([["thing", { online: true, since: 1, lastSeen: 1 }]])
  }
]

describe("a call whose connection", () => {
  for (const { call, what, ask, answer, feed = [] } of cases) {
    it.each([
      ["ends before it is carried out", { when: "before", how: "drop" }],
      ["ends before its answer comes", { when: "after", how: "drop" }],
      ["says nothing more before it is carried out", { when: "before", how: "silence" }],
      ["says nothing more before its answer comes", { when: "after", how: "silence" }]
    ] as const)(`%s is done once: ${call} of ${what}`, async (_, interruption) => {
      await using client = await furnished()
      const interrupted = host.interrupt({ ...interruption, call })
      expect(await ask(client)).toEqual(answer)
      await interrupted
      expect((await idsOf(client)).slice(1)).toEqual(feed.map(({ eventId }) => eventId))
    })
  }

  it("has ended already is made over another one", async () => {
    await using client = await furnished()
    host.disconnectAll()
    expect(await run(append(client, "a", 1, events))).toEqual({ position: 4 })
    expect(await idsOf(client)).toHaveLength(4)
  })

  it("ends again and again, as long as one lasts, is done once", async () => {
    await using client = await furnished()
    const interrupted = (
      [
        ["before", "write"],
        ["before", "settle_write"],
        ["before", "write"],
        ["after", "settle_write"],
        ["after", "write"],
        ["after", "settle_write"]
      ] as const
    ).map(([when, call]) => host.interrupt({ when, call }))
    expect(await run(append(client, "a", 1, events))).toEqual({ position: 4 })
    await Promise.all(interrupted)
    expect(await idsOf(client)).toHaveLength(4)
  })

  it("is lost together with others keeps its place among them", async () => {
    await using client = await furnished()
    const interrupted = host.interrupt({ when: "before", call: "write" })
    const appends = Array.from({ length: 20 }, (_, version) => append(client, "b", version, newEvents(1)))
    const answers = await run(Effect.all(appends, { concurrency: "unbounded" }))
    await interrupted
    expect(answers.map(({ position }) => position)).toEqual(appends.map((_, index) => index + 2))
  })

  it("is lost to a conflict is told of the conflict", async () => {
    await using client = await furnished()
    await run(append(client, "a", 1, newEvents(1)))
    const interrupted = host.interrupt({ when: "after", call: "write" })
    expect(await run(Effect.flip(append(client, "a", 1, events)))).toMatchObject({
      _tag: "VersionConflict",
      actual: 2
    })
    await interrupted
  })
})

it("an append that is too large to send is refused, and disturbs nobody", async () => {
  await using client = await furnished()
  const large = newEvents(31).map((event) => ({ ...event, data: { text: "x".repeat(1_000_000) } }))
  const [refused, other] = await run(
    Effect.all([Effect.flip(append(client, "b", 0, large)), append(client, "a", 1, events)], {
      concurrency: "unbounded"
    })
  )
  expect(refused).toMatchObject({ _tag: "StoreUnavailable", message: expect.stringContaining("in parts") })
  expect(other).toEqual({ position: 4 })
  expect(await run(append(client, "b", 0, large.slice(0, 29)))).toEqual({ position: 33 })
})

it("twenty writers of one stream, over four connections that break all the time, append everything once", {
  timeout: 60_000
}, async () => {
  const options = await publish(host)
  const clients = await Promise.all([1, 2, 3, 4].map(() => connected(options)))
  const batches = Array.from({ length: 60 }, () => newEvents(2))
  let done = 0
  const add = (client: Client, batch: (typeof batches)[number]) =>
    Effect.gen(function* () {
      const version = (yield* client.store.read("a", 0, 1_000)).length
      yield* append(client, "a", version, batch)
      if (++done % 5 === 0) host.disconnectAll()
    }).pipe(Effect.retry({ while: ({ _tag }) => _tag === "VersionConflict" }))
  await run(
    Effect.forEach(batches, (batch, index) => add(clients[index % 4] ?? expect.fail(), batch), { concurrency: 20 })
  )
  const [client = expect.fail()] = clients
  const ids = await idsOf(client)
  expect(ids.toSorted()).toEqual(
    batches
      .flat()
      .map(({ eventId }) => eventId)
      .toSorted()
  )
  for (const [first, second] of batches) {
    expect(ids.indexOf(second?.eventId ?? "")).toBe(ids.indexOf(first?.eventId ?? "") + 1)
  }
  await Promise.all(clients.map((client) => client[Symbol.asyncDispose]()))
})
