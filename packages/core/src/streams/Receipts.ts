/**
 * Receipts: a request that is sent again is answered as it was the first time. One rule for everything that can be
 * retried. A receipt is a record, written together with what it is given for.
 */
import { Context, Effect, Option, Schema } from "effect"
import type { EventStore, Expectation, Put, StoreUnavailable } from "./EventStore.ts"
import { unreadable } from "./Records.ts"

/** Lets a retried request be answered as it was the first time. */
export const Receipt = Schema.Struct({
  id: Schema.String,
  /** Tells a retry from another request that reuses the id. */
  fingerprint: Schema.String,
  /**
   * Epoch milliseconds until which it is kept: from then on it is as if it had never been given. Kept forever unless
   * given.
   */
  expiresAt: Schema.optionalKey(Schema.Int)
})
export type Receipt = typeof Receipt.Type

/** A receipt as a request brings it. */
export const RequestReceipt = Schema.Struct({
  ...Receipt.fields,
  /** How the same request was written down before there were receipts that end; found only by exactly this. */
  earlier: Schema.optionalKey(Schema.Struct({ id: Schema.String, fingerprint: Schema.String }))
})
export type RequestReceipt = typeof RequestReceipt.Type

/** What a receipt was given for: the versions `firstVersion..version` of a stream; none when `firstVersion > version`. */
const Receipted = Schema.Struct({
  fingerprint: Schema.String,
  streamId: Schema.String,
  firstVersion: Schema.Int,
  version: Schema.Int
})
export type Receipted = typeof Receipted.Type

/** The receipt was given before: look it up with `findReceipt`. Nothing was written. */
export class ReceiptExists extends Schema.TaggedError<ReceiptExists>()("ReceiptExists", { id: Schema.String }) {}

/** The receipt id belongs to another request. */
export class ReceiptReused extends Schema.TaggedError<ReceiptReused>()("ReceiptReused", { id: Schema.String }) {
  override get message() {
    return "This receipt was given for another request. Use a new one for a new request."
  }
}

/** Called when a request is answered as it was the first time. */
export const OnReplay = Context.Reference<() => void>("@latchkey/core/OnReplay", { defaultValue: () => () => {} })

const decode = Schema.decodeEffect(Schema.fromJsonString(Receipted))

/** The record that holds a receipt. */
export const receiptKey = (id: string): string => `receipt/${id}`

/** What a write with a receipt expects: that it was not given before. */
export const notGiven = ({ id }: Receipt): Expectation => ({ key: receiptKey(id), value: undefined })

/**
 * What a write with a receipt puts.
 *
 * @param version of the stream before the write
 * @param count events that are written
 */
export const givenFor = (
  { id, fingerprint, expiresAt }: Receipt,
  streamId: string,
  version: number,
  count: number
): Put => {
  const given: Receipted = { fingerprint, streamId, firstVersion: version + 1, version: version + count }
  const put = { key: receiptKey(id), value: JSON.stringify(given) }
  return expiresAt === undefined ? put : { ...put, until: expiresAt }
}

/** What a receipt was given for; none once it has expired. */
export const findReceipt = (
  store: EventStore["Service"],
  id: string
): Effect.Effect<Option.Option<Receipted>, StoreUnavailable> =>
  Effect.flatMap(store.record(receiptKey(id)), (record) =>
    Option.isNone(record)
      ? Effect.succeedNone
      : Effect.asSome(Effect.mapError(decode(record.value), (cause) => unreadable(receiptKey(id), cause)))
  )

/** What this receipt was given for; none when there is no receipt, or this is the first try. */
export const earlierTry = Effect.fnUntraced(function* (
  store: EventStore["Service"],
  receipt: RequestReceipt | undefined
): Effect.fn.Return<Option.Option<Receipted>, ReceiptReused | StoreUnavailable> {
  if (receipt === undefined) return Option.none()
  const { id, fingerprint, earlier } = receipt
  let found = yield* findReceipt(store, id)
  const wasEarlier = ({ value }: Option.Some<Receipted>) => value.fingerprint === earlier?.fingerprint
  if (Option.isNone(found) && earlier !== undefined && earlier.id !== id) {
    found = yield* findReceipt(store, earlier.id)
    if (Option.isSome(found) && !wasEarlier(found)) return Option.none()
  }
  if (Option.isNone(found)) return found
  if (found.value.fingerprint !== fingerprint && !wasEarlier(found))
    return yield* Effect.fail(new ReceiptReused({ id }))
  const replayed = yield* OnReplay
  replayed()
  return found
})
