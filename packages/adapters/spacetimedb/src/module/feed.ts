/**
 * The reads of the event store, page by page: each asks for rows between two near places, rests on no order in which the
 * database gives them out, and ends before it grows too big to send.
 */
import type { Infer } from "spacetimedb/server"
import { head, type procedures, type ReadArguments, type Transaction } from "./database.ts"
import type { Scan } from "./milestones.ts"
import { behind, between, Page, sparse } from "./pages.ts"
import { findRecord } from "./records.ts"

type EventPage = Infer<typeof procedures.read_feed.returns>
type RecordPage = Infer<typeof procedures.list_records.returns>
type Event = ReturnType<Transaction["db"]["events"]["insert"]>

/** Numbered events that are looked at in one go. */
const PART = 64n

export const readStream = (tx: Transaction, { stream, after, most }: ReadArguments["read_stream"]): EventPage => {
  const head = tx.db.streams.stream.find(stream)?.version ?? 0n
  const part = (from: bigint, to: bigint) => tx.db.events.by_stream.filter([stream, between(from, to)])
  return eventPage(
    tx,
    most,
    numbered(after, head, part, ({ version }) => version)
  )
}

export const readFeed = (tx: Transaction, { after, most, category, orgId }: ReadArguments["read_feed"]): EventPage => {
  const { events } = tx.db
  if (category === undefined && orgId === undefined) {
    const part = (from: bigint, to: bigint) => events.position.filter(between(from, to))
    return eventPage(tx, most, numbered(after, head(tx), part, positionOf))
  }
  const scan: Scan<bigint, Event> = (level, after, to) => {
    const range = behind(after, to)
    if (orgId === undefined) return events.by_category.filter([category ?? "", level, range])
    if (category === undefined) return events.by_organization.filter([orgId, level, range])
    return events.by_both.filter([orgId, category, level, range])
  }
  return eventPage(tx, most, sparse(after, most, scan, positionOf))
}

export const findEvent = (tx: Transaction, { eventId }: ReadArguments["find_event"]) => {
  const [first] = [...tx.db.events.eventId.filter(eventId)].sort((a, b) => (a.position < b.position ? -1 : 1))
  return first && withText(tx, first)
}

export const listRecords = (tx: Transaction, { prefix, after, most }: ReadArguments["list_records"]): RecordPage => {
  // No key holds two of these: see `recordKeys.ts` of the client.
  const last = `${prefix}\u{10ffff}\u{10ffff}`
  const scan: Scan<string, { readonly key: string }> = (level, from, to = last) =>
    tx.db.record_keys.by_key.filter([level, behind(from, to)])
  const page = new Page<RecordPage["records"][number]>(most)
  const take = (key: string): void => {
    const value = findRecord(tx, { key })
    if (value !== undefined) page.add({ key, value }, value.length)
  }
  if (prefix > after) take(prefix)
  for (const { key } of sparse(prefix > after ? prefix : after, most, scan, ({ key }) => key)) {
    if (!page.hasRoom) return { records: page.rows, more: true }
    take(key)
  }
  return { records: page.rows, more: false }
}

const eventPage = (tx: Transaction, most: number, events: Iterable<Event>): EventPage => {
  const page = new Page<EventPage["events"][number]>(most)
  for (const event of events) {
    if (!page.hasRoom) return { events: page.rows, more: true }
    const whole = withText(tx, event)
    page.add(whole, whole.text.length)
  }
  return { events: page.rows, more: false }
}

const withText = (tx: Transaction, { position, stream, version, eventId, orgId }: Event) => {
  const { format, text } = tx.db.event_texts.position.find(position) ?? { format: 0, text: "" }
  return { position, stream, version, eventId, orgId, format, text }
}

/** Events behind a number, of which there is none without. */
function* numbered(
  after: bigint,
  head: bigint,
  part: (from: bigint, to: bigint) => Iterable<Event>,
  numberOf: (event: Event) => bigint
): Iterable<Event> {
  for (let from = after + 1n; from <= head; from += PART) {
    const to = from + PART - 1n
    yield* [...part(from, to < head ? to : head)].sort((a, b) => (numberOf(a) < numberOf(b) ? -1 : 1))
  }
}

const positionOf = ({ position }: Event): bigint => position
