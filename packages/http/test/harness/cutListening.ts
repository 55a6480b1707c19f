/** No server hears from the database of what another one has written. */
import { setTimeout as sleep } from "node:timers/promises"
import type { PostgresSchema } from "./postgres.ts"

/** Ends the sessions that listen as soon as there are any, until it is told to stop; answers how many there were. */
export const cutListening = ({ query, schema }: PostgresSchema) => {
  let isOver = false
  const cut = async () => {
    let cuts = 0
    while (!isOver) {
      const ended = await query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1 AND query LIKE 'LISTEN%'",
        schema
      )
      cuts += ended.length
      await sleep(20)
    }
    return cuts
  }
  const cuts = cut()
  return () => {
    isOver = true
    return cuts
  }
}
