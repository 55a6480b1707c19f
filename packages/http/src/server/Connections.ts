/**
 * The connections of a server and what is under way on each: strangers can hold a bounded number of them, and of bytes
 * that they do not read, and a server that stops answers what it has begun and begins nothing more.
 *
 * A connection that waits for its client (to send a request, or to read an answer) makes room for one that is new.
 */
import type { IncomingMessage, Server, ServerResponse } from "node:http"
import type { Socket } from "node:net"
import { callerAddress, networksOf, noProxies, type TrustedProxies } from "./CallerAddress.ts"

/** How many connections may be open at once. */
export interface ConnectionLimits {
  /** Connections in all. */
  readonly total: number
  /** Connections of one address, or of one network of IPv6; proxies that are trusted have no such limit. */
  readonly perAddress: number
}

/**
 * Unless given, what is left of the files that the process may have open (`ulimit -n`): devices take half and the shadows'
 * port a sixteenth, and the process needs some for itself. Half of that from one address: an office is one.
 */
export const connectionLimits = (given: Partial<ConnectionLimits> = {}): ConnectionLimits => {
  const total = given.total ?? Math.max(1, Math.min(MOST, Math.floor((openFiles() * 7) / 16) - OWN_FILES))
  return { total, perAddress: given.perAddress ?? Math.max(1, Math.floor(total / 2)) }
}

const MOST = 512
/** A server has about fifty: databases, threads, and connections that it opens itself. */
const OWN_FILES = 80

/** Where the system has no such limit, no number is. */
const openFiles = (): number => {
  // Otherwise it looks up the names of everybody who is connected.
  Object.assign(process.report, { excludeNetwork: true })
  const report: { readonly userLimits?: { readonly open_files?: { readonly soft?: unknown } } } =
    process.report.getReport()
  const limit = Number(report.userLimits?.open_files?.soft)
  return Number.isNaN(limit) ? Number.POSITIVE_INFINITY : limit
}

/** Why a connection was closed, for the log. */
export type Closed = "too many connections" | "too late" | "not reading"

/** Requests of one connection that are taken before the first of them is answered. */
const PIPELINED = 100
/** Bytes of answers that wait for their clients, all together. Answers that all clients share do not count. */
const UNREAD = 32 * 1024 * 1024

export class Connection {
  readonly socket: Socket
  /** `undefined`: a trusted proxy. */
  readonly address: string | undefined
  /** The newest request. */
  request: IncomingMessage | undefined
  /** The response to the newest request that was begun: the last one that leaves, and its place among all of them. */
  #last: ServerResponse | undefined
  #lastTurn = 0
  #received = 0
  /** Requests that were received and not answered. */
  #unanswered = 0
  /** Requests among them that are being carried out. */
  #handled = 0
  /** Requests among those that wait for their turn: see `takingTurns` in `Dispatcher.ts`. */
  queued = 0
  #isEnding = false
  /** Since when it waits for its client, if it does; by `performance.now()`. */
  since = performance.now()
  /** Bytes of answers that the client has not read. */
  unread = 0

  constructor(socket: Socket, address: string | undefined) {
    this.socket = socket
    this.address = address
  }

  get isWaiting(): boolean {
    return this.#handled === this.queued
  }

  /** Whether an answer was given that has not left. */
  get isSending(): boolean {
    return this.#last !== undefined && !this.#last.writableFinished
  }

  /** Whether the client may still send the rest of a request that it has no answer to. */
  get isOwedAnswer(): boolean {
    return this.#handled === 0 && !this.isSending && (this.#unanswered > 0 || this.request?.complete !== false)
  }

  /** A request has arrived, and this is its turn. */
  receive(request: IncomingMessage): number {
    if (this.#unanswered >= PIPELINED) this.end()
    this.request = request
    this.#unanswered++
    return ++this.#received
  }

  /** The whole request is there and is carried out from now on; `false`: it must not be. */
  begin(response: ServerResponse, turn: number): boolean {
    if (this.#isEnding) return false
    this.#handled++
    // What is refused at a glance may begin before what came before it, and leaves after it all the same.
    if (turn > this.#lastTurn) {
      this.#last = response
      this.#lastTurn = turn
    }
    return true
  }

  /** What was begun has been answered. */
  answered(now: number): void {
    this.#handled--
    this.#unanswered--
    this.since = now
  }

  /** Some more of an answer that goes on has been written. */
  sent(now: number): void {
    this.since = now
  }

  /** What it is sent as the last answer is to a request that is not there whole: its rest may still come, and must not be begun. */
  refused(): void {
    this.#isEnding = true
  }

  /** Begins nothing more; closes with the last answer to what was begun, which says so if its head has not left. */
  end(): void {
    this.#isEnding = true
    const last = this.#last
    if (last === undefined || (this.isWaiting && !this.isSending)) this.socket.destroy()
    else if (last.headersSent) last.once("finish", () => this.socket.destroySoon())
    else last.setHeader("connection", "close")
  }
}

export class Connections {
  readonly #limits: ConnectionLimits
  readonly #proxies: TrustedProxies
  readonly #onClosed: (why: Closed) => void
  readonly #all = new Map<Socket, Connection>()
  readonly #byAddress = new Map<string, Set<Connection>>()
  #unread = 0

  constructor(limits: ConnectionLimits, proxies: TrustedProxies, onClosed: (why: Closed) => void) {
    this.#limits = limits
    this.#proxies = proxies
    this.#onClosed = onClosed
  }

  /** Looks after the connections of a server from now on. */
  watch(server: Server): void {
    server.on("connection", (socket) => this.#open(socket))
    server.on("timeout", (socket) => {
      // One that only waits for another request ends without a word.
      if (this.#all.get(socket)?.isSending === true) this.#onClosed("not reading")
      socket.destroy()
    })
  }

  of(socket: Socket): Connection | undefined {
    return this.#all.get(socket)
  }

  /** The request was not sent in time. */
  late(): void {
    this.#onClosed("too late")
  }

  /** An answer has been given. What its client does not read takes memory, and all clients together may take so much of it. */
  hold(connection: Connection, response: ServerResponse): void {
    const bytes = response.writableLength
    if (bytes === 0) return
    connection.unread += bytes
    this.#unread += bytes
    response.once("close", () => {
      if (!this.#all.has(connection.socket)) return
      connection.unread -= bytes
      this.#unread -= bytes
    })
    while (this.#unread > UNREAD) {
      const slowest = longestWaiting(this.#all.values(), (other) => other.unread > 0 && other !== connection)
      if (slowest === undefined) return
      this.#close(slowest, "not reading")
    }
  }

  /** Every connection ends as soon as what was begun on it is answered. */
  endAll(): void {
    for (const connection of this.#all.values()) connection.end()
  }

  #open(socket: Socket): void {
    const address = this.#addressOf(socket)
    const neighbours = address === undefined ? undefined : this.#byAddress.get(address)
    const hasRoom =
      (neighbours === undefined || this.#makeRoom(neighbours, this.#limits.perAddress)) &&
      this.#makeRoom(this.#all, this.#limits.total)
    if (!hasRoom) return void socket.destroy()
    const connection = new Connection(socket, address)
    this.#all.set(socket, connection)
    if (address !== undefined) {
      const all = this.#byAddress.get(address)
      if (all === undefined) this.#byAddress.set(address, new Set([connection]))
      else all.add(connection)
    }
    socket.once("close", () => this.#forget(connection))
  }

  #addressOf(socket: Socket): string | undefined {
    const { remoteAddress = "" } = socket
    if (this.#proxies.includes(remoteAddress, 0)) return undefined
    return networksOf(callerAddress({ socket, headers: {} }, noProxies))[0]
  }

  /** Whether there is room for one more, which a connection that waits may have had to leave. */
  #makeRoom(taken: Map<Socket, Connection> | Set<Connection>, limit: number): boolean {
    if (taken.size < limit) return true
    const waiting = longestWaiting(taken.values(), ({ isWaiting }) => isWaiting)
    if (waiting === undefined) this.#onClosed("too many connections")
    else this.#close(waiting, "too many connections")
    return waiting !== undefined
  }

  #close(connection: Connection, why: Closed): void {
    this.#onClosed(why)
    this.#forget(connection)
    connection.socket.destroy()
  }

  #forget(connection: Connection): void {
    const { socket, address, unread } = connection
    if (!this.#all.delete(socket)) return
    this.#unread -= unread
    if (address === undefined) return
    const neighbours = this.#byAddress.get(address)
    neighbours?.delete(connection)
    if (neighbours?.size === 0) this.#byAddress.delete(address)
  }
}

const longestWaiting = (
  connections: Iterable<Connection>,
  isMeant: (connection: Connection) => boolean
): Connection | undefined => {
  let found: Connection | undefined
  for (const connection of connections) {
    if (isMeant(connection) && (found === undefined || connection.since < found.since)) found = connection
  }
  return found
}
