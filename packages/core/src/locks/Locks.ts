/**
 * The command handler: load, permit, decide, then append; or prepare, tell the device, and commit.
 * A caller has an answer only when the events are durable and, where hardware is involved, the shadow has the command.
 */
import { Clock, Context, Duration, Effect, Fiber, identity, Layer, Option, Result, Schema } from "effect"
import type { DeviceCommand } from "../device/DeviceCommand.ts"
import { DeviceShadow, ShadowUnavailable } from "../device/DeviceShadow.ts"
import { permit, permitCreate } from "../lock/AccessPolicy.ts"
import type { Lock } from "../lock/Lock.ts"
import { type Decision, decide, mayPass, recordedAt } from "../lock/LockAggregate.ts"
import type { LockCommand } from "../lock/LockCommand.ts"
import { isByClock, rowOf } from "../lock/LockCommands.ts"
import { type AccessDenied, ClockBehind, LockNotFound, type LockRefused } from "../lock/LockError.ts"
import { fromStored, type LockEvent, toStored } from "../lock/LockEvent.ts"
import { notUnderstood } from "../streams/Category.ts"
import { EventStore, type NewEvent, type StoreUnavailable, type Written } from "../streams/EventStore.ts"
import { earlierTry, type ReceiptReused, type RequestReceipt } from "../streams/Receipts.ts"
import {
  type Appending,
  append,
  CommandExists,
  discard,
  prepare,
  type Reservation,
  type ReservedError,
  type Settlement
} from "../streams/Reservations.ts"
import { DEFAULT_CACHED_LOCKS, type LoadedLock, LockRepository } from "./LockRepository.ts"
import type { Standing, Turns } from "./LockTurns.ts"
import { makeRefusedUses } from "./RefusedUses.ts"
import { FIND_TIMEOUT, Settling } from "./Settling.ts"

/** The answer to a command. No events: nothing had to change. */
export interface Executed {
  readonly lockId: number
  readonly version: number
  readonly events: ReadonlyArray<LockEvent>
}

/**
 * The device could not be told, and nothing is recorded; `reason` is for the operator. When `inDoubt`, the shadow does
 * not say whether it took the command: it is recorded as soon as it turns out that it did.
 */
export class DeviceUnreachable extends Schema.TaggedError<DeviceUnreachable>()("DeviceUnreachable", {
  lockId: Schema.Number,
  reason: Schema.String,
  inDoubt: Schema.Boolean
}) {
  override get message() {
    return "Failed to update device shadow"
  }
}

/** Others kept changing the lock, or hold it for a device command. Nothing was recorded: try again. */
export class LockBusy extends Schema.TaggedError<LockBusy>()("LockBusy", { lockId: Schema.Number }) {
  override get message() {
    return `Lock ${this.lockId} is busy. Nothing was changed; try again in a moment.`
  }
}

/** Why a command was not carried out. */
export type ExecuteError =
  | AccessDenied
  | LockRefused
  | ClockBehind
  | DeviceUnreachable
  | LockBusy
  | ReceiptReused
  | CommandExists
  | StoreUnavailable

/** How many locks are kept in memory, and how long a shadow may take. */
export interface LocksOptions {
  /** How many locks are kept in memory; 10,000 unless given. */
  readonly cachedLocks?: number
  /** How long the shadow may take to accept a command; 3 seconds unless given. A refusal follows within one more second. */
  readonly sendTimeout?: Duration.Input
}

/** A guest's opening holds up everybody else at the lock, on other servers too: the shadow has no longer for it. */
const GUEST_TIMEOUT = Duration.seconds(1)
const MAX_ATTEMPTS = 200
const MAX_PAUSE = 20
/** How far, in milliseconds, the clock may be behind a lock's last event where the time decides: servers differ a little. */
const MOST_BEHIND = 60_000

/**
 * Carries out commands: the one way to change a lock.
 *
 * @example
 * ```ts
 * const { execute } = yield* Locks
 * const principal = { _tag: "User", userId: "ann" } as const
 * const { version } = yield* execute({ _tag: "OpenLock", lockId: 7, commandId, at, principal })
 * ```
 */
export class Locks extends Context.Service<
  Locks,
  {
    /** Carries out a command, or says why not. With a receipt, a retry answers what the first try answered. */
    readonly execute: (command: LockCommand) => Effect.Effect<Executed, ExecuteError>
  }
>()("@latchkey/core/Locks") {
  static readonly layerWithoutRepository = (options: LocksOptions = {}) =>
    Layer.effect(
      Locks,
      Effect.gen(function* () {
        const store = yield* EventStore
        const shadow = yield* DeviceShadow
        const repository = yield* LockRepository
        const settling = yield* Settling
        const keepRefusedUse = yield* makeRefusedUses
        const scope = yield* Effect.scope
        const sendTimeout = sendTimeoutOf(options)
        const patience = patienceOf(options)

        const execute = (command: LockCommand) =>
          Effect.flatMap(repository.load(command.lockId), ({ loaded, fresh }) =>
            loaded.turns.take(standingOf(command))(carryOut(loaded, fresh, command))
          )

        const carryOut = Effect.fnUntraced(function* (loaded: LoadedLock, fresh: boolean, command: LockCommand) {
          let upToDate = fresh
          for (let n = 0; n < MAX_ATTEMPTS; n++) {
            if (command.receipt !== undefined) {
              const earlier = yield* replay(command.lockId, command.receipt)
              if (earlier !== undefined) return earlier
            }
            // Once, as one value: a question or a report may read on while this is decided.
            const { lock, version, unknown } = loaded.latest
            if (unknown !== undefined && rowOf(command._tag).revokes !== true)
              return yield* Effect.fail(notUnderstood(unknown))
            const decided = judge(lock, command)
            if (Result.isFailure(decided) || decided.success.events.length === 0) {
              // A "no" and an "already so" rest on the whole stream, as an append does: another process may be ahead.
              if (!upToDate && (yield* repository.refresh(loaded))) {
                upToDate = true
                continue
              }
              yield* refuseRepeated(command)
              if (Result.isFailure(decided)) {
                yield* keepRefusedUse(command, lock, decided.failure)
                return yield* Effect.fail(decided.failure)
              }
              if (command.receipt === undefined) return { lockId: command.lockId, version, events: [] }
            }
            const { events, device } = decided.success
            const appending: Appending = {
              streamId: loaded.streamId,
              expectedVersion: version,
              events: envelopes(command, lock, events),
              commandId: command.commandId,
              receipt: command.receipt
            }
            const writing: Effect.Effect<Written | Committed, ReservedError | DeviceUnreachable> =
              device === undefined || lock === undefined
                ? append(store, appending, mayPass(events))
                : handOver(appending, command, { device, thing: lock.uuid, turns: loaded.turns })
            const written = yield* Effect.result(writing)
            if (Result.isSuccess(written)) {
              if ("position" in written.success) {
                const after = version + events.length
                yield* repository.advance(loaded, events, after)
                return { lockId: command.lockId, version: after, events }
              }
              const { version: after, stored = [] } = written.success
              yield* repository.follow(loaded, stored)
              return { lockId: command.lockId, version: after, events }
            }
            const error = written.failure
            switch (error._tag) {
              case "VersionConflict":
              case "ReceiptExists":
                yield* repository.refresh(loaded)
                upToDate = true
                if (n > 2) yield* Effect.sleep(Math.min(n, MAX_PAUSE))
                break
              case "StreamReserved":
                yield* waitOrSettle(error.reservation, device !== undefined, command)
                break
              default:
                return yield* Effect.fail(error)
            }
          }
          return yield* Effect.fail(new LockBusy({ lockId: command.lockId }))
        })

        /** A command that was carried out is not judged again by what it has led to itself. */
        const refuseRepeated = ({ commandId }: LockCommand) =>
          Effect.flatMap(store.event(eventIdOf(commandId, 0)), (first) =>
            Option.isSome(first) ? Effect.fail(new CommandExists({ commandId })) : Effect.void
          )

        /** The answer that a receipt was given for. */
        const replay = Effect.fnUntraced(function* (lockId: number, receipt: RequestReceipt) {
          const found = yield* earlierTry(store, receipt)
          if (Option.isNone(found)) return undefined
          const { streamId, firstVersion, version } = found.value
          const stored = yield* store.read(streamId, firstVersion - 1, version - firstVersion + 1)
          return { lockId, version, events: stored.flatMap((event) => Option.toArray(fromStored(event))) }
        })

        /** The two-step append. Goes on when its caller goes away: what has been prepared must be settled. */
        const handOver = (...step: Parameters<typeof prepareAndSend>) =>
          prepareAndSend(...step).pipe(Effect.forkIn(scope), Effect.flatMap(Fiber.join))

        const prepareAndSend = Effect.fnUntraced(function* (
          appending: Appending,
          { lockId }: LockCommand,
          { device, thing, turns }: { readonly device: DeviceCommand; readonly thing: string; readonly turns: Turns }
        ) {
          const begun = yield* Clock.monotonicTimeNanos
          const deadline = (yield* Clock.currentTimeMillis) + patience
          const reservation = yield* prepare(store, { ...appending, thing, deadline })
          const { attempt } = reservation
          // From now on everyone who waits for it here counts.
          yield* settling.isDue(reservation)
          const timeout = isByGuest(device) ? Duration.min(sendTimeout, GUEST_TIMEOUT) : sendTimeout
          // Others count from when they first met the reservation, so this much is surely left, whatever the clock says.
          const left = patience - Number(((yield* Clock.monotonicTimeNanos) - begun) / 1_000_000n)
          const notAfter = (yield* Clock.currentTimeMillis) + Math.min(Duration.toMillis(timeout), left)
          const told = yield* shadow.send(thing, attempt === 1 ? device : { ...device, attempt }, notAfter).pipe(
            Effect.timeout(timeout),
            device._tag === "RemoveKey" ? identity : Effect.raceFirst(gaveWay(thing, turns)),
            Effect.catchDefect((cause) => Effect.fail(new ShadowUnavailable({ thing, message: String(cause), cause }))),
            Effect.result
          )
          if (Result.isSuccess(told))
            return yield* committed(lockId, yield* settling.accepted(reservation), "discarded meanwhile")
          const reason = told.failure.message
          if (told.failure._tag === "ShadowRejected")
            return yield* committed(lockId, yield* discard(store, reservation), reason)
          const settlement = yield* settling.settle(reservation)
          if (Option.isSome(settlement)) return yield* committed(lockId, settlement.value, reason)
          return yield* Effect.fail(new DeviceUnreachable({ lockId, reason, inDoubt: true }))
        })

        const committed = (lockId: number, settlement: Settlement, reason: string) =>
          settlement._tag === "Committed"
            ? Effect.succeed(settlement)
            : Effect.fail(new DeviceUnreachable({ lockId, reason, inDoubt: false }))

        const waitOrSettle = Effect.fnUntraced(function* (
          reservation: Reservation,
          needsDevice: boolean,
          { lockId, commandId }: LockCommand
        ) {
          // The sweep keeps asking about this one. To ask here too would make everybody else at the lock wait.
          if (reservation.released) {
            return yield* Effect.fail(
              needsDevice
                ? new DeviceUnreachable({
                    lockId,
                    reason: "an earlier command is still unanswered",
                    inDoubt: reservation.commandId === commandId
                  })
                : new LockBusy({ lockId })
            )
          }
          if (!(yield* settling.isDue(reservation))) return yield* Effect.sleep(MAX_PAUSE)
          const settlement = yield* settling.settle(reservation)
          if (Option.isNone(settlement)) return yield* Effect.fail(new LockBusy({ lockId }))
        })

        return { execute }
      })
    )

  /** The command handler over an event store and a device shadow; also provides what `LockQueries` reads from. */
  static readonly layer = (options: LocksOptions = {}) =>
    Locks.layerWithoutRepository(options).pipe(
      Layer.provide(Settling.layer(patienceOf(options))),
      Layer.provideMerge(LockRepository.layer({ cachedLocks: options.cachedLocks ?? DEFAULT_CACHED_LOCKS }))
    )
}

/**
 * Permission first, then the rules. A lock that does not exist can only be created. A shared credential opens a lock on
 * the right of the one who made it, for as long as they could give the lock a temp key of its own.
 */
const judge = (
  lock: Lock | undefined,
  command: LockCommand
): Result.Result<Decision, AccessDenied | LockRefused | ClockBehind> => {
  if (lock === undefined && command._tag !== "CreateLock")
    return Result.fail(new LockNotFound({ lockId: command.lockId }))
  const permitted =
    lock === undefined
      ? permitCreate(command.principal, command._tag === "CreateLock" ? command.ownerId : undefined)
      : permit(command._tag === "OpenDoor" ? command.grantedBy : command.principal, lock, command._tag)
  if (Result.isFailure(permitted)) return Result.fail(permitted.failure)
  const behind = lock === undefined || !isByClock(command._tag) ? 0 : lock.changedAt - command.at
  return behind > MOST_BEHIND ? Result.fail(new ClockBehind({ lockId: command.lockId, behind })) : decide(lock, command)
}

const sendTimeoutOf = ({ sendTimeout }: LocksOptions) => Duration.fromInputUnsafe(sendTimeout ?? Duration.seconds(3))

/** Milliseconds from prepare until anybody may settle: the time to send and to ask, and as much again for slow machines. */
const patienceOf = (options: LocksOptions): number =>
  2 * Duration.toMillis(Duration.sum(sendTimeoutOf(options), FIND_TIMEOUT))

const eventIdOf = (commandId: string, index: number): string => `${commandId}-${index + 1}`

type Committed = Extract<Settlement, { readonly _tag: "Committed" }>

/** A removal of a key is next at its lock; guests come after everybody else. */
const standingOf = ({ _tag }: LockCommand): Standing => {
  const { device, byGuest } = rowOf(_tag)
  return device === "RemoveKey" ? "removal" : byGuest === true ? "guest" : "other"
}

const isByGuest = (device: DeviceCommand): boolean => device._tag === "OpenLock" && device.byGuest === true

const gaveWay = (thing: string, turns: Turns) =>
  Effect.andThen(
    turns.overtaken,
    Effect.failSync(
      () => new ShadowUnavailable({ thing, message: "The removal of a key did not wait for the shadow's answer." })
    )
  )

/** The events in their envelopes. Their ids derive from the command's, so a retried append carries the same ones. */
const envelopes = (
  command: LockCommand,
  lock: Lock | undefined,
  events: ReadonlyArray<LockEvent>
): ReadonlyArray<NewEvent> => {
  const { commandId, principal } = command
  const at = recordedAt(lock, command)
  return events.map((event, index) => ({
    eventId: eventIdOf(commandId, index),
    ...toStored(event),
    at,
    orgId: orgAfter(lock, event),
    principal,
    commandId
  }))
}

/** The organization that an event happened for: the lock's, as the event leaves it. */
const orgAfter = (lock: Lock | undefined, event: LockEvent): string =>
  (event._tag === "OrganizationSet" || event._tag === "LockCreated" ? event.orgId : lock?.orgId) ?? ""
