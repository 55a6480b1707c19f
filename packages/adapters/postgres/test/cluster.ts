/** A PostgreSQL that is nobody else's: made here, run as the user `postgres` where this is root, and gone with the test. */
import { execFileSync } from "node:child_process"
import { appendFileSync, chownSync, copyFileSync, globSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"

export interface Cluster extends Disposable {
  readonly port: number
  /** A folder of its own, beside the data. */
  readonly folder: string
  /** The command that does this to it: `start`, `stop`, `restart` and what pg_ctl takes after them. */
  readonly control: (...args: ReadonlyArray<string>) => ReadonlyArray<string>
  /** Puts a copy of a file where it reads its own, readable for itself alone. */
  readonly give: (file: string, name: string) => void
  /** More lines for one of its own files. */
  readonly configure: (name: "postgresql.conf" | "pg_hba.conf", lines: ReadonlyArray<string>) => void
  readonly start: () => void
}

/** Everybody on this machine is let in; `latchkey` may do everything. It does not run yet. */
export const makeCluster = async (): Promise<Cluster> => {
  const bin =
    globSync("/usr/lib/postgresql/*/bin").sort().at(-1) ??
    execFileSync("pg_config", ["--bindir"], { encoding: "utf8" }).trim()
  const owner =
    process.getuid?.() === 0 ? Number(execFileSync("id", ["-u", "postgres"], { encoding: "utf8" })) : undefined
  const own = (program: string, ...args: ReadonlyArray<string>) => {
    const command = [join(bin, program), ...args]
    return owner === undefined ? command : ["runuser", "-u", "postgres", "--", ...command]
  }
  const folder = mkdtempSync(join(tmpdir(), "latchkey-postgres-"))
  const hand = (path: string) => owner !== undefined && chownSync(path, owner, -1)
  hand(folder)
  const data = join(folder, "data")
  const port = await freePort()
  const options = `-p ${port} -c listen_addresses=127.0.0.1 -c unix_socket_directories=${folder}`
  const control = (...args: ReadonlyArray<string>) =>
    own("pg_ctl", "-D", data, "-w", "-l", join(folder, "log"), "-o", options, ...args)
  run(own("initdb", "-D", data, "-U", "latchkey", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"))
  return {
    port,
    folder,
    control,
    give: (file, name) => {
      copyFileSync(file, join(data, name))
      hand(join(data, name))
    },
    configure: (name, lines) => {
      const text = `${lines.join("\n")}\n`
      if (name === "pg_hba.conf") writeFileSync(join(data, name), text)
      else appendFileSync(join(data, name), text)
    },
    start: () => run(control("start")),
    [Symbol.dispose]: () => {
      try {
        run(control("stop", "-m", "immediate"))
      } catch {
        // It does not run.
      }
      rmSync(folder, { recursive: true, force: true })
    }
  }
}

const run = ([program = "", ...args]: ReadonlyArray<string>) =>
  execFileSync(program, args, { stdio: "ignore", cwd: "/" })

const freePort = () =>
  new Promise<number>((resolve, reject) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const address = server.address()
      server.close(() => resolve(typeof address === "object" ? (address?.port ?? 0) : 0))
    })
    server.once("error", reject)
  })
