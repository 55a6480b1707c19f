/** Keeps a device from sending more at once than AWS IoT takes: it is disconnected before that is read. */
import type { Socket } from "node:net"

/** What MQTT puts before a message beside its payload: the topic, and some numbers. */
const ENVELOPE = 1024

/** Bytes of a topic, or a filter, and filters of one SUBSCRIBE: quotas of AWS IoT. */
const MAX_TOPIC = 256
const MAX_FILTERS = 8

const PUBLISH = 3
const SUBSCRIBE = 8
/** The device says goodbye. */
export const DISCONNECT = 14

/**
 * Watches the packets that arrive, and tells the type of each; the socket must have another reader already, who decides when to
 * read, and is told by an error why the device is disconnected.
 */
export const limitPackets = (socket: Socket, maxPayload: number, arrived: (type: number) => void): void => {
  const limit = maxPayload + ENVELOPE
  let type = 0
  /** Bytes of the packet that are still to come; `undefined` while its length is being read. */
  let left: number | undefined
  let length = 0
  /** Place in the fixed header: 0 is the type, 1 to 4 are the length, seven bits a byte. */
  let place = 0
  /** Bytes until the length of the next topic. */
  let untilTopic = 0
  let topics = 0
  /** The upper half of that length, once it is read. */
  let upper: number | undefined

  const refuse = (what: string) => void socket.destroy(new Error(`It sends ${what}`))

  const begin = () => {
    arrived(type)
    left = length
    topics = 0
    upper = undefined
    // Behind the number of the packet.
    untilTopic = type === PUBLISH ? 0 : type === SUBSCRIBE ? 2 : Number.POSITIVE_INFINITY
  }

  /** Whether the topic may be so long, and be there. */
  const takeTopic = (bytes: number): boolean => {
    upper = undefined
    // Behind a filter is how it is asked for, then the next one.
    untilTopic = type === SUBSCRIBE ? bytes + 1 : Number.POSITIVE_INFINITY
    return ++topics <= MAX_FILTERS && bytes <= MAX_TOPIC
  }

  socket.on("data", (chunk: Buffer) => {
    for (let at = 0; at < chunk.length; ) {
      if (left === undefined) {
        const byte = chunk[at++] ?? 0
        if (place === 0) type = byte >> 4
        else length += (byte & 127) * 128 ** (place - 1)
        place++
        if (length > limit || place > 5) return refuse("a message that is too long")
        if (place > 1 && byte < 128) begin()
      } else if (untilTopic > 0) {
        const skipped = Math.min(left, untilTopic, chunk.length - at)
        left -= skipped
        untilTopic -= skipped
        at += skipped
      } else {
        const byte = chunk[at++] ?? 0
        left--
        if (upper === undefined) upper = byte
        else if (!takeTopic(upper * 256 + byte)) return refuse("topics that are too long, or too many")
      }
      if (left === 0) {
        left = undefined
        length = 0
        place = 0
      }
    }
  })
}
