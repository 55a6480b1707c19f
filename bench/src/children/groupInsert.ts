/**
 * The least that durable events cost on PostgreSQL: rows as Latchkey stores them, into its own table, one insert and one commit for
 * all that have arrived while the last one was under way. No rules, no versions of others, no records.
 */
import pg from "pg"
import type { Row } from "./groupCommit.ts"

/** Into the table of events of this schema, which is empty; `done` is called with the version of the row's stream once it is on the disk. */
export const openGroupInsert = async (url: string, schema: string) => {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  const types = ["bigint", "text", "bigint", "text", "text", "text", "text", "text", "bigint", "text", "text"]
  const columns = types.map((type, n) => `$${n + 1}::${type}[]`).join(", ")
  const text = `INSERT INTO ${schema}.events SELECT *, NULL FROM unnest(${columns})`
  const principal = JSON.stringify({ _tag: "Organization", orgId: "acme" })
  const versions = new Map<number, number>()
  let position = 0
  let waiting: Array<{ readonly row: Row; readonly done: (version: number) => void }> = []
  let isWriting = false

  const write = async () => {
    while (waiting.length > 0) {
      const group = waiting
      waiting = []
      const rows = group.map(({ row: { lockId, type, data } }) => {
        const version = (versions.get(lockId) ?? 0) + 1
        versions.set(lockId, version)
        const id = crypto.randomUUID()
        const place = [++position, `lock-${lockId}`, version, `${id}-1`, "lock", "acme"]
        return [...place, type, JSON.stringify(data), Date.now(), principal, id]
      })
      await client.query({ name: "insert", text, values: types.map((_, n) => rows.map((row) => row[n])) })
      group.forEach(({ done }, index) => done(Number(rows[index]?.[2])))
    }
    isWriting = false
  }

  return {
    append: (row: Row, done: (version: number) => void): void => {
      waiting.push({ row, done })
      if (isWriting) return
      isWriting = true
      setImmediate(write)
    }
  }
}
