/** Connections to one PostgreSQL. Any of them may die at any time: what was asked of it fails, and the next question gets a new one. */
import { hash } from "node:crypto"
import { StoreUnavailable } from "@latchkey/core"
import { Effect, type Scope } from "effect"
import { Client, type ClientConfig, Pool } from "pg"
import { isUndone, isUnprepared, unavailable } from "./unavailable.ts"

/** Milliseconds until a connection must be there. */
const CONNECT_TIMEOUT = 5_000
/** Milliseconds until an answer must be there: longer than a write waits for its turn, so that it has failed there, too. */
const ANSWER_TIMEOUT = 15_000
/** Connections for questions, at most. Writes have one of their own, and so has the hint of changes. */
const READERS = 8
/** How often a statement is repeated that was undone for the sake of another. */
const REPEATS = 50
/** Bytes of a name, at most: PostgreSQL would cut off the rest. */
const LONGEST_NAME = 63

type Values = ReadonlyArray<unknown>

export interface Database {
  /** Its schema, as in an SQL statement. */
  readonly schema: string
  /** Rows of one statement, as arrays; in its text `$.` stands for the schema. */
  readonly ask: <Row extends Values>(
    text: string,
    ...values: Values
  ) => Effect.Effect<ReadonlyArray<Row>, StoreUnavailable>
  /** The same over the connection for writes, one after the other. Rejects with the driver's error. */
  readonly write: <Row extends Values>(text: string, ...values: Values) => Promise<ReadonlyArray<Row>>
  /** A connection that is nobody else's, and not yet open. */
  readonly client: () => Client
}

/** Opens no connection yet. */
export const make: (url: string, schema: string) => Effect.Effect<Database, StoreUnavailable, Scope.Scope> =
  Effect.fnUntraced(function* (url, name) {
    const length = Buffer.byteLength(name)
    if (length === 0 || length > LONGEST_NAME) {
      const message = `The name of a schema has 1 to ${LONGEST_NAME} bytes: name another.`
      return yield* new StoreUnavailable({ message })
    }
    if (isMisspelt(url)) return yield* new StoreUnavailable({ message: MISSPELT })
    const schema = `"${name.replaceAll('"', '""')}"`
    const config: ClientConfig = {
      connectionString: url,
      application_name: "latchkey",
      connectionTimeoutMillis: CONNECT_TIMEOUT,
      keepAlive: true,
      keepAliveInitialDelayMillis: 10_000
    }
    const readers = yield* pool(config, READERS)
    const writer = yield* pool(config, 1)
    const statements = new Map<string, Statement>()
    /** Whether prepared statements can be used: behind a pooler, the next question may go over another connection. */
    let isKept = true
    const statementOf = (text: string): Statement => {
      const known = statements.get(text)
      if (known !== undefined) return known
      const statement = prepared(text.replaceAll("$.", `${schema}.`))
      statements.set(text, statement)
      return statement
    }
    const query = async <Row extends Values>(
      pool: Pool,
      text: string,
      values: Values,
      repeats = REPEATS
    ): Promise<ReadonlyArray<Row>> => {
      const { name, text: full } = statementOf(text)
      const isPrepared = isKept
      try {
        const { rows } = await pool.query<Array<unknown>>({
          ...(isPrepared && { name }),
          text: full,
          values: [...values],
          rowMode: "array",
          types: { getTypeParser }
        })
        return rows as ReadonlyArray<Values> as ReadonlyArray<Row>
      } catch (cause) {
        // Each statement is a transaction of its own: nothing of it is left.
        if (isPrepared && isUnprepared(cause)) {
          isKept = false
          return query(pool, text, values, repeats)
        }
        if (isUndone(cause) && repeats > 0) return query(pool, text, values, repeats - 1)
        throw cause
      }
    }
    return {
      schema,
      ask: <Row extends Values>(text: string, ...values: Values) =>
        Effect.tryPromise({ try: () => query<Row>(readers, text, values), catch: unavailable }),
      write: (text, ...values) => query(writer, text, values),
      client: () => new Client(config)
    }
  })

/** A statement and its name as a prepared one. The name is a hash of the text, so on a shared connection nobody gives it to another. */
interface Statement {
  readonly name: string
  readonly text: string
}
const prepared = (text: string): Statement => ({ name: hash("sha256", text, "base64url"), text })

/** Whether it says of TLS what the driver would pass over, and then connect without. */
const isMisspelt = (url: string): boolean => {
  const [, query = ""] = url.split(/\?(.*)/s)
  return [...new URLSearchParams(query)].some(
    ([name, value]) => (/ssl/i.test(name) && !TLS.test(name)) || (name === "sslmode" && !TLS_MODES.test(value))
  )
}
const TLS = /^(ssl(mode|rootcert|cert|key|negotiation)?|uselibpqcompat)$/
const TLS_MODES = /^(disable|no-verify|prefer|require|verify-ca|verify-full)$/
const MISSPELT =
  "The URL says something of TLS that is unknown: it is asked for by sslmode=verify-full, sslrootcert, sslcert and sslkey, in small letters."

const pool = (config: ClientConfig, max: number) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const pool = new Pool({ ...config, max, query_timeout: ANSWER_TIMEOUT })
      // An idle connection has died. The pool has let go of it; with nobody to hear of it, the process would end.
      pool.on("error", () => undefined)
      return pool
    }),
    (pool) => Effect.promise(() => pool.end())
  )

const [BOOL, INT8] = [16, 20]

/** Of all that is asked for here: numbers are safe integers, and JSON is parsed where it is used. */
const getTypeParser =
  (type: number) =>
  (text: string): unknown => {
    switch (type) {
      case BOOL:
        return text === "t"
      case INT8:
        return Number(text)
      default:
        return text
    }
  }
