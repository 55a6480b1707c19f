/**
 * What became of one command that a lock was sent. The state of the lock knows the last ones; of older ones its log is asked,
 * by the ids of their events. Those who wait are woken by the one reader of the feed, and nobody looks again without cause.
 */
import { Context, Duration, Effect, Latch, Layer, Option, Result, Schema } from "effect"
import { permit } from "../lock/AccessPolicy.ts"
import { answeredIn } from "../lock/DeviceEvents.ts"
import { isOpen } from "../lock/Hardware.ts"
import { type Lock, streamOfLock } from "../lock/Lock.ts"
import { fromStored, type LockEventType } from "../lock/LockEvent.ts"
import { isOwnCommand } from "../lock/OwnTime.ts"
import type { AnsweredCommand, SentCommand } from "../lock/SentCommand.ts"
import { EventStore, type StoredEvent, type StoreUnavailable } from "../streams/EventStore.ts"
import { Feed } from "../streams/Feed.ts"
import { CurrentBackground } from "../streams/Workers.ts"
import { nameOf, type Principal } from "../values/Principal.ts"
import { commandLog, isKeepable } from "./CommandLog.ts"
import { returnedIdOf } from "./CountedUses.ts"
import { type AskError, LockQueries } from "./LockQueries.ts"

/** The lock was sent no such command, or none that the caller may know of. */
export class CommandNotFound extends Schema.TaggedError<CommandNotFound>()("CommandNotFound", {
  lockId: Schema.Number
}) {
  override get message() {
    return `Lock ${this.lockId} was sent no such command. Use the commandId of the answer to a command, or of pendingCommands in its details.`
  }
}

/**
 * What became of a command. `pending`: the lock has not answered yet; one that has an end is not begun after it.
 * `superseded`: nobody waits for an answer any more, as the lock has other hardware since, or too many newer commands. An
 * answer from the same hardware is still recorded.
 */
export type CommandStatus =
  | (Omit<SentCommand, "acceptedAt"> & {
      readonly status: "pending" | "superseded"
      /** Missing of a removal that the lock has not been told of yet. */
      readonly acceptedAt?: number
    })
  | (AnsweredCommand & { readonly status: AnsweredCommand["outcome"]; readonly useReturned: boolean })

/** How often those who wait look where no reader runs in the background. */
const LOOK_EVERY = Duration.seconds(1)
/** Events that are read at once, and after a removal at most, for what the lock was told of it. */
const PAGE = 200
const LATER = 1_000

/** Tells what became of commands; see the top of this module. */
export class CommandOutcomes extends Context.Service<
  CommandOutcomes,
  {
    /**
     * What became of a command; while it is pending, waits so long for the lock to answer. Whose the lock is may ask; a
     * key holder may, of what they asked themselves.
     */
    readonly of: (
      principal: Principal,
      lockId: number,
      commandId: string,
      patience?: Duration.Duration
    ) => Effect.Effect<CommandStatus, AskError | CommandNotFound>
  }
>()("@latchkey/core/CommandOutcomes") {
  static readonly layer = Layer.effect(
    CommandOutcomes,
    Effect.suspend(() => make)
  )
}

/**
 * Events after which a command may be pending no more, or another's to know. Newer commands may push it out of what the lock
 * remembers, but wake nobody: all who wait at a busy lock would look again at each of them.
 */
const ending: ReadonlySet<string> = new Set<LockEventType>([
  "CommandOutcomeReported",
  "KeysReported",
  "KeyAdded",
  "KeyRemoved",
  "KeyNeedsAttention",
  "OwnerSet",
  "OrganizationSet",
  "LockUuidChanged",
  "ClaimMoved",
  "ClaimLost",
  "LockRetired"
])

const make = Effect.gen(function* () {
  const store = yield* EventStore
  const queries = yield* LockQueries
  const feed = yield* Feed
  const background = yield* CurrentBackground
  /** Those who wait, by the stream of their lock. */
  const waiting = new Map<string, Set<Latch.Latch>>()
  const { catchUp } = yield* feed.register(
    { category: "lock" },
    ({ streamId, type }) => {
      if (!ending.has(type)) return
      for (const latch of waiting.get(streamId) ?? []) latch.openUnsafe()
    },
    yield* store.head
  )

  const wakes = (streamId: string) =>
    Effect.acquireRelease(
      Effect.sync(() => {
        const latch = Latch.makeUnsafe(false)
        const others = waiting.get(streamId)
        if (others === undefined) waiting.set(streamId, new Set([latch]))
        else others.add(latch)
        return latch
      }),
      (latch) =>
        Effect.sync(() => {
          const all = waiting.get(streamId)
          all?.delete(latch)
          if (all?.size === 0) waiting.delete(streamId)
        })
    )

  const { eventIn, askedIn } = commandLog(store)

  const statusIn = Effect.fnUntraced(function* (
    lock: Lock,
    commandId: string
  ): Effect.fn.Return<CommandStatus | undefined, StoreUnavailable> {
    const { lockId, uuid, pendingCommands } = lock
    const pending = pendingCommands.find((sent) => sent.commandId === commandId)
    if (pending !== undefined) return { ...pending, status: pending.thing === uuid ? "pending" : "superseded" }
    const answer = yield* eventIn(lockId, `${commandId}-outcome-1`)
    const answered = answer && answeredBy(answer)
    if (answered !== undefined) {
      const next = yield* eventIn(lockId, `${commandId}-outcome-2`)
      const useReturned =
        next?.type === "TempKeyUseReturned" ||
        (answered.outcome !== "done" && Option.isSome(yield* store.event(returnedIdOf(commandId))))
      return { ...answered, status: answered.outcome, useReturned }
    }
    const asked = yield* askedIn(lockId, commandId)
    return asked && { ...asked.sent, status: "superseded" }
  })

  /** What became of a removal, of which the lock is told by commands of their own: that of the last of them. */
  const removalIn = Effect.fnUntraced(function* (
    lock: Lock,
    commandId: string
  ): Effect.fn.Return<CommandStatus | undefined, StoreUnavailable> {
    const stored = yield* eventIn(lock.lockId, `${commandId}-1`)
    const event = stored && Option.getOrUndefined(fromStored(stored))
    if (stored === undefined || event?._tag !== "KeyRemoved" || event.reconciled !== true) return undefined
    const requested = { commandId, type: "RemoveKey", thing: event.uuid, requestedAt: stored.at } as const
    const told = yield* lastRemovalAfter(stored, event.keyUuid)
    const status = told === undefined ? undefined : yield* statusIn(lock, told)
    if (status !== undefined && !isOfOlderTry(lock, event.keyUuid, status)) return { ...status, ...requested }
    const isLeaving = lock.hardware.some(
      ({ uuid, exposedSince }) => uuid === event.keyUuid && exposedSince !== undefined
    )
    return { ...requested, status: isLeaving ? "pending" : "superseded" }
  })

  /** The command by which the lock was last told of a removal, before the key was added again. */
  const lastRemovalAfter = Effect.fnUntraced(function* ({ streamId, version }: StoredEvent, keyUuid: string) {
    let last: string | undefined
    for (let after = version; after < version + LATER; ) {
      const events = yield* store.read(streamId, after, PAGE)
      for (const { type, data, commandId } of events) {
        if (data["keyUuid"] !== keyUuid) continue
        if (type === "KeyAdded") return last
        if (type === "KeyRemovalSent") last = commandId
      }
      if (events.length < PAGE) break
      after += PAGE
    }
    return last
  })

  const look = Effect.fnUntraced(function* (principal: Principal, lockId: number, commandId: string) {
    const lock = yield* queries.lock(principal, lockId, "commands")
    const status = isKeepable(commandId)
      ? ((yield* statusIn(lock, commandId)) ?? (yield* removalIn(lock, commandId)))
      : undefined
    if (status === undefined || !(yield* mayKnow(principal, lock, status)))
      return yield* Effect.fail(new CommandNotFound({ lockId }))
    return status
  })

  const mayKnow = Effect.fnUntraced(function* (principal: Principal, lock: Lock, status: CommandStatus) {
    if (Result.isSuccess(permit(principal, lock, "details"))) return isOwnCommand(principal, lock, status)
    const asked =
      (yield* askedIn(lock.lockId, status.commandId))?.stored ?? (yield* eventIn(lock.lockId, `${status.commandId}-1`))
    return asked !== undefined && nameOf(asked.principal) === nameOf(principal)
  })

  /** Waits for the latch, and where nothing opens it by itself, looks. */
  const told = (latch: Latch.Latch) =>
    Effect.suspend(() =>
      background.isRunning()
        ? latch.await
        : Effect.andThen(Effect.timeoutOption(latch.await, LOOK_EVERY), Effect.ignore(catchUp()))
    )

  return CommandOutcomes.of({
    of: Effect.fnUntraced(function* (principal, lockId, commandId, patience = Duration.zero) {
      const ask = look(principal, lockId, commandId)
      const latch = yield* wakes(streamOfLock(lockId))
      let last = yield* ask
      if (!Duration.isPositive(patience)) return last
      const answered = Effect.gen(function* () {
        while (last.status === "pending") {
          yield* told(latch)
          yield* latch.close
          last = yield* ask
        }
      })
      yield* Effect.timeoutOption(answered, patience)
      return last.status === "pending" ? yield* ask : last
    }, Effect.scoped)
  })
})

/** It failed or was never answered, and is tried again. */
const isOfOlderTry = ({ hardware }: Lock, keyUuid: string, { status }: CommandStatus): boolean =>
  status !== "pending" && status !== "done" && hardware.some((key) => key.uuid === keyUuid && isOpen(key))

const answeredBy = (stored: StoredEvent): AnsweredCommand | undefined => {
  const event = Option.getOrUndefined(fromStored(stored))
  return event?._tag === "CommandOutcomeReported" ? answeredIn(event) : undefined
}
