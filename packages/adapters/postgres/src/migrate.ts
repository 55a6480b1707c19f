/** Makes the schema, or brings it up to date: one server at a time, in one transaction. */
import { StoreUnavailable } from "@latchkey/core"
import { Effect, Schedule } from "effect"
import type { ClientBase } from "pg"
import type { Database } from "./Database.ts"
import { migrations } from "./migrations.ts"
import { isLocked, isPassing, unavailable } from "./unavailable.ts"

/** The advisory lock of everybody who makes a schema: "latchkey", as a number. */
const LOCK = "7809632576190244217"
const OLDEST_POSTGRES = 14
/** Milliseconds until a start that waits for somebody's lock says so. */
const LONGEST_WAIT = 20_000
/** Milliseconds between looks at a database that is being started, and how many. */
const [RETRY_EVERY, RETRIES] = [250, 80]

export const migrate = ({ client, schema }: Database, create: boolean): Effect.Effect<void, StoreUnavailable> =>
  Effect.tryPromise({
    try: async () => {
      const one = client()
      // Whatever ends the connection fails what is asked next.
      one.on("error", () => undefined)
      try {
        await one.connect()
        // Whatever is the default: who has waited for another server sees what that one has made.
        await one.query("BEGIN ISOLATION LEVEL READ COMMITTED")
        await one.query(`SET LOCAL lock_timeout = ${LONGEST_WAIT}`)
        await checkServer(one)
        const found = await versionOf(one, schema)
        if (!isCurrent(found, schema)) {
          if (!create)
            throw refusal(
              found === undefined ? `There is no log in the schema ${schema}: name its own.` : older(schema)
            )
          await one.query("SELECT pg_advisory_xact_lock($1)", [LOCK])
          await bringUpToDate(one, schema)
        }
        await checkFunctions(one, schema)
        await one.query("COMMIT")
      } catch (cause) {
        throw isLocked(cause) ? refusal(held(schema)) : cause
      } finally {
        await one.end().catch(() => undefined)
      }
    },
    catch: unavailable
  }).pipe(
    // The database is restarting: failing now would only mean another start of this server.
    Effect.retry({ while: ({ cause }) => isPassing(cause), schedule: Schedule.spaced(RETRY_EVERY), times: RETRIES })
  )

const checkServer = async (client: ClientBase) => {
  const { rows } = await client.query({
    text: "SELECT current_setting('server_encoding'), current_setting('server_version_num')",
    rowMode: "array"
  })
  const [encoding, version] = rows[0] ?? []
  if (Number(version) < OLDEST_POSTGRES * 10_000) throw refusal(`PostgreSQL ${OLDEST_POSTGRES} or later is needed.`)
  if (encoding !== "UTF8") throw refusal(`The database keeps text as ${encoding}: make one with ENCODING 'UTF8'.`)
}

/** Functions name their schema: in one that was given another name they would read and write whatever has the old one. */
const checkFunctions = async (client: ClientBase, schema: string) => {
  const { rows } = await client.query(
    `SELECT setting FROM pg_proc JOIN pg_namespace AS n ON n.oid = pronamespace CROSS JOIN LATERAL unnest(proconfig) AS setting
      WHERE ${IS_SCHEMA} AND setting LIKE 'search_path=%' AND replace(setting, '"', '') <> 'search_path=' || replace(nspname, '"', '')
      LIMIT 1`,
    [schema]
  )
  if (rows[0] === undefined) return
  const before = String(rows[0].setting).replace("search_path=", "")
  throw refusal(
    `The schema ${schema} was made under the name ${before}, which its functions still use: give it that name again.`
  )
}

/** What another server did meanwhile is found done. */
const bringUpToDate = async (client: ClientBase, schema: string) => {
  const found = await versionOf(client, schema)
  if (isCurrent(found, schema)) return
  if (found === undefined) {
    const { rowCount } = await client.query(`SELECT FROM pg_namespace WHERE ${IS_SCHEMA}`, [schema])
    // Who may not make one can use one that was made for them.
    if (rowCount === 0) await client.query(`CREATE SCHEMA ${schema}`)
    await client.query(`CREATE TABLE ${schema}.version (version integer NOT NULL, oldest integer NOT NULL)`)
    await client.query(`INSERT INTO ${schema}.version VALUES (0, 0)`)
  }
  await client.query(`SET LOCAL search_path TO ${schema}`)
  for (const { sql, oldest } of migrations.slice(found?.version ?? 0)) {
    await client.query(sql)
    await client.query("UPDATE version SET version = version + 1, oldest = $1", [oldest])
  }
}

/** Names are quoted more often than `quote_ident` does. */
const IS_SCHEMA = `'"' || replace(nspname, '"', '""') || '"' = $1`

interface Found {
  /** Steps that were made. */
  readonly version: number
  /** Steps that a Latchkey must know to use it. */
  readonly oldest: number
}

const versionOf = async (client: ClientBase, schema: string): Promise<Found | undefined> => {
  // Not by `to_regclass`: what that remembers may be from before another server's commit.
  const { rowCount } = await client.query(
    `SELECT FROM pg_class JOIN pg_namespace AS n ON n.oid = relnamespace WHERE relname = 'version' AND ${IS_SCHEMA}`,
    [schema]
  )
  if (rowCount === 0) return undefined
  const { rows } = await client.query(`SELECT version, oldest FROM ${schema}.version`)
  return rows[0]
}

/** A newer Latchkey may have made steps that this one can live with. */
const isCurrent = (found: Found | undefined, schema: string): boolean => {
  if (found === undefined) return false
  if (found.oldest > migrations.length) {
    throw refusal(`The schema ${schema} is of a newer Latchkey: start that one, or restore a backup from before.`)
  }
  return found.version >= migrations.length
}

const older = (schema: string) =>
  `The schema ${schema} is of an older Latchkey: start this one's server once, which brings it up to date.`

const held = (schema: string) =>
  `Somebody holds a lock on the schema ${schema}: start again when another server has brought it up to date, or end that transaction.`

const refusal = (message: string) => new StoreUnavailable({ message })
