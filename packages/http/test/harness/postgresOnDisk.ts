/** A PostgreSQL of the test's own, data and write-ahead log on one small disk, that is started again whenever it ends. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process"
import { once } from "node:events"
import { globSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { Client } from "pg"
import { vi } from "vitest"
import { freePort } from "./freePort.ts"
import type { SmallDisk } from "./smallDisk.ts"

const bin =
  globSync("/usr/lib/postgresql/*/bin").sort().at(-1) ??
  execFileSync("pg_config", ["--bindir"], { encoding: "utf8" }).trim()

/** It does not run as root, nor as somebody without a name. */
const user = () => process.getuid?.() || Number(execFileSync("id", ["-u", "postgres"], { encoding: "utf8" }))

export interface PostgresOnDisk extends AsyncDisposable {
  readonly url: string
  /** Crashes it (SIGQUIT), or stops it as an operator does (SIGINT), and waits until it serves again. */
  readonly restart: (signal: "SIGQUIT" | "SIGINT") => Promise<void>
  /** Waits until it serves. */
  readonly serves: () => Promise<void>
}

/** @param walMegabytes what its write-ahead log takes of the disk, about */
export const startPostgresOn = async (disk: SmallDisk, walMegabytes: number): Promise<PostgresOnDisk> => {
  const inside = (program: string, ...args: ReadonlyArray<string>) => {
    const [command = "", ...rest] = [...disk.inside(user()), join(bin, program), "-D", join(disk.path, "data"), ...args]
    return [command, rest] as const
  }
  const small = ["--locale=C", "--no-sync", "--wal-segsize=1"]
  execFileSync(...inside("initdb", "-U", "latchkey", "-A", "trust", "-E", "UTF8", ...small), { stdio: "ignore" })
  const port = await freePort()
  const wal = [`max_wal_size=${walMegabytes}MB`, `min_wal_size=${walMegabytes / 2}MB`]
  const settings = ["listen_addresses=127.0.0.1", "unix_socket_directories=", ...wal]
  const run = inside("postgres", "-p", String(port), ...settings.flatMap((setting) => ["-c", setting]))
  let isOver = false
  let running: ChildProcess | undefined
  const looking = (async () => {
    while (!isOver) {
      running = spawn(...run, { stdio: "ignore" })
      await once(running, "close")
      await sleep(100)
    }
  })()
  const end = async (signal: NodeJS.Signals) => {
    const ended = running && once(running, "close")
    if (running?.kill(signal)) await ended
  }
  const url = `postgres://latchkey@127.0.0.1:${port}/postgres`
  const serves = () =>
    vi.waitFor(
      async () => {
        const client = new Client({ connectionString: url })
        // What it says of its end is not missed.
        client.on("error", () => {})
        await client.connect()
        await client.end()
      },
      { timeout: 300_000, interval: 100 }
    )
  await serves()
  return {
    url,
    serves,
    restart: async (signal) => {
      await end(signal)
      await serves()
    },
    [Symbol.asyncDispose]: async () => {
      isOver = true
      await end("SIGQUIT")
      await looking
    }
  }
}
