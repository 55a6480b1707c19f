/**
 * A server whose database has a full disk: data and write-ahead log on one small file system. Some of what PostgreSQL cannot
 * write ends it; then it is started again and again, as whatever looks after it does.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process"
import { once } from "node:events"
import { globSync } from "node:fs"
import { join } from "node:path"
import { Client } from "pg"
import { expect, it, vi } from "vitest"
import { freePort } from "../harness/freePort.ts"
import { meetFullDisk } from "../harness/fullDisk.ts"
import { configured, startServer, temporaryFolder } from "../harness/process.ts"
import { makeSmallDisk, type SmallDisk } from "../harness/smallDisk.ts"

const bin =
  globSync("/usr/lib/postgresql/*/bin").sort().at(-1) ??
  execFileSync("pg_config", ["--bindir"], { encoding: "utf8" }).trim()

/** It does not run as root, nor as somebody without a name. */
const user = () => process.getuid?.() || Number(execFileSync("id", ["-u", "postgres"], { encoding: "utf8" }))

/** A PostgreSQL on the disk that is always started again. */
const startPostgres = async (disk: SmallDisk) => {
  const inside = (program: string, ...args: ReadonlyArray<string>) => {
    const [command = "", ...rest] = [...disk.inside(user()), join(bin, program), "-D", join(disk.path, "data"), ...args]
    return [command, rest] as const
  }
  const small = ["--locale=C", "--no-sync", "--wal-segsize=1"]
  execFileSync(...inside("initdb", "-U", "latchkey", "-A", "trust", "-E", "UTF8", ...small), { stdio: "ignore" })
  const port = await freePort()
  const settings = ["listen_addresses=127.0.0.1", "unix_socket_directories=", "max_wal_size=4MB", "min_wal_size=2MB"]
  const run = inside("postgres", "-p", String(port), ...settings.flatMap((setting) => ["-c", setting]))
  let isOver = false
  let running: ChildProcess | undefined
  const looking = (async () => {
    while (!isOver) {
      running = spawn(...run, { stdio: "ignore" })
      await once(running, "close")
    }
  })()
  const url = `postgres://latchkey@127.0.0.1:${port}/postgres`
  const listens = async () => {
    const client = new Client({ connectionString: url })
    await client.connect()
    await client.end()
  }
  await vi.waitFor(listens, { timeout: 60_000, interval: 100 })
  return {
    url,
    [Symbol.asyncDispose]: async () => {
      isOver = true
      running?.kill("SIGQUIT")
      await looking
    }
  }
}

it("answers 503 while the database has no room, loses nothing that it answered, and goes on by itself", {
  timeout: 300_000
}, async () => {
  await using disk = await makeSmallDisk(96)
  await using postgres = await startPostgres(disk)
  using folder = temporaryFolder()
  const environment = {
    ...configured(folder.path),
    LATCHKEY_STORE: "postgres",
    LATCHKEY_POSTGRES_URL: postgres.url,
    LATCHKEY_PIN_KEY: "a-key-for-pins-of-thirty-two-bytes"
  }
  await using server = await startServer(environment)
  await meetFullDisk(server.url, disk, 0)
  expect(server.output()).toContain("its disk is full: make room")
})
