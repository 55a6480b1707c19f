/** Requests ready to send, and the generator that sends them. */

import type { Load, Loaded } from "./children/generator.ts"
import { Child, type Server } from "./processes.ts"
import type { Subject } from "./rounds.ts"

/** Connections that the load comes over. */
const CONNECTIONS = 50
export const API_KEY = "acme-bench-key-of-32-bytes-or-more"

export type Generator = Child<Load, Loaded>

export const startGenerator = (): Promise<Generator> => Child.start(new URL("./children/generator.ts", import.meta.url))

const HEAD = `HTTP/1.1\r\nhost: 127.0.0.1\r\nx-api-key: ${API_KEY}\r\n`

export const get = (path: string): string => `GET ${path} ${HEAD}\r\n`

export const post = (path: string, body: object): string => {
  const text = JSON.stringify(body)
  return `POST ${path} ${HEAD}content-type: application/json\r\ncontent-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`
}

/** Deals items out to connections: what one sends, no other does. */
export const deal = <A>(items: ReadonlyArray<A>, connections = CONNECTIONS): ReadonlyArray<ReadonlyArray<A>> =>
  Array.from({ length: Math.min(connections, items.length) }, (_, first) =>
    items.filter((_, index) => index % connections === first)
  )

/** A subject: one server under load, or several that share the load. Every round makes its `cycles` anew. */
export const underLoad = (
  name: string,
  generator: Generator,
  servers: Server | ReadonlyArray<Server>,
  cycles: () => Load["cycles"],
  onLoaded: (loaded: Loaded) => void = () => {},
  pace = 0
): Subject => {
  const ports = [servers].flat().map(({ port }) => port)
  const load = async (seconds: number) => {
    const loaded = await generator.ask({ ports, cycles: cycles(), seconds, pace })
    onLoaded(loaded)
    return loaded.sample
  }
  return { name, warmUp: load, measure: load }
}
