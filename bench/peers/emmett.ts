/**
 * The same commands as a backend would write them with fastify and emmett on PostgreSQL, a row for each lock in a read
 * model included; with `--no-read-model`, the events alone. In its favour: it knows no access rules beyond the API key.
 * It lives in a database of its own, and drops it when it ends.
 */
import { createHash } from "node:crypto"
import { setTimeout } from "node:timers/promises"
import { SQL } from "@event-driven-io/dumbo"
import { CommandHandler, type Event, projections } from "@event-driven-io/emmett"
import { getPostgreSQLEventStore, postgreSQLRawSQLProjection } from "@event-driven-io/emmett-postgresql"
import fastify from "fastify"
import pg from "pg"

type LockEvent =
  | Event<"LockCreated", { lockId: number; uuid: string; ownerId?: string; timestamp: string }>
  | Event<"OwnerSet", { lockId: number; userId: string; timestamp: string }>
  | Event<
      "TempKeyCreated",
      { lockId: number; tempKeyUuid: string; validFrom: string; validUntil: string; timestamp: string }
    >
  | Event<"TempKeyUsed", { lockId: number; tempKeyUuid: string; usedCount: number; timestamp: string }>

interface Lock {
  readonly exists: boolean
  readonly ownerId?: string
  readonly tempKeys: {
    readonly [uuid: string]: { readonly validFrom: string; readonly validUntil: string; readonly usedCount: number }
  }
}

const evolve = (lock: Lock, { type, data }: LockEvent): Lock => {
  switch (type) {
    case "LockCreated":
      return { ...lock, exists: true, ...(data.ownerId === undefined ? {} : { ownerId: data.ownerId }) }
    case "OwnerSet":
      return { ...lock, ownerId: data.userId }
    case "TempKeyCreated": {
      const { tempKeyUuid, validFrom, validUntil } = data
      return { ...lock, tempKeys: { ...lock.tempKeys, [tempKeyUuid]: { validFrom, validUntil, usedCount: 0 } } }
    }
    case "TempKeyUsed": {
      const key = lock.tempKeys[data.tempKeyUuid]
      return key === undefined
        ? lock
        : { ...lock, tempKeys: { ...lock.tempKeys, [data.tempKeyUuid]: { ...key, usedCount: data.usedCount } } }
    }
  }
}

const admin = process.env.DATABASE ?? ""
const database = `latchkey_bench_${process.pid}`
const own = new URL(admin)
own.pathname = `/${database}`

const administer = async (query: string | pg.QueryConfig) => {
  const client = new pg.Client({ connectionString: admin })
  await client.connect()
  const result = await client.query(query)
  await client.end()
  return result
}

/** What owners' lists of locks need, written with the events: the way of emmett that leaves nothing behind. */
const deviceState = postgreSQLRawSQLProjection<LockEvent>({
  name: "device_state",
  canHandle: ["LockCreated", "OwnerSet", "TempKeyCreated", "TempKeyUsed"],
  init: () => [
    SQL`CREATE TABLE IF NOT EXISTS device_state (lock_id integer PRIMARY KEY, lock_uuid text NOT NULL, owner_id text,
      last_event text NOT NULL, last_updated text NOT NULL)`,
    SQL`CREATE INDEX IF NOT EXISTS device_state_owner ON device_state (owner_id)`
  ],
  evolve: ({ type, data }) => {
    switch (type) {
      case "LockCreated":
        return SQL`INSERT INTO device_state VALUES (${data.lockId}, ${data.uuid}, ${data.ownerId ?? null}, ${type}, ${data.timestamp})`
      case "OwnerSet":
        return SQL`UPDATE device_state SET owner_id = ${data.userId}, last_event = ${type}, last_updated = ${data.timestamp} WHERE lock_id = ${data.lockId}`
      default:
        return SQL`UPDATE device_state SET last_event = ${type}, last_updated = ${data.timestamp} WHERE lock_id = ${data.lockId}`
    }
  }
})

await administer(`CREATE DATABASE ${database}`)
const store = getPostgreSQLEventStore(
  own.href,
  process.argv.includes("--no-read-model") ? {} : { projections: projections.inline([deviceState]) }
)
await store.schema.migrate()

const handle = CommandHandler<Lock, LockEvent>({ evolve, initialState: () => ({ exists: false, tempKeys: {} }) })
const apiKeys = new Set([hashOf("acme-bench-key-of-32-bytes-or-more")])

function hashOf(secret: string): string {
  return createHash("sha256").update(secret).digest("base64url")
}

class Refused extends Error {
  readonly statusCode: number
  constructor(statusCode: number, message: string) {
    super(message)
    this.statusCode = statusCode
  }
}

const app = fastify()
app.addHook("onRequest", async ({ headers }) => {
  if (!apiKeys.has(hashOf(String(headers["x-api-key"])))) throw new Refused(401, "Unknown API key")
})

/** A command: decided on the state that its stream folds to, appended at that version. */
const command = <Body extends object>(
  name: string,
  properties: { readonly [field in keyof Body]: { readonly type: string } },
  decide: (lock: Lock, lockId: number, body: Body, timestamp: string) => LockEvent
) =>
  app.post<{ Params: { id: number }; Body: Body }>(
    `/locks/:id/${name}`,
    {
      schema: {
        params: { type: "object", properties: { id: { type: "integer", minimum: 1 } } },
        body: { type: "object", properties, required: Object.keys(properties) }
      }
    },
    async ({ params: { id }, body }) => {
      const { newEvents, nextExpectedStreamVersion } = await handle(store, `lock-${id}`, (lock) => {
        if (!lock.exists && name !== "CreateLock") throw new Refused(404, "Lock not found")
        return decide(lock, id, body, new Date().toISOString())
      })
      return { success: true, aggregateId: String(id), version: Number(nextExpectedStreamVersion), event: newEvents[0] }
    }
  )

command<{ uuid: string; ownerId: string }>(
  "CreateLock",
  { uuid: { type: "string" }, ownerId: { type: "string" } },
  (_, lockId, { uuid, ownerId }, timestamp) => ({ type: "LockCreated", data: { lockId, uuid, ownerId, timestamp } })
)
command<{ userId: string }>("SetOwner", { userId: { type: "string" } }, (_, lockId, { userId }, timestamp) => ({
  type: "OwnerSet",
  data: { lockId, userId, timestamp }
}))
command<{ tempKeyUuid: string; validFrom: string; validUntil: string }>(
  "create-temp-key",
  { tempKeyUuid: { type: "string" }, validFrom: { type: "string" }, validUntil: { type: "string" } },
  (lock, lockId, { tempKeyUuid, validFrom, validUntil }, timestamp) => {
    if (lock.tempKeys[tempKeyUuid] !== undefined) throw new Refused(400, "Temp key uuid already used")
    return { type: "TempKeyCreated", data: { lockId, tempKeyUuid, validFrom, validUntil, timestamp } }
  }
)
command<{ tempKeyUuid: string }>(
  "use-temp-key",
  { tempKeyUuid: { type: "string" } },
  (lock, lockId, { tempKeyUuid }, timestamp) => {
    const key = lock.tempKeys[tempKeyUuid]
    if (key === undefined) throw new Refused(404, "Temp key not found")
    if (timestamp < key.validFrom || timestamp >= key.validUntil) throw new Refused(400, "Temp key not valid")
    return { type: "TempKeyUsed", data: { lockId, tempKeyUuid, usedCount: key.usedCount + 1, timestamp } }
  }
)

let stopping = false
const stop = async () => {
  if (stopping) return
  stopping = true
  await app.close()
  await store.close()
  // The sessions that were closed may still be on their way out. To be thrown out would be an error in their pool.
  const sessions = { text: "SELECT count(*)::int AS n FROM pg_stat_activity WHERE datname = $1", values: [database] }
  while ((await administer(sessions)).rows[0]?.n > 0) await setTimeout(20)
  await administer(`DROP DATABASE ${database}`)
  process.exit()
}
process.once("SIGTERM", stop)
process.once("disconnect", stop)

const address = await app.listen({ host: "127.0.0.1", port: 0 })
process.send?.(Number(new URL(address).port))
