/**
 * The reads of the event store, page by page. A page asks for exact ranges of numbers that have no gaps, a few at a
 * time, so it rests on no order in which the database gives out rows; and it ends before it grows too big to send.
 */
import { type Infer, Range } from "spacetimedb/server"
import type { procedures, ReadArguments, Transaction } from "./database.ts"

type Page = Infer<typeof procedures.read_feed.returns>
type Event = Page["events"][number]

/** Rows that are asked for at once. */
const RANGE = 32
/** Characters of event data after which a page ends. */
const PAGE_SIZE = 1_000_000
/** Positions that one page looks at, when it is for few of the streams. */
const LOOK_AT = 5_000n

export const readStream = (tx: Transaction, { stream, after, limit }: ReadArguments["read_stream"]): Page => {
  const head = tx.db.stream_heads.stream.find(stream)?.version ?? 0
  const last = Math.min(head, after + limit)
  const page = new PageOfEvents(limit)
  let reached = Math.min(after, last)
  while (reached < last && page.hasRoom) {
    const to = Math.min(reached + RANGE, last)
    const rows = [...tx.db.events.by_stream.filter([stream, between(reached + 1, to)])]
    for (const event of rows.sort((a, b) => a.version - b.version)) {
      if (!page.hasRoom) break
      page.add(event)
      reached = event.version
    }
  }
  return { events: page.events, reached: BigInt(reached), more: reached < last }
}

export const readFeed = (tx: Transaction, { after, limit, prefix }: ReadArguments["read_feed"]): Page => {
  const head = feedHead(tx)
  const wanted = prefix === "" ? BigInt(limit) : LOOK_AT
  const last = head < after + wanted ? head : after + wanted
  const page = new PageOfEvents(limit)
  let reached = after < last ? after : last
  while (reached < last && page.hasRoom) {
    const next = reached + BigInt(RANGE)
    const to = next < last ? next : last
    const rows = [...tx.db.events.position.filter(between(reached + 1n, to))]
    for (const event of rows.sort((a, b) => (a.position < b.position ? -1 : 1))) {
      if (!page.hasRoom) break
      if (event.stream.startsWith(prefix)) page.add(event)
      reached = event.position
    }
  }
  return { events: page.events, reached, more: reached < head }
}

export const feedHead = (tx: Transaction): bigint => tx.db.head.id.find(0)?.position ?? 0n

/** Names have no such order as numbers; here the order of the index is what counts. */
export const listStreams = (
  tx: Transaction,
  { prefix, after, limit }: ReadArguments["list_streams"]
): Array<string> => {
  const from = prefix > after ? { tag: "included" as const, value: prefix } : { tag: "excluded" as const, value: after }
  const names: Array<string> = []
  for (const { stream, version } of tx.db.stream_heads.by_name.filter(new Range(from, null))) {
    if (names.length === limit || !stream.startsWith(prefix)) break
    if (version > 0) names.push(stream)
  }
  return names
}

class PageOfEvents {
  readonly events: Array<Event> = []
  readonly #limit: number
  #size = 0

  constructor(limit: number) {
    this.#limit = limit
  }

  get hasRoom(): boolean {
    return this.events.length < this.#limit && this.#size < PAGE_SIZE
  }

  add(event: Event): void {
    this.events.push(event)
    this.#size += event.data.length
  }
}

const between = <A>(from: A, to: A): Range<A> =>
  new Range({ tag: "included", value: from }, { tag: "included", value: to })

export const unsettled = (tx: Transaction) => [...tx.db.reservations.iter()]

export const findEvent = (tx: Transaction, { eventId }: ReadArguments["find_event"]) =>
  [...tx.db.events.by_event_id.filter(eventId)].sort((a, b) => (a.position < b.position ? -1 : 1))[0]

export const findSnapshot = (tx: Transaction, { stream }: ReadArguments["find_snapshot"]) =>
  tx.db.snapshots.stream.find(stream) ?? undefined
