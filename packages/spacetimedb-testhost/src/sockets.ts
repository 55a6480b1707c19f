/** The WebSocket endpoint of a database, `/v1/database/:name/subscribe`: protocols v2 and v3, uncompressed. */
import type { IncomingMessage } from "node:http"
import type { Duplex } from "node:stream"
import { BinaryReader, BinaryWriter, ConnectionId, Identity } from "spacetimedb"
import { type WebSocket, WebSocketServer } from "ws"
import type { Faults } from "./Faults.ts"
import type { Authenticated } from "./http.ts"
import type { Connection, Published } from "./Published.ts"
import { ClientMessage, ServerMessage } from "./protocol/messages.ts"

const V2 = "v2.bsatn.spacetimedb"
const V3 = "v3.bsatn.spacetimedb"
/** The protocol that is spoken with a client that offers these, if there is one. */
export const spokenOf = (offered: ReadonlySet<string>): string | undefined =>
  [V3, V2].find((protocol) => offered.has(protocol))
/** What a request offers. */
export const offeredBy = ({ headers }: IncomingMessage): ReadonlySet<string> =>
  new Set(headers["sec-websocket-protocol"]?.split(/, */))

/** As on the server. */
export const LARGEST_MESSAGE = 32 * 1024 * 1024
/** A client that does not read what it is sent is cut off, before it fills the memory of the test. */
const LARGEST_BACKLOG = 256 * 1024 * 1024

/** In bytes, by the WebSocket protocol. */
const LONGEST_REASON = 123

/** The first byte of every message to a client: how it is compressed. */
export const UNCOMPRESSED = Uint8Array.of(0)

export class Sockets {
  readonly #server = new WebSocketServer({
    noServer: true,
    maxPayload: LARGEST_MESSAGE,
    handleProtocols: (offered) => spokenOf(offered) ?? false
  })
  readonly #faults: Faults

  constructor(faults: Faults) {
    this.#faults = faults
  }

  /** Ends every connection at once, without a closing handshake, and answers how many. */
  drop(): number {
    const sockets = [...this.#server.clients]
    for (const socket of sockets) socket.terminate()
    return sockets.length
  }

  accept(
    request: IncomingMessage,
    duplex: Duplex,
    head: Buffer,
    database: Published,
    auth: Authenticated,
    connectionId: bigint
  ): void {
    this.#server.handleUpgrade(request, duplex, head, (socket) => this.#serve(socket, database, auth, connectionId))
  }

  #serve(
    socket: WebSocket,
    database: Published,
    { identity, claims, token }: Authenticated,
    connectionId: bigint
  ): void {
    const send = (bytes: Uint8Array) => {
      if (socket.bufferedAmount > LARGEST_BACKLOG) return socket.terminate()
      socket.send(Buffer.concat([UNCOMPRESSED, bytes]))
    }
    const connection: Connection = database.connect(
      { identity, connectionId, claims },
      {
        connected: () => {
          const writer = new BinaryWriter(1024)
          ServerMessage.serialize(writer, {
            tag: "InitialConnection",
            value: { identity: new Identity(identity), connectionId: new ConnectionId(connectionId), token }
          })
          send(writer.getBuffer())
        },
        // Without a word, as by the server.
        rejected: () => socket.terminate(),
        ended: (reason) => socket.close(1001, Buffer.from(reason).subarray(0, LONGEST_REASON)),
        receive: (bytes, answers) => {
          const fault = answers === undefined ? undefined : this.#faults.take("after", answers)
          if (fault === "drop") socket.terminate()
          if (fault === undefined) send(bytes)
        }
      }
    )
    socket.on("message", (data: Buffer) => {
      try {
        for (const message of decode(ClientMessage, data, socket.protocol)) {
          if (socket.readyState !== socket.OPEN) return
          const call = calledBy(message)
          const fault = call === undefined ? undefined : this.#faults.take("before", call)
          if (fault === "drop") return socket.terminate()
          if (fault === undefined) connection.send(message)
        }
      } catch {
        socket.close(1011, "Not a message of this protocol")
      }
    })
    // What went wrong with a socket is followed by its close.
    socket.on("error", () => {})
    socket.on("close", connection.close)
  }
}

/** The messages in one frame: one in v2, any number in v3. */
export function* decode<Message>(
  type: { readonly deserialize: (reader: BinaryReader) => Message },
  data: Uint8Array,
  protocol: string
): Generator<Message> {
  const reader = new BinaryReader(data)
  do yield type.deserialize(reader)
  while (protocol === V3 && reader.remaining > 0)
}

/** The reducer or procedure that a message calls. */
export function calledBy({ tag, value }: ClientMessage): string | undefined {
  if (tag === "CallReducer") return value.reducer
  return tag === "CallProcedure" ? value.procedure : undefined
}
