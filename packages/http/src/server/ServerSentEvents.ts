/** Server-sent events (WHATWG HTML, section 9.2): an answer that goes on, as a browser's `EventSource` reads it. */
import { Duration, Effect, Stream } from "effect"
import { Sse } from "effect/encoding"
import { type Answer, streamed } from "./Answer.ts"

/** Something that the client is told. */
export interface ServerSentEvent {
  /** With it the client says, as `Last-Event-ID`, where it left off. In one line. */
  readonly id?: string
  /** What kind of event it is, in one line; `message` unless given. */
  readonly event?: string
  readonly data: string
}

/**
 * Tells the client of `events` until they end, or the client goes away.
 *
 * @param heartbeat how often a comment shows that the connection is alive: more often than the server's deadline for
 * those who do not read, which it makes them miss; every 15 seconds unless given
 * @param from the id with which a client goes on that loses the connection before it is told anything
 */
export const serverSentEvents = <R>(
  events: Stream.Stream<ServerSentEvent, unknown, R>,
  { heartbeat = Duration.seconds(15), from }: { readonly heartbeat?: Duration.Input; readonly from?: string } = {}
): Effect.Effect<Answer, never, R> => {
  const told = Stream.map(events, ({ id, event = "message", data }) =>
    Sse.encoder.write({
      _tag: "Event",
      id: id === undefined ? undefined : inOneLine(id),
      event: inOneLine(event),
      data
    })
  )
  const beats = Stream.as(Stream.tick(heartbeat), ": \n\n")
  // Without data it is no event: a browser only remembers it.
  const first = from === undefined ? Stream.empty : Stream.succeed(`id: ${inOneLine(from)}\n\n`)
  return Effect.map(
    streamed(Stream.concat(first, Stream.merge(told, beats, { haltStrategy: "left" }))),
    (body): Answer => ({ status: 200, contentType: "text/event-stream", body, headers: UNBUFFERED })
  )
}

/** nginx, and what follows it, keeps answers together otherwise. */
const UNBUFFERED = { "x-accel-buffering": "no" }

/** What ends a line would begin a field of its own. */
const inOneLine = (text: string): string => text.replaceAll(/[\r\n\0]/g, " ")
