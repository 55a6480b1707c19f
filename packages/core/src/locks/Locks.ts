/**
 * The command handler: load, permit, decide, then append; or prepare, tell the device, and commit.
 * A caller has an answer only when the events are durable and, where hardware is involved, the shadow has the command.
 */
import { Clock, Context, Duration, Effect, Fiber, Layer, Option, Result, Schema } from "effect"
import { type ClaimPolicy, isHeldByOther } from "../access/Claims.ts"
import type { DeviceCommand } from "../device/DeviceCommand.ts"
import { DeviceShadow, ShadowUnavailable } from "../device/DeviceShadow.ts"
import { permit, permitCreate, permitGiven } from "../lock/AccessPolicy.ts"
import { claimSteps } from "../lock/ClaimSteps.ts"
import { decide, type ThingBefore } from "../lock/Decide.ts"
import { type Decision, mayPass, recordedAt } from "../lock/Decision.ts"
import { answeredIn } from "../lock/DeviceEvents.ts"
import { type Lock, streamOfLock } from "../lock/Lock.ts"
import { isAsExpected, type LockCommand } from "../lock/LockCommand.ts"
import { isByClock, rowOf } from "../lock/LockCommands.ts"
import {
  AccessDenied,
  type ClaimRefused,
  ClockBehind,
  DeviceDisputed,
  DeviceInUse,
  LockNotFound,
  type Refusal,
  VersionMoved
} from "../lock/LockError.ts"
import { fromStored, type LockEvent, toStored } from "../lock/LockEvent.ts"
import { isOwnCommand } from "../lock/OwnTime.ts"
import { notUnderstood } from "../streams/Category.ts"
import {
  type Append,
  EventStore,
  type NewEvent,
  type RecordConflict,
  type StoreUnavailable,
  type Written
} from "../streams/EventStore.ts"
import { Feed } from "../streams/Feed.ts"
import { earlierTry, type ReceiptReused, type RequestReceipt } from "../streams/Receipts.ts"
import {
  append,
  type BesideRecords,
  CommandExists,
  type Counted,
  CountMoved,
  discard,
  notReserved,
  type Preparing,
  prepare,
  type Reservation,
  type ReservedError,
  type Settlement
} from "../streams/Reservations.ts"
import { recorded } from "../values/Principal.ts"
import { instantOf } from "../values/Text.ts"
import { Claims, claimsAfter, proofWith, type Things, wantedBy } from "./Claims.ts"
import { departuresWith } from "./Departures.ts"
import { recordStoredLinks } from "./Links.ts"
import { DEFAULT_CACHED_LOCKS, type LoadedLock, type LockAt, LockRepository } from "./LockRepository.ts"
import type { Standing, Turns } from "./LockTurns.ts"
import { makeRefusedUses } from "./RefusedUses.ts"
import { FIND_TIMEOUT, isPassable, Settling } from "./Settling.ts"
import { isCleared, isTakeBack, takeBacksWith, takingBack } from "./TakeBacks.ts"

/** The answer to a command. No events: nothing had to change. */
export interface Executed {
  readonly lockId: number
  readonly version: number
  readonly events: ReadonlyArray<LockEvent>
  /** Under which its device knows it; of a retry, that of the first try. None where nothing had to change. */
  readonly commandId?: string
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
  | Refusal
  | DeviceUnreachable
  | LockBusy
  | ReceiptReused
  | CommandExists
  | CountMoved
  | StoreUnavailable

/** How many locks are kept in memory, and how long a shadow may take. */
export interface LocksOptions {
  /**
   * `open`: users may claim devices that nobody ever had, for development. `proof`, unless given: only with a secret of the
   * device or its claim code.
   */
  readonly claims?: ClaimPolicy
  /** How many locks are kept in memory; 10,000 unless given. */
  readonly cachedLocks?: number
  /** How long the shadow may take to accept a command; 3 seconds unless given. A refusal follows within one more second. */
  readonly sendTimeout?: Duration.Input
}

/** A guest's opening holds up everybody else at the lock, on other servers too: the shadow has no longer for it. */
const GUEST_TIMEOUT = Duration.seconds(1)
const MAX_ATTEMPTS = 200
/** Locks that lose their thing in one write: each has an event there, and perhaps a record. */
const MOST_LOSERS = 250
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
        const feed = yield* Effect.serviceOption(Feed)
        yield* recordStoredLinks(store)
        const shadow = yield* DeviceShadow
        const repository = yield* LockRepository
        const settling = yield* Settling
        const claims = yield* Claims
        const keepRefusedUse = yield* makeRefusedUses
        const scope = yield* Effect.scope
        const sendTimeout = sendTimeoutOf(options)
        const patience = patienceOf(options)

        const execute = (command: LockCommand) =>
          claims.isKnown() ? begin(command) : Effect.andThen(claims.known, begin(command))

        const begin = (command: LockCommand) =>
          Effect.flatMap(repository.load(command.lockId), ({ loaded, fresh }) =>
            loaded.turns.take(standingOf(command))(carryOut(loaded, fresh, command))
          )

        const carryOut = Effect.fnUntraced(function* (loaded: LoadedLock, fresh: boolean, command: LockCommand) {
          let upToDate = fresh
          for (let n = 0; n < MAX_ATTEMPTS; n++) {
            if (command.receipt !== undefined) {
              const earlier = yield* replay(command, command.receipt)
              if (earlier !== undefined) return earlier
            }
            // Once, as one value: a question or a report may read on while this is decided.
            const { lock, version, unknown } = loaded.latest
            if (unknown !== undefined && rowOf(command._tag).revokes !== true)
              return yield* Effect.fail(notUnderstood(unknown))
            const things = claims.concern(command) ? yield* claims.about(lock, command) : undefined
            const decided = judge(lock, version, command, things)
            if (things !== undefined && Result.isSuccess(decided) && decided.success.events.length > 0)
              yield* cleared(command)
            if (Result.isFailure(decided) || decided.success.events.length === 0) {
              // A "no" and an "already so" rest on the whole stream, as an append does: another process may be ahead.
              if (!upToDate) {
                yield* repository.refresh(loaded)
                upToDate = true
                // Also when it was a question that has read on meanwhile.
                if (loaded.latest.version !== version) continue
              }
              yield* refuseRepeated(command)
              if (Result.isFailure(decided)) {
                yield* keepRefusedUse(command, lock, decided.failure)
                return yield* Effect.fail(decided.failure)
              }
              if (command.receipt === undefined) return executedBy(command, version, [])
            }
            const { events, device, names = [], beside } = decided.success
            const enveloped = envelopes(command, lock, events)
            const losers = things === undefined ? [] : yield* losersOf(command, things)
            const lost = losers.map((loser) => lossOf(loser, command))
            if (things !== undefined && lost.length > MOST_LOSERS) {
              yield* lose(things, lost.slice(1))
              continue
            }
            const appending: Omit<Preparing, "thing" | "deadline"> = {
              streamId: loaded.streamId,
              expectedVersion: version,
              events: enveloped,
              commandId: command.commandId,
              receipt: command.receipt,
              beside: [
                ...departuresWith(command.lockId, lock?.orgId, version, enveloped),
                ...(things === undefined ? [] : proofWith(things, command.lockId, enveloped[0])),
                ...lost.map(({ append }) => append),
                ...(beside === undefined ? [] : [appendOf(beside)])
              ],
              records: withNames(
                things ? recordsWith(things, lock, events, lost) : recordsOfOvertaken(lock, events),
                names,
                loaded.streamId
              ),
              count: command._tag === "OpenDoor" ? command.count : undefined
            }
            const writing: Effect.Effect<
              Written | Committed,
              ReservedError | RecordConflict | CountMoved | DeviceUnreachable
            > =
              device === undefined || lock === undefined
                ? append(store, appending, () => mayPass(events))
                : handOver(appending, command, { device, thing: lock.uuid, turns: loaded.turns })
            const written = yield* Effect.result(writing)
            if (Result.isSuccess(written)) {
              if ("position" in written.success) {
                const after = version + events.length
                // Where events of other streams were written too, the position is not that of these.
                if (Option.isSome(feed) && appending.beside?.length === 0)
                  feed.value.wrote(appending, written.success.position)
                yield* repository.advance(loaded, events, after, command.principal)
                if (appending.records?.put.some(({ key }) => isTakeBack(key))) {
                  const takingBack = takeBack(lock, lost)
                  yield* things === undefined ? Effect.forkIn(takingBack, scope) : takingBack
                }
                return executedBy(command, after, events)
              }
              const { version: after, stored = [] } = written.success
              yield* repository.follow(loaded, stored)
              return executedBy(command, after, events)
            }
            const error = written.failure
            if (beside !== undefined && error._tag === "VersionConflict" && error.streamId === beside.streamId)
              return yield* Effect.fail(new CountMoved({ streamId: beside.streamId }))
            switch (error._tag) {
              case "VersionConflict":
              case "ReceiptExists":
              case "RecordConflict": {
                yield* repository.refresh(loaded)
                const isNew = loaded.latest.version !== version
                const taken = names.find(({ key }) => error._tag === "RecordConflict" && key === error.key)?.taken
                // Unless it is by a command that this process had not seen, or by this very one.
                if (taken !== undefined && !isNew) {
                  yield* refuseRepeated(command)
                  return yield* Effect.fail(taken)
                }
                upToDate = true
                if (n > 2) yield* Effect.sleep(Math.min(n, MAX_PAUSE))
                break
              }
              case "StreamReserved":
                yield* waitOrSettle(error.reservation, device !== undefined, events, command)
                break
              default:
                return yield* Effect.fail(error)
            }
          }
          return yield* Effect.fail(new LockBusy({ lockId: command.lockId }))
        })

        /** A thing is claimed once nothing is left in its shadow of those who had it. */
        const cleared = Effect.fnUntraced(function* (command: LockCommand) {
          const thing = wantedBy(command)
          if (thing === undefined || (yield* isCleared(store, shadow, thing))) return
          return yield* Effect.fail(new LockBusy({ lockId: command.lockId }))
        })

        const takeBack = (lock: Lock | undefined, lost: ReadonlyArray<Loss>) =>
          Effect.forEach(
            new Set([lock?.uuid ?? "", ...lost.map(({ lock }) => lock.uuid)]),
            // If it fails, the sweep goes on with it.
            (thing) => Effect.ignore(isCleared(store, shadow, thing)),
            { discard: true }
          )

        /** Of more locks than one write takes, some lose their thing before the others: those who have it left stay in dispute. */
        const lose = Effect.fnUntraced(function* (things: Things, lost: ReadonlyArray<Loss>) {
          const records = recordsWith(things, undefined, [], lost)
          const written = yield* Effect.result(store.write({ ...records, append: lost.map(({ append }) => append) }))
          if (Result.isSuccess(written)) return yield* takeBack(undefined, lost)
          if (written.failure._tag === "StoreUnavailable") return yield* Effect.fail(written.failure)
          // Others were quicker: what is so now is looked at again.
          yield* Effect.sleep(MAX_PAUSE)
        })

        /** The locks from which the command takes its thing, as they are now: one more than one write takes, if they are so many. */
        const losersOf = Effect.fnUntraced(function* (command: LockCommand, { wanted }: Things) {
          if (rowOf(command._tag).takes !== true) return []
          const others = (wanted?.lockIds ?? []).filter((lockId) => lockId !== command.lockId).slice(0, MOST_LOSERS + 1)
          return yield* Effect.forEach(others, (lockId) =>
            Effect.flatMap(repository.load(lockId), ({ loaded }) =>
              Effect.map(repository.refresh(loaded), () => loaded.latest)
            )
          )
        })

        /** A command that was carried out is not judged again by what it has led to itself. */
        const refuseRepeated = ({ commandId }: LockCommand) =>
          Effect.flatMap(store.event(eventIdOf(commandId, 0)), (first) =>
            Option.isSome(first) ? Effect.fail(new CommandExists({ commandId })) : Effect.void
          )

        /** The answer that a receipt was given for. */
        const replay = Effect.fnUntraced(function* ({ lockId, commandId }: LockCommand, receipt: RequestReceipt) {
          const found = yield* earlierTry(store, receipt)
          if (Option.isNone(found)) return undefined
          const { streamId, firstVersion, version } = found.value
          const stored = yield* store.read(streamId, firstVersion - 1, version - firstVersion + 1)
          const events = stored.flatMap((event) => Option.toArray(fromStored(event)))
          return executedBy({ lockId, commandId: stored[0]?.commandId ?? commandId }, version, events)
        })

        /** The two-step append. Goes on when its caller goes away: what has been prepared must be settled. */
        const handOver = (...step: Parameters<typeof prepareAndSend>) =>
          prepareAndSend(...step).pipe(Effect.forkIn(scope), Effect.flatMap(Fiber.join))

        const prepareAndSend = Effect.fnUntraced(function* (
          appending: Omit<Preparing, "thing" | "deadline">,
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
            Effect.raceFirst(gaveWay(thing, turns)),
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
          events: ReadonlyArray<LockEvent>,
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
          // What it is now known not to wait for passes it.
          if (Option.isNone(settlement) && !(isPassable(reservation) && mayPass(events)))
            return yield* Effect.fail(new LockBusy({ lockId }))
        })

        return { execute }
      })
    )

  /** The command handler over an event store and a device shadow; also provides what `LockQueries` reads from. */
  static readonly layer = (options: LocksOptions = {}) =>
    Locks.layerWithoutRepository(options).pipe(
      Layer.provide(Settling.layer(patienceOf(options))),
      Layer.merge(takingBack),
      Layer.provideMerge(Claims.layer(options.claims ?? "proof")),
      Layer.provideMerge(LockRepository.layer({ cachedLocks: options.cachedLocks ?? DEFAULT_CACHED_LOCKS }))
    )
}

const executedBy = (
  { lockId, commandId }: Pick<LockCommand, "lockId" | "commandId">,
  version: number,
  events: ReadonlyArray<LockEvent>
): Executed => (events.length === 0 ? { lockId, version, events } : { lockId, version, events, commandId })

/**
 * Permission first, then whether the lock is as expected, then the rules. A lock that does not exist can only be created.
 * What somebody else does on the right of a giver, they do for as long as the giver may give it.
 */
const judge = (
  lock: Lock | undefined,
  version: number,
  command: LockCommand,
  things: Things | undefined
): Result.Result<Decision, Refusal> => {
  if (lock === undefined && command._tag !== "CreateLock")
    return Result.fail(new LockNotFound({ lockId: command.lockId }))
  const permitted =
    lock === undefined
      ? permitCreate(command.principal, command._tag === "CreateLock" ? command.ownerId : undefined, command.lockId)
      : permitOn(lock, command)
  if (Result.isFailure(permitted)) return Result.fail(permitted.failure)
  if (!isAsExpected(command, version)) return Result.fail(new VersionMoved({ lockId: command.lockId, version }))
  if (lock?.retired !== undefined && rowOf(command._tag).who !== "device") return decide(lock, command)
  const refused = things && refusalFor(lock, command, things)
  if (refused !== undefined) return Result.fail(refused)
  const behind = lock === undefined || !isByClock(command._tag) ? 0 : lock.changedAt - command.at
  return behind > MOST_BEHIND
    ? Result.fail(new ClockBehind({ lockId: command.lockId, behind }))
    : decide(lock, command, things && thingBefore(command, things))
}

const thingBefore = ({ lockId }: LockCommand, { wanted }: Things): ThingBefore => ({
  isUsed: wanted !== undefined,
  isOthers: isHeldByOther(wanted, lockId)
})

const appendOf = ({ streamId, version: expectedVersion, event }: Counted): Append => ({
  streamId,
  expectedVersion,
  events: [event]
})

/** A lock that loses its thing to another, and what is written of that. */
interface Loss {
  readonly lock: Lock
  readonly event: LockEvent
  readonly append: Append
}

const lossOf = ({ lock, version }: LockAt, { commandId, at, principal }: LockCommand): Loss => {
  if (lock === undefined) throw new Error("A lock that has a thing is there.")
  const when = recordedAt(lock, { at })
  const { lockId, uuid, orgId = "" } = lock
  const event = { _tag: "ClaimLost", lockId, uuid, timestamp: instantOf(when) } as const
  const envelope = {
    eventId: `${commandId}-lost-${lockId}`,
    ...toStored(event),
    at: when,
    orgId,
    principal: recorded(principal),
    commandId
  }
  return { lock, event, append: { streamId: streamOfLock(lockId), expectedVersion: version, events: [envelope] } }
}

/** The claims as the events leave them, commands that end, and that the locks which lose have nothing prepared. */
const recordsWith = (
  things: Things,
  lock: Lock | undefined,
  events: ReadonlyArray<LockEvent>,
  lost: ReadonlyArray<Loss>
): BesideRecords => {
  const { expect, put, remove } = claimsAfter(things, [
    ...lost.flatMap(({ lock, event }) => claimSteps(event, orgAfter(lock, event))),
    ...events.flatMap((event) => claimSteps(event, orgAfter(lock, event)))
  ])
  const ended = [...lost, ...(lock === undefined ? [] : [{ lock, event: events[0] }])]
  return {
    expect: [...expect, ...lost.map(({ append }) => notReserved(append.streamId))],
    put: [...put, ...ended.flatMap(({ lock, event }) => takeBacksWith(lock, event))],
    remove
  }
}

/** An addition that is overtaken by a removal is taken out of the shadow. */
const recordsOfOvertaken = (lock: Lock | undefined, events: ReadonlyArray<LockEvent>): BesideRecords | undefined => {
  const put = lock === undefined ? [] : takeBacksWith(lock, events[0])
  return put.length === 0 ? undefined : { expect: [], put, remove: [] }
}

const permitOn = (lock: Lock, command: LockCommand): Result.Result<void, AccessDenied> => {
  const { _tag, giver, principal } = command
  if (giver === undefined) return permit(principal, lock, _tag)
  const given = permitGiven(giver, lock, _tag)
  return _tag === "OpenDoor" || Result.isFailure(given) ? given : permit(principal, lock, _tag)
}

const PROOF =
  "proof that the device is yours: one of its secrets as deviceSecret, or its one-time claim code as claimCode"

/** What speaks against a command because of who has which thing. */
const refusalFor = (
  lock: Lock | undefined,
  { _tag, lockId }: LockCommand,
  { wanted, isDisputed, mayHave }: Things
): ClaimRefused | AccessDenied | undefined => {
  const { claims, revokes, takes } = rowOf(_tag)
  if (isDisputed && claims === undefined && revokes !== true) return new DeviceDisputed({ lockId })
  const isClaim = claims !== undefined && takes !== true && (_tag !== "CreateLock" || lock === undefined)
  if (!isClaim) return undefined
  if (isHeldByOther(wanted, lockId)) return new DeviceInUse({ lockId })
  return mayHave ? undefined : new AccessDenied({ action: _tag, needed: PROOF })
}

/** The records that are written, with those of names that only this stream may ever have. */
const withNames = (
  records: BesideRecords | undefined,
  names: NonNullable<Decision["names"]>,
  streamId: string
): BesideRecords | undefined => {
  if (names.length === 0) return records
  const { expect = [], put = [], remove = [] } = records ?? {}
  return {
    expect: [...expect, ...names.map(({ key }) => ({ key, value: undefined }))],
    put: [...put, ...names.map(({ key }) => ({ key, value: streamId }))],
    remove
  }
}

const sendTimeoutOf = ({ sendTimeout }: LocksOptions) => Duration.fromInputUnsafe(sendTimeout ?? Duration.seconds(3))

/** Milliseconds from prepare until anybody may settle: the time to send and to ask, and as much again for slow machines. */
const patienceOf = (options: LocksOptions): number =>
  2 * Duration.toMillis(Duration.sum(sendTimeoutOf(options), FIND_TIMEOUT))

const eventIdOf = (commandId: string, index: number): string => `${commandId}-${index + 1}`

type Committed = Extract<Settlement, { readonly _tag: "Committed" }>

/** A removal of a key is next at its lock; guests come after everybody else. */
const standingOf = ({ _tag }: LockCommand): Standing => {
  const { later, byGuest } = rowOf(_tag)
  return later === "RemoveKey" ? "removal" : byGuest === true ? "guest" : "other"
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
  const isOfFormer = lock !== undefined && isOutcomeOfFormer(lock, events[0])
  return events.map((event, index) => ({
    eventId: eventIdOf(commandId, index),
    ...toStored(event),
    at,
    orgId: isOfFormer ? "" : orgAfter(lock, event),
    principal: recorded(principal),
    commandId
  }))
}

/** Whether an opening that ends now was requested when the lock was not its organization's: then no organization is told. */
const isOutcomeOfFormer = (lock: Lock, event: LockEvent | undefined): boolean =>
  event?._tag === "CommandOutcomeReported" &&
  !isOwnCommand({ _tag: "Organization", orgId: lock.orgId ?? "" }, lock, answeredIn(event))

/** The organization that an event happened for: the lock's, as the event leaves it. */
const orgAfter = (lock: Lock | undefined, event: LockEvent): string =>
  (event._tag === "OrganizationSet" || event._tag === "LockCreated" ? event.orgId : lock?.orgId) ?? ""
