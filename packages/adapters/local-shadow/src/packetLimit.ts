/** Keeps a device from sending more at once than a message may hold: it is disconnected before that is read. */
import type { Socket } from "node:net"

/** What MQTT puts before a message beside its payload: the topic, and some numbers. */
const ENVELOPE = 1024

/** Watches the packets that arrive; the socket must have another reader already, who decides when to read. */
export const limitPackets = (socket: Socket, maxPayload: number): void => {
  const limit = maxPayload + ENVELOPE
  /** Bytes of the packet that are still to come; `undefined` while its length is being read. */
  let left: number | undefined
  let length = 0
  /** Place in the fixed header: 0 is the type, 1 to 4 are the length, seven bits a byte. */
  let place = 0

  socket.on("data", (chunk: Buffer) => {
    for (let at = 0; at < chunk.length; ) {
      if (left !== undefined) {
        const skipped = Math.min(left, chunk.length - at)
        left -= skipped
        at += skipped
      } else {
        const byte = chunk[at++] ?? 0
        if (place > 0) length += (byte & 127) * 128 ** (place - 1)
        place++
        if (length > limit || place > 5) return void socket.destroy()
        if (place > 1 && byte < 128) left = length
      }
      if (left === 0) {
        left = undefined
        length = 0
        place = 0
      }
    }
  })
}
