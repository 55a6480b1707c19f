/** A published database as the server sees it: the thread that runs its module, and who waits for an answer of it. */
import { Worker } from "node:worker_threads"
import type { Caller, EngineData, FromEngine, ToEngine } from "./engine/messages.ts"
import { LEVELS, type LogLine } from "./LogLine.ts"
import type { ClientMessage } from "./protocol/messages.ts"

/** The server's end of one connection. */
export interface Client {
  readonly connected: () => void
  /** The module does not want the client. */
  readonly rejected: () => void
  /** The database is gone. */
  readonly ended: (reason: string) => void
  readonly receive: (bytes: Uint8Array, answers: string | undefined) => void
}

/** The client's end of one connection. */
export interface Connection {
  readonly send: (message: ClientMessage) => void
  readonly close: () => void
}

export interface HttpAnswer {
  readonly status: number
  readonly body: string
  /** The content type; plain text when left out. */
  readonly type?: string
}

// Unbuilt, this runs as TypeScript; published, as JavaScript.
const unbuilt = import.meta.url.endsWith(".ts")
const workerUrl = new URL(unbuilt ? "./engine/worker.ts" : "./engine/worker.js", import.meta.url)
const execArgv = ["--experimental-vm-modules", "--disable-warning=ExperimentalWarning"]

export class Published {
  readonly name: string
  readonly identity: bigint
  readonly owner: bigint
  readonly #worker: Worker
  readonly #log: (line: LogLine) => void
  readonly #clients = new Map<number, Client>()
  readonly #calls = new Map<number, (answer: HttpAnswer) => void>()
  readonly #opened = Promise.withResolvers<void>()
  #schema: Uint8Array = new Uint8Array()
  #ids = 0
  #ended: string | undefined

  private constructor(name: string, data: EngineData, log: (line: LogLine) => void) {
    this.name = name
    this.identity = data.databaseIdentity
    this.owner = data.owner
    this.#log = log
    this.#worker = new Worker(workerUrl, { name: `spacetimedb-testhost ${name}`, workerData: data, execArgv })
    this.#worker.on("message", (message: FromEngine) => this.#receive(message))
    this.#worker.on("error", (cause: Error) => {
      this.#writeLog(0, `The database stopped: ${cause.message}`)
      this.#end(`The database stopped: ${cause.message}`)
    })
    this.#worker.on("exit", () => this.#end("The database was stopped"))
  }

  /** Starts the module; throws with what is to be changed when it cannot run. */
  static async open(name: string, data: EngineData, log: (line: LogLine) => void): Promise<Published> {
    const published = new Published(name, data, log)
    try {
      await published.#opened.promise
      return published
    } catch (cause) {
      await published.stop()
      throw cause
    }
  }

  /** The module's description of itself, as BSATN. */
  get schema(): Uint8Array {
    return this.#schema
  }

  /** Adds a client; what it sends before the module has let it in waits its turn. */
  connect(caller: Caller, client: Client): Connection {
    const id = this.#ids++
    if (this.#ended !== undefined) {
      client.ended(this.#ended)
      return { send: () => {}, close: () => {} }
    }
    this.#clients.set(id, client)
    this.#post({ _tag: "Connect", client: id, caller })
    return {
      send: (message) => this.#post({ _tag: "Message", client: id, message }),
      close: () => {
        if (this.#clients.delete(id)) this.#post({ _tag: "Disconnect", client: id })
      }
    }
  }

  /** Calls a reducer or a procedure for somebody who is not connected. */
  call(caller: Caller, name: string, args: string): Promise<HttpAnswer> {
    if (this.#ended !== undefined) return Promise.resolve({ status: 503, body: this.#ended })
    return new Promise((resolve) => {
      const request = this.#ids++
      this.#calls.set(request, resolve)
      this.#post({ _tag: "Call", request, caller, name, args })
    })
  }

  async stop(): Promise<void> {
    await this.#worker.terminate()
  }

  #post(message: ToEngine): void {
    this.#worker.postMessage(message)
  }

  #receive(message: FromEngine): void {
    switch (message._tag) {
      case "Ready":
        this.#schema = message.schema
        return this.#opened.resolve()
      case "Refused":
        return this.#opened.reject(new Error(`Module ${this.name}: ${message.message}`))
      case "Connected":
        return this.#clients.get(message.client)?.connected()
      case "Rejected": {
        const client = this.#clients.get(message.client)
        this.#clients.delete(message.client)
        return client?.rejected()
      }
      case "Send":
        return this.#clients.get(message.client)?.receive(message.bytes, message.answers)
      case "Answer": {
        this.#calls.get(message.request)?.(message)
        this.#calls.delete(message.request)
        return
      }
      case "Log":
        return this.#writeLog(message.level, message.message)
    }
  }

  #writeLog(level: number, message: string): void {
    this.#log({ database: this.name, level: LEVELS[level] ?? "info", message })
  }

  #end(reason: string): void {
    this.#ended ??= reason
    this.#opened.reject(new Error(`Module ${this.name}: ${reason}`))
    for (const client of this.#clients.values()) client.ended(reason)
    this.#clients.clear()
    for (const answer of this.#calls.values()) answer({ status: 503, body: reason })
    this.#calls.clear()
  }
}
