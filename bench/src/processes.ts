/** The processes that are measured, and those that put load on them: started, asked, and stopped. */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { createServer } from "node:net"
import { basename } from "node:path"
import { createInterface } from "node:readline"
import type { Readable } from "node:stream"
import { fileURLToPath } from "node:url"

interface StartOptions {
  readonly flags?: ReadonlyArray<string>
  readonly args?: ReadonlyArray<string>
  readonly env?: { readonly [name: string]: string }
  /** What it logs is not shown. */
  readonly quiet?: boolean
}

/** A module that runs on this Node in a process of its own, until it is disposed of. */
class NodeProcess implements AsyncDisposable {
  readonly child: ChildProcess
  /** Read to the end, so that the process never waits for a reader. */
  readonly stdout: Readable
  readonly #name: string

  constructor(module: URL, { flags = [], args = [], env = {}, quiet = false }: StartOptions) {
    this.#name = basename(module.pathname)
    const child = spawn(process.execPath, [...flags, fileURLToPath(module), ...args], {
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", quiet ? "ignore" : "inherit", "ipc"]
    })
    this.child = child
    this.stdout = (child.stdout as Readable).resume()
  }

  /** What arrives first: the answer, or the end of the process, which is an error. */
  async beforeItEnds<A>(answer: (signal: AbortSignal) => Promise<A>): Promise<A> {
    const over = new AbortController()
    const ended = once(this.child, "exit", { signal: over.signal }).then(([code, signal]) => {
      throw new Error(`The process ${this.#name} ended (${code ?? signal}); what it printed is above.`)
    })
    try {
      return await Promise.race([answer(over.signal), ended])
    } finally {
      over.abort()
      await ended.catch(() => {})
    }
  }

  async message(): Promise<unknown> {
    const [message] = await this.beforeItEnds((signal) => once(this.child, "message", { signal }))
    return message
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return
    const ended = once(this.child, "exit")
    this.child.kill("SIGTERM")
    await ended
  }
}

/** A module that answers one job after the other: see `children/answerJobs.ts`. */
export class Child<Job, Answer> implements AsyncDisposable {
  readonly #process: NodeProcess

  private constructor(process: NodeProcess) {
    this.#process = process
  }

  static async start<Job, Answer>(module: URL, options: StartOptions = {}): Promise<Child<Job, Answer>> {
    const child = new Child<Job, Answer>(new NodeProcess(module, options))
    await child.#process.message()
    return child
  }

  async ask(job: Job): Promise<Answer> {
    const answer = this.#process.message()
    this.#process.child.send({ job })
    return ((await answer) as { readonly answer: Answer }).answer
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#process[Symbol.asyncDispose]()
  }
}

/** A process that listens on a port. */
export class Server implements AsyncDisposable {
  readonly port: number
  readonly pid: number
  readonly #process: NodeProcess

  private constructor(port: number, process: NodeProcess) {
    this.port = port
    this.pid = process.child.pid ?? 0
    this.#process = process
  }

  /** A module that tells its port by a message. */
  static async start(module: URL, options: StartOptions = {}): Promise<Server> {
    const process = new NodeProcess(module, options)
    return new Server(Number(await process.message()), process)
  }

  /** The real `latchkey serve`, which prints where it listens. */
  static async startLatchkey(options: StartOptions): Promise<Server> {
    const main = new URL("./main.ts", import.meta.resolve("@latchkey/http/client"))
    const process = new NodeProcess(main, { ...options, args: ["serve"] })
    const port = await process.beforeItEnds(
      () =>
        new Promise<number>((resolve) => {
          createInterface({ input: process.stdout }).on("line", (line) => {
            const found = /listens on http:\/\/[^ ]+:(\d+)/.exec(line)
            if (found !== null) resolve(Number(found[1]))
          })
        })
    )
    return new Server(port, process)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#process[Symbol.asyncDispose]()
  }
}

/** A port that nobody listens on. */
export const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const address = server.address()
      server.close(() => resolve(typeof address === "object" ? (address?.port ?? 0) : 0))
    })
  })
