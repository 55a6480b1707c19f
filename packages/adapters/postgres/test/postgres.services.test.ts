/** What is this adapter's own: whom a fault does not reach, clocks, what is durable, what a question costs, and versions of the schema. */
import { describe, expect, it, vi } from "@effect/vitest"
import { EventStore, type NewEvent, Presence, StoreUnavailable } from "@latchkey/core"
import { Postgres } from "@latchkey/postgres"
import { Context, Effect, Layer } from "effect"
import { Client } from "pg"
import { migrations } from "../src/migrations.ts"
import { delayNextWrite, dropConnections, type Place, place, queries, query } from "./fixture.ts"

const opened = (place: Place, more: Partial<Postgres.PostgresOptions> = {}) =>
  Effect.map(Layer.build(Postgres.layer({ ...place, ...more })), (services) => Context.get(services, EventStore))

let made = 0
const event = (change: Partial<NewEvent> = {}): NewEvent => ({
  eventId: `event-${++made}`,
  type: "Tested",
  data: {},
  at: 1_767_225_600_000,
  orgId: "",
  principal: { _tag: "System" },
  commandId: `command-${made}`,
  ...change
})

const append = (streamId: string, ...events: ReadonlyArray<NewEvent>) => ({
  append: [{ streamId, expectedVersion: 0, events }]
})

const outcomeOf = (store: EventStore["Service"], batch: Parameters<EventStore["Service"]["write"]>[0]) =>
  Effect.match(store.write(batch), { onSuccess: () => "Written", onFailure: ({ _tag }) => _tag })

describe("writes that travel together", () => {
  it.live("fail alone for what the database cannot keep", () =>
    Effect.gen(function* () {
      const store = yield* opened(yield* place)
      // Longer than a key of an index can be, and not to be compressed.
      const orgId = Array.from({ length: 5_000 }, (_, n) => String.fromCodePoint(0x4e00 + ((n * 7919) % 20_000))).join(
        ""
      )
      const outcomes = yield* Effect.forEach(
        Array.from({ length: 20 }, (_, n) => n),
        (n) => outcomeOf(store, append(`lock-${n}`, event(n === 7 ? { orgId } : {}))),
        { concurrency: "unbounded" }
      )
      expect(outcomes).toEqual(outcomes.map((_, n) => (n === 7 ? "StoreUnavailable" : "Written")))
      expect((yield* store.feed(0, 100)).map(({ position }) => position)).toEqual(
        outcomes.slice(1).map((_, n) => n + 1)
      )
    })
  )

  it.live("see each other in the order in which they came", () =>
    Effect.gen(function* () {
      const store = yield* opened(yield* place)
      const steps = Array.from({ length: 12 }, (_, n) => n)
      const outcomes = yield* Effect.forEach(
        steps,
        (n) =>
          outcomeOf(store, {
            expect: [{ key: "counter", value: n === 0 ? undefined : String(n - 1) }],
            append: [{ streamId: "lock-1", expectedVersion: n, events: [event()] }],
            put: [{ key: "counter", value: String(n) }]
          }),
        { concurrency: "unbounded" }
      )
      expect(outcomes).toEqual(steps.map(() => "Written"))
    })
  )
})

it.live("writes of two servers go through where the database isolates transactions more strictly than is needed", () =>
  Effect.gen(function* () {
    const there = yield* place
    const url = new URL(there.url)
    url.searchParams.set("options", "-c default_transaction_isolation=serializable")
    const strict = { ...there, url: url.href }
    const servers = [yield* opened(strict), yield* opened(strict)] as const
    // Each waits for its own answers, so that the two meet again and again.
    const outcomes = yield* Effect.forEach(
      servers,
      (store, server) =>
        Effect.forEach(Array.from({ length: 100 }), (_, n) => outcomeOf(store, append(`lock-${server}-${n}`, event()))),
      { concurrency: "unbounded" }
    )
    expect(outcomes.flat().filter((outcome) => outcome !== "Written")).toEqual([])
    expect(yield* servers[0].head).toBe(200)
  })
)

it.live("records are found by their keys where the database shows bytes in another way", () =>
  Effect.gen(function* () {
    const there = yield* place
    const store = yield* opened(there, { url: `${there.url}&options=-c%20bytea_output%3Descape` })
    const [key, value] = ["prefix/é\\\u{10ffff}", "kept"]
    yield* store.write({ put: [{ key, value }] })
    expect(yield* store.records("prefix/", "", 10)).toEqual([{ key, value }])
  })
)

describe("connections that are lost", () => {
  it.live("while they are idle are no error of anybody", () =>
    Effect.gen(function* () {
      const there = yield* place
      const store = yield* opened(there)
      yield* store.write(append("lock-1", event()))
      yield* Effect.all([store.head, store.head, store.head], { concurrency: "unbounded" })
      yield* Effect.promise(() => dropConnections(there))
      // The process is told, and goes on.
      yield* Effect.promise(() =>
        vi.waitFor(
          async () => expect(await Effect.runPromise(Effect.orElseSucceed(store.head, () => -1))).toBe(1),
          60_000
        )
      )
    })
  )
})

describe("a server whose clock is not the database's", () => {
  it.live("writes nothing, says why, and writes again when they agree", () =>
    Effect.gen(function* () {
      const store = yield* opened(yield* place)
      for (const [apart, words] of [
        [3_000, "3 seconds ahead of"],
        [-86_400_000, "86400 seconds behind"]
      ] as const) {
        const { now } = Date
        const clock = vi.spyOn(Date, "now").mockImplementation(() => now() + apart)
        const refused = yield* Effect.flip(store.write(append("lock-1", event())))
        clock.mockRestore()
        expect(refused).toBeInstanceOf(StoreUnavailable)
        expect(String(refused.message)).toMatch(new RegExp(words.replace(/\d+/, "\\d+(\\.\\d+)?")))
        expect(yield* store.head).toBe(0)
      }
      const { now } = Date
      const clock = vi.spyOn(Date, "now").mockImplementation(() => now() + 500)
      yield* store.write(append("lock-1", event()))
      clock.mockRestore()
      yield* store.write(append("lock-2", event()))
    })
  )
})

it.live("a write that was long on its way says nothing of clocks", () =>
  Effect.gen(function* () {
    const store = yield* opened(yield* place)
    yield* delayNextWrite
    expect(yield* store.write(append("lock-1", event()))).toEqual({ position: 1 })
  })
)

it.live.each(["off", "local", "remote_write"])(
  "what is answered is durable, on a synchronous replica too, where the database's default is %s",
  (weak) =>
    Effect.gen(function* () {
      const there = yield* place
      const store = yield* opened(there, { url: `${there.url}&options=-c%20synchronous_commit%3D${weak}` })
      yield* Effect.promise(() =>
        query(`
        CREATE TABLE ${there.schema}.seen (value text);
        CREATE FUNCTION ${there.schema}.see() RETURNS trigger LANGUAGE plpgsql AS $$
          BEGIN INSERT INTO ${there.schema}.seen VALUES (current_setting('synchronous_commit')); RETURN NEW; END $$;
        CREATE TRIGGER see AFTER UPDATE ON ${there.schema}.head FOR EACH ROW EXECUTE FUNCTION ${there.schema}.see();`)
      )
      yield* store.write(append("lock-1", event()))
      expect(yield* Effect.promise(() => query(`SELECT value FROM ${there.schema}.seen`))).toEqual([{ value: "on" }])
    })
)

it.live("a question costs what it returns, and a write what it says, however much others have", () =>
  Effect.gen(function* () {
    const there = yield* place
    const { schema } = there
    const store = yield* opened(there)
    const questions = [
      `read_stream('lock-1', 0, 50)`,
      `read_feed(0, 50, NULL, NULL)`,
      `read_feed(0, 50, 'device', NULL)`,
      `read_feed(0, 50, NULL, 'acme')`,
      `read_feed(0, 50, 'lock', 'acme')`,
      `read_feed(0, 50, 'device', 'acme')`,
      `read_event('own-1')`,
      // What is not there, and what is far from the beginning, is looked for no longer.
      `read_event('nobody')`,
      `read_event('x29999')`,
      `read_stream('nobody', 0, 50)`,
      `read_feed(30990, 50, NULL, NULL)`,
      `read_feed(30990, 50, 'lock', NULL)`,
      `read_feed(0, 50, NULL, 'nobody')`,
      `read_feed(0, 50, 'lock', 'nobody')`,
      `read_record('\\x0001')`,
      `read_record('\\x7fffffff')`,
      `read_records('\\x0001', '\\x0001', '\\x0002', 50)`,
      `read_listed('locks', 'owner', 'acme', '', 50)`,
      `read_rows('locks', ARRAY['1', '2'])`,
      `read_presence(ARRAY['nobody', 'x29999'])`
    ]
    /** Of each what it says: it goes down a handful of trees, and deletes some of what has expired. */
    const writes = [
      `write_batches(epoch_milliseconds(clock_timestamp()), '${JSON.stringify({
        expect: [[0, "7fffffff", null]],
        ids: [[0, "nobody"]],
        ends: [[0, "nobody", 0]],
        remove: [[0, "7ffffffe"]],
        put: [[0, "7ffffffd", "kept", null]]
      })}')`,
      `apply_changes('[1, 0, ""]', '[1, 0, ""]', '[["locks", "nobody", "x"]]', '[["locks", "nothing"]]', '[]',
         '[["locks", "owner", "nobody", "nobody"]]')`
    ]
    /** Pages that are looked at, once the plan is made and while nobody changes the catalog. */
    const pagesOf = async (question: string) => {
      const explain = `EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT * FROM ${question}`
      const [, ...rows] = await queries(`SET search_path TO ${schema}`, explain, explain, explain, explain)
      const pages = rows.map((row = {}) => {
        const [{ Plan: plan }] = row["QUERY PLAN"] as [{ readonly Plan: Readonly<Record<string, number>> }]
        return (plan["Shared Hit Blocks"] ?? 0) + (plan["Shared Read Blocks"] ?? 0)
      })
      return Math.min(...pages)
    }
    const costs = () => Promise.all([...questions, ...writes].map(pagesOf))
    const own = (n: number, streamId: string, change: Partial<NewEvent> = {}) =>
      store.write({ append: [{ streamId, expectedVersion: n - 1, events: [event({ orgId: "acme", ...change })] }] })
    for (let n = 1; n <= 20; n++) yield* own(n, "lock-1", n === 1 ? { eventId: "own-1" } : {})
    yield* own(1, "device-1")
    const before = yield* Effect.promise(costs)
    yield* Effect.promise(() =>
      query(`
        INSERT INTO ${schema}.events SELECT 1000 + n, 'lock-x' || n % 500, n, 'x' || n, 'lock', 'other-' || n % 3, 'T', '{}', 0, '{}', ''
          FROM generate_series(1, 30000) AS n;
        INSERT INTO ${schema}.records SELECT decode(lpad(to_hex(n), 8, '0'), 'hex'), 'x', 1 FROM generate_series(1000000, 1030000) AS n;
        INSERT INTO ${schema}.read_model_rows SELECT 'locks', 'x' || n, 'x' FROM generate_series(1, 30000) AS n;
        INSERT INTO ${schema}.read_model_listings SELECT 'locks', 'owner', sha256('other'), n::text FROM generate_series(1, 30000) AS n;
        INSERT INTO ${schema}.presence SELECT 'x' || n, true, 0, 0 FROM generate_series(1, 30000) AS n;
        ANALYZE ${schema}.events, ${schema}.records, ${schema}.read_model_rows, ${schema}.read_model_listings, ${schema}.presence;`)
    )
    const after = yield* Effect.promise(costs)
    for (const [n, question] of [...questions, ...writes].entries()) {
      // The trees have grown by a level. All of a table is hundreds of pages.
      const most = (before[n] ?? 0) + (n < questions.length ? 2 : 60)
      expect([question, after[n]]).toEqual([question, expect.toSatisfy((pages) => pages <= most)])
    }
  })
)

describe("a schema", () => {
  const failure = (there: Place, create: boolean) =>
    Effect.scoped(
      Effect.match(opened(there, { create }), { onSuccess: () => "opened", onFailure: ({ message }) => message })
    )

  it.live("is not made where nothing may be made", () =>
    Effect.gen(function* () {
      const there = yield* place
      expect(yield* failure(there, false)).toMatch(/There is no log/)
      expect(yield* failure(there, true)).toBe("opened")
      expect(yield* failure(there, false)).toBe("opened")
    })
  )

  it.live("of a newer Latchkey is used if that one says so, and left alone if not", () =>
    Effect.gen(function* () {
      const there = yield* place
      yield* failure(there, true)
      const set = (oldest: string) =>
        Effect.promise(() => query(`UPDATE ${there.schema}.version SET version = 1000, oldest = ${oldest}`))
      yield* set("oldest")
      expect(yield* failure(there, true)).toBe("opened")
      yield* set("1000")
      expect(yield* failure(there, true)).toMatch(/newer Latchkey/)
    })
  )

  it.live("of the version before tells no reasons, goes on, and is used by servers of both", () =>
    Effect.gen(function* () {
      const there = yield* place
      const [first] = migrations
      const older = yield* Effect.acquireRelease(
        Effect.promise(async () => {
          const client = new Client({ connectionString: there.url })
          await client.connect()
          await client.query(`CREATE SCHEMA ${there.schema}`)
          await client.query(`SET search_path TO ${there.schema}`)
          await client.query(first?.sql ?? "")
          await client.query("CREATE TABLE version AS SELECT 1 AS version, 1 AS oldest")
          return client
        }),
        (client) => Effect.promise(() => client.end())
      )
      const ask = (online: boolean, at: number) =>
        Effect.promise(async () => {
          await older.query("SELECT report_presence('thing', $1, $2)", [online, at])
          return (await older.query("SELECT online FROM read_presence('{thing}')")).rows[0]?.online
        })
      // What it knows of the schema is kept with its session.
      for (const at of [1, 2, 3]) expect(yield* ask(at % 2 === 0, at)).toBe(at % 2 === 0)
      const presence = Context.get(yield* Layer.build(Postgres.layer(there)), Presence)
      const known = Effect.map(presence.of(["thing"]), (heard) => heard.get("thing"))
      expect(yield* known).toEqual({ online: false, since: 3, reason: undefined, lastSeen: 3 })
      yield* presence.report({ thing: "thing", online: false, reason: "silent", at: 4 })
      expect((yield* known)?.reason).toBe("silent")
      expect(yield* ask(true, 5)).toBe(true)
      expect(yield* ask(false, 6)).toBe(false)
      expect(yield* known).toEqual({ online: false, since: 6, reason: undefined, lastSeen: 6 })
      yield* Effect.promise(() => older.query("UPDATE presence SET reason = 'hibernates'"))
      expect((yield* known)?.reason).toBeUndefined()
    })
  )

  it.live("is made by one of several servers, however strictly the database isolates transactions", () =>
    Effect.gen(function* () {
      const there = yield* place
      const url = `${there.url}&options=-c%20default_transaction_isolation%3Dserializable`
      const servers = Array.from({ length: 4 }, () => failure({ ...there, url }, true))
      expect(yield* Effect.all(servers, { concurrency: "unbounded" })).toEqual(servers.map(() => "opened"))
    })
  )

  it.live("that somebody holds is not waited for without end", () =>
    Effect.gen(function* () {
      const there = yield* place
      yield* failure(there, true)
      yield* Effect.acquireRelease(
        Effect.promise(async () => {
          const client = new Client({ connectionString: there.url })
          await client.connect()
          await client.query(`BEGIN; LOCK TABLE ${there.schema}.version`)
          return client
        }),
        (client) => Effect.promise(() => client.end())
      )
      expect(yield* failure(there, true)).toMatch(/Somebody holds a lock on the schema/)
    })
  )

  it.live("that was given another name touches none that has the old one", () =>
    Effect.gen(function* () {
      const [there, renamed] = [yield* place, yield* place]
      yield* failure(there, true)
      yield* Effect.promise(() => query(`ALTER SCHEMA ${there.schema} RENAME TO ${renamed.schema}`))
      for (const create of [true, false]) expect(yield* failure(renamed, create)).toContain(`name ${there.schema},`)
      yield* Effect.promise(() => query(`ALTER SCHEMA ${renamed.schema} RENAME TO ${there.schema}`))
      expect(yield* failure(there, true)).toBe("opened")
    })
  )

  it.live("of which only a part is there is told from a fault", () =>
    Effect.gen(function* () {
      for (const change of [
        "DELETE FROM $.version",
        "DROP TABLE $.version",
        "ALTER TABLE $.version DROP COLUMN oldest"
      ]) {
        const there = yield* place
        yield* failure(there, true)
        yield* Effect.promise(() => query(change.replace("$", there.schema)))
        expect(yield* failure(there, true)).toMatch(/only a part of it is there/)
      }
    })
  )

  it.live("has a name that is kept whole", () =>
    Effect.gen(function* () {
      const there = yield* place
      expect(yield* failure({ ...there, schema: "x".repeat(64) }, true)).toMatch(/1 to 63 bytes/)
      expect(yield* failure({ ...there, schema: "" }, true)).toMatch(/1 to 63 bytes/)
    })
  )
})

it.live("what is wrong is said without the password", () =>
  Effect.gen(function* () {
    const there = yield* place
    for (const url of [
      "postgres://me:hunter2@127.0.0.1:1/x",
      "postgres://me:hunter2@127.0.0.1:5432/no_such_database"
    ]) {
      const { message } = yield* Effect.flip(Effect.scoped(opened({ ...there, url })))
      expect(message).not.toContain("hunter2")
      expect(message).not.toBe("")
    }
  })
)
