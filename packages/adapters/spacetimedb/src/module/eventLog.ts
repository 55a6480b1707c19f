/**
 * The writes of the event store. Reducers run one after the other, so what is read here holds until the end.
 *
 * A client that lost its answer asks again in the same words, and whatever it asked for may have been carried out; so
 * each of these knows its own work again, and does it once.
 */
import { Range } from "spacetimedb/server"
import { refuse, type Transaction, type WriteArguments } from "./database.ts"
import { findReceipt, millisecondsOf } from "./receipts.ts"

type Append = Omit<WriteArguments["append"], "mayPass">
type NewEvents = Append["events"]
type Receipt = Append["receipt"]
type StreamHead = { stream: string; version: number; reservedBy: string }

/** Microseconds that is remembered how a command ended: longer than anybody asks. */
const KEEP_SETTLED = 24n * 60n * 60n * 1_000_000n

export const append = (tx: Transaction, request: WriteArguments["append"]): void => {
  const head = headOf(tx, request.stream)
  const before = alreadyAppended(tx, head, request)
  if (before !== undefined) refuse({ code: "Appended", ...before })
  refuseHindrance(tx, head, request.receipt, request.mayPass)
  refuseDouble(tx, request.events)
  refuseConflict(head, request.expected)
  write(tx, head, request.events, request.receipt, stored(request.expiresAt))
}

export const prepare = (tx: Transaction, request: WriteArguments["prepare"]): void => {
  const { stream, commandId, attempt, thing, deadline, events, receipt, expiresAt } = request
  const head = headOf(tx, stream)
  const pending = tx.db.reservations.commandId.find(commandId)
  const isOwnWork = pending?.stream === stream && pending.attempt === attempt && sameEvents(pending.events, events)
  if (isOwnWork) return
  refuseHindrance(tx, head, receipt, false)
  const settled = tx.db.settlements.commandId.find(commandId)
  if (pending !== null || (settled !== null && settled.position > 0n)) refuse({ code: "CommandExists", commandId })
  if (settled !== null && settled.attempt >= attempt) {
    refuse({ code: "AttemptExists", commandId, attempt: settled.attempt })
  }
  refuseDouble(tx, events)
  refuseConflict(head, request.expected)

  if (settled !== null) tx.db.settlements.commandId.delete(commandId)
  tx.db.reservations.insert({
    commandId,
    attempt,
    stream,
    thing,
    deadline,
    released: false,
    events,
    receipt,
    expiresAt: stored(expiresAt)
  })
  for (const { eventId } of events) tx.db.prepared_ids.insert({ eventId })
  saveHead(tx, { ...head, reservedBy: commandId })
}

export const commit = (tx: Transaction, { commandId, attempt, thing, at }: WriteArguments["commit"]): void => {
  const known = tx.db.reservations.commandId.find(commandId) ?? tx.db.settlements.commandId.find(commandId)
  if (known === null || known.thing !== thing || (attempt !== undefined && known.attempt !== attempt)) return
  if (!("events" in known)) return tellCommitted(known)
  const { stream, events } = known
  // A receipt id that another append took meanwhile stays with that append.
  const receipt =
    known.receipt === undefined || findReceipt(tx, known.receipt.id) !== undefined ? undefined : known.receipt
  const accepted = events.map((event) => ({ ...event, acceptedAt: at }))
  const { version, position } = write(tx, { ...headOf(tx, stream), reservedBy: "" }, accepted, receipt, known.expiresAt)
  settle(tx, known, version, position)
}

export const discard = (tx: Transaction, { commandId, attempt }: WriteArguments["discard"]): void => {
  const known = tx.db.reservations.commandId.find(commandId) ?? tx.db.settlements.commandId.find(commandId)
  if (known === null || known.attempt !== attempt) return
  if (!("events" in known)) return tellCommitted(known)
  saveHead(tx, { ...headOf(tx, known.stream), reservedBy: "" })
  settle(tx, known, 0, 0n)
}

export const release = (tx: Transaction, { commandId, attempt }: WriteArguments["release"]): void => {
  const pending = tx.db.reservations.commandId.find(commandId)
  if (pending?.attempt === attempt) tx.db.reservations.commandId.update({ ...pending, released: true })
}

export const saveSnapshot = (tx: Transaction, snapshot: WriteArguments["save_snapshot"]): void => {
  const kept = tx.db.snapshots.stream.find(snapshot.stream)
  if (kept === null) tx.db.snapshots.insert(snapshot)
  else if (snapshot.version >= kept.version) tx.db.snapshots.stream.update(snapshot)
}

const stored = (expiresAt: number | undefined): bigint => BigInt(expiresAt ?? 0)

/** Appends, whatever stands in the way. */
const write = (tx: Transaction, head: StreamHead, events: NewEvents, receipt: Receipt, expiresAt: bigint) => {
  const firstVersion = head.version + 1
  let { position } = feedHead(tx)
  let { version } = head
  // Times in a stream are in order.
  let at = version === 0 ? Number.NEGATIVE_INFINITY : lastTime(tx, head)
  // Counted by hand: numbers that the database gives out leave gaps, and need not follow the order of commits.
  for (const event of events) {
    at = Math.max(at, event.at)
    tx.db.events.insert({ position: ++position, stream: head.stream, version: ++version, ...event, at })
  }
  if (events.length > 0) tx.db.head.id.update({ id: 0, position, version })
  saveHead(tx, { ...head, version })
  if (receipt !== undefined) {
    // All that have expired go, one with this id too.
    tx.db.receipts.expiresAt.delete(
      new Range({ tag: "excluded", value: 0n }, { tag: "included", value: millisecondsOf(tx) })
    )
    tx.db.receipts.insert({ ...receipt, stream: head.stream, firstVersion, version, expiresAt })
  }
  return { version, position }
}

type Settled = Pick<WriteArguments["prepare"], "commandId" | "attempt" | "thing" | "events">

const settle = (
  tx: Transaction,
  { commandId, attempt, thing, events }: Settled,
  version: number,
  position: bigint
): void => {
  const settledAt = tx.timestamp.microsSinceUnixEpoch
  tx.db.reservations.commandId.delete(commandId)
  for (const { eventId } of events) tx.db.prepared_ids.eventId.delete(eventId)
  tx.db.settlements.insert({ commandId, attempt, thing, version, position, settledAt })
  tx.db.settlements.settledAt.delete(new Range(null, { tag: "excluded", value: settledAt - KEEP_SETTLED }))
}

const lastTime = (tx: Transaction, { stream, version }: StreamHead): number => {
  const [newest] = tx.db.events.by_stream.filter([stream, version])
  return newest?.at ?? Number.NEGATIVE_INFINITY
}

/** How far the stream and the feed went with these very events, or this very receipt. */
const alreadyAppended = (tx: Transaction, head: StreamHead, { stream, expected, events, receipt }: Append) => {
  const version = expected + events.length
  if (head.version < version) return undefined
  if (events.length === 0) {
    const kept = receipt === undefined ? undefined : findReceipt(tx, receipt.id)
    const same =
      kept !== undefined &&
      kept.fingerprint === receipt?.fingerprint &&
      kept.stream === stream &&
      kept.version === expected &&
      kept.firstVersion === expected + 1
    return same ? { version, position: Number(feedHead(tx).position) } : undefined
  }
  let position = 0n
  for (const [index, { eventId }] of events.entries()) {
    const [stored] = tx.db.events.by_stream.filter([stream, expected + 1 + index])
    if (stored?.eventId !== eventId) return undefined
    position = stored.position
  }
  return { version, position: Number(position) }
}

const refuseHindrance = (tx: Transaction, head: StreamHead, receipt: Receipt, mayPass: boolean): void => {
  if (receipt !== undefined && findReceipt(tx, receipt.id) !== undefined) {
    refuse({ code: "ReceiptExists", id: receipt.id })
  }
  const held = head.reservedBy === "" ? null : tx.db.reservations.commandId.find(head.reservedBy)
  if (held === null || (mayPass && held.released)) return
  const { commandId, attempt, stream: streamId, thing, deadline, released } = held
  refuse({ code: "StreamReserved", streamId, commandId, attempt, thing, deadline, released })
}

const refuseDouble = (tx: Transaction, events: NewEvents): void => {
  for (const [index, { eventId }] of events.entries()) {
    const isTwice = events.findIndex((event) => event.eventId === eventId) < index
    const [stored] = tx.db.events.by_event_id.filter(eventId)
    if (isTwice || stored !== undefined || tx.db.prepared_ids.eventId.find(eventId) !== null) {
      refuse({ code: "EventExists", eventId })
    }
  }
}

const refuseConflict = ({ stream: streamId, version: actual }: StreamHead, expected: number): void => {
  if (actual !== expected) refuse({ code: "VersionConflict", streamId, expected, actual })
}

const tellCommitted = ({ version, position }: { version: number; position: bigint }): void => {
  if (position > 0n) refuse({ code: "Committed", version, position: Number(position) })
}

const feedHead = (tx: Transaction) => tx.db.head.id.find(0) ?? tx.db.head.insert({ id: 0, position: 0n, version: 0 })

const headOf = (tx: Transaction, stream: string): StreamHead =>
  tx.db.stream_heads.stream.find(stream) ?? { stream, version: 0, reservedBy: "" }

/** A stream that is neither written nor reserved leaves no trace. */
const saveHead = (tx: Transaction, head: StreamHead): void => {
  if (head.version === 0 && head.reservedBy === "") tx.db.stream_heads.stream.delete(head.stream)
  else if (tx.db.stream_heads.stream.find(head.stream) === null) tx.db.stream_heads.insert(head)
  else tx.db.stream_heads.stream.update(head)
}

const sameEvents = (some: NewEvents, others: NewEvents): boolean =>
  some.length === others.length && some.every(({ eventId }, index) => eventId === others[index]?.eventId)
