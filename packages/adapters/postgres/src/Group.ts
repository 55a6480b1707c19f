/**
 * Requests that travel together. No two of them have anything to do with each other: neither stream nor event id is in two,
 * nor a record that one of them changes. So it does not matter which is first, and all are judged at once.
 */
import type { Refusal, Request } from "./Request.ts"

/** Requests of a group, and characters of what they keep, at most; one request may have more. */
const MOST = 500
const LONGEST = 4_000_000

/** How many of the requests, from the first on, can be a group. */
export const sizeOfGroup = (requests: ReadonlyArray<Request>): number => {
  const taken = new Set<string>()
  const seen = new Set<string>()
  let length = 0
  let size = 0
  for (const request of requests) {
    const { changed, expected } = namesOf(request)
    length += lengthOf(request)
    const isAlone =
      !changed.some((name) => taken.has(name) || seen.has(name)) && !expected.some((name) => taken.has(name))
    if (size > 0 && (!isAlone || length > LONGEST || size === MOST)) break
    for (const name of changed) taken.add(name)
    for (const name of expected) seen.add(name)
    size++
  }
  return size
}

const namesOf = ({ expect, ids, ends, events, put, remove }: Request) => ({
  changed: [
    ...ends.map(([streamId]) => `stream ${streamId}`),
    ...ids.map((id) => `event ${id}`),
    // Imported ones, too.
    ...events.map((row) => `event ${row[2]}`),
    ...put.map(([key]) => key),
    ...remove
  ],
  expected: expect.map(([key]) => key)
})

const lengthOf = ({ events, put }: Request): number =>
  events.reduce((sum, row) => sum + String(row[6]).length, 0) + put.reduce((sum, [, value]) => sum + value.length, 0)

/** A group as `write_batches` takes it: each row begins with the number of its request. What is left out is not asked. */
export const toJson = (requests: ReadonlyArray<Request>): string => {
  const rows = (of: (request: Request) => ReadonlyArray<ReadonlyArray<unknown>>) => {
    const all = requests.flatMap((request, n) => of(request).map((row) => [n, ...row]))
    return all.length === 0 ? undefined : all
  }
  return JSON.stringify({
    expect: rows(({ expect }) => expect),
    ids: rows(({ ids }) => ids.map((id) => [id])),
    ends: rows(({ ends }) => ends),
    own: rows(({ own }) => own.map((refusal) => [refusal])),
    events: rows(({ events }) => events),
    put: rows(({ put }) => put),
    remove: rows(({ remove }) => remove.map((key) => [key]))
  })
}

/** What became of each request: the feed's position after it, or why it was refused. */
export const answersOf = (
  requests: ReadonlyArray<Request>,
  [before, refusals]: readonly [before: number, refusals: ReadonlyArray<readonly [request: number, refusal: Refusal]>]
): ReadonlyArray<number | Refusal> => {
  const refused = new Map(refusals)
  let position = before
  return requests.map(({ events }, n) => refused.get(n) ?? (position += events.length))
}
