/** A PgBouncer of the test's own in transaction mode: two statements of a client may meet two sessions of the database. */
import { spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { freePort } from "./freePort.ts"

/** Answers the URL through which the database of `url` is reached. */
export const startPooler = async (url: string): Promise<AsyncDisposable & { readonly url: string }> => {
  const program = ["pgbouncer", "/usr/sbin/pgbouncer"].find((name) => spawnSync(name, ["-V"]).error === undefined)
  if (program === undefined) throw new Error("pgbouncer is not installed: run scripts/install-services")
  const folder = mkdtempSync(join(tmpdir(), "latchkey-pgbouncer-"))
  const port = await freePort()
  const there = new URL(url)
  const lines = [
    "[databases]",
    `* = host=${there.hostname} port=${there.port || 5432} user=${there.username}`,
    "[pgbouncer]",
    "listen_addr = 127.0.0.1",
    `listen_port = ${port}`,
    "unix_socket_dir =",
    "auth_type = any",
    "pool_mode = transaction",
    "default_pool_size = 6",
    "ignore_startup_parameters = extra_float_digits"
  ]
  const file = join(folder, "pgbouncer.ini")
  writeFileSync(file, `${lines.join("\n")}\n`)
  for (const [path, mode] of [
    [folder, 0o755],
    [file, 0o644]
  ] as const)
    chmodSync(path, mode)
  // It does not run as root.
  const command = process.getuid?.() === 0 ? ["runuser", "-u", "postgres", "--", program] : [program]
  const pooler = spawn(command[0] ?? "", [...command.slice(1), file], { stdio: ["ignore", "ignore", "pipe"] })
  let said = ""
  for await (const line of pooler.stderr) if (/process up/.test((said += String(line)))) break
  if (!/process up/.test(said)) throw new Error(`pgbouncer did not start: ${said}`)
  pooler.stderr.resume()
  const through = new URL(url)
  through.host = `127.0.0.1:${port}`
  return {
    url: through.href,
    [Symbol.asyncDispose]: async () => {
      pooler.kill()
      await once(pooler, "exit")
      rmSync(folder, { recursive: true, force: true })
    }
  }
}
