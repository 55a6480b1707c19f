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

/** A stream that is held, as it is written: mostly as it was the last time. */
const textOf = (stream: string, held: Held): string => {
  const known = texts.get(held)
  if (known !== undefined) return known
  const { version, attempts, due, since } = held
  const text = JSON.stringify([stream, version, attempts, due, since])
  texts.set(held, text)
  return text
}
const texts = new WeakMap<Held, string>()

const laneText = <L extends Lane>({ held, ...rest }: L): string => {
  const streams = HashMap.toEntries(held).map(([stream, one]) => textOf(stream, one))
  return `${JSON.stringify(rest).slice(0, -1)},"held":[${streams.join(",")}]}`
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
