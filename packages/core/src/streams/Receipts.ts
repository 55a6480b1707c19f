/** What a request with a receipt finds of an earlier try: one rule for everything that can be retried. */
import { Context, Effect, Option, Schema } from "effect"
import { type EventStore, Receipt, type Receipted, type StoreUnavailable } from "./OldEventStore.ts"

/** A receipt as a request brings it. */
export const RequestReceipt = Schema.Struct({
  ...Receipt.fields,
  /** How the same request was written down before there were receipts that end; found only by exactly this. */
  earlier: Schema.optionalKey(Schema.Struct({ id: Schema.String, fingerprint: Schema.String }))
})
export type RequestReceipt = typeof RequestReceipt.Type

/** The receipt id belongs to another request. */
export class ReceiptReused extends Schema.TaggedError<ReceiptReused>()("ReceiptReused", { id: Schema.String }) {
  override get message() {
    return "This receipt was given for another request. Use a new one for a new request."
  }
}

/** Called when a request is answered as it was the first time. */
export const OnReplay = Context.Reference<() => void>("@latchkey/core/OnReplay", { defaultValue: () => () => {} })

/** What this receipt was given for; none when there is no receipt, or this is the first try. */
export const earlierTry = Effect.fnUntraced(function* (
  store: EventStore["Service"],
  receipt: RequestReceipt | undefined
): Effect.fn.Return<Option.Option<Receipted>, ReceiptReused | StoreUnavailable> {
  if (receipt === undefined) return Option.none()
  const { id, fingerprint, earlier } = receipt
  let found = yield* store.receipt(id)
  const wasEarlier = ({ value }: Option.Some<Receipted>) => value.fingerprint === earlier?.fingerprint
  if (Option.isNone(found) && earlier !== undefined && earlier.id !== id) {
    found = yield* store.receipt(earlier.id)
    if (Option.isSome(found) && !wasEarlier(found)) return Option.none()
  }
  if (Option.isNone(found)) return found
  if (found.value.fingerprint !== fingerprint && !wasEarlier(found))
    return yield* Effect.fail(new ReceiptReused({ id }))
  const replayed = yield* OnReplay
  replayed()
  return found
})
