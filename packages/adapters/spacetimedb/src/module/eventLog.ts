/**
 * The writes of the event store. Reducers run one after the other, so what is read here holds until the end.
 *
 * A client that lost its answer asks again in the same words, and whatever it asked for may have been carried out; so
 * each of these knows its own work again, and does it once.
 */
import { Range } from "spacetimedb/server"
import { refuse, type Transaction, type WriteArguments } from "./database.ts"
import { findReceipt, millisecondsOf } from "./receipts.ts"

type Append = WriteArguments["append"]
type NewEvents = Append["events"]
type Receipt = Append["receipt"]
type StreamHead = { stream: string; version: number; reservedBy: string }

/** Microseconds that is remembered how a command ended: longer than anybody asks. */
const KEEP_SETTLED = 24n * 60n * 60n * 1_000_000n

export const append = (tx: Transaction, request: Append): void => {
  const head = headOf(tx, request.stream)
  const before = alreadyAppended(tx, head, request)
  if (before !== undefined) refuse({ code: "Appended", ...before })
  refuseHindrance(tx, head, request.receipt, true)
  refuseConflict(head, request.expected)
  write(tx, head, request.events, request.receipt, stored(request.expiresAt))
}

export const prepare = (tx: Transaction, request: WriteArguments["prepare"]): void => {
  const { stream, commandId, thing, deadline, events, receipt, expiresAt } = request
  const head = headOf(tx, stream)
  const pending = tx.db.reservations.commandId.find(commandId)
  if (pending !== null && pending.stream === stream && sameEvents(pending.events, events)) return
  refuseHindrance(tx, head, receipt, false)
  const settled = tx.db.settlements.commandId.find(commandId)
  if (pending !== null || (settled !== null && settled.position > 0n)) refuse({ code: "CommandExists", commandId })
  refuseConflict(head, request.expected)

  if (settled !== null) tx.db.settlements.commandId.delete(commandId)
  tx.db.reservations.insert({
    commandId,
    stream,
    thing,
    deadline,
    released: false,
    events,
    receipt,
    expiresAt: stored(expiresAt)
  })
  saveHead(tx, { ...head, reservedBy: commandId })
}

export const commit = (tx: Transaction, { commandId, thing, at }: WriteArguments["commit"]): void => {
  const pending = tx.db.reservations.commandId.find(commandId)
  if (pending === null) {
    const settled = tx.db.settlements.commandId.find(commandId)
    if (settled?.thing === thing) tellCommitted(settled)
    return
  }
  if (pending.thing !== thing) return
  const { stream, events } = pending
  // A receipt id that another append took meanwhile stays with that append.
  const receipt =
    pending.receipt === undefined || findReceipt(tx, pending.receipt.id) !== undefined ? undefined : pending.receipt
  const accepted = events.map((event) => ({ ...event, acceptedAt: at }))
  const { version, position } = write(
    tx,
    { ...headOf(tx, stream), reservedBy: "" },
    accepted,
    receipt,
    pending.expiresAt
  )
  settle(tx, commandId, thing, version, position)
}

export const discard = (tx: Transaction, { commandId }: WriteArguments["discard"]): void => {
  const pending = tx.db.reservations.commandId.find(commandId)
  if (pending === null) {
    const settled = tx.db.settlements.commandId.find(commandId)
    if (settled !== null) tellCommitted(settled)
    return
  }
  saveHead(tx, { ...headOf(tx, pending.stream), reservedBy: "" })
  settle(tx, commandId, pending.thing, 0, 0n)
}

export const release = (tx: Transaction, { commandId }: WriteArguments["release"]): void => {
  const pending = tx.db.reservations.commandId.find(commandId)
  if (pending !== null) tx.db.reservations.commandId.update({ ...pending, released: true })
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
  // Counted by hand: numbers that the database gives out leave gaps, and need not follow the order of commits.
  for (const event of events) {
    tx.db.events.insert({ position: ++position, stream: head.stream, version: ++version, ...event })
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

const settle = (tx: Transaction, commandId: string, thing: string, version: number, position: bigint): void => {
  const settledAt = tx.timestamp.microsSinceUnixEpoch
  tx.db.reservations.commandId.delete(commandId)
  tx.db.settlements.insert({ commandId, thing, version, position, settledAt })
  tx.db.settlements.settledAt.delete(new Range(null, { tag: "excluded", value: settledAt - KEEP_SETTLED }))
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

const refuseHindrance = (tx: Transaction, head: StreamHead, receipt: Receipt, plain: boolean): void => {
  if (receipt !== undefined && findReceipt(tx, receipt.id) !== undefined) {
    refuse({ code: "ReceiptExists", id: receipt.id })
  }
  const held = head.reservedBy === "" ? null : tx.db.reservations.commandId.find(head.reservedBy)
  if (held === null || (plain && held.released)) return
  const { commandId, stream: streamId, thing, deadline, released } = held
  refuse({ code: "StreamReserved", streamId, commandId, thing, deadline, released })
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
