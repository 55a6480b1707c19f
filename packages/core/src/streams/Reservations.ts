/**
 * Appends to streams of which some take two steps, because hardware must be told in between.
 *
 * A prepared append is a record, durable and invisible, that reserves its stream: every other append waits until it is
 * settled, by evidence of whether the hardware's shadow took the command. Once it is released, because that cannot be
 * learned yet, appends that say `mayPass` pass it. The first to settle decides; later callers learn what stands, for a
 * day.
 *
 * A command id counts once, for plain and for prepared appends alike, on whatever stream. What was discarded may be
 * prepared again: attempts are numbered, and evidence of one says nothing of another.
 */
import { Clock, Duration, Effect, Option, Schema } from "effect"
import { Principal } from "../values/Principal.ts"
import type {
  Append,
  Batch,
  EventStore,
  Expectation,
  NewEvent,
  Put,
  RecordConflict,
  StoredEvent,
  StoreUnavailable,
  VersionConflict,
  Written
} from "./EventStore.ts"
import { heldKey, holding, type LetGo, letGo, nothingHeld } from "./HeldUses.ts"
import { givenFor, notGiven, Receipt, ReceiptExists, receiptKey } from "./Receipts.ts"
import { unreadable } from "./Records.ts"
import { logSeldom } from "./SeldomLog.ts"

const PreparedEvent = Schema.Struct({
  eventId: Schema.String,
  type: Schema.String,
  data: Schema.JsonObject,
  at: Schema.Int,
  orgId: Schema.String,
  principal: Principal,
  commandId: Schema.String
})

/** What is written to another stream together with a command: a use that counts there, or counts no more. */
export const Counted = Schema.Struct({
  streamId: Schema.String,
  /** The version that the decision rests on. */
  version: Schema.Int,
  event: PreparedEvent
})
export type Counted = typeof Counted.Type

/** What the record of a prepared append holds. */
const fields = {
  commandId: Schema.String,
  /** Which attempt at the command this is, from 1. */
  attempt: Schema.Int,
  /** The thing whose shadow is asked whether the command arrived. */
  thing: Schema.String,
  /** Epoch milliseconds, by its writer's clock: how long it means to take. Others count for themselves; see `Settling`. */
  deadline: Schema.Finite,
  released: Schema.Boolean,
  events: Schema.Array(PreparedEvent),
  receipt: Schema.optionalKey(Receipt),
  /** The version that it was decided on. */
  version: Schema.optionalKey(Schema.Int),
  /** What is written to another stream when it is committed: a use that counts there. */
  count: Schema.optionalKey(Counted)
}
const Stored = Schema.Struct(fields)

/** A prepared append that was not settled when it was last seen. */
export const Reservation = Schema.Struct({
  ...fields,
  streamId: Schema.String,
  /** Its record, as it was read. */
  value: Schema.String
})
export type Reservation = typeof Reservation.Type

/** How a prepared append ended. */
export type Settlement =
  | {
      readonly _tag: "Committed"
      readonly streamId: string
      /** Of its last event. */
      readonly version: number
      /** Its events, for the caller whose commit has written them. */
      readonly stored?: ReadonlyArray<StoredEvent>
    }
  | { readonly _tag: "Discarded" }

/** A prepared append holds the stream: wait for it, or settle it once its writer has had its time. */
export class StreamReserved extends Schema.TaggedError<StreamReserved>()("StreamReserved", {
  reservation: Reservation
}) {}

/** The command id was used before. Nothing was written. */
export class CommandExists extends Schema.TaggedError<CommandExists>()("CommandExists", {
  commandId: Schema.String
}) {
  override get message() {
    return "A command with this id was already carried out. Give every command its own id."
  }
}

/** Where several would do, the first of these in this order is the answer: ReceiptExists, StreamReserved, CommandExists, VersionConflict. */
export type ReservedError = ReceiptExists | StreamReserved | CommandExists | VersionConflict | StoreUnavailable

/** Events of one command for the end of a stream. With a receipt there may be none: the command then changed nothing. */
export interface Appending extends Append {
  readonly commandId: string
  readonly receipt?: Receipt | undefined
  /** What is written with them, to other streams; only by a plain append. */
  readonly beside?: ReadonlyArray<Append>
  /** The same of records. */
  readonly records?: BesideRecords | undefined
}

/** Records that are written with events, and what they must be before. */
export type BesideRecords = Required<Pick<Batch, "expect" | "put" | "remove">>

const reservationKey = (streamId: string): string => PREFIX + streamId
const commandKey = (commandId: string): string => `command/${commandId}`
const PREFIX = "reservation/"
const PAGE = 100
/** How long it is remembered how a prepared append ended. */
const REMEMBERED = Duration.toMillis(Duration.days(1))

/**
 * Appends all events or none, in one call of the store. Fails with a RecordConflict for what is expected beside them.
 *
 * @param mayPass whether they can change neither the permission nor the outcome of what is prepared; asked once it is
 *   released
 */
export const append = (
  store: EventStore["Service"],
  appending: Appending,
  mayPass: MayPass = () => false
): Effect.Effect<Written, ReservedError | RecordConflict> => appendPast(store, appending, mayPass, undefined, undefined)

type MayPass = (reservation: Reservation) => boolean

/** Appends, past these values of the two records that mostly are not there. */
const appendPast = (
  store: EventStore["Service"],
  appending: Appending,
  mayPass: MayPass,
  reserved: string | undefined,
  used: string | undefined
): ReturnType<typeof append> =>
  Effect.catchTags(store.write(batchOf(appending, reserved, used)), {
    EventExists: () => Effect.fail(new CommandExists({ commandId: appending.commandId })),
    RecordConflict: (conflict): ReturnType<typeof append> => {
      const { streamId, records } = appending
      if (records?.expect.some(({ key }) => key === conflict.key)) return Effect.fail(conflict)
      if (conflict.key !== reservationKey(streamId))
        return Effect.flatMap(mayBeUsed(appending, conflict), () =>
          appendPast(store, appending, mayPass, reserved, conflict.actual)
        )
      // What it was to pass is settled meanwhile.
      if (conflict.actual === undefined) return appendPast(store, appending, mayPass, undefined, used)
      const { actual } = conflict
      return Effect.flatMap(reservationIn(streamId, actual), (reservation) =>
        reservation.released && mayPass(reservation)
          ? appendPast(store, appending, mayPass, actual, used)
          : Effect.fail(new StreamReserved({ reservation }))
      )
    }
  })

const batchOf = (
  { streamId, expectedVersion, events, commandId, receipt, beside = [], records }: Appending,
  reserved: string | undefined,
  used: string | undefined
): Batch => {
  const reservation: Expectation = { key: reservationKey(streamId), value: reserved }
  const command: Expectation = { key: commandKey(commandId), value: used }
  const append = [{ streamId, expectedVersion, events }, ...beside]
  const alone: Batch =
    receipt === undefined
      ? { expect: [reservation, command], append }
      : {
          expect: [notGiven(receipt), reservation, command],
          append,
          put: [givenFor(receipt, streamId, expectedVersion, events.length)]
        }
  if (records === undefined) return alone
  const { expect, put, remove } = records
  return { append, expect: [...(alone.expect ?? []), ...expect], put: [...(alone.put ?? []), ...put], remove }
}

/** Whether the receipt or the command was only found otherwise than expected: a command that was discarded may come again. */
const mayBeUsed = (
  { commandId, receipt }: Pick<Appending, "commandId" | "receipt">,
  { key, actual }: RecordConflict
): Effect.Effect<number, ReceiptExists | CommandExists | StoreUnavailable> => {
  if (receipt !== undefined && key === receiptKey(receipt.id)) return Effect.fail(new ReceiptExists({ id: receipt.id }))
  if (actual === undefined) return Effect.succeed(0)
  return Effect.flatMap(commandIn(commandId, actual), ({ state, attempt }) =>
    state === "discarded" ? Effect.succeed(attempt) : Effect.fail(new CommandExists({ commandId }))
  )
}

/** That no append to the stream is prepared. */
export const notReserved = (streamId: string): Expectation => ({ key: reservationKey(streamId), value: undefined })

/**
 * A use of something that several streams use, counted in its own: the event is written together with what is prepared.
 * Until that is settled, the use is held in a record, and counts: in doubt too.
 */
export const Counting = Schema.Struct({
  ...Counted.fields,
  /** The record of what is held, as `heldOn` gave it: the decision rests on that, too. */
  held: Schema.UndefinedOr(Schema.String)
})
export type Counting = typeof Counting.Type

/** What a use rests on is otherwise by now. Nothing was written: decide again. */
export class CountMoved extends Schema.TaggedError<CountMoved>()("CountMoved", { streamId: Schema.String }) {
  override get message() {
    return "Others are using this temp key at the same moment. Nothing was done; try again."
  }
}

/** What is to be prepared. */
export interface Preparing extends Appending, Pick<Reservation, "thing" | "deadline"> {
  readonly count?: Counting | undefined
}

/**
 * First step of a two-step append: durable, invisible, and the stream is reserved until it is settled. The receipt stays
 * free until then: if another write takes it meanwhile, it stays with that one.
 */
export const prepare = Effect.fnUntraced(function* (
  store: EventStore["Service"],
  preparing: Preparing
): Effect.fn.Return<Reservation, ReservedError | CountMoved> {
  const { streamId, expectedVersion: version, events, commandId, receipt, thing, deadline, count } = preparing
  const held = yield* holding(count, commandId)
  const free = [
    ...(receipt === undefined ? [] : [notGiven(receipt)]),
    { key: reservationKey(streamId), value: undefined }
  ]
  let last: { readonly value: string | undefined; readonly attempt: number } = { value: undefined, attempt: 0 }
  while (true) {
    const attempt = last.attempt + 1
    const kept = {
      ...{ commandId, attempt, thing, deadline, released: false, events, ...withReceipt(receipt), version },
      ...withCount(count)
    }
    const value = JSON.stringify(kept satisfies typeof Stored.Type)
    const conflict = yield* store
      .write({
        expect: [...free, { key: commandKey(commandId), value: last.value }, ...held.expect],
        append: [{ streamId, expectedVersion: version, events: [] }, ...held.append],
        put: [
          { key: reservationKey(streamId), value },
          { key: commandKey(commandId), value: JSON.stringify({ streamId, attempt, state: "prepared" }) },
          ...held.put
        ]
      })
      .pipe(
        Effect.as(undefined),
        Effect.catchTags({
          RecordConflict: (conflict): Effect.Effect<RecordConflict, CountMoved> =>
            count !== undefined && conflict.key === heldKey(count.streamId)
              ? Effect.fail(new CountMoved({ streamId: count.streamId }))
              : Effect.succeed(conflict),
          VersionConflict: (conflict): Effect.Effect<never, CountMoved | VersionConflict> =>
            conflict.streamId === count?.streamId
              ? Effect.fail(new CountMoved({ streamId: count.streamId }))
              : Effect.fail(conflict),
          EventExists: () => Effect.fail(new CommandExists({ commandId }))
        })
      )
    if (conflict === undefined) {
      const reservation = { ...kept, streamId, value }
      // From here on no plain append can take the id; one that did so before is found in the log.
      const [first] = events
      if (first === undefined || Option.isNone(yield* store.event(first.eventId))) return reservation
      yield* discard(store, reservation)
      return yield* new CommandExists({ commandId })
    }
    if (conflict.key === reservationKey(streamId) && conflict.actual !== undefined)
      return yield* new StreamReserved({ reservation: yield* reservationIn(streamId, conflict.actual) })
    last = { value: conflict.actual, attempt: yield* mayBeUsed(preparing, conflict) }
  }
})

const withReceipt = (receipt: Receipt | undefined): { readonly receipt?: Receipt } => {
  if (receipt === undefined) return {}
  const { id, fingerprint, expiresAt } = receipt
  return { receipt: expiresAt === undefined ? { id, fingerprint } : { id, fingerprint, expiresAt } }
}

const withCount = (count: Counting | undefined): Pick<Reservation, "count"> => {
  if (count === undefined) return {}
  const { streamId, version, event } = count
  return { count: { streamId, version, event } }
}

/**
 * Makes a prepared append part of stream and feed, at the stream's next versions, and stamps its events with the time
 * (`acceptedAt`). Idempotent. Rests on evidence from the shadow of the reservation's thing, for its attempt.
 */
export const commit = Effect.fnUntraced(function* (
  store: EventStore["Service"],
  reservation: Reservation
): Effect.fn.Return<Settlement, StoreUnavailable> {
  const { streamId, commandId, attempt, count } = reservation
  const acceptedAt = yield* Clock.currentTimeMillis
  let { value, receipt, version = 0 } = reservation
  let notBefore = Number.NEGATIVE_INFINITY
  let counted = { version: count?.version ?? 0, notBefore: Number.NEGATIVE_INFINITY }
  let again = ""
  while (true) {
    const free = count === undefined ? nothingHeld : yield* letGo(store, count.streamId, commandId)
    const events = reservation.events.map((event) => ({
      ...event,
      eventId: event.eventId + again,
      at: Math.max(event.at, notBefore),
      acceptedAt
    }))
    const last = version + events.length
    const committed = settled({ streamId, attempt, state: "committed", version: last }, commandId, acceptedAt)
    const given = receipt === undefined ? [] : [givenFor(receipt, streamId, version, events.length)]
    const batch = {
      expect: [
        { key: reservationKey(streamId), value },
        ...(receipt === undefined ? [] : [notGiven(receipt)]),
        ...free.expect
      ],
      // The events first: of ids that are in the log, the first tells whose they are.
      append: [{ streamId, expectedVersion: version, events }, ...countAppend(count, counted, again)],
      put: [committed, ...given, ...free.put],
      remove: [reservationKey(streamId), ...free.remove]
    }
    const answer = yield* Effect.catch(store.write(batch), (error) =>
      error._tag === "StoreUnavailable" ? Effect.fail(error) : Effect.succeed(error)
    )
    if (!("_tag" in answer)) {
      const position = answer.position - (count === undefined ? 0 : 1)
      return { _tag: "Committed", streamId, version: last, stored: storedAt(events, streamId, version, { position }) }
    }
    if (answer._tag === "VersionConflict") {
      const last = yield* lastAt(store, answer)
      if (answer.streamId === count?.streamId) counted = { ...last }
      else ({ version, notBefore } = last)
    } else if (answer._tag === "EventExists") {
      const before = yield* committedBefore(store, { ...reservation, value }, answer.eventId)
      if (before !== undefined) return before
      // Another use of the id came in between. The log holds what the shadow took, whatever its events are called.
      again += "-again"
    } else if (receipt !== undefined && answer.key === receiptKey(receipt.id)) {
      receipt = undefined
    } else if (count === undefined || answer.key !== heldKey(count.streamId)) {
      const now = yield* stillReserved(reservation, answer)
      if (now === undefined) return yield* settlementOf(store, reservation)
      value = now
    }
  }
})

/** Where the stream stands that has moved on, and when its last event happened: the next one happens no earlier. */
const lastAt = Effect.fnUntraced(function* (store: EventStore["Service"], { streamId, actual }: VersionConflict) {
  const [passed] = actual === 0 ? [] : yield* store.read(streamId, actual - 1, 1)
  return { version: actual, notBefore: passed?.at ?? Number.NEGATIVE_INFINITY }
})

const countAppend = (
  count: Reservation["count"],
  { version, notBefore }: { readonly version: number; readonly notBefore: number },
  again: string
): ReadonlyArray<Append> => {
  if (count === undefined) return []
  const { streamId, event } = count
  const use = { ...event, eventId: event.eventId + again, at: Math.max(event.at, notBefore) }
  return [{ streamId, expectedVersion: version, events: [use] }]
}

const storedAt = (
  events: ReadonlyArray<NewEvent>,
  streamId: string,
  version: number,
  { position }: Written
): ReadonlyArray<StoredEvent> =>
  events.map((event, index) => ({
    ...event,
    streamId,
    version: version + index + 1,
    position: position - events.length + index + 1
  }))

/** Drops a prepared append. Idempotent. Rests on evidence that the shadow of its thing does not hold it, and never will. */
export const discard = Effect.fnUntraced(function* (
  store: EventStore["Service"],
  reservation: Reservation
): Effect.fn.Return<Settlement, StoreUnavailable> {
  const { streamId, commandId, attempt } = reservation
  const now = yield* Clock.currentTimeMillis
  const done = yield* settle(store, reservation, settled({ streamId, attempt, state: "discarded" }, commandId, now))
  return done ? discarded : yield* settlementOf(store, reservation)
})

/**
 * Settles a reservation whose events its stream has: its writer stopped before it could see that its id was used. None
 * when they are somebody else's.
 */
const committedBefore = Effect.fnUntraced(function* (
  store: EventStore["Service"],
  reservation: Reservation,
  eventId: string
): Effect.fn.Return<Settlement | undefined, StoreUnavailable> {
  const { streamId, commandId, attempt, events } = reservation
  const event = Option.getOrUndefined(yield* store.event(eventId))
  if (event === undefined)
    return yield* Effect.die(new Error(`The store says that it has event ${eventId}, and does not give it.`))
  if (event.streamId !== streamId) return undefined
  const version = event.version + events.length - 1 - events.findIndex((prepared) => prepared.eventId === eventId)
  const now = yield* Clock.currentTimeMillis
  yield* settle(store, reservation, settled({ streamId, attempt, state: "committed", version }, commandId, now))
  return { _tag: "Committed", streamId, version }
})

/** Takes a reservation away and says how it ended; `false` when it was settled before. */
const settle = Effect.fnUntraced(function* (store: EventStore["Service"], reservation: Reservation, ended: Put) {
  return yield* replace(store, reservation, (free) => ({
    expect: free.expect,
    put: [ended, ...free.put],
    remove: [reservationKey(reservation.streamId), ...free.remove]
  }))
})

/**
 * Lets appends that say `mayPass` pass a reservation whose outcome cannot be learned yet (the shadow hangs). Only for
 * events that mean the same whatever such an append puts before them.
 */
export const release = (
  store: EventStore["Service"],
  reservation: Reservation
): Effect.Effect<void, StoreUnavailable> => {
  const { streamId, value: _, ...kept } = reservation
  const value = JSON.stringify({ ...kept, released: true } satisfies typeof Stored.Type)
  return Effect.asVoid(replace(store, reservation, () => ({ put: [{ key: reservationKey(streamId), value }] })))
}

/** Writes if the reservation is still there, released or not; answers whether it was. */
const replace = Effect.fnUntraced(function* (
  store: EventStore["Service"],
  reservation: Reservation,
  batchWith: (free: LetGo) => Batch
) {
  const { count, commandId } = reservation
  const key = reservationKey(reservation.streamId)
  let value: string | undefined = reservation.value
  while (value !== undefined) {
    const { expect = [], ...batch } = batchWith(
      count === undefined ? nothingHeld : yield* letGo(store, count.streamId, commandId)
    )
    const write = store.write({ ...batch, expect: [{ key, value }, ...expect] })
    const conflict: RecordConflict | undefined = yield* write.pipe(
      Effect.as(undefined),
      Effect.catch((error) =>
        error._tag === "RecordConflict"
          ? Effect.succeed(error)
          : error._tag === "StoreUnavailable"
            ? Effect.fail(error)
            : Effect.die(error)
      )
    )
    if (conflict === undefined) return true
    if (conflict.key === key) value = yield* stillReserved(reservation, conflict)
  }
  return false
})

/** The record by which this attempt reserves the stream now; none when it is settled. */
const stillReserved = ({ streamId, commandId, attempt }: Reservation, { actual }: RecordConflict) =>
  actual === undefined
    ? Effect.undefined
    : Effect.map(reservationIn(streamId, actual), (now) =>
        now.commandId === commandId && now.attempt === attempt ? actual : undefined
      )

/** What is known of a command that was prepared: its last attempt. */
export type Known = { readonly _tag: "Prepared"; readonly reservation: Reservation } | Settlement

/** What became of the last attempt at a command; one that nobody knows, or remembers, counts as discarded. */
export const find = Effect.fnUntraced(function* (
  store: EventStore["Service"],
  commandId: string
): Effect.fn.Return<Known, StoreUnavailable> {
  for (let seen: string | undefined; ; ) {
    const record = Option.getOrUndefined(yield* store.record(commandKey(commandId)))
    // Unless it was settled in between, the reservation is there.
    if (record === undefined || record === seen) return discarded
    seen = record
    const command = yield* commandIn(commandId, record)
    if (command.state !== "prepared") return ended(command)
    const { streamId } = command
    const value = yield* store.record(reservationKey(streamId))
    if (Option.isNone(value)) continue
    const reservation = yield* reservationIn(streamId, value.value)
    if (reservation.commandId === commandId) return { _tag: "Prepared", reservation }
  }
})

/** Every reservation that can be read: what a newer Latchkey wrote is for that one to settle, and holds up no other. */
export const unsettled = Effect.fnUntraced(function* (
  store: EventStore["Service"]
): Effect.fn.Return<ReadonlyArray<Reservation>, StoreUnavailable> {
  const found: Array<Reservation> = []
  for (let after = ""; ; ) {
    const page = yield* store.records(PREFIX, after, PAGE)
    for (const { key, value } of page) {
      yield* Effect.matchEffect(reservationIn(key.slice(PREFIX.length), value), {
        onSuccess: (reservation) => Effect.sync(() => found.push(reservation)),
        onFailure: ({ message }) => logSeldom(Effect.logWarning, "A prepared command is not settled here", message)
      })
    }
    after = page.at(-1)?.key ?? after
    if (page.length < PAGE) return found
  }
})

/** How an attempt ended that is no longer prepared. Once that is forgotten, the log tells whether it was committed. */
const settlementOf = Effect.fnUntraced(function* (
  store: EventStore["Service"],
  { streamId, commandId, attempt, events }: Reservation
): Effect.fn.Return<Settlement, StoreUnavailable> {
  const record = yield* store.record(commandKey(commandId))
  if (Option.isNone(record)) {
    const last = events.at(-1)
    const event = last && Option.getOrUndefined(yield* store.event(last.eventId))
    return event?.streamId === streamId ? { _tag: "Committed", streamId, version: event.version } : discarded
  }
  const command = yield* commandIn(commandId, record.value)
  return command.attempt === attempt ? ended(command) : discarded
})

const discarded: Settlement = { _tag: "Discarded" }

const ended = ({ streamId, state, version }: Command): Settlement =>
  state === "committed" && version !== undefined ? { _tag: "Committed", streamId, version } : discarded

const settled = (command: Command, commandId: string, now: number): Put => ({
  key: commandKey(commandId),
  value: JSON.stringify(command),
  until: now + REMEMBERED
})

/** What the record of a prepared command holds. */
const Command = Schema.Struct({
  streamId: Schema.String,
  attempt: Schema.Int,
  state: Schema.Literals(["prepared", "committed", "discarded"]),
  /** Of the last event, when it was committed. */
  version: Schema.optionalKey(Schema.Int)
})
type Command = typeof Command.Type

const decodeCommand = Schema.decodeEffect(Schema.fromJsonString(Command))
const commandIn = (commandId: string, value: string): Effect.Effect<Command, StoreUnavailable> =>
  Effect.mapError(decodeCommand(value), (cause) => unreadable(commandKey(commandId), cause))

const decodeStored = Schema.decodeEffect(Schema.fromJsonString(Stored))
const reservationIn = (streamId: string, value: string): Effect.Effect<Reservation, StoreUnavailable> =>
  Effect.mapBoth(decodeStored(value), {
    onSuccess: (stored) => ({ ...stored, streamId, value }),
    onFailure: (cause) => unreadable(reservationKey(streamId), cause)
  })
