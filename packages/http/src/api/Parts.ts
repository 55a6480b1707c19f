/** Parts of requests that many endpoints share. */
import { LockId } from "@latchkey/core"
import { Schema } from "effect"

export const positive = (expected: string) =>
  Schema.String.check(Schema.isPattern(/^[1-9][0-9]*$/, { expected })).pipe(Schema.decodeTo(Schema.NumberFromString))

/** In the path: `/locks/:id/…`. */
export const lock = { id: positive("a positive integer").pipe(Schema.decodeTo(LockId)) }

const IdempotencyKey = Schema.String.check(
  Schema.isPattern(/^[\x21-\x7e]{1,255}$/, { expected: "1 to 255 visible ASCII characters" })
)

/** What a client may send with any POST, so that a retry is answered as the first try was. */
export const headers = { "idempotency-key": Schema.optionalKey(IdempotencyKey) }
