/** A PostgreSQL schema as the store of the standalone server; it goes with the test. */
import { randomUUID } from "node:crypto"
import { Client } from "pg"
import type { Environment } from "./process.ts"

const NEEDED =
  "These tests need a PostgreSQL 14 or later with a database in which they may make schemas: set LATCHKEY_TEST_POSTGRES_URL to its URL."

const TEST_URL = process.env["LATCHKEY_TEST_POSTGRES_URL"] || "postgres://postgres@127.0.0.1:5432/test"

export interface PostgresSchema extends AsyncDisposable {
  readonly url: string
  readonly schema: string
  readonly environment: Environment
  /** What a statement answers. */
  readonly query: (text: string, ...values: ReadonlyArray<unknown>) => Promise<ReadonlyArray<unknown>>
}

/** One that is not there yet, in the database of tests unless another is named. Connections to it are told from others' by their name. */
export const newSchema = (database = TEST_URL): PostgresSchema => {
  const schema = `latchkey_test_${randomUUID().replaceAll("-", "")}`
  const url = new URL(database)
  const query = queryOf(database)
  url.searchParams.set("application_name", schema)
  return {
    url: url.href,
    schema,
    environment: { LATCHKEY_STORE: "postgres", LATCHKEY_POSTGRES_URL: url.href, LATCHKEY_POSTGRES_SCHEMA: schema },
    query,
    [Symbol.asyncDispose]: async () => void (await query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`))
  }
}

const queryOf =
  (connectionString: string): PostgresSchema["query"] =>
  async (text, ...values) => {
    const client = new Client({ connectionString, connectionTimeoutMillis: 5_000 })
    await client.connect().catch((cause: unknown) => Promise.reject(new Error(NEEDED, { cause })))
    try {
      return (await client.query<Record<string, unknown>>(text, [...values])).rows
    } finally {
      await client.end()
    }
  }
