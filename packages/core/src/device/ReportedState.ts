/**
 * What a device tells of itself, its door and its keys: `reported.state`, `reported.openings` and `reported.keys` of its
 * shadow. Whatever a device
 * says there, what comes out of here is understood and has a bound. Pure.
 */
import { Option, Schema } from "effect"
import { given } from "../values/given.ts"
import { textUpTo } from "../values/Text.ts"

/** Where the bolt is; `jammed`: somewhere on its way. */
export const Bolt = Schema.Literals(["locked", "unlocked", "jammed"])
/** `leftOpen`: open for longer than the device finds right. `forced`: it was opened though the bolt was out. */
export const Door = Schema.Literals(["closed", "open", "leftOpen", "forced"])
/** How a door was opened at the door itself. `other`: in a way that this Latchkey does not know. */
export const OpenedBy = Schema.Literals(["key", "pin", "thumbTurn", "outsideHandle", "other"])

/** Openings that a device holds until they are in the log. */
export const MOST_OPENINGS = 16
/** Keys of one report, at most. */
const MOST_KEYS_REPORTED = 32
/** Characters of a name that a device gives. */
const LONGEST_NAME = 64
const LONGEST_KEY = 255

const Percent = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 100 }))
/** Of openings, from 1 on. */
const Count = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }))
/** Openings that a device may have dropped. */
const Dropped = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }))
/** How many keys a device may say that it has room for. */
const Slots = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1_000_000 }))
/** Epoch milliseconds, as a device has them: a `Date` can say it. */
const DeviceTime = Schema.Int.check(Schema.isBetween({ minimum: -8.64e15, maximum: 8.64e15 }))
const Name = textUpTo(LONGEST_NAME).check(Schema.isMinLength(1))
const KeyName = textUpTo(LONGEST_KEY).check(Schema.isMinLength(1))

/** What a device says of its state; it leaves out what it does not have. */
export const stateFields = {
  bolt: Schema.optionalKey(Bolt),
  door: Schema.optionalKey(Door),
  /** In percent. */
  battery: Schema.optionalKey(Percent),
  /** What the device itself thinks of its battery. */
  batteryLow: Schema.optionalKey(Schema.Boolean),
  firmware: Schema.optionalKey(Name),
  /** How many keys it has room for; no slot has a higher number. */
  keySlots: Schema.optionalKey(Slots),
  /** What time it is by the device's own clock, epoch milliseconds. */
  clock: Schema.optionalKey(DeviceTime)
}
export type ReportedState = Schema.Struct.Type<typeof stateFields>

/** One opening at the door. */
export const Opening = Schema.Struct({
  /** The device's own counter of openings. */
  n: Count,
  by: OpenedBy,
  /** The key, or its slot. */
  keyUuid: Schema.optionalKey(KeyName),
  keyIndexNumber: Schema.optionalKey(Schema.Int),
  /** When it was, by the device's own clock, epoch milliseconds. */
  at: Schema.optionalKey(DeviceTime)
})
export type Opening = typeof Opening.Type

/** The openings that a device still holds, the oldest first. */
export const openingsFields = {
  /** Names the counter: another one when it begins anew. */
  series: Name,
  /** How many openings the device has dropped in all, for want of room, if it says so. */
  dropped: Schema.optionalKey(Dropped),
  /** Others of its list are missing too: they were not understood, or too many. */
  partial: Schema.optionalKey(Schema.Literal(true)),
  list: Schema.Array(Opening).check(Schema.isMaxLength(MOST_OPENINGS))
}
export type Openings = Schema.Struct.Type<typeof openingsFields>

const ListedKey = Schema.Struct({ keyUuid: KeyName, keyIndexNumber: Schema.optionalKey(Schema.Int) })

/** The keys that a device holds. */
export const keysFields = {
  /** The command about keys that it answered last, before it listed them; none if it has answered none. */
  after: Schema.optionalKey(Schema.String),
  list: Schema.Array(ListedKey).check(Schema.isMaxLength(MOST_KEYS_REPORTED)),
  /** It holds others that are not listed. */
  more: Schema.optionalKey(Schema.Literal(true))
}
export type ReportedKeys = Schema.Struct.Type<typeof keysFields>

/**
 * What `reported.state` says, as far as it is understood; `undefined` when that is nothing.
 *
 * @example
 * ```ts
 * reportedStateIn({ bolt: "locked", battery: 81, colour: "red" }) // { bolt: "locked", battery: 81 }
 * ```
 */
export const reportedStateIn = (json: unknown): ReportedState | undefined => {
  if (!isObject(json)) return undefined
  const state = understood(stateDecoders, json)
  return Object.keys(state).length === 0 ? undefined : state
}

/**
 * What `reported.openings` says; `undefined` when it is not understood. Of an opening only the counter must be: that it
 * was is not lost for want of how.
 */
export const openingsIn = (json: unknown): Openings | undefined => {
  if (!isObject(json) || !Array.isArray(json["list"])) return undefined
  const series = Option.getOrUndefined(decodeName(json["series"]))
  if (series === undefined) return undefined
  const list = json["list"].flatMap((entry): ReadonlyArray<Opening> => {
    const n = isObject(entry) ? Option.getOrUndefined(decodeCount(entry["n"])) : undefined
    return n === undefined || !isObject(entry) ? [] : [{ by: "other", ...understood(openingDecoders, entry), n }]
  })
  const isPartial = list.length < json["list"].length || list.length > MOST_OPENINGS
  return {
    series,
    ...given({ dropped: Option.getOrUndefined(decodeDropped(json["dropped"])) }),
    ...(isPartial && { partial: true as const }),
    // The newest; what was before them counts as missed.
    list: list.toSorted((a, b) => a.n - b.n).slice(-MOST_OPENINGS)
  }
}

/**
 * What `reported.keys` says; `undefined` when it is not understood. What is not understood of it is there all the same: the
 * list then counts as one that is not complete.
 *
 * @example
 * ```ts
 * reportedKeysIn({ after: "command-1", list: [{ keyUuid: "key-1", keyIndexNumber: 3 }] })
 * ```
 */
export const reportedKeysIn = (json: unknown): ReportedKeys | undefined => {
  if (!isObject(json) || !Array.isArray(json["list"])) return undefined
  const { after } = json
  if (after !== undefined && typeof after !== "string") return undefined
  const keys = new Map<string, typeof ListedKey.Type>()
  for (const entry of json["list"].slice(0, MOST_KEYS_REPORTED)) {
    const key = Option.getOrUndefined(decodeKey(entry))
    if (key !== undefined) keys.set(key.keyUuid, key)
  }
  const isWhole = keys.size === json["list"].length && (json["more"] === undefined || json["more"] === false)
  return { ...(after !== undefined && { after }), list: [...keys.values()], ...(!isWhole && { more: true }) }
}

type Decoders<Fields> = { readonly [Name in keyof Fields]: (json: unknown) => Option.Option<Fields[Name]> }

/** Each field by itself: what is wrong with one says nothing of the others. */
const understood = <Fields extends object>(decoders: Decoders<Fields>, json: Schema.JsonObject): Partial<Fields> =>
  Object.fromEntries(
    Object.entries<(json: unknown) => Option.Option<unknown>>(decoders).flatMap(([name, decode]) => {
      const value = Object.hasOwn(json, name) ? decode(json[name]) : Option.none()
      return Option.isSome(value) ? [[name, value.value]] : []
    })
  ) as Partial<Fields>

const decoderOf = <A>(schema: Schema.Codec<A>) => Schema.decodeUnknownOption(schema)
const decodeName = decoderOf(Name)
const decodeCount = decoderOf(Count)
const decodeKey = decoderOf(ListedKey)
const decodeDropped = decoderOf(Dropped)

const stateDecoders: Decoders<Required<ReportedState>> = {
  bolt: decoderOf(Bolt),
  door: decoderOf(Door),
  battery: decoderOf(Percent),
  batteryLow: decoderOf(Schema.Boolean),
  firmware: decodeName,
  keySlots: decoderOf(Slots),
  clock: decoderOf(DeviceTime)
}

const openingDecoders: Decoders<Required<Omit<Opening, "n">>> = {
  by: decoderOf(OpenedBy),
  keyUuid: decoderOf(KeyName),
  keyIndexNumber: decoderOf(Schema.Int),
  at: decoderOf(DeviceTime)
}

const isObject = (value: unknown): value is Schema.JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value)
