/** A program's own consumer of events: told as partners are, from a cursor that is kept under its name. */
import { Effect, Option, Schema } from "effect"
import { OPERATOR } from "../access/ApiKeys.ts"
import { EventStore, StoreUnavailable, type WriteError } from "../streams/EventStore.ts"
import { type Consumer, Feed } from "../streams/Feed.ts"
import { textUpTo } from "../values/Text.ts"
import { positionOf } from "./Cursor.ts"
import { CurrentOrigin, type Envelope, envelopeOf } from "./Envelope.ts"
import { PartnerFeed } from "./PartnerFeed.ts"

/** What a program wants to be told of. */
export const Subscription = Schema.Struct({
  /** Under which its cursor is kept: one of its name, whatever is started how often, is told at a time. */
  name: textUpTo(200).check(Schema.isMinLength(1)),
  /** Where it begins for the first time: a cursor, or `now`; at the beginning unless given. */
  after: Schema.optionalKey(Schema.String),
  /** Types of events; all unless given. */
  types: Schema.optionalKey(Schema.Array(Schema.String)),
  /** Whose events; those of all unless given. */
  orgId: Schema.optionalKey(Schema.NonEmptyString)
})
export type Subscription = typeof Subscription.Type

/** The program's own function has failed: it is handed the event again, later. */
class NotHandled extends Schema.TaggedError<NotHandled>()("NotHandled", { reason: Schema.Defect() }) {
  override get message() {
    return this.reason instanceof Error ? this.reason.message : String(this.reason)
  }
}

/** Events that are handled before the cursor is written, at most, while none fails. */
const PAGE = 50

/** Tells for as long as the scope lives; each event at least once, and in order. */
export const subscribe = Effect.fnUntraced(function* (
  { name, after, types, orgId = OPERATOR }: Subscription,
  handle: (event: Envelope) => unknown
) {
  const store = yield* EventStore
  const feed = yield* Feed
  const partners = yield* PartnerFeed
  const origin = yield* CurrentOrigin
  const key = `cursor/subscriber-${name}`
  const first =
    after === undefined ? 0 : after === "now" ? yield* store.head : yield* Effect.fromResult(positionOf(orgId, after))
  // One that has begun goes on where it is.
  if (Option.isNone(yield* store.record(key))) yield* partners.mustExist(first)
  let value: string | undefined

  const move = (position: number) =>
    store.write({ expect: [{ key, value }], put: [{ key, value: String(position) }] }).pipe(
      Effect.map(() => {
        value = String(position)
        return position
      }),
      // Another process has taken them.
      Effect.catchTag("RecordConflict", ({ actual }) => {
        value = actual
        return Effect.succeed(Number(actual ?? first))
      }),
      Effect.mapError(asUnavailable)
    )

  const consumer: Consumer<StoreUnavailable | NotHandled> = {
    name: `subscriber-${name}`,
    ...(orgId !== OPERATOR && { filter: { orgId } }),
    page: PAGE,
    lease: true,
    cursor: Effect.flatMap(store.record(key), (record) => {
      value = Option.getOrUndefined(record)
      // It begins once: a later start goes on there, whatever `after` says.
      return value === undefined ? move(first) : Effect.succeed(Number(value))
    }),
    take: Effect.fnUntraced(function* (events, upTo, confirm) {
      let handled: number | undefined
      for (const stored of events) {
        const told = yield* partners.tell(orgId, stored)
        if (told !== undefined && (types === undefined || types.includes(told.data.type))) {
          const envelope = envelopeOf(told, orgId, origin)
          yield* confirm
          const failed = yield* Effect.tryPromise({
            try: async () => handle(envelope),
            catch: (reason) => new NotHandled({ reason })
          }).pipe(
            Effect.as(undefined),
            Effect.catch((error) => Effect.succeed(error))
          )
          if (failed !== undefined) return yield* handled === undefined ? Effect.fail(failed) : move(handled)
        }
        handled = stored.position
      }
      return yield* move(upTo)
    })
  }
  yield* feed.follow(consumer)
})

const asUnavailable = (error: Exclude<WriteError, { readonly _tag: "RecordConflict" }>): StoreUnavailable =>
  error instanceof StoreUnavailable ? error : new StoreUnavailable({ message: error.message })
