/**
 * A batch as it crosses to the writer thread: arrays within arrays, of text and numbers alone, because a message costs by
 * its objects and their keys.
 */
import type { Batch } from "@latchkey/core"

type Values = ReadonlyArray<string | number | null>

export type WriteRequest = readonly [
  /** When it was made, epoch milliseconds. */
  now: number,
  /** Keys, each followed by its value, or by null for none. */
  expect: ReadonlyArray<string | null>,
  /** For each append its stream, the version expected, and the columns of its events, one event after the other. */
  append: ReadonlyArray<readonly [streamId: string, expectedVersion: number, ...columns: Values]>,
  /** Keys, each followed by its value and until when it is kept. */
  put: Values,
  remove: ReadonlyArray<string>,
  imported: boolean
]

/** Columns of an event, from its id on: those that come before are its place. */
export const COLUMNS = 8

const none: ReadonlyArray<never> = []

export const requestOf = (
  { expect, append, put, remove = none, imported = false }: Batch,
  now: number
): WriteRequest => [
  now,
  expect === undefined ? none : expected(expect),
  append === undefined ? none : append.map(appended),
  put === undefined ? none : records(put),
  remove,
  imported
]

const expected = (expect: NonNullable<Batch["expect"]>) => {
  const pairs: Array<string | null> = []
  for (const { key, value = null } of expect) pairs.push(key, value)
  return pairs
}

const appended = ({ streamId, expectedVersion, events }: NonNullable<Batch["append"]>[number]) => {
  const columns: [string, number, ...Array<string | number | null>] = [streamId, expectedVersion]
  for (const { eventId, type, data, at, orgId, principal, commandId, acceptedAt = null } of events) {
    columns.push(eventId, type, JSON.stringify(data), at, orgId, JSON.stringify(principal), commandId, acceptedAt)
  }
  return columns
}

const records = (put: NonNullable<Batch["put"]>) => {
  const triples: Array<string | number | null> = []
  for (const { key, value, until = null } of put) triples.push(key, value, until)
  return triples
}
