/**
 * What became of deliveries, for those who look into them: the last attempts, and the events that were given up. Records:
 * attempts go round in a ring of 10,000 for each webhook, 16 in a record, and end after 30 days; what was given up stays
 * until it is sent or dismissed.
 */
import { Effect, Option, Schema } from "effect"
import type { EventStore, Put, StoreUnavailable } from "../streams/EventStore.ts"
import { instantOf } from "../values/Text.ts"
import { type Answered, MOST_GIVEN_UP } from "./Delivery.ts"
import type { Told } from "./Told.ts"

/** An attempt to deliver an event. */
export const Attempt = Schema.Struct({
  /** Numbers the attempts of a webhook. */
  number: Schema.Int,
  eventId: Schema.String,
  type: Schema.String,
  lockId: Schema.NullOr(Schema.Int),
  /** Which try of this event it was, from 1. */
  attempt: Schema.Int,
  at: Schema.String,
  outcome: Schema.Literals(["delivered", "failed", "given-up"]),
  status: Schema.NullOr(Schema.Int),
  durationMs: Schema.Int,
  error: Schema.NullOr(Schema.String),
  /** The first 1,000 characters of the answer. */
  response: Schema.String
})
export type Attempt = typeof Attempt.Type

/** Attempts that share a record: those whose numbers are the same but for their place in it. */
const TOGETHER = 16
/** Records of a webhook. */
const PLACES = 625
const KEPT = 30 * 24 * 60 * 60 * 1000
const SCANNED = 1_000
/** Of records that hold several attempts. */
const SCANNED_BLOCKS = 64

const decode = Schema.decodeOption(Schema.fromJsonString(Attempt))
const decodeBlock = Schema.decodeOption(Schema.fromJsonString(Schema.Array(Attempt)))

const blockOf = (number: number): number => Math.floor(number / TOGETHER)
/** The newest come first in the order of keys. */
const placeOf = (block: number): string => String(PLACES - 1 - (block % PLACES)).padStart(3, "0")
const attemptsOf = (webhookId: string): string => `attempts/${webhookId}/`
const keyOfBlock = (webhookId: string, block: number): string => attemptsOf(webhookId) + placeOf(block)
const givenUpOf = (webhookId: string): string => `given-up/${webhookId}/`
/** The key of an event that was given up; later ones come first. */
export const givenUpKey = (webhookId: string, position: number): string =>
  givenUpOf(webhookId) + String(Number.MAX_SAFE_INTEGER - position).padStart(16, "0")

export const attemptOf = (
  told: Told,
  number: number,
  attempt: number,
  outcome: Attempt["outcome"],
  { status, error, response, durationMs }: Answered,
  now: number
): Attempt => ({
  number,
  eventId: told.id,
  type: told.data.type,
  lockId: told.lockId ?? null,
  attempt,
  at: instantOf(now),
  outcome,
  status: status ?? null,
  durationMs: Math.round(durationMs),
  error: error ?? null,
  response
})

/**
 * Writes attempts down, in the order of their numbers: answers the records that have changed.
 *
 * @param next the number of the first
 */
export const attemptsFrom = Effect.fnUntraced(function* (
  store: EventStore["Service"],
  webhookId: string,
  next: number
): Effect.fn.Return<(attempts: ReadonlyArray<Attempt>, now: number) => ReadonlyArray<Put>, StoreUnavailable> {
  const stored = Option.flatMap(yield* store.record(keyOfBlock(webhookId, blockOf(next))), decodeBlock)
  /** The last record, as far as it is written: each attempt as JSON. */
  let last = {
    block: blockOf(next),
    texts: Option.getOrElse(stored, () => [])
      .filter(({ number }) => number < next && blockOf(number) === blockOf(next))
      .map((attempt) => JSON.stringify(attempt))
  }
  return (attempts, now) => {
    const blocks = new Set<typeof last>()
    for (const attempt of attempts) {
      const block = blockOf(attempt.number)
      if (block !== last.block) last = { block, texts: [] }
      last.texts.push(JSON.stringify(attempt))
      blocks.add(last)
    }
    return [...blocks].map(({ block, texts }) => ({
      key: keyOfBlock(webhookId, block),
      value: `[${texts.join(",")}]`,
      until: now + KEPT
    }))
  }
})

export const putGivenUp = (webhookId: string, position: number, attempt: Attempt): Put => ({
  key: givenUpKey(webhookId, position),
  value: JSON.stringify(attempt)
})

/** The last attempts, newest first; `before` is the number of one. */
export const attemptsBefore = Effect.fnUntraced(function* (
  store: EventStore["Service"],
  webhookId: string,
  before: number,
  limit: number,
  wanted: (attempt: Attempt) => boolean
): Effect.fn.Return<ReadonlyArray<Attempt>, StoreUnavailable> {
  const prefix = attemptsOf(webhookId)
  const found: Array<Attempt> = []
  const newest = before - 1
  if (newest < 0) return found
  /** From the newest place to the end of the ring, and then from its beginning to before the newest place. */
  const first = placeOf(blockOf(newest))
  for (const [from, isLast] of [
    [prefix + String(Number(first) - 1).padStart(3, "0"), false],
    [prefix, true]
  ] as const) {
    let after = Number(first) === 0 && !isLast ? prefix : from
    while (true) {
      const records = yield* store.records(prefix, after, SCANNED_BLOCKS)
      for (const { key, value } of records) {
        if (isLast && key.slice(prefix.length) >= first) return found
        for (const attempt of Option.getOrElse(decodeBlock(value), () => []).toReversed()) {
          if (attempt.number >= before || attempt.number < before - PLACES * TOGETHER || !wanted(attempt)) continue
          found.push(attempt)
          if (found.length === limit) return found
        }
      }
      const last = records.at(-1)
      if (last === undefined || records.length < SCANNED_BLOCKS) break
      after = last.key
      yield* Effect.yieldNow
    }
  }
  return found
})

/** What was given up, newest first: by when that was, which is not the order of the events and of their keys. */
export const givenUpEvents = Effect.fnUntraced(function* (
  store: EventStore["Service"],
  webhookId: string,
  before: number,
  limit: number
): Effect.fn.Return<ReadonlyArray<Attempt>, StoreUnavailable> {
  const prefix = givenUpOf(webhookId)
  let found: ReadonlyArray<Attempt> = []
  for (let after = prefix; ; ) {
    const records = yield* store.records(prefix, after, SCANNED)
    const attempts = records.flatMap(({ value }) => Option.toArray(decode(value)))
    const earlier = attempts.filter(({ number }) => number < before)
    found = [...found, ...earlier].sort((a, b) => b.number - a.number).slice(0, limit)
    const last = records.at(-1)
    if (last === undefined || records.length < SCANNED) return found
    after = last.key
    yield* Effect.yieldNow
  }
})

/** How many events are given up, and neither sent nor dismissed. */
export const countGivenUp = Effect.fnUntraced(function* (store: EventStore["Service"], webhookId: string) {
  const prefix = givenUpOf(webhookId)
  let count = 0
  for (let after = prefix; ; ) {
    const records = yield* store.records(prefix, after, SCANNED)
    count += records.length
    const last = records.at(-1)
    if (last === undefined || records.length < SCANNED) return count
    after = last.key
  }
})

/** Deletes everything that is kept of a webhook's deliveries; attempts end by themselves. */
export const forgetGivenUp = Effect.fnUntraced(function* (store: EventStore["Service"], webhookId: string) {
  const prefix = givenUpOf(webhookId)
  for (let left = MOST_GIVEN_UP; left > 0; left -= SCANNED) {
    const records = yield* store.records(prefix, prefix, SCANNED)
    if (records.length > 0) yield* store.write({ remove: records.map(({ key }) => key) })
    if (records.length < SCANNED) return
  }
})
