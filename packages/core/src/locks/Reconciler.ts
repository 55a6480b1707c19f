/**
 * Brings what is on the hardware to what the log wants: sends additions and removals of keys that are not so yet, again
 * after a while when they fail, and asks for a person when that is no good. What is to be sent the rules say (`Hardware.ts`);
 * here is only when, and how much at once.
 *
 * One process does it, under a lease. That two do for a moment does no harm: what is sent is a command of its lock like any
 * other, and decided on the state that it is written to.
 *
 * A record for each lock with something to do says so across restarts. It follows from the feed, so an import makes it again.
 */
import { Clock, Context, Duration, Effect, Latch, Layer, Metric, Option, Random, Stream } from "effect"
import { hardwareOf } from "../lock/DecideKeys.ts"
import { type Due, isKeyCommand, isOpen, needingAttention, nextDue, nextLook } from "../lock/Hardware.ts"
import { type Lock, lockOfStream } from "../lock/Lock.ts"
import type { LockEventType } from "../lock/LockEvent.ts"
import { keepGoing } from "../streams/Backoff.ts"
import {
  EventStore,
  type Put,
  type StoredEvent,
  type StoreUnavailable,
  type WriteError
} from "../streams/EventStore.ts"
import { Feed } from "../streams/Feed.ts"
import { byOne } from "../streams/Lease.ts"
import { inBackground } from "../streams/Workers.ts"
import type { Principal } from "../values/Principal.ts"
import { LockRepository } from "./LockRepository.ts"
import { Locks } from "./Locks.ts"
import { makeWaitingLocks, type Waiting } from "./WaitingLocks.ts"

/** Storage. */
const PREFIX = "reconcile/"
const CURSOR = "cursor/reconciler"
const keyOf = (lockId: number): string => `${PREFIX}${lockId}`
const lockNamed = (key: string): number => Number(key.slice(PREFIX.length))

/** Records that are read at once, and events without anything to do after which the cursor is written all the same. */
const PAGE = 500
/** Locks that are known to have something to do; all others are found again by their records. */
const MOST_WAITING = 10_000
/** Locks that are looked at at once. */
const AT_ONCE = 4
/** The rest after them, for each of them and each command, in milliseconds: a command takes two of a processor. */
const REST = 20
/** How often at least it looks at the time, in milliseconds: a clock may be set. */
const LOOK_EVERY = 5_000
/** Commands to one lock in a row. */
const IN_A_ROW = 16
/** Locks that have nothing to do for longer are found again by their records, which are read so often. */
const FORGOTTEN_AFTER = Duration.toMillis(Duration.hours(1))
/** How long a lock is left alone whose shadow took nothing, in milliseconds: twice as long each time, and no longer than this. */
const FIRST_PAUSE = 1_000
const LONGEST_PAUSE = 300_000

const sendsOf = (type: Due["type"]) =>
  Metric.counter("latchkey_key_changes_sent_total", {
    description: "Additions and removals of keys that were sent to locks by themselves",
    incremental: true,
    attributes: { type }
  })
const sends = { AddKey: sendsOf("AddKey"), RemoveKey: sendsOf("RemoveKey") }
const attention = Metric.counter("latchkey_keys_needing_attention_total", {
  description: "Keys that a person had to look at, since the lock failed too often or did not answer",
  incremental: true
})

const system: Principal = { _tag: "System" }

/**
 * The record that an event leaves after which there may be something to do; others only wake those that are waited for. A
 * side that gets its lock back has its keys again, which nobody has waited for.
 */
export const recordOfWork = ({ streamId, type, data, position }: StoredEvent): Put | undefined => {
  const lockId = lockOfStream(streamId)
  return lockId !== undefined && (data["reconciled"] === true || beginning.has(type))
    ? { key: keyOf(lockId), value: String(position) }
    : undefined
}
const beginning: ReadonlySet<string> = new Set<LockEventType>([
  "KeysSyncRequested",
  "KeyWriteRequested",
  "OwnerSet",
  "OrganizationSet"
])
/** That the reconciler has heard of all events up to a position. */
export const cursorAt = (position: number): Put => ({ key: CURSOR, value: String(position) })

const isAnswer = ({ type, data }: StoredEvent): boolean =>
  type === ("CommandOutcomeReported" satisfies LockEventType) && isKeyCommand(data["commandType"])

/** A door still opens that should not, or somebody has asked: this does not wait for what goes on at ten thousand other locks. */
const isUrgent = ({ type, data }: StoredEvent): boolean => urgent.has(type) || data["commandType"] === "RemoveKey"
const urgent: ReadonlySet<string> = new Set<LockEventType>(["KeyRemoved", "LockRetired", "KeysSyncRequested"])

/** In the background: see the top of this module. */
export const reconciling = Layer.effectDiscard(
  Effect.gen(function* () {
    const store = yield* EventStore
    const feed = yield* Feed
    const locks = yield* Locks
    const repository = yield* LockRepository

    const work = Effect.fnUntraced(function* (store: EventStore["Service"]) {
      const waiting = makeWaitingLocks(MOST_WAITING, PAGE)
      const wake = Latch.makeUnsafe(false)
      const expect = (lockId: number, at: number, isUrgent: boolean, value?: string) => {
        waiting.expect(lockId, at, value, isUrgent)
        wake.openUnsafe()
      }

      /** Finds what there is to do by its records, as far as there is room. */
      const readOn = Effect.gen(function* () {
        const place = waiting.nextPage()
        if (place === undefined) return
        const records = yield* store.records(PREFIX, place, PAGE)
        const now = yield* Clock.currentTimeMillis
        waiting.takePage(
          records.map(({ key, value }) => ({ key, lockId: lockNamed(key), value })),
          now
        )
      })

      const take = Effect.fnUntraced(function* (events: ReadonlyArray<StoredEvent>) {
        const put = new Map<string, Put>()
        for (const stored of events) {
          const record = recordOfWork(stored)
          if (record !== undefined && !waiting.isNoted(lockNamed(record.key))) put.set(record.key, record)
        }
        const upTo = events.at(-1)?.position ?? 0
        if (put.size > 0 || upTo - written >= PAGE) {
          yield* store.write({ put: [...put.values(), cursorAt(upTo)] })
          written = upTo
        }
        for (const stored of events) {
          const lockId = lockOfStream(stored.streamId)
          const record = recordOfWork(stored)
          if (lockId !== undefined && (record !== undefined || isAnswer(stored)))
            expect(lockId, 0, isUrgent(stored), record && put.get(record.key)?.value)
        }
      })
      let written = Number(Option.getOrElse(yield* store.record(CURSOR), () => "0"))
      const follow = Stream.runForEachArray(feed.events(written, { category: "lock" }), take)

      const look = Effect.fnUntraced(function* ([lockId, one]: readonly [number, Waiting]) {
        const { at: before, value, refused } = one
        waiting.begin(lockId, one)
        let commands = 1
        const next = yield* bring(lockId, () => commands++).pipe(
          Effect.map((next) => {
            one.refused = 0
            return next
          }),
          Effect.catch(() =>
            Effect.map(Effect.all([Clock.currentTimeMillis, Random.next]), ([now, chance]) => {
              one.refused = refused + 1
              return now + Math.min(FIRST_PAUSE * 2 ** refused, LONGEST_PAUSE) * (0.5 + chance)
            })
          ),
          // It stays as it was if this is interrupted.
          Effect.onInterrupt(() => Effect.sync(() => (one.at = before)))
        )
        if (next === undefined) {
          waiting.end(lockId, one)
          if (value !== undefined) yield* forget(lockId, value)
        } else if (next >= (yield* Clock.currentTimeMillis) + FORGOTTEN_AFTER) waiting.end(lockId, one)
        else one.at = Math.min(one.at, next)
        return commands
      })

      const forget = (lockId: number, value: string): Effect.Effect<void, StoreUnavailable> =>
        store.write({ expect: [{ key: keyOf(lockId), value }], remove: [keyOf(lockId)] }).pipe(
          Effect.asVoid,
          Effect.catch((error: WriteError) => (error._tag === "StoreUnavailable" ? Effect.fail(error) : Effect.void))
        )

      const perform = Effect.gen(function* () {
        while (true) {
          yield* wake.close
          yield* readOn
          const now = yield* Clock.currentTimeMillis
          const { due, next } = waiting.due(now, AT_ONCE, now + LOOK_EVERY)
          if (due.length > 0) {
            const commands = yield* Effect.forEach(due, look, { concurrency: AT_ONCE })
            yield* Effect.sleep(Duration.millis(REST * commands.reduce((sum, count) => sum + count, 0)))
          } else if (waiting.nextPage() === undefined)
            yield* Effect.timeoutOption(wake.await, Duration.millis(Math.max(1, next - now)))
        }
      })

      const readAgain = Effect.gen(function* () {
        yield* Effect.sleep(FORGOTTEN_AFTER)
        waiting.readAgain()
        yield* wake.open
      })
      yield* Effect.all([follow, perform, Effect.forever(readAgain)], { concurrency: "unbounded", discard: true })
    })

    /** As this process knows it. What another writes meanwhile comes by the feed, or is met by the next command. */
    const known = (lockId: number) => Effect.map(repository.load(lockId), ({ loaded }) => loaded.latest)
    const catchUp = (lockId: number) =>
      Effect.flatMap(repository.load(lockId), ({ loaded, fresh }) => (fresh ? Effect.void : repository.refresh(loaded)))

    /** Does what there is to do at a lock; answers when to look again, if ever. */
    const bring = Effect.fnUntraced(function* (lockId: number, onSent: () => void) {
      yield* catchUp(lockId)
      for (let n = 0; n < IN_A_ROW; n++) {
        const at = yield* Clock.currentTimeMillis
        const { lock, version } = yield* known(lockId)
        const due = lock && nextDue(hardwareOf(lock), at)
        if (due === undefined) break
        const _tag = due.type === "AddKey" ? "SendKey" : "SendRemoval"
        // The same for all who decide on this version: it is prepared once.
        yield* locks.execute({ _tag, lockId, commandId: `keys-${lockId}-${version + 1}`, at, principal: system })
        onSent()
        sends[due.type].updateUnsafe(1, metrics)
      }
      const { lock, version } = yield* known(lockId)
      if (lock === undefined) return undefined
      const at = yield* Clock.currentTimeMillis
      const needing = needingAttention(hardwareOf(lock), at).length
      if (needing > 0) {
        const commandId = `attention-${lockId}-${version + 1}`
        yield* locks.execute({ _tag: "NoteAttention", lockId, commandId, at, principal: system })
        attention.updateUnsafe(needing, metrics)
      }
      if (isEmptied(lock)) {
        const commandId = `freed-${lockId}-${version + 1}`
        yield* locks.execute({ _tag: "RetireLock", lockId, commandId, at, principal: system })
      }
      const { lock: after } = yield* known(lockId)
      // Keys that are held back until a side has the lock back are looked at again when it changes hands.
      const hardware = after ? hardwareOf(after) : []
      // One that another key holds up waits for that, however long.
      return nextLook(hardware) ?? (hardware.some(isOpen) ? Number.POSITIVE_INFINITY : undefined)
    })

    yield* byOne(store, "Reconciler", (lease) => work(lease.store)).pipe(
      keepGoing("Cannot bring keys onto the hardware"),
      inBackground
    )
  })
)

const metrics = Context.empty()

/** The thing of a retired lock is free once the lock has confirmed that nothing is left on it. */
const isEmptied = ({ retired, hardware, mayHoldOthers }: Lock): boolean =>
  retired === "held" && hardware.length === 0 && mayHoldOthers === undefined
