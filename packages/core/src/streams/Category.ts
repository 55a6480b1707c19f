/**
 * What streams of one kind have in common, written once: how events are kept and read back, folded page by page, and
 * appended to exactly the version that a decision rests on.
 */
import { Effect, Option, Result, Schema, Semaphore } from "effect"
import { type Principal, recorded } from "../values/Principal.ts"
import {
  type Batch,
  categoryOf,
  EventExists,
  EventStore,
  type NewEvent,
  type StoredEvent,
  StoreUnavailable
} from "./EventStore.ts"
import { CommandExists } from "./Reservations.ts"
import { forEachPaged } from "./Turns.ts"

/** A state, and the version of the stream that makes it so: what is decided on the one is written at the other. */
export interface At<State> {
  readonly state: State
  /** 0 before the first event. */
  readonly version: number
  /** When the last event happened, epoch milliseconds: the next one happens no earlier. */
  readonly at: number
  /** The first event that this Latchkey does not understand. Nothing is granted by such a stream; see `granting`. */
  readonly unknown: Pick<StoredEvent, "streamId" | "type"> | undefined
}

/** Who writes, when and under which id. */
export interface WriteContext {
  /** Events derive their ids from it, so it counts once, whatever it is used for. */
  readonly commandId: string
  /** Epoch milliseconds. */
  readonly at: number
  readonly principal: Principal
  /** The organization it happens for; none unless given. */
  readonly orgId?: string
  /** It only takes rights away: it is also decided where the stream holds what is not understood. */
  readonly revokes?: boolean
}

/** What a decision comes to: the events, and what is written with them. Nothing at all means "already so". */
export interface Decision<Event> extends Pick<Batch, "expect" | "put" | "remove"> {
  readonly events: ReadonlyArray<Event>
  /** The organization it happens for; that of the context unless given. */
  readonly orgId?: string
  /** What the ids of the events end with, after the command's id and a hyphen: 1, 2, 3 … unless given. */
  readonly suffixes?: ReadonlyArray<string>
}

/** Where the stream stood for the decision, and where it stands now. */
export interface Transacted<Event, State> {
  readonly events: ReadonlyArray<Event>
  readonly before: At<State>
  readonly after: At<State>
}

/** Other writers were quicker each time. Nothing was written: try again. */
export class Contended extends Schema.TaggedError<Contended>()("Contended", { streamId: Schema.String }) {
  override get message() {
    return "Others keep changing this at the same time. Nothing was done; try again."
  }
}

/** What the writes of a command come to for the one who gave it. */
export const asOfCommand =
  ({ commandId }: Pick<WriteContext, "commandId">) =>
  <A, E, R>(write: Effect.Effect<A, E, R>) =>
    Effect.catch(
      write,
      (error): Effect.Effect<never, Exclude<E, EventExists | Contended> | CommandExists | StoreUnavailable> => {
        if (error instanceof EventExists) return Effect.fail(new CommandExists({ commandId }))
        if (error instanceof Contended) return Effect.fail(new StoreUnavailable({ message: error.message }))
        return Effect.fail(error as Exclude<E, EventExists | Contended>)
      }
    )

/** Fields of events that tell of a person, by event: anyone who shows or seals events goes by it. */
export type Personal<Event extends { readonly _tag: string }> = {
  readonly [Tag in Event["_tag"]]?: ReadonlyArray<Exclude<keyof Extract<Event, { readonly _tag: Tag }>, "_tag">>
}

export interface Category<Event extends { readonly _tag: string }, State> {
  /** Names these streams to a filter of the feed, perhaps among others: `idOf` tells. */
  readonly category: string
  readonly personal: Personal<Event>
  readonly streamOf: (id: string) => string
  /** `undefined` for streams of another kind. */
  readonly idOf: (streamId: string) => string | undefined
  readonly encode: (event: Event) => Pick<NewEvent, "type" | "data">
  /** `undefined` for what is not understood. */
  readonly decode: (stored: Pick<StoredEvent, "type" | "data">) => Event | undefined
  /** Before the first event. */
  readonly initial: At<State>
  /** After the next event of the stream; as it was, when the event is another. Total: every stored fact applies. */
  readonly next: (before: At<State>, stored: StoredEvent) => At<State>
  /** Reads a stream on, page by page. */
  readonly fold: (id: string, from?: At<State>) => Effect.Effect<At<State>, StoreUnavailable, EventStore>
  /**
   * Decides, and writes what was decided at exactly the version that was decided on: when another writer was quicker,
   * reads on and decides anew, some dozen times; those of one process who were overtaken take turns. A decision also looks at the records that it
   * expects something of: it is made anew when one of them is otherwise.
   *
   * @param from what the caller has just read: it is decided on as it is, and read on only when it turns out to be old
   */
  readonly transact: <E = never, R = never>(
    id: string,
    context: WriteContext,
    decide: Decide<Event, State, E, R>,
    from?: At<State>
  ) => Effect.Effect<Transacted<Event, State>, E | EventExists | Contended | StoreUnavailable, EventStore | R>
}

/** What the state comes to: at once, or once more was asked. */
export type Decide<Event, State, E = never, R = never> = (
  at: At<State>
) => Decided<Event> | Effect.Effect<Decided<Event>, E, R>
type Decided<Event> = ReadonlyArray<Event> | Decision<Event>

/** Tries of a decision that other writers keep overtaking. */
const TRIES = 13
const FIRST_PAUSE = 5
const GROWTH = 1.5

/**
 * A kind of stream, with everything that its streams have in common.
 *
 * @example
 * ```ts
 * const ApiKeys = Category({ prefix: "organization-", events: ApiKeyEvent, personal: {}, initial: noKeys, evolve })
 * const revoke = (orgId: string, keyId: string, context: WriteContext) =>
 *   ApiKeys.transact(orgId, context, ({ state }) => (state.has(keyId) ? [{ _tag: "ApiKeyRevoked", keyId }] : []))
 * ```
 *
 * @param options.prefix what the streams' ids begin with, up to and with a hyphen
 * @param options.events stored forever: add cases and optional fields, never rename or remove one; plain JSON
 * @param options.personal the fields of each event that tell of a person
 * @param options.evolve total: nothing is refused here. `stored` is the event in its envelope, `id` that of its stream
 */
export const Category = <Event extends { readonly _tag: string }, State>(options: {
  readonly prefix: string
  readonly events: Schema.ConstraintDecoder<Event>
  readonly personal: Personal<NoInfer<Event>>
  readonly initial: State
  readonly evolve: (state: State, event: NoInfer<Event>, stored: StoredEvent, id: string) => State
}): Category<Event, State> => {
  const { prefix, personal } = options
  const decodeOption = Schema.decodeUnknownOption(options.events)

  const streamOf = (id: string): string => prefix + id
  const decode = ({ type, data }: Pick<StoredEvent, "type" | "data">): Event | undefined =>
    Option.getOrUndefined(decodeOption({ ...data, _tag: type }))
  const encode = ({ _tag: type, ...data }: Event) => ({ type, data: data as Schema.JsonObject })

  const initial: At<State> = { state: options.initial, version: 0, at: 0, unknown: undefined }

  const next = (before: At<State>, stored: StoredEvent): At<State> => {
    const { version, at, streamId, type } = stored
    if (version !== before.version + 1) return before
    const event = decode(stored)
    return event !== undefined
      ? { ...before, version, at, state: options.evolve(before.state, event, stored, streamId.slice(prefix.length)) }
      : { ...before, version, at, unknown: before.unknown ?? (isIgnorable(stored) ? undefined : { streamId, type }) }
  }

  const fold = Effect.fnUntraced(function* (id: string, from: At<State> = initial) {
    const store = yield* EventStore
    let reached = from
    yield* forEachPaged(
      (version, limit) => store.read(streamOf(id), version, limit),
      ({ version }) => version,
      (stored) => {
        reached = next(reached, stored)
      },
      from.version
    )
    return reached
  })

  /** Decides once, and writes; `undefined`: another writer was quicker. */
  const attempt = Effect.fnUntraced(function* <E = never, R = never>(
    streamId: string,
    context: WriteContext,
    decide: Decide<Event, State, E, R>,
    before: At<State>
  ): Effect.fn.Return<Transacted<Event, State> | undefined, E | EventExists | StoreUnavailable, EventStore | R> {
    const store = yield* EventStore
    if (context.revokes !== true) yield* granting(before)
    const answer = decide(before)
    const decided = Effect.isEffect(answer) ? yield* answer : answer
    const {
      events,
      suffixes,
      orgId = context.orgId ?? "",
      ...together
    }: Decision<Event> = "events" in decided ? decided : { events: decided }
    if (events.length + (together.put?.length ?? 0) + (together.remove?.length ?? 0) === 0)
      return { events, before, after: before }
    const envelopes = enveloped(before, { ...context, orgId }, events, suffixes)
    const append = [{ streamId, expectedVersion: before.version, events: envelopes }]
    const written = yield* Effect.result(store.write({ ...together, ...(events.length > 0 && { append }) }))
    if (Result.isSuccess(written)) {
      const first = written.success.position - events.length + 1
      const after = envelopes.reduce(
        (at, event, index) => next(at, { ...event, streamId, version: at.version + 1, position: first + index }),
        before
      )
      return { events, before, after }
    }
    if (written.failure._tag === "EventExists" || written.failure._tag === "StoreUnavailable")
      return yield* Effect.fail(written.failure)
    return undefined
  })

  const transact = Effect.fnUntraced(function* <E = never, R = never>(
    id: string,
    context: WriteContext,
    decide: Decide<Event, State, E, R>,
    from?: At<State>
  ): Effect.fn.Return<Transacted<Event, State>, E | EventExists | Contended | StoreUnavailable, EventStore | R> {
    const streamId = streamOf(id)
    let before = from ?? (yield* fold(id))
    const transacted = yield* attempt(streamId, context, decide, before)
    if (transacted !== undefined) return transacted
    return yield* inTurn(
      streamId,
      Effect.gen(function* () {
        for (let tried = 2; tried <= TRIES; tried++) {
          yield* Effect.sleep(FIRST_PAUSE * GROWTH ** (tried - 2))
          before = yield* fold(id, before)
          const transacted = yield* attempt(streamId, context, decide, before)
          if (transacted !== undefined) return transacted
        }
        return yield* new Contended({ streamId })
      })
    )
  })

  const enveloped = (
    before: At<State>,
    { commandId, at, principal, orgId = "" }: WriteContext,
    events: ReadonlyArray<Event>,
    suffixes: ReadonlyArray<string> = []
  ): ReadonlyArray<NewEvent> =>
    events.map((event, index) => ({
      ...encode(event),
      eventId: `${commandId}-${suffixes[index] ?? index + 1}`,
      at: Math.max(at, before.at),
      orgId,
      principal: recorded(principal),
      commandId
    }))

  return {
    category: categoryOf(prefix),
    personal,
    streamOf,
    idOf: (streamId) => (streamId.startsWith(prefix) ? streamId.slice(prefix.length) : undefined),
    encode,
    decode,
    initial,
    next,
    fold,
    transact
  }
}

/** Those of this process who were overtaken, by stream: they take turns, so that they do not overtake each other again and again. */
const turns = new Map<string, { readonly one: Semaphore.Semaphore; waiting: number }>()
const inTurn = <A, E, R>(streamId: string, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.suspend(() => {
    const turn = turns.get(streamId) ?? { one: Semaphore.makeUnsafe(1), waiting: 0 }
    turns.set(streamId, turn)
    turn.waiting++
    return Effect.ensuring(
      turn.one.withPermit(effect),
      Effect.sync(() => {
        if (--turn.waiting === 0) turns.delete(streamId)
      })
    )
  })

/** Whether an event says of itself that a reader who does not understand it may go on as if it were not there. */
export const isIgnorable = ({ data }: Pick<StoredEvent, "data">): boolean => data["ignorable"] === true

/** The state, as something that may be granted on: not when a newer Latchkey may have suspended what is granted here. */
export const granting = <State>({ state, unknown }: At<State>): Effect.Effect<State, StoreUnavailable> =>
  unknown === undefined ? Effect.succeed(state) : Effect.fail(notUnderstood(unknown))

/** What is granted by a stream that holds such an event, if not ignorable, is refused until this server understands it. */
export const notUnderstood = ({ streamId, type }: Pick<StoredEvent, "streamId" | "type">): StoreUnavailable =>
  new StoreUnavailable({
    message: `The log holds an event that this version of Latchkey does not understand: ${type} in ${streamId}. Update this server.`
  })
