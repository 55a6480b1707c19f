/** An answer before it is written. */
import { Stream } from "effect"

export interface Answer {
  readonly status: number
  readonly contentType: string
  /**
   * Bytes are shared: they are sent to all who ask without a copy for each. A stream is read as fast as the client reads,
   * and cancelled when the client goes away or the server ends; see `streamed`.
   */
  readonly body: string | Buffer | ReadableStream<Uint8Array>
  /** Besides those that every answer has; they come last, and so win. */
  readonly headers?: Readonly<Record<string, string>>
}

export const json = (status: number, body: unknown) => ({
  status,
  contentType: "application/json",
  body: JSON.stringify(body)
})

export const withHeaders = (answer: Answer, headers: Readonly<Record<string, string>>): Answer => ({
  ...answer,
  headers: { ...answer.headers, ...headers }
})

/** Bytes, or characters, of the body, as far as they are known before it is sent. */
export const sizeOf = ({ body }: Answer): number => (body instanceof ReadableStream ? 0 : body.length)

/** The body of an answer that is not all there yet. Nothing of the stream runs before it is asked for. */
export const streamed = <R>(text: Stream.Stream<string, unknown, R>) =>
  Stream.toReadableStreamEffect(Stream.encodeText(text), { strategy: { highWaterMark: 0 } })

/** The headers that every answer has, and its own, which win; and the length of its body, where that is known. */
export const headersOf = ({ status, contentType, headers }: Answer, length?: number): Record<string, string> => {
  const all: Record<string, string> = { "content-type": contentType }
  if (length !== undefined) all["content-length"] = String(length)
  all["cache-control"] = "no-store"
  if (status === 401) all["www-authenticate"] = "Bearer"
  return headers === undefined ? all : Object.assign(all, headers)
}
