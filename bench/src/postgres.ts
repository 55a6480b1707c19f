/** The PostgreSQL that benchmarks work on: in schemas and databases of their own, which they drop. */
import { connect } from "node:net"
import pg from "pg"

/** A URL of a user who may create databases. */
export const POSTGRES = process.env.LATCHKEY_BENCH_POSTGRES ?? "postgresql://postgres@127.0.0.1:5432/test"

/** Why nothing can be measured on it; `undefined` when it answers. */
export const postgresAnswers = async (): Promise<string | undefined> => {
  const { hostname, port } = new URL(POSTGRES)
  const place = `${hostname}:${port || 5432}`
  return (await answers(hostname, Number(port || 5432)))
    ? undefined
    : `no PostgreSQL answers on ${place}. Start one, or name another with LATCHKEY_BENCH_POSTGRES.`
}

const answers = (host: string, port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect({ host, port, timeout: 1000 })
    const end = (is: boolean) => {
      socket.destroy()
      resolve(is)
    }
    socket
      .once("connect", () => end(true))
      .once("error", () => end(false))
      .once("timeout", () => end(false))
  })

/** What tells `latchkey` to keep its log in a schema. */
export const inSchema = (schema: string) => ({
  LATCHKEY_STORE: "postgres",
  LATCHKEY_POSTGRES_URL: POSTGRES,
  LATCHKEY_POSTGRES_SCHEMA: schema
})

/** A schema that nobody has. */
export const newSchema = (): string => `latchkey_bench_${process.pid}_${++schemas}`
let schemas = 0

export const dropSchema = async (name: string): Promise<void> => {
  const client = new pg.Client({ connectionString: POSTGRES })
  await client.connect()
  await client.query(`DROP SCHEMA IF EXISTS ${name} CASCADE`)
  await client.end()
}
