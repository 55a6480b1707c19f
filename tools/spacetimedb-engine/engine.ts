/** Starts SpacetimeDB's engine, and talks to a server of SpacetimeDB as a publisher does. See README.md. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process"
import { randomUUID } from "node:crypto"
import { once } from "node:events"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"

/** The engine's binary, if it was built: `release` is fast enough to measure. */
export const builtEngine = (profile: "debug" | "release" = "debug"): string | undefined => {
  const build = fileURLToPath(new URL("build.sh", import.meta.url))
  const options = profile === "release" ? ["--release", "--where"] : ["--where"]
  return execFileSync("sh", [build, ...options], { encoding: "utf8" }).trim() || undefined
}

/** Tests that need the engine say that they are left out, where it was not built. */
export const sayIfLeftOut = (what: string, isThere: boolean): void => {
  if (isThere) return
  process.stderr.write(
    `Left out: ${what}. SpacetimeDB's engine is not there: \`npm run test:services\` builds it where there is cargo (tools/spacetimedb-engine/README.md).\n`
  )
}

/** One process of the engine, over a folder that outlives it. */
export class Engine implements AsyncDisposable {
  readonly uri: string
  readonly folder: string
  readonly #process: ChildProcess
  #isAlone = false

  private constructor(uri: string, folder: string, process: ChildProcess) {
    this.uri = uri
    this.folder = folder
    this.#process = process
  }

  /** Over a new folder, which goes with it. */
  static async startAnew(binary: string): Promise<Engine> {
    const folder = mkdtempSync(join(tmpdir(), "latchkey-spacetimedb-"))
    const engine = await Engine.start(binary, folder)
    engine.#isAlone = true
    return engine
  }

  /**
   * Answers once it listens, on a free port of loopback unless one is given; throws with what it says when it ends. `within`
   * is a command that becomes the engine, such as one that enters a namespace.
   */
  static async start(
    binary: string,
    folder: string,
    { port = 0, within = [] }: { readonly port?: number; readonly within?: ReadonlyArray<string> } = {}
  ): Promise<Engine> {
    const [command = binary, ...args] = [...within, binary, String(port), folder, "--until-stdin-ends"]
    const engine = spawn(command, args, {
      stdio: ["pipe", "pipe", "pipe"],
      env: { ...process.env, RUST_LOG: "error", RUST_BACKTRACE: "0" }
    })
    let said = ""
    engine.stderr.on("data", (data: Buffer) => {
      said = (said + data).slice(-4_000)
    })
    const [line] = await Promise.race([
      once(createInterface(engine.stdout), "line"),
      once(engine, "exit").then(([status]) => {
        throw new Error(`SpacetimeDB's engine ended with ${status} before it listened: ${said}`)
      })
    ])
    return new Engine(String(line), folder, engine)
  }

  get port(): number {
    return Number(new URL(this.uri).port)
  }

  /** Ends it at once, as a loss of power would: with SIGKILL. */
  async kill(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return
    const exited = once(this.#process, "exit")
    this.#process.kill("SIGKILL")
    await exited
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill()
    if (this.#isAlone) rmSync(this.folder, { recursive: true, force: true })
  }
}

/** A database, and the token of its owner. */
export interface Place {
  readonly uri: string
  readonly database: string
  readonly token: string
}

export interface Answer {
  readonly ok: boolean
  readonly status: number
  readonly text: string
}

/** One request to a server of SpacetimeDB. */
export const request = async (
  { uri, token }: Pick<Place, "uri"> & Partial<Place>,
  method: string,
  path: string,
  body?: string
): Promise<Answer> => {
  const response = await fetch(new URL(path, uri), {
    method,
    headers: {
      ...(path.includes("/call/") && { "content-type": "application/json" }),
      ...(token !== undefined && { authorization: `Bearer ${token}` })
    },
    ...(body !== undefined && { body })
  })
  return { ok: response.ok, status: response.status, text: await response.text() }
}

/** A token of somebody new, by the server itself. */
export const newToken = async (uri: string): Promise<string> => {
  const { ok, text } = await request({ uri }, "POST", "/v1/identity")
  if (!ok) throw new Error(`${uri} gives no identity: ${text}`)
  return JSON.parse(text).token
}

/** A new database of somebody new, with this module. */
export const create = async (uri: string, module: string): Promise<Place> => {
  const place = { uri, database: `latchkey-test-${randomUUID()}`, token: await newToken(uri) }
  const { ok, text } = await publish(place, module)
  if (!ok) throw new Error(`The module could not be published: ${text}`)
  return place
}

/** Publishes a module over what is there; `breaksClients` agrees that those who are connected are thrown out. */
export const publish = (place: Place, module: string, breaksClients = false): Promise<Answer> => {
  const policy = breaksClients ? "&policy=BreakClients" : ""
  return request(place, "PUT", `/v1/database/${place.database}?host_type=Js${policy}`, module)
}
