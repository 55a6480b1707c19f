/**
 * `npm run chaos`: the campaign of three servers on a PostgreSQL of its own, which is made for it, crashes again and again, and goes
 * with it. `CAMPAIGN_SEED`, `CAMPAIGN_ROUNDS`, `CAMPAIGN_SECONDS`, `CAMPAIGN_SERVERS` and `CHAOS_OTHER` as in CONTRIBUTING.md.
 */
import { execFileSync, spawnSync } from "node:child_process"
import { chownSync, globSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { freePort } from "../test/server.ts"

const bin =
  globSync("/usr/lib/postgresql/*/bin").sort().at(-1) ??
  execFileSync("pg_config", ["--bindir"], { encoding: "utf8" }).trim()
/** PostgreSQL does not run as root. */
const isRoot = process.getuid?.() === 0
const own = (program: string, ...args: ReadonlyArray<string>) => {
  const command = [join(bin, program), ...args]
  return isRoot ? ["runuser", "-u", "postgres", "--", ...command] : command
}
const run = ([program = "", ...args]: ReadonlyArray<string>) =>
  execFileSync(program, args, { stdio: "ignore", cwd: "/" })

const folder = mkdtempSync(join(tmpdir(), "latchkey-chaos-"))
if (isRoot) chownSync(folder, Number(execFileSync("id", ["-u", "postgres"], { encoding: "utf8" })), 0)
const data = join(folder, "data")
const port = await freePort()
const options = `-p ${port} -c listen_addresses=127.0.0.1 -c unix_socket_directories=${folder}`
const control = (...args: ReadonlyArray<string>) =>
  own("pg_ctl", "-D", data, "-w", "-l", join(folder, "log"), "-o", options, ...args)
run(own("initdb", "-D", data, "-U", "latchkey", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"))
run(control("start"))
try {
  const { status } = spawnSync("vitest", ["run", "--project", "services", "packages/http/test/postgres/campaign"], {
    stdio: "inherit",
    env: {
      CAMPAIGN_SECONDS: "120",
      CAMPAIGN_SERVERS: "3",
      ...process.env,
      LATCHKEY_TEST_POSTGRES_URL: `postgres://latchkey@127.0.0.1:${port}/postgres`,
      CAMPAIGN_CRASH: JSON.stringify(control("restart", "-m", "immediate"))
    }
  })
  process.exitCode = status ?? 1
} finally {
  run(control("stop", "-m", "immediate"))
  rmSync(folder, { recursive: true, force: true })
}
