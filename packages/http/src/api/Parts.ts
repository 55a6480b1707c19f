/** Parts of requests that many endpoints share. */
import { LockId } from "@latchkey/core"
import { Context, Schema, SchemaGetter } from "effect"

export const positive = (expected: string) =>
  Schema.String.check(Schema.isPattern(/^[1-9][0-9]*$/u, { expected })).pipe(Schema.decodeTo(Schema.NumberFromString))

/** Seconds: a connection on which nothing is said for longer than 30 is cut off. */
export const LONGEST_WAIT = 28

/** A whole number of a query. */
export const whole = (least: number, most: number) =>
  Schema.String.check(Schema.isPattern(/^(0|[1-9][0-9]{0,9})$/u, { expected: `a number, ${least} to ${most}` })).pipe(
    Schema.decodeTo(Schema.NumberFromString),
    Schema.decodeTo(
      Schema.Int.check(
        Schema.isGreaterThanOrEqualTo(least, { expected: `a number, ${least} to ${most}` }),
        Schema.isLessThanOrEqualTo(most, { expected: `a number, ${least} to ${most}` })
      )
    )
  )

/** Several values of a query, with commas between. */
export const severalOf = <Item extends Schema.Codec<unknown, string>>(item: Item, most: number, expected: string) =>
  Schema.String.pipe(
    Schema.decodeTo(Schema.Array(item).check(Schema.isMaxLength(most, { expected: `${expected}, at most ${most}` })), {
      // Of too many, one too many is enough to refuse them, and all that is told of.
      decode: SchemaGetter.transform((text: string): ReadonlyArray<string> => text.split(",", most + 1)),
      encode: SchemaGetter.transform((items: ReadonlyArray<string>) => items.join(","))
    })
  )

/** In the path: `/locks/:id/…`. */
export const lock = { id: positive("a positive integer").pipe(Schema.decodeTo(LockId)) }

const IdempotencyKey = Schema.String.check(
  Schema.isPattern(/^[\x21-\x7e]{1,255}$/u, { expected: "1 to 255 visible ASCII characters" })
)

/** What a client may send with any POST, so that a retry is answered as the first try was. */
export const headers = { "idempotency-key": Schema.optionalKey(IdempotencyKey) }

/** RFC 9110, section 8.8.3: weak ones begin with `W/`. */
const TAG = /(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*"/.source
const IfMatch = Schema.String.check(
  Schema.isPattern(new RegExp(String.raw`^(?:\*|[ \t,]*${TAG}(?:[ \t]*,[ \t,]*${TAG})*[ \t,]*)$`, "u"), {
    expected: 'the ETag of the lock or temp key, as "7", several of them, or *'
  })
)

/** What is changed is changed only at a version that it names. */
export const ifMatch = { "if-match": Schema.optionalKey(IfMatch) }

/** What comes with a command to a lock, or to a temp key. */
export const commandHeaders = { ...headers, ...ifMatch }

/**
 * On endpoints that are published so: members that their body does not know are left aside, at its top level. All others
 * refuse them, and what is nested is always closed.
 */
export const Open = Context.Reference<boolean>("@latchkey/http/Open", { defaultValue: () => false })

/** On pages that people come to by links: what others add to these is left aside. Elsewhere a misspelt filter would be no filter. */
export const OpenQuery = Context.Reference<boolean>("@latchkey/http/OpenQuery", { defaultValue: () => false })

/**
 * Which endpoints answer with an `ETag`, as `If-Match` takes it. The `conditional` ones answer 304 to those who have what it
 * names, and say so in `If-None-Match`.
 */
export const Tagged = Context.Reference<"no" | "tagged" | "conditional">("@latchkey/http/Tagged", {
  defaultValue: () => "no"
})
