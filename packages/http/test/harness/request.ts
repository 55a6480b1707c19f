/** Requests as any client would send them, and answers as it would read them. */
import { once } from "node:events"
import { connect, type Socket } from "node:net"

/** What answers may hold. A test checks the fields that it rests on. */
export interface AnswerBody {
  readonly success?: boolean
  readonly error?: string
  readonly message?: string
  readonly code?: number
  readonly details?: ReadonlyArray<{ readonly field: string; readonly message: string }>
  readonly errors?: ReadonlyArray<{ readonly code: number; readonly message: string }>
  readonly aggregateId?: string
  readonly version?: number
  readonly event?: WireEvent | null
  readonly tempKeyUuid?: string
  readonly totalEvents?: number
  readonly totalPages?: number
  readonly events?: ReadonlyArray<{ readonly version: number; readonly type: string; readonly event?: WireEvent }>
  readonly instanceId?: string
  readonly status?: string
  readonly added?: number
  readonly failed?: ReadonlyArray<{ readonly keyUuid: string; readonly reason: string }>
  readonly tempKeys?: ReadonlyArray<{
    readonly uuid: string
    readonly usedCount: number
    readonly status: string
    readonly createdBy: string
  }>
  readonly locks?: ReadonlyArray<Readonly<Record<string, unknown>>>
  readonly totalCount?: number
  readonly source?: string
  readonly keys?: ReadonlyArray<{ readonly uuid: string }>
  readonly residents?: ReadonlyArray<{ readonly userId: string; readonly name: string }>
  readonly uuid?: string
}

interface WireEvent {
  readonly type: string
  readonly data: Readonly<Record<string, unknown>>
}

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  /** The answer as JSON; empty when it is something else. */
  readonly body: AnswerBody
}

export interface Sent {
  /** Sent as JSON; a string is sent as it is. */
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
}

export type Call = (method: string, path: string, sent?: Sent) => Promise<Answer>

/** Calls of the server at `url`; `defaults` are the headers of every one of them. */
export const callsOf =
  (url: string, defaults: Readonly<Record<string, string>> = {}): Call =>
  async (method, path, { body, headers } = {}) => {
    const content = body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }
    const json: Record<string, string> = body === undefined ? {} : { "content-type": "application/json" }
    const ask = () =>
      fetch(url + path, { method, redirect: "manual", headers: { ...json, ...defaults, ...headers }, ...content })
    // It may go to a pooled connection that has just been closed; a question may then be asked again (RFC 9110, 9.2.2).
    const response = await ask().catch((error: unknown) => (method === "GET" ? ask() : Promise.reject(error)))
    const goesOn = response.headers.get("content-type") === "text/event-stream"
    if (goesOn) await response.body?.cancel()
    const text = goesOn ? "" : await response.text()
    return { status: response.status, headers: response.headers, text, body: jsonOf(response, text) }
  }

const jsonOf = (response: Response, text: string): AnswerBody =>
  text !== "" && response.headers.get("content-type") === "application/json" ? JSON.parse(text) : {}

/** A bare connection to the server, for what no client library would send. */
export const connectTo = async (url: string): Promise<Socket> => {
  const { hostname, port } = new URL(url)
  const socket = connect({ host: hostname, port: Number(port) })
  await once(socket, "connect")
  return socket
}

/** Sends bytes and answers the status and all that comes back until the server closes; ask it to, if it should. */
export const sendRaw = async (
  url: string,
  ...parts: ReadonlyArray<string | Buffer>
): Promise<{ readonly status: number; readonly text: string }> => {
  const socket = await connectTo(url)
  for (const part of parts) socket.write(part)
  return readAll(socket)
}

/** All that a connection brings until it closes, also when it is reset. */
export const readAll = async (socket: Socket): Promise<{ readonly status: number; readonly text: string }> => {
  const chunks: Array<Buffer> = []
  socket.on("data", (chunk: Buffer) => chunks.push(chunk))
  socket.on("error", () => {})
  await once(socket, "close")
  const text = Buffer.concat(chunks).toString("utf8")
  return { status: Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1] ?? 0), text }
}
