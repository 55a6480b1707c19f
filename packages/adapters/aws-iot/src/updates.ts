/**
 * Changes of shadows from an SQS queue that an IoT rule feeds: `SELECT topic(3) AS thingName, …` has what AWS publishes of
 * each (docs/aws.md). They are told once, or missed: a message is deleted before anybody hears of it.
 */
import { isDeepStrictEqual } from "node:util"
import type { SQSClient } from "@aws-sdk/client-sqs"
import { keepGoing, type ShadowUpdate } from "@latchkey/core"
import { Effect, Option, Schema, Stream } from "effect"
import type { ThingNames } from "./DataPlane.ts"
import { logStranger, queueAt } from "./Queue.ts"

const Attributes = Schema.Record(Schema.String, Schema.Json)

/** A shadow after a change; `at` is in epoch milliseconds. */
const Changed = Schema.Struct({
  thingName: Schema.String,
  at: Schema.Int,
  current: Schema.Struct({
    version: Schema.Int,
    state: Schema.Struct({ desired: Schema.optionalKey(Attributes), reported: Schema.optionalKey(Attributes) }),
    metadata: Schema.optionalKey(Attributes)
  })
})

const decode = Schema.decodeUnknownOption(Schema.fromJsonString(Changed))
const WHAT = "updates of shadows"

/** Every change of a lock's shadow, from the queue at this URL. A queue that does not answer is tried again. */
export const updatesIn = (client: SQSClient, url: string, things: ThingNames): Stream.Stream<ShadowUpdate> => {
  const { receive, remove } = queueAt(client, url, WHAT)
  const next = Effect.gen(function* () {
    const messages = yield* receive
    yield* remove(messages.flatMap(({ ReceiptHandle = [] }) => ReceiptHandle))
    const updates: Array<ShadowUpdate> = []
    for (const message of messages) {
      const changed = decode(message.Body)
      if (Option.isNone(changed)) yield* logStranger(WHAT, message)
      else updates.push(...updateOf(changed.value, things))
    }
    return updates
  })
  return Stream.flattenIterable(Stream.fromEffectRepeat(keepGoing("Updates of shadows are not received")(next)))
}

const updateOf = ({ thingName, at, current }: typeof Changed.Type, things: ThingNames): ReadonlyArray<ShadowUpdate> => {
  const thing = things.uuidOf(thingName)
  const { version, state, metadata = {} } = current
  const { desired = {}, reported = {} } = state
  return thing === undefined
    ? []
    : [{ thing, version, at, reported, desired, delta: difference(desired, reported), metadata }]
}

/** What is wanted of the device and not reported by it, as AWS works it out: objects attribute by attribute, all else whole. */
const difference = (desired: Schema.JsonObject, reported: Schema.JsonObject): Schema.JsonObject =>
  Object.fromEntries(
    Object.entries(desired).flatMap(([name, wanted]) => {
      const said = Object.hasOwn(reported, name) ? reported[name] : undefined
      if (!isObject(wanted) || !isObject(said)) return isDeepStrictEqual(wanted, said) ? [] : [[name, wanted] as const]
      const deeper = difference(wanted, said)
      return Object.keys(deeper).length === 0 ? [] : [[name, deeper] as const]
    })
  )

const isObject = (value: Schema.Json | undefined): value is Schema.JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value)
