/** A SpacetimeDB host for tests: publishes compiled modules and serves them to the official client SDK. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import type { Duplex } from "node:stream"
import { Faults, type Interruption } from "./Faults.ts"
import { answer, authenticate, type Databases, newConnectionId } from "./http.ts"
import type { LogLine } from "./LogLine.ts"
import { type HttpAnswer, Published } from "./Published.ts"
import { offeredBy, Sockets, spokenOf } from "./sockets.ts"
import { hex, identityOf, type TokenRequest, Tokens } from "./Tokens.ts"

export interface TestHostOptions {
  /** The port on loopback; a free one unless told. */
  readonly port?: number
  /** How many megabytes the rows of one database may have; 512 unless told. What would be more is refused. */
  readonly capacityMb?: number
  /** Gets every line that a module writes, and every error that its callers do not see. */
  readonly onLog?: (line: LogLine) => void
}

/** How many lines of the log are kept. */
const LOG_LINES = 1000
const OWNER: TokenRequest = { subject: "owner" }

export class TestHost implements AsyncDisposable {
  readonly #options: TestHostOptions
  readonly #tokens: Tokens
  readonly #faults = new Faults()
  readonly #sockets = new Sockets(this.#faults)
  readonly #databases = new Map<string, { readonly published: Published; readonly source: string }>()
  readonly #logs: Array<LogLine> = []
  #server: Server | undefined
  #port: number

  private constructor(options: TestHostOptions, tokens: Tokens) {
    this.#options = options
    this.#tokens = tokens
    this.#port = options.port ?? 0
  }

  /** Starts a host with no database; end it with `stop`, or let `await using` do so. */
  static async start(options: TestHostOptions = {}): Promise<TestHost> {
    const host = new TestHost(options, await Tokens.make())
    await host.up()
    return host
  }

  /** Where clients connect: `http://127.0.0.1:<port>`. */
  get uri(): string {
    return `http://127.0.0.1:${this.#port}`
  }

  /** The last lines that modules wrote, and the errors that their callers did not see. */
  get logs(): ReadonlyArray<LogLine> {
    return this.#logs
  }

  /** A token that this host accepts, for any issuer, subject and claims. */
  token(request: TokenRequest): Promise<string> {
    return this.#tokens.issue(request)
  }

  /**
   * Publishes the bundle of a module (its JavaScript, as `spacetime publish` would send it) under a name. An existing
   * database of that name is replaced, and its clients are disconnected. The owner, who alone subscribes to private
   * tables, is the bearer of `owner`, else nobody that a test meets by accident.
   *
   * Throws when the module cannot run; the message says why.
   */
  async publish(name: string, bundle: string, options: { readonly owner?: string } = {}): Promise<void> {
    const owner = await this.#tokens.verify(options.owner ?? (await this.#tokens.issue(OWNER)))
    if (owner === undefined) throw new Error("The owner's token was not signed by this host, or has expired")
    await this.#routes.publish(name, bundle, owner.identity, true)
  }

  /**
   * Interrupts the next call that fits, once. Resolves when it happened:
   *
   * ```ts
   * const lost = host.interrupt({ when: "after", call: "append" })
   * await client.append(…) // committed, but the connection ends before the answer
   * await lost
   * ```
   */
  interrupt(interruption: Interruption): Promise<void> {
    return this.#faults.plan(interruption)
  }

  /** Ends all connections at once, without a closing handshake, and answers how many. Clients may connect again immediately. */
  disconnectAll(): number {
    return this.#sockets.drop()
  }

  /** Takes the host off the network: connections end and new ones are refused. Its databases stay as they are. */
  async down(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    if (server === undefined) return
    const closed = new Promise((resolve) => server.close(resolve))
    this.#sockets.drop()
    server.closeAllConnections()
    await closed
  }

  /** Brings the host back, on the same port. */
  async up(): Promise<void> {
    if (this.#server !== undefined) return
    const server = createServer((request, response) => void this.#answer(request, response))
    server.on("upgrade", (request, socket, head) => void this.#upgrade(request, socket, head))
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject)
      server.listen(this.#port, "127.0.0.1", resolve)
    })
    this.#port = (server.address() as AddressInfo).port
    this.#server = server
  }

  /** Ends the host and everything in it. */
  async stop(): Promise<void> {
    await this.down()
    const databases = [...this.#databases.values()]
    this.#databases.clear()
    await Promise.all(databases.map(({ published }) => published.stop()))
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  readonly #routes: Databases = {
    find: (name) => {
      const found = this.#databases.get(name)?.published
      return found ?? [...this.#databases.values()].find(({ published }) => hex(published.identity) === name)?.published
    },
    publish: async (name, source, owner, clear) => {
      const existing = this.#databases.get(name)
      if (existing && !clear) {
        if (existing.source === source) return existing.published
        throw new Error("The test host does not migrate data to another module: publish with clear=true")
      }
      const databaseIdentity = existing?.published.identity ?? identityOf("spacetimedb-testhost", name)
      if (source.startsWith("\0asm")) throw new Error("The test host runs bundles of JavaScript, not WebAssembly")
      const capacity = (this.#options.capacityMb ?? 512) * 1024 * 1024
      const published = await Published.open(name, { source, databaseIdentity, owner, capacity }, this.#log)
      this.#databases.set(name, { published, source })
      await existing?.published.stop()
      return published
    },
    remove: async (database) => {
      this.#databases.delete(database.name)
      await database.stop()
    },
    logsOf: ({ name }) =>
      this.#logs
        .filter(({ database }) => database === name)
        .map(({ level, message }) => `${JSON.stringify({ level: capitalized(level), message })}\n`)
        .join("")
  }

  readonly #log = (line: LogLine): void => {
    this.#logs.push(line)
    if (this.#logs.length > LOG_LINES) this.#logs.shift()
    this.#options.onLog?.(line)
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const send = ({ status, body, type = "text/plain; charset=utf-8" }: HttpAnswer) =>
      response.writeHead(status, { "content-type": type }).end(body)
    try {
      const url = new URL(request.url ?? "/", this.uri)
      send(await answer({ request, url, tokens: this.#tokens, databases: this.#routes }))
    } catch (cause) {
      send({ status: 400, body: (cause as Error).message })
    }
  }

  async #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    socket.on("error", () => {})
    const refuse = (status: string) =>
      socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`)
    try {
      const url = new URL(request.url ?? "/", this.uri)
      const name = /^\/v1\/database\/([^/]+)\/subscribe$/.exec(url.pathname)?.[1] ?? ""
      const auth = await authenticate(request, url, this.#tokens)
      if (auth === undefined) return void refuse("401 Unauthorized")
      const database = this.#routes.find(decodeURIComponent(name))
      if (database === undefined) return void refuse("404 Not Found")
      const id = url.searchParams.get("connection_id")
      const connectionId = id === null ? newConnectionId() : BigInt(`0x${id}`)
      // While the token was looked at, the host may have gone down.
      if (spokenOf(offeredBy(request)) === undefined) return void refuse("400 Bad Request")
      if (connectionId === 0n || this.#server === undefined) return void refuse("400 Bad Request")
      this.#sockets.accept(request, socket, head, database, auth, connectionId)
    } catch {
      refuse("400 Bad Request")
    }
  }
}

const capitalized = (word: string): string => word.slice(0, 1).toUpperCase() + word.slice(1)
