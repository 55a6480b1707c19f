/**
 * A batch in rows, as the database takes it. What can be told from the batch alone is told here: which event is in it twice,
 * and what an append expects of a stream that came before.
 */
import {
  type Append,
  type Batch,
  categoryOf,
  EventExists,
  RecordConflict,
  VersionConflict,
  type WriteError
} from "@latchkey/core"
import { fromHex, toHex } from "./recordKeys.ts"

type Row = ReadonlyArray<string | number | null>

export interface Request {
  /** Keys of records, each with its value, or null for none. */
  readonly expect: ReadonlyArray<readonly [key: string, value: string | null]>
  /** Ids that must be new: those of events until one that comes again. */
  readonly ids: ReadonlyArray<string>
  /** Streams and where they must be, until an append that this batch itself is in the way of. */
  readonly ends: ReadonlyArray<readonly [streamId: string, version: number]>
  /** What it is refused for unless something comes before it. */
  readonly own: ReadonlyArray<Refusal>
  /** Columns of the table of events, after the position. */
  readonly events: ReadonlyArray<Row>
  readonly put: ReadonlyArray<readonly [key: string, value: string, until: number | null]>
  readonly remove: ReadonlyArray<string>
}

/** Why a batch was refused. */
export type Refusal =
  | readonly ["RecordConflict", key: string, actual: string | null]
  | readonly ["EventExists", eventId: string]
  | readonly ["VersionConflict", streamId: string, expected: number, actual: number]

export const requestOf = ({ expect = [], append = [], put = [], remove = [], imported = false }: Batch): Request => {
  const { ids, twice } = idsOf(imported ? [] : append)
  const { ends, conflict } = endsOf(append)
  return {
    expect: expect.map(({ key, value = null }) => [toHex(key), value] as const),
    ids,
    ends,
    own: [twice, conflict].filter((refusal) => refusal !== undefined),
    events: append.flatMap(rowsOf),
    put: put.map(({ key, value, until = null }) => [toHex(key), value, until] as const),
    remove: remove.map(toHex)
  }
}

const idsOf = (append: ReadonlyArray<Append>) => {
  const ids = new Set<string>()
  for (const { events } of append) {
    for (const { eventId } of events) {
      if (ids.has(eventId)) return { ids: [...ids], twice: ["EventExists", eventId] as Refusal }
      ids.add(eventId)
    }
  }
  return { ids: [...ids], twice: undefined }
}

const endsOf = (append: ReadonlyArray<Append>) => {
  const ends: Array<readonly [string, number]> = []
  const reached = new Map<string, number>()
  for (const { streamId, expectedVersion, events } of append) {
    const actual = reached.get(streamId)
    if (actual !== undefined && actual !== expectedVersion) {
      return { ends, conflict: ["VersionConflict", streamId, expectedVersion, actual] as Refusal }
    }
    if (actual === undefined) ends.push([streamId, expectedVersion])
    reached.set(streamId, expectedVersion + events.length)
  }
  return { ends, conflict: undefined }
}

const rowsOf = ({ streamId, expectedVersion, events }: Append): ReadonlyArray<Row> => {
  const category = categoryOf(streamId)
  return events.map(({ eventId, orgId, type, data, at, principal, commandId, acceptedAt = null }, index) => [
    ...[streamId, expectedVersion + index + 1, eventId, category, orgId, type, JSON.stringify(data), at],
    ...[JSON.stringify(principal), commandId, acceptedAt]
  ])
}

export const toError = (refusal: Refusal): WriteError => {
  switch (refusal[0]) {
    case "RecordConflict":
      return new RecordConflict({ key: fromHex(refusal[1]), actual: refusal[2] ?? undefined })
    case "EventExists":
      return new EventExists({ eventId: refusal[1] })
    case "VersionConflict":
      return new VersionConflict({ streamId: refusal[1], expected: refusal[2], actual: refusal[3] })
  }
}
