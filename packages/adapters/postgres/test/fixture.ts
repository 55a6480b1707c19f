/** Schemas of their own in a PostgreSQL, which go with the test. */
import { randomUUID } from "node:crypto"
import { Effect, type Scope } from "effect"
import { Client, Pool } from "pg"

/** Where tests may make schemas. */
const TEST_URL = process.env["LATCHKEY_TEST_POSTGRES_URL"] || "postgres://postgres@127.0.0.1:5432/test"

const NEEDED =
  "These tests need a PostgreSQL 14 or later with a database in which they may make schemas: set LATCHKEY_TEST_POSTGRES_URL to its URL."

export interface Place {
  readonly url: string
  readonly schema: string
}

type Answer = Readonly<Record<string, unknown>>

const connected = async <A>(use: (client: Client) => Promise<A>): Promise<A> => {
  const client = new Client({ connectionString: TEST_URL, connectionTimeoutMillis: 5_000 })
  await client.connect().catch((cause: unknown) => Promise.reject(new Error(NEEDED, { cause })))
  try {
    return await use(client)
  } finally {
    await client.end()
  }
}

/** What a statement answers, over a connection of its own. */
export const query = (text: string, ...values: ReadonlyArray<unknown>): Promise<ReadonlyArray<Answer>> =>
  connected(async (client) => (await client.query<Answer>(text, [...values])).rows)

/** The first row of each, one after the other, over one connection. */
export const queries = (...texts: ReadonlyArray<string>): Promise<ReadonlyArray<Answer | undefined>> =>
  connected(async (client) => {
    const rows: Array<Answer | undefined> = []
    for (const text of texts) rows.push((await client.query<Answer>(text)).rows[0])
    return rows
  })

/** A schema that is not there yet, and goes with the scope. Its connections are told from others' by their name. */
export const place: Effect.Effect<Place, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => {
    const schema = `latchkey_test_${randomUUID().replaceAll("-", "")}`
    const url = new URL(TEST_URL)
    url.searchParams.set("application_name", schema)
    return { url: url.href, schema }
  }),
  ({ schema }) => Effect.promise(() => query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`))
)

/** Ends all connections to a place, as a restart of the database does, and answers how many. */
export const dropConnections = async ({ schema }: Place): Promise<number> =>
  (await query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1", schema)).length

/** Once: a group of writes reaches the database three seconds after it was sent. */
export const delayNextWrite: Effect.Effect<void> = Effect.sync(() => {
  const query: Ask = Pool.prototype.query
  const late: Ask = async function (this: Pool, asked) {
    if (!asked.text.includes("write_batches")) return query.call(this, asked)
    Object.assign(Pool.prototype, { query })
    await query.call(this, { text: "SELECT pg_sleep(3)" })
    return query.call(this, asked)
  }
  Object.assign(Pool.prototype, { query: late })
})

/** Once: a group of writes, of whichever opener, does not reach the database, or its answer is lost. */
export const failNextWrite = (when: "before" | "after"): Effect.Effect<void> =>
  Effect.sync(() => {
    const query: Ask = Pool.prototype.query
    const failing: Ask = async function (this: Pool, asked) {
      if (!asked.text.includes("write_batches")) return query.call(this, asked)
      Object.assign(Pool.prototype, { query })
      if (when === "after") await query.call(this, asked)
      throw new Error("The connection was lost.")
    }
    Object.assign(Pool.prototype, { query: failing })
  })

type Ask = (this: Pool, asked: { readonly text: string }) => Promise<unknown>
