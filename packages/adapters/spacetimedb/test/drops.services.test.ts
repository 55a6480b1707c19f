/** The connection breaks at every point of a call: nothing is lost, nothing is done twice, and the answer is the right one. */
import { nowhere } from "@latchkey/core"
import type { Spacetime } from "@latchkey/spacetimedb"
import { Effect } from "effect"
import { describe, expect, it } from "vitest"
import { append, type Client, connected, idsOf, newEvents, publish, startHost } from "./fixture.ts"

const host = await startHost()
const run = Effect.runPromise

/** Over a client that has one event already, on the stream `a`. */
const furnished = async (changed: Pick<Spacetime.SpacetimeOptions, "deadline"> = {}) => {
  const client = await connected({ ...(await publish(host)), ...changed })
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
  /** What is in the feed behind the first event, if it was carried out. */
  readonly feed?: ReadonlyArray<{ readonly eventId: string }>
  /** A write that was not carried out is not sent again. */
  readonly isWrite?: true
  /** Whether a connection that falls silent is tried too. */
  readonly isSilenced?: true
}

const cases: ReadonlyArray<Case> = [
  {
    call: "write",
    what: "events",
    ask: (client) => run(append(client, "a", 1, events)),
    answer: { position: 4 },
    isWrite: true,
    isSilenced: true,
    feed: events
  },
  {
    call: "write",
    what: "a record that shall be new",
    ask: ({ store }) => run(store.write({ expect: [{ key: "record", value: undefined }], put: [record] })),
    answer: { position: 1 },
    isWrite: true
  },
  {
    call: "write",
    what: "the end of a record",
    ask: ({ store }) => run(store.write({ remove: ["record"] })),
    answer: { position: 1 },
    isWrite: true
  },
  {
    call: "read_feed",
    what: "the feed",
    ask: async (client) => (await idsOf(client)).length,
    answer: 1,
    isSilenced: true
  },
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
    answer: [true, [{ key: "1", value: "row" }], unchanged.cursor],
    isWrite: true
  },
  {
    call: "report_presence",
    what: "a device",
    ask: ({ presence }) =>
      run(
        Effect.andThen(
          presence.report({ thing: "thing", online: false, reason: "silent", at: 1 }),
          presence.of(["thing"])
        )
      ),
    answer: new Map([["thing", { online: false, since: 1, reason: "silent", lastSeen: 1 }]]),
    isSilenced: true
  }
]

const ends = [
  ["ends before it is carried out", { when: "before", how: "drop" }],
  ["ends before its answer comes", { when: "after", how: "drop" }]
] as const
/** Each takes the deadline, and is the same for all writes. */
const falls = [
  ["says nothing more before it is carried out", { when: "before", how: "silence" }],
  ["says nothing more before its answer comes", { when: "after", how: "silence" }]
] as const

describe("a call whose connection", () => {
  for (const { call, what, ask, answer, feed = [], isWrite, isSilenced } of cases) {
    it.each(isSilenced ? [...ends, ...falls] : ends)(
      `%s is done once, or not at all and says so: ${call} of ${what}`,
      async (_, interruption) => {
        await using client = await furnished(interruption.how === "silence" ? { deadline: "3 seconds" } : {})
        const interrupted = host.interrupt({ ...interruption, call })
        const isLost = isWrite && interruption.when === "before"
        if (isLost) await expect(ask(client)).rejects.toThrow("nothing was written")
        else expect(await ask(client)).toEqual(answer)
        await interrupted
        expect((await idsOf(client)).slice(1)).toEqual(isLost ? [] : feed.map(({ eventId }) => eventId))
        if (isLost) expect(await ask(client)).toEqual(answer)
      }
    )
  }

  it("is known to have ended is made over another one", async () => {
    await using client = await furnished()
    host.disconnectAll()
    expect(await run(client.store.head)).toBe(1)
    expect(await run(append(client, "a", 1, events))).toEqual({ position: 4 })
    expect(await idsOf(client)).toHaveLength(4)
  })

  it("ends again and again, while it is asked what became of a write, is done once", async () => {
    await using client = await furnished()
    const interrupted = (
      [
        ["after", "write"],
        ["before", "settle_write"],
        ["after", "settle_write"],
        ["before", "settle_write"]
      ] as const
    ).map(([when, call]) => host.interrupt({ when, call }))
    expect(await run(append(client, "a", 1, events))).toEqual({ position: 4 })
    await Promise.all(interrupted)
    expect(await idsOf(client)).toHaveLength(4)
  })

  it("is lost together with others leaves those before it, and nothing of those behind it", async () => {
    await using client = await furnished()
    const before = Array.from({ length: 5 }, (_, version) => append(client, "b", version, newEvents(1)))
    const behind = Array.from({ length: 15 }, (_, version) => append(client, "c", version, newEvents(1)))
    await run(Effect.all(before, { concurrency: "unbounded" }))
    const interrupted = host.interrupt({ when: "before", call: "write" })
    const errors = await run(Effect.forEach(behind, (write) => Effect.flip(write), { concurrency: "unbounded" }))
    await interrupted
    for (const error of errors) expect(error).toMatchObject({ _tag: "StoreUnavailable" })
    expect(await idsOf(client)).toHaveLength(6)
  })

  it("is lost after a conflict has written nothing", async () => {
    await using client = await furnished()
    await run(append(client, "a", 1, newEvents(1)))
    const interrupted = host.interrupt({ when: "after", call: "write" })
    expect(await run(Effect.flip(append(client, "a", 1, events)))).toMatchObject({
      _tag: "StoreUnavailable",
      message: expect.stringContaining("nothing was written")
    })
    await interrupted
    expect(await idsOf(client)).toHaveLength(2)
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

it("twenty writers of one stream, over four connections that break all the time, append everything once", async () => {
  const options = await publish(host)
  const clients = await Promise.all([1, 2, 3, 4].map(() => connected(options)))
  const batches = Array.from({ length: 60 }, () => newEvents(2))
  let done = 0
  const add = (client: Client, batch: (typeof batches)[number]) =>
    Effect.gen(function* () {
      const version = (yield* client.store.read("a", 0, 1_000)).length
      yield* append(client, "a", version, batch)
      if (++done % 5 === 0) host.disconnectAll()
    }).pipe(
      // Nothing was written: none of these outages is so long that a write stays in doubt.
      Effect.retry({ while: ({ _tag }) => _tag === "VersionConflict" || _tag === "StoreUnavailable" })
    )
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
