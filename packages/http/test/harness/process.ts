/** The server as its users run it: a process of its own on a data folder, to be stopped or killed. */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { API_KEYS, JWT_SECRET } from "./callers.ts"

export const MAIN = fileURLToPath(new URL("../../src/main.ts", import.meta.url))

/** A folder of its own for a test; gone with it. */
export const temporaryFolder = (): Disposable & { readonly path: string } => {
  const path = mkdtempSync(join(tmpdir(), "latchkey-http-"))
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) }
}

export type Environment = Readonly<Record<string, string>>

/** Servers run side by side: only a test that names a port for devices has one. */
export const NO_DEVICES: Environment = { LATCHKEY_SHADOW_PORT: "off", LATCHKEY_MQTT_PORT: "off" }

/** What every process that a test starts has of the test's own environment: nothing else reaches it. */
export const inherited = (path = process.env["PATH"]): Environment => ({
  PATH: path ?? "",
  NODE_COMPILE_CACHE: process.env["NODE_COMPILE_CACHE"] ?? ""
})

/** Keys for the callers of `callers.ts`, and a free port. */
export const configured = (folder: string): Environment => ({
  PORT: "0",
  LATCHKEY_DATA: folder,
  LATCHKEY_JWT_SECRET: JWT_SECRET,
  LATCHKEY_API_KEYS: API_KEYS.map(({ orgId, secret }) => `${orgId}:${secret}`).join(",")
})

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

export interface Server extends AsyncDisposable {
  readonly url: string
  readonly pid: number
  /** All that it has written to its terminal so far. */
  readonly output: () => string
  readonly signal: (signal: NodeJS.Signals) => void
  readonly ended: Promise<Ended>
  /** SIGKILL: it has no say in this. */
  readonly kill: () => Promise<void>
}

/** Starts `latchkey serve` with nothing but these variables, and waits until it listens. */
export const startServer = async (
  environment: Environment,
  entry = MAIN,
  /** What starts node, when not node itself. */
  launcher: ReadonlyArray<string> = []
): Promise<Server> => {
  const run = spawnServer(environment, entry, launcher)
  const url = await run.listening
  return {
    ...run,
    url,
    kill: async () => {
      run.signal("SIGKILL")
      await run.ended
    },
    [Symbol.asyncDispose]: async () => {
      run.signal("SIGKILL")
      await run.ended
    }
  }
}

/** Where its devices connect. */
export const brokerOf = (server: Server): string => {
  const url = /Devices connect to (\S+)/.exec(server.output())?.[1]
  if (url === undefined) throw new Error(`No devices can connect: ${server.output()}`)
  return url
}

/** Where its devices' shadows are served over HTTP. */
export const shadowsOf = (server: Server): string => /shadows are served on (\S+)/.exec(server.output())?.[1] ?? ""

/** Runs `latchkey serve` until it ends by itself. */
export const runToEnd = async (environment: Environment): Promise<Ended & { readonly output: string }> => {
  const run = spawnServer(environment, MAIN)
  run.listening.catch(() => {})
  return { ...(await run.ended), output: run.output() }
}

const spawnServer = (environment: Environment, entry: string, launcher: ReadonlyArray<string> = []) => {
  const [command = "", ...args] = [...launcher, process.execPath, entry, "serve"]
  const child = spawn(command, args, {
    env: { ...inherited(), NODE_NO_WARNINGS: "1", ...NO_DEVICES, ...environment },
    stdio: ["ignore", "pipe", "pipe"]
  })
  let output = ""
  const ended = endOf(child)
  const listening = new Promise<string>((resolve, reject) => {
    const take = (chunk: Buffer) => {
      output += chunk.toString("utf8")
      const url = /listens on (http:\/\/\S+)/.exec(output)?.[1]
      if (url !== undefined) resolve(url)
    }
    child.stdout.on("data", take)
    child.stderr.on("data", take)
    void ended.then(({ code, signal }) =>
      reject(new Error(`The server ended (${code ?? signal}) before it listened:\n${output}`))
    )
  })
  return {
    pid: child.pid ?? 0,
    output: () => output,
    signal: (signal: NodeJS.Signals) => void child.kill(signal),
    ended,
    listening
  }
}

const endOf = async (child: ChildProcess): Promise<Ended> => {
  // Closed, not only ended: by then all that it wrote has arrived.
  const [code, signal] = await once(child, "close")
  return { code, signal }
}
