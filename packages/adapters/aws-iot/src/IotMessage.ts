/**
 * What IoT rules put into the queue, as reports. Two rules write it: presence events as AWS publishes them, and what
 * devices write to their shadows, as `SELECT topic(3) AS thingName, …` has it (docs/aws.md).
 */
import { absenceSaid, type DeviceReport, openingsHeld, outcomesIn, stateIn } from "@latchkey/core"
import { Effect, Option, Schema } from "effect"
import type { ThingNames } from "./DataPlane.ts"

/** A lifecycle event of AWS IoT. `timestamp` is in epoch milliseconds. */
const Presence = Schema.Struct({
  eventType: Schema.String,
  clientId: Schema.String,
  /** Only of clients that are a thing exclusively; else a device connects with the name of its thing. */
  thingName: Schema.optionalKey(Schema.String),
  timestamp: Schema.Int,
  disconnectReason: Schema.optionalKey(Schema.String)
})

const PRESENCE: ReadonlyArray<string> = ["connected", "disconnected"]

/** What was written to `reported` of a shadow, and when: `at` is in epoch milliseconds. */
const Reported = Schema.Struct({
  thingName: Schema.String,
  reported: Schema.NullOr(Schema.Record(Schema.String, Schema.Json)),
  at: Schema.Int
})

const decode = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Union([Presence, Reported])))

/** The reports in a message; none when it is not for us, `undefined` when it is none of AWS's. */
export const reportsIn = Effect.fnUntraced(function* (
  body: string,
  things: ThingNames
): Effect.fn.Return<ReadonlyArray<DeviceReport> | undefined> {
  const message = decode(body)
  if (Option.isNone(message)) return undefined
  const said = message.value
  const thing = things.uuidOf("reported" in said ? said.thingName : (said.thingName ?? said.clientId))
  if (thing === undefined) return []
  if ("reported" in said) {
    const { reported, at } = said
    return [
      ...stateIn(thing, reported, at),
      ...(yield* outcomesIn(thing, reported?.["commands"], at)),
      ...(yield* openingsHeld(thing, reported?.["openings"]))
    ]
  }
  // Others tell of attempts.
  if (!PRESENCE.includes(said.eventType)) return []
  const presence = said.eventType === "connected" ? { online: true } : absenceSaid(said.disconnectReason)
  return presence === undefined ? [] : [{ _tag: "Presence", thing, ...presence, at: said.timestamp }]
})
