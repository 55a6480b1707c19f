/** How far the deliveries of a webhook have come, as a record: one of a bounded size for each webhook. */
import { Effect, HashMap, Option, Schema } from "effect"
import type { StoreUnavailable } from "../streams/EventStore.ts"
import { unreadable } from "../streams/Records.ts"
import type { Held, Lane, Progress, Range } from "./Delivery.ts"

/** Its key is storage. */
export const progressKey = (webhookId: string): string => `delivery/${webhookId}`

const lane = {
  cursor: Schema.Int,
  /** Stream, version, attempts, due, since. */
  held: Schema.Array(Schema.Tuple([Schema.String, Schema.Int, Schema.Int, Schema.Finite, Schema.Finite]))
}
const Stored = Schema.Struct({
  live: Schema.Struct(lane),
  replays: Schema.Array(
    Schema.Struct({
      ...lane,
      replayId: Schema.String,
      until: Schema.Int,
      from: Schema.optionalKey(Schema.Int),
      to: Schema.optionalKey(Schema.Int)
    })
  ),
  changed: Schema.Int,
  asked: Schema.Int,
  attempts: Schema.Int,
  givenUp: Schema.Int,
  refusedInRow: Schema.Int,
  failedInRow: Schema.Int,
  failingSince: Schema.optionalKey(Schema.Finite),
  lastSuccessAt: Schema.optionalKey(Schema.Finite),
  waitUntil: Schema.Finite,
  verification: Schema.Struct({ attempts: Schema.Int, due: Schema.Finite })
})
const decode = Schema.decodeEffect(Schema.fromJsonString(Stored))

/**
 * A stream that is held, as it is written. One of which nothing has failed is due at once, since whenever it was taken on:
 * most are so, and that need not be written.
 */
const textOf = (stream: string, { version, attempts, due, since }: Held): string =>
  attempts === 0
    ? `[${JSON.stringify(stream)},${version},0,0,0]`
    : JSON.stringify([stream, version, attempts, due, since])

const laneText = <L extends Lane>({ held, ...rest }: L): string => {
  let streams = ""
  for (const [stream, one] of held) streams += streams === "" ? textOf(stream, one) : `,${textOf(stream, one)}`
  return `${JSON.stringify(rest).slice(0, -1)},"held":[${streams}]}`
}

const read = <L extends (typeof Stored.Type)["live"]>({ held, ...rest }: L) => ({
  ...rest,
  held: HashMap.fromIterable(
    held.map(([stream, version, attempts, due, since]) => [stream, { version, attempts, due, since }] as const)
  )
})

/** The record's value. */
export const progressText = ({ live, replays, ...rest }: Progress): string =>
  `${JSON.stringify(rest).slice(0, -1)},"live":${laneText(live)},"replays":[${replays.map(laneText).join(",")}]}`

/** What a record says; `undefined` where there is none. */
export const progressOf = (
  webhookId: string,
  record: Option.Option<string>
): Effect.Effect<Progress | undefined, StoreUnavailable> =>
  Option.isNone(record)
    ? Effect.succeed(undefined)
    : Effect.map(
        Effect.mapError(decode(record.value), (cause) => unreadable(progressKey(webhookId), cause)),
        ({ live, replays, failingSince, lastSuccessAt, ...rest }): Progress => ({
          ...rest,
          failingSince,
          lastSuccessAt,
          live: read(live),
          replays: replays.map((replay): Lane & Range => read(replay))
        })
      )
