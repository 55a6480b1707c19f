/**
 * Delivers the events of one webhook, from where its record says, until it is disabled, deleted, or somebody else does.
 *
 * One fiber of each looks for what is due and sends it; another writes down what was answered, as much as has come since the
 * last write. The next event of a stream is sent when the answer to the one before is written.
 */
import { Clock, Duration, Effect, FiberSet, HashMap, Latch, Option, Random, Schema, Semaphore } from "effect"
import { OPERATOR } from "../access/ApiKeys.ts"
import { departureIdOf } from "../locks/Departures.ts"
import type { Put, StoredEvent, StoreUnavailable } from "../streams/EventStore.ts"
import type { Lease } from "../streams/Lease.ts"
import { type Attempt, attemptOf, attemptsFrom, countGivenUp, givenUpKey, putGivenUp } from "./Attempts.ts"
import { type Body, bodies } from "./Bodies.ts"
import { Deliver } from "./Deliver.ts"
import {
  type Answered,
  begin,
  type Held,
  heeding,
  isWaiting,
  judge,
  type Lane,
  MOST_GIVEN_UP,
  meaningOf,
  outdated,
  type Progress,
  paced,
  type Range,
  slowly,
  unverified
} from "./Delivery.ts"
import { countAttempt } from "./DeliveryMetrics.ts"
import { CurrentOrigin } from "./Envelope.ts"
import { heldOf, LaneMemory } from "./LaneMemory.ts"
import { lets, PartnerFeed } from "./PartnerFeed.ts"
import { progressKey, progressOf, progressText } from "./ProgressRecord.ts"
import { MOST_BYTES, Room } from "./Room.ts"
import type { Told } from "./Told.ts"
import type { Webhook } from "./Webhook.ts"
import { filterOf, Webhooks } from "./Webhooks.ts"

/** How often a webhook looks for room that others have taken. */
const LOOK_AGAIN = 1_000
const REPLAYS_AT_ONCE = 5
/** Events of a held stream that are read at once. */
const READ_ON = 20
/** How long the cursor may have moved without being written, where nothing was sent. */
const WRITE_EVERY = 5_000

/** How many turns of the event loop an answer waits for others, to be written down with them: a write costs more than an answer. */
const TURNS = 4

/** How often what was given up is counted again, once there is no room for more. */
const RECOUNT_EVERY = 10_000

/** Another process has written the record: it delivers now, and this one begins anew from what it wrote. */
class Superseded extends Schema.TaggedError<Superseded>()("Superseded", {}) {
  override get message() {
    return "Another process has delivered meanwhile."
  }
}

/** An event on its way, or a stream that is read. */
interface Flight {
  /** Of its lane. */
  readonly name: string
  readonly streamId: string
  readonly size: number
}

export const makeRunner = Effect.gen(function* () {
  const feed = yield* PartnerFeed
  const webhooks = yield* Webhooks
  const deliver = yield* Deliver
  const bodyOf = bodies(yield* CurrentOrigin)
  const clock = yield* Clock.Clock
  const random = yield* Random.Random
  const room = new Room()
  const send = (webhook: Webhook, id: string, body: string, at: number) => deliver.send({ webhook, id, body, at })
  const now = () => clock.currentTimeMillisUnsafe()
  /** Of each webhook, the position up to which nothing is on its way. */
  const positions = new Set<() => number>()

  const run = Effect.fnUntraced(function* ({ store, confirm }: Lease, orgId: string, id: string) {
    const key = progressKey(id)
    const record = yield* store.record(key)
    // After its record: where that is gone because another process has deleted the webhook, this one has heard of it.
    const first = yield* webhooks.latest(orgId, id)
    if (first === undefined) return
    /** What has departed and not landed: requests under way, and those whose answers are not written down. */
    let flying = 0
    /** Of it, what takes room: what is not answered, and the bytes of its bodies. */
    let [taking, bytes] = [0, 0]
    yield* Effect.addFinalizer(() => Effect.sync(() => room.give(orgId, bytes, taking)))
    let value = Option.getOrUndefined(record)
    let progress = (yield* progressOf(id, record)) ?? begin(first)
    const putsOf = yield* attemptsFrom(store, id, progress.attempts)
    /** Opened when there may be something to do. */
    const wake = Latch.makeUnsafe(true)
    const flights = yield* FiberSet.make<void, Superseded | StoreUnavailable>()
    const fly = yield* FiberSet.runtime(flights)()
    const memories = new Map<string, LaneMemory>()
    let pace = slowly
    let hasMoved = false
    let writtenAt = 0

    const memoryOf = (lane: string): LaneMemory => {
      const known = memories.get(lane)
      if (known !== undefined) return known
      const made = new LaneMemory()
      memories.set(lane, made)
      return made
    }

    yield* feed.listen(orgId, (stored) => {
      memoryOf(LIVE).come(stored)
      wake.openUnsafe()
    })

    const laneOf = (name: string): (Lane & Partial<Range>) | undefined =>
      name === LIVE ? progress.live : progress.replays.find(({ replayId }) => replayId === name)
    const setLane = (name: string, lane: Lane): void => {
      progress =
        name === LIVE
          ? { ...progress, live: lane }
          : {
              ...progress,
              replays: progress.replays.map((replay) => (replay.replayId === name ? { ...replay, ...lane } : replay))
            }
    }

    /** What is written with the progress that it belongs to. */
    let noted: Array<Attempt> = []
    let puts: Array<Put> = []
    let removes: Array<string> = []
    /** Everybody who asks while it is written shares the write that begins after they asked. */
    const one = Semaphore.makeUnsafe(1)
    let [begun, done] = [0, 0]
    const write = Effect.suspend(() => {
      const needed = begun + 1
      return one.withPermit(
        Effect.suspend(() => {
          if (done >= needed) return Effect.void
          const number = ++begun
          const next = progressText(progress)
          const put = [...putsOf(noted, now()), ...puts, { key, value: next }]
          const batch = { expect: [{ key, value }], put, remove: removes }
          ;[noted, puts, removes] = [[], [], []]
          hasMoved = false
          return Effect.matchEffect(store.write(batch), {
            onSuccess: () =>
              Effect.sync(() => {
                value = next
                done = number
                writtenAt = now()
              }),
            onFailure: (error) => Effect.fail(error._tag === "StoreUnavailable" ? error : new Superseded())
          })
        })
      )
    })

    /** The challenge, once it is due. */
    const verify = Effect.fnUntraced(function* (webhook: Webhook) {
      const at = now()
      if (progress.verification.due > at) return
      yield* confirm
      const challenge = `${webhook.id}-${webhook.changed}-${Math.abs(yield* Random.nextInt)}`
      const body = JSON.stringify({ type: "WebhookVerification", challenge })
      const answered = yield* send(webhook, `verification-${challenge}`, body, at)
      if (meaningOf(answered) === "delivered") {
        yield* Effect.mapError(webhooks.verified(webhook), unexpected)
        return
      }
      const { progress: after, disable } = unverified(progress, answered, now(), random.nextDoubleUnsafe())
      progress = after
      yield* write
      if (disable !== undefined) yield* Effect.mapError(webhooks.failed(webhook, disable), unexpected)
    })

    const takeReplays = Effect.fnUntraced(function* ({ replays }: Webhook) {
      for (const { version, ...range } of replays) {
        if (version <= progress.asked) continue
        if (progress.replays.length >= REPLAYS_AT_ONCE) return
        const replay = { ...range, cursor: range.after, held: HashMap.empty<string, Held>() }
        const { after: _, ...lane } = replay
        progress = { ...progress, asked: version, replays: [...progress.replays, lane] }
        yield* write
      }
    })

    const isMeant = (webhook: Webhook, lane: Partial<Range>, told: Told): boolean =>
      lets(filterOf(webhook), told) &&
      (lane.from === undefined || told.at >= lane.from) &&
      (lane.to === undefined || told.at <= lane.to)

    /** Takes on what there is room for. */
    const take = Effect.fnUntraced(function* (name: string, webhook: Webhook) {
      const memory = memoryOf(name)
      while (memory.mayHaveMore || memory.ahead.length > 0) {
        const lane = laneOf(name)
        if (lane === undefined || memory.isFull(lane)) return
        if (isWaiting(progress) && HashMap.size(lane.held) > 0) return
        if (memory.ahead.length === 0) {
          memory.beginReading()
          const { events, more } = yield* feed.read(orgId, lane.cursor)
          const { until = Number.POSITIVE_INFINITY } = lane
          memory.endReading(
            events.filter(({ position }) => position <= until),
            more && (events.at(-1)?.position ?? 0) <= until
          )
        }
        const at = now()
        for (let stored = memory.ahead[0]; stored !== undefined; stored = memory.ahead[0]) {
          const told = yield* feed.tell(orgId, stored)
          const before = laneOf(name)
          if (before === undefined) return
          // What came while it was read comes twice.
          if (stored.position <= before.cursor) {
            memory.ahead.shift()
            continue
          }
          const taken = told === undefined || !isMeant(webhook, lane, told) ? before : memory.take(before, told, at)
          if (taken === undefined) return
          memory.ahead.shift()
          setLane(name, { ...taken, cursor: stored.position })
          hasMoved = true
        }
      }
    })

    /**
     * What an event of a stream tells the organization: its own, and that with which a lock left it. That one happened for
     * another, and has a place of its own in this feed.
     */
    const tellOf = Effect.fnUntraced(function* (stored: StoredEvent, before: StoredEvent | undefined) {
      if (orgId === OPERATOR || stored.orgId === orgId) return yield* feed.tell(orgId, stored)
      if (before?.orgId !== orgId) return undefined
      const left = Option.getOrUndefined(yield* store.event(departureIdOf(stored.eventId)))
      return left && (yield* feed.tell(orgId, left))
    })

    /** Reads a stream that is held on to its next event, or to where the lane has come. */
    const readOn = Effect.fnUntraced(function* (name: string, webhook: Webhook, streamId: string) {
      const memory = memoryOf(name)
      while (true) {
        const lane = laneOf(name)
        const held = lane && heldOf(lane.held, streamId)
        if (lane === undefined || held === undefined) return
        const { version } = held
        memory.beginStream(streamId)
        const events = yield* store.read(streamId, Math.max(0, version - 1), READ_ON + 1)
        const later = events.filter((stored) => stored.version > version && stored.position <= lane.cursor)
        const told = yield* Effect.forEach(later, (stored) =>
          tellOf(
            stored,
            events.find((other) => other.version === stored.version - 1)
          )
        )
        const found = told.flatMap((one) => (one === undefined || !isMeant(webhook, lane, one) ? [] : [one]))
        const last = later.at(-1)
        const mayHaveMore = last !== undefined && events.length > READ_ON
        memory.endStream(streamId, found, mayHaveMore)
        if (found.length > 0 || !mayHaveMore) return
        setLane(name, memory.passOver(laneOf(name) ?? lane, streamId, last.version))
      }
    })

    const depart = ({ name, streamId, size }: Flight): void => {
      flying++
      taking++
      bytes += size
      room.take(orgId, size)
      memoryOf(name).depart(streamId)
    }
    /** It is answered: others may have its room. */
    const giveRoom = ({ size }: Flight): void => {
      taking--
      bytes -= size
      room.give(orgId, size)
    }
    const land = ({ name, streamId }: Flight): void => {
      flying--
      memoryOf(name).land(laneOf(name), streamId)
    }

    /** Answered, and not written down. */
    let answered: Array<Flight> = []
    const hasAnswers = Latch.makeUnsafe(false)
    /** When that is written, the webhook ends. */
    let ending: Effect.Effect<void, Superseded | StoreUnavailable> | undefined

    const settle = (flight: Flight, webhook: Webhook, told: Told, answer: Answered, wasGivenUp: boolean): void => {
      const { name, streamId } = flight
      giveRoom(flight)
      answered.push(flight)
      const lane = laneOf(name)
      const held = lane && heldOf(lane.held, streamId)
      if (held === undefined) return
      const at = now()
      const number = progress.attempts
      const isOutdated = webhooks.known(orgId, id)?.changed !== webhook.changed && meaningOf(answer) !== "delivered"
      const judged = isOutdated
        ? outdated(progress, held, at)
        : judge(progress, held, answer, at, random.nextDoubleUnsafe())
      const { progress: after, outcome, next, disable } = judged
      progress = after
      const [memory, changed] = [memoryOf(name), laneOf(name)]
      if (changed !== undefined)
        setLane(name, outcome === "failed" ? memory.hold(changed, told, next) : memory.done(changed, told, next))
      const attempt = attemptOf(told, number, held.attempts + 1, outcome, answer, at)
      noted.push(attempt)
      if (outcome === "given-up") puts.push(putGivenUp(id, told.position, attempt))
      if (wasGivenUp && outcome !== "failed") progress = { ...progress, givenUp: progress.givenUp - 1 }
      if (wasGivenUp && outcome === "delivered") removes.push(givenUpKey(id, told.position))
      countAttempt(outcome, answer, at - told.at)
      pace = paced(pace, outcome === "failed")
      if (disable !== undefined) ending ??= Effect.mapError(webhooks.failed(webhook, disable), unexpected)
      hasMoved = true
    }

    const deliverOne = (flight: Flight, webhook: Webhook, told: Told, body: Body) => {
      const sent = (wasGivenUp: boolean) =>
        Effect.map(send(webhook, told.id, body.text, now()), (answer) => {
          settle(flight, webhook, told, answer, wasGivenUp)
          // Last: who waits for it goes on at once.
          hasAnswers.openUnsafe()
        })
      if (flight.name === LIVE) return sent(false)
      return Effect.flatMap(store.record(givenUpKey(id, told.position)), (record) =>
        // The store may have taken its time.
        Effect.flatMap(confirm, () => sent(Option.isSome(record)))
      )
    }

    const writeDown = Effect.gen(function* () {
      while (true) {
        yield* hasAnswers.await
        for (let turn = 0; turn < TURNS && answered.length < flying / 2; turn++) yield* Effect.yieldNow
        hasAnswers.closeUnsafe()
        const flights = answered
        answered = []
        yield* write
        for (const flight of flights) land(flight)
        wake.openUnsafe()
        if (ending === undefined) continue
        yield* ending
        ending = undefined
      }
    })

    const turnIn = (name: string, lane: Lane) => {
      const turn = memoryOf(name).first(lane)
      return turn && { name, streamId: turn.streamId, due: turn.held.due }
    }

    /** Of all lanes, the stream that is due first. */
    const dueFirst = () => {
      let found = turnIn(LIVE, progress.live)
      for (const replay of progress.replays) {
        const turn = turnIn(replay.replayId, replay)
        if (turn !== undefined && (found === undefined || turn.due < found.due)) found = turn
      }
      return found
    }

    /** Sends what is due, as many at once as may be; answers when the next is due. */
    const sendDue = (webhook: Webhook): number => {
      const at = now()
      while (true) {
        // What is sent may be answered at once: each time it is as that has left it.
        if (progress.waitUntil > at) return progress.waitUntil
        const isTrying = isWaiting(progress)
        // The answer that makes room wakes it again.
        if (flying >= (isTrying ? 1 : Math.floor(pace.limit))) return Number.POSITIVE_INFINITY
        const next = dueFirst()
        if (next === undefined) return Number.POSITIVE_INFINITY
        const { name, streamId, due } = next
        // While it waits one event is tried now and then, whenever its own turn would be.
        if (due > at && !isTrying) return due
        if (taking === 0 && room.isFull) return at + LOOK_AGAIN
        const memory = memoryOf(name)
        const told = memory.next(streamId)
        const lane = laneOf(name)
        if (told === undefined && lane !== undefined && !memory.mustRead(streamId)) {
          setLane(name, memory.free(lane, streamId))
          hasMoved = true
          continue
        }
        const body = told && bodyOf(told, webhook)
        const flight = { name, streamId, size: body?.size ?? 0 }
        if (taking > 0 && (bytes + flight.size > MOST_BYTES || !room.has(orgId, flight.size))) return at + LOOK_AGAIN
        depart(flight)
        if (told !== undefined && body !== undefined) fly(deliverOne(flight, webhook, told, body))
        else {
          const landed = Effect.sync(() => {
            giveRoom(flight)
            land(flight)
            wake.openUnsafe()
          })
          fly(Effect.andThen(readOn(name, webhook, streamId), landed))
        }
      }
    }

    /** What was dismissed, or sent, has made room. */
    let countedAt = 0
    const recount = Effect.gen(function* () {
      const at = now()
      if (at - countedAt < RECOUNT_EVERY) return
      countedAt = at
      const givenUp = yield* countGivenUp(store, id)
      progress = { ...progress, givenUp }
    })

    const dropDone = (): void => {
      const isDone = ({ replayId, held }: Lane & Range) =>
        HashMap.size(held) === 0 &&
        !memoryOf(replayId).mayHaveMore &&
        memoryOf(replayId).ahead.length === 0 &&
        !memoryOf(replayId).isBusy
      for (const replay of progress.replays.filter(isDone)) {
        progress = { ...progress, replays: progress.replays.filter((other) => other !== replay) }
        memories.delete(replay.replayId)
        hasMoved = true
      }
    }

    const round = Effect.gen(function* () {
      // The one that woke it, such as the reader of the feed, does not wait for it.
      yield* Effect.yieldNow
      yield* wake.close
      const webhook = webhooks.known(orgId, id)
      if (webhook === undefined) return false
      if (webhook.status === "disabled") {
        if (hasMoved) yield* write
        return false
      }
      if (webhook.changed !== progress.changed) progress = heeding(progress, webhook.changed, now())
      if (!webhook.isVerified) {
        yield* verify(webhook)
        const left = progress.verification.due - now()
        if (webhooks.known(orgId, id) === webhook) yield* Effect.timeoutOption(wake.await, Math.max(1, left))
        return true
      }
      if (progress.givenUp >= MOST_GIVEN_UP) yield* recount
      yield* takeReplays(webhook)
      for (const [name] of lanesOf(progress)) yield* take(name, webhook)
      dropDone()
      yield* confirm
      const nextDue = sendDue(webhook)
      const at = now()
      if (hasMoved && flying === 0 && at - writtenAt >= WRITE_EVERY) yield* write
      // What is on its way is written down when it is answered, and the rest with it.
      const until = Math.min(nextDue, hasMoved && flying === 0 ? at + WRITE_EVERY : Number.POSITIVE_INFINITY)
      yield* Number.isFinite(until)
        ? Effect.timeoutOption(wake.await, Duration.millis(Math.max(1, until - at)))
        : wake.await
      return true
    })
    const rounds = Effect.repeat(round, { until: (goesOn) => !goesOn })
    // A webhook that waits for its receiver is not behind.
    const position = () =>
      isWaiting(progress) || progress.waitUntil > now() || webhooks.known(orgId, id)?.isVerified !== true
        ? Number.POSITIVE_INFINITY
        : memoryOf(LIVE).position(progress.live)
    yield* Effect.acquireRelease(
      Effect.sync(() => positions.add(position)),
      () => Effect.sync(() => positions.delete(position))
    )
    fly(writeDown)
    yield* Effect.raceFirst(rounds, FiberSet.join(flights)).pipe(
      // The record of a webhook that is deleted goes too: nobody has delivered then.
      Effect.catchTag("Superseded", (error) =>
        Effect.flatMap(webhooks.latest(orgId, id), (left) => (left === undefined ? Effect.void : Effect.fail(error)))
      )
    )
  }, Effect.scoped)

  /** The position up to which no webhook has anything on its way; those that wait for their receivers do not count. */
  const position = () => Math.min(Number.POSITIVE_INFINITY, ...[...positions].map((of) => of()))
  return { run, position }
})

const LIVE = "live"

const lanesOf = (progress: Progress): ReadonlyArray<readonly [string, Lane]> => [
  [LIVE, progress.live],
  ...progress.replays.map((replay) => [replay.replayId, replay] as const)
]

const unexpected = (error: { readonly message: string; readonly _tag: string }) =>
  error._tag === "StoreUnavailable" ? (error as StoreUnavailable) : new Superseded()
