/**
 * Shared credentials made, found, listed and revoked. All of them are kept in memory, folded from their streams: that
 * is how a PIN is found in one step, and how no PIN is given out twice at one lock.
 */
import { Context, Effect, Layer, Option, Result, Semaphore } from "effect"
import { permitScope } from "../lock/AccessPolicy.ts"
import { outOfService } from "../lock/Decide.ts"
import type { Lock } from "../lock/Lock.ts"
import { type AccessDenied, DeviceDisputed, type DeviceLost, LockFull, type LockRetired } from "../lock/LockError.ts"
import { BOUNDS } from "../lock/RequestFields.ts"
import { canonical } from "../lock/TempKey.ts"
import { Claims } from "../locks/Claims.ts"
import { streamOfLink } from "../locks/Links.ts"
import { type AskError, LockQueries } from "../locks/LockQueries.ts"
import { type At, type Decision, granting } from "../streams/Category.ts"
import { EventStore, type StoreUnavailable } from "../streams/EventStore.ts"
import { Feed } from "../streams/Feed.ts"
import type { ReceiptReused } from "../streams/Receipts.ts"
import type { CommandExists } from "../streams/Reservations.ts"
import type { Principal } from "../values/Principal.ts"
import { hashPin, type PinKey } from "./Pins.ts"
import { decideChange, decideLink, decidePin, decideResume, decideRevoke, decideSuspend } from "./SharedChanges.ts"
import {
  type ChangeRequest,
  Credentials,
  type Door,
  decideShare,
  locksWithPin,
  type SharedCredential,
  type SharedCredentialEvent,
  type ShareRequest,
  sharedStatusAt
} from "./SharedCredential.ts"
import {
  type DoorCount,
  type DoorNotFound,
  type EmptySharedWindow,
  LinkTaken,
  type NobodyAllowed,
  type NoPin,
  type NoSuchLock
} from "./SharedCredentialError.ts"
import { type LockReader, lockReaders, type Shared } from "./SharedLocks.ts"
import { makeRegister } from "./SharedRegister.ts"
import { type Changed, type ChangeError, type SharedContext, sharedWriting } from "./SharedWriting.ts"
import { type CursorUnknown, type TempKeyPage, type TempKeyQuery, tempKeyPages } from "./TempKeyPages.ts"

export type { Shared } from "./SharedLocks.ts"
export type { Changed, ChangeError, SharedContext } from "./SharedWriting.ts"

/** What is asked for, and the uuid of the new credential: the link, so it must be beyond guessing. */
export type ShareCommand = SharedContext & ShareRequest & { readonly uuid: string }

/** Why nobody is given doors at a lock. */
type OutOfService = LockRetired | DeviceLost | DeviceDisputed

/** Why the key was not made. */
export type ShareError =
  | NoSuchLock
  | AccessDenied
  | OutOfService
  | EmptySharedWindow
  | NobodyAllowed
  | LockFull
  | LinkTaken
  | ReceiptReused
  | CommandExists
  | StoreUnavailable

/** Temp keys with doors at one or more locks: made, listed and ended. */
export class SharedCredentials extends Context.Service<
  SharedCredentials,
  {
    /**
     * Makes a credential; its PIN, if a door has one, is in the answer and nowhere else. A retry with the same receipt
     * answers the same, PIN included.
     */
    readonly share: (
      command: ShareCommand,
      key: PinKey
    ) => Effect.Effect<Shared & { readonly pin: string | null }, ShareError>
    /**
     * Changes what the request names, and nothing else: link and PIN stay. A door that is the first to take a PIN brings
     * one, which is in the answer; so is another one, in the rare case that the PIN is taken at the lock of a new door.
     */
    readonly change: (
      context: SharedContext,
      uuid: string,
      request: ChangeRequest,
      key: PinKey
    ) => Effect.Effect<
      Changed,
      ChangeError | OutOfService | NoSuchLock | EmptySharedWindow | NobodyAllowed | DoorNotFound | DoorCount | LockFull
    >
    /** Lets it open nothing until it is resumed. */
    readonly suspend: (context: SharedContext, uuid: string) => Effect.Effect<Changed, ChangeError>
    readonly resume: (context: SharedContext, uuid: string) => Effect.Effect<Changed, ChangeError>
    /** Gives it another link; the one before opens nothing any more. */
    readonly changeLink: (
      context: SharedContext,
      uuid: string,
      link: string
    ) => Effect.Effect<Changed, ChangeError | LinkTaken>
    /** Gives it another PIN; the one before opens nothing any more. */
    readonly reissuePin: (
      context: SharedContext,
      uuid: string,
      key: PinKey
    ) => Effect.Effect<Changed, ChangeError | NoPin>
    /** Ends a credential. One that has ended already stays as it is. */
    readonly revoke: (context: SharedContext, uuid: string) => Effect.Effect<void, ChangeError>
    /** The stream of a credential as this process knows it. */
    readonly at: (uuid: string) => At<SharedCredential | undefined>
    /** Whether the principal made the credential, or may give keys to all of its doors: only they are told its link. */
    readonly mayManage: (principal: Principal, uuid: string) => Effect.Effect<boolean, StoreUnavailable>
    /**
     * Temp keys of both kinds that the principal may manage, a page at a time: those with doors at several locks that they
     * made, then lock by lock the others, each oldest first. Ended ones too, but for those of a lock's own.
     */
    readonly list: (
      principal: Principal,
      query: TempKeyQuery,
      now: number
    ) => Effect.Effect<TempKeyPage, AskError | NoSuchLock | CursorUnknown>
    /**
     * The credential behind a link, as it is now, with all its doors; none when the uuid is that of a lock's own temp
     * key, or of nothing. The link is the permission.
     */
    readonly find: (uuid: string) => Effect.Effect<Option.Option<SharedCredential>, StoreUnavailable>
    /**
     * The credential whose PIN this is at a lock, whatever its status. Takes as long whether there is one or not, and
     * finds none that is not understood: a failure would tell a guesser that the PIN is right.
     */
    readonly findByPin: (
      lockId: number,
      pin: string,
      key: PinKey
    ) => Effect.Effect<SharedCredential | undefined, StoreUnavailable>
    /** Whether a key to several doors has, or had, one at the lock, as far as this process has heard. */
    readonly hasDoorsAt: (lockId: number) => boolean
    /** Whether the lock ever had a PIN. */
    readonly hasPins: (lockId: number) => boolean
    /** How many credentials that have not ended have a PIN that was made under another key than this one. */
    readonly strayPins: (key: PinKey, now: number) => number
  }
>()("@latchkey/core/SharedCredentials") {
  static readonly layer = Layer.effect(
    SharedCredentials,
    Effect.gen(function* () {
      const store = yield* EventStore
      const queries = yield* LockQueries
      const claims = yield* Claims
      const register = makeRegister()
      const feed = yield* Feed
      const { catchUp } = yield* feed.register({ category: Credentials.category }, register.take)
      /** One at a time draws a PIN: what one takes the next one sees. */
      const drawing = yield* Semaphore.make(1)
      const lockReader = lockReaders(queries, store)
      const pages = yield* tempKeyPages(register)
      const writing = sharedWriting({ store, register, catchUp, lockReader })
      const { replay, transact, receipted, withLink, isFree, pinOf, command } = writing

      const decideToMake = Effect.fnUntraced(function* (command: ShareCommand, key: PinKey, { lookUp }: LockReader) {
        const { uuid, receipt, principal, commandId: _, at: __, ifVersion: ___, ...request } = command
        const locks = yield* lookUp(request.doors)
        const decided = decideShare(request, locks, principal)
        if (Result.isFailure(decided)) return yield* Effect.fail(decided.failure)
        yield* areInService(locks)
        yield* catchUp()
        const created = decided.success
        yield* roomAt(created.doors, command.at)
        const events = [created, ...register.freePin(key, uuid, locksWithPin(created.doors), 0)]
        const orgIds = new Set(locks.map((lock) => lock?.orgId ?? ""))
        const orgId = orgIds.size === 1 ? ([...orgIds][0] ?? "") : ""
        return withLink({ ...receipted(uuid, 0, receipt, events), orgId }, uuid, uuid)
      })

      /** What gives a lock's own temp keys no more gives no doors there either. */
      const areInService = Effect.fnUntraced(function* (locks: ReadonlyArray<Lock | undefined>) {
        for (const lock of locks) {
          if (lock === undefined) continue
          const hindrance = outOfService(lock, "CreateTempKey")
          if (hindrance !== undefined) return yield* Effect.fail(hindrance)
          if (yield* claims.isDisputed(lock)) return yield* Effect.fail(new DeviceDisputed({ lockId: lock.lockId }))
        }
      })

      const roomAt = Effect.fnUntraced(function* (doors: ReadonlyArray<Door>, at: number) {
        for (const { lockId } of doors) {
          const open = register.ofLock(lockId).filter((shared) => !hasEnded(shared, at))
          if (open.length >= BOUNDS.tempKeys)
            return yield* Effect.fail(new LockFull({ lockId, what: "temp keys", bound: BOUNDS.tempKeys }))
        }
      })

      /** The credential that the command makes, or has made before. */
      const make = Effect.fnUntraced(function* (command: ShareCommand, key: PinKey, locks: LockReader) {
        let made: SharedCredential | undefined
        yield* transact(
          command.uuid,
          command,
          Effect.fnUntraced(function* ({ version }): Effect.fn.Return<Decision<SharedCredentialEvent>, ShareError> {
            made = yield* replay(command)
            if (made !== undefined) return { events: [] }
            const decision = yield* decideToMake(command, key, locks)
            yield* isFree(command.uuid)
            // A stream of this name without a record is of an older Latchkey that runs beside this one.
            return version === 0 ? decision : yield* Effect.fail(new LinkTaken())
          })
        )
        if (made !== undefined) return made
        yield* catchUp()
        return register.get(canonical(command.uuid))
      })

      /** The events that give doors which take a PIN one that is theirs at all their locks; none while they have it. */
      const pinFor = (credential: SharedCredential, doors: ReadonlyArray<Door>, key: PinKey, from?: number) => {
        const lockIds = locksWithPin(doors)
        const { pin } = credential
        const isOpened = (lockId: number) => pin?.hashes.some((hash) => hash.lockId === lockId) === true
        if (from === undefined && pin?.keyId === key.id && lockIds.every(isOpened)) return []
        return register.freePin(key, credential.uuid, lockIds, from ?? pin?.draw ?? 0)
      }

      return {
        share: (command, key) =>
          drawing.withPermit(
            Effect.gen(function* () {
              const locks = lockReader()
              const credential = yield* make(command, key, locks)
              if (credential === undefined) return yield* Effect.die(new Error("A new credential is not in its stream"))
              const pin = yield* pinOf(credential, command, key)
              return { ...(yield* locks.withLocks(credential)), pin }
            })
          ),

        change: (context, uuid, request, key) =>
          drawing.withPermit(
            command(
              context,
              uuid,
              Effect.fnUntraced(function* (credential, { lookUp }) {
                const locks = yield* lookUp(request.addDoors ?? [])
                const decided = decideChange(credential, request, locks, context.principal)
                if (Result.isFailure(decided)) return yield* Effect.fail(decided.failure)
                yield* areInService(locks)
                const { doors = [] } = decided.success[0] ?? {}
                yield* roomAt(
                  doors.filter(({ id }) => id > credential.lastDoor),
                  context.at
                )
                return { events: [...decided.success, ...pinFor(credential, doors, key)] }
              }),
              { key }
            )
          ),

        suspend: (context, uuid) =>
          command(context, uuid, (credential) => decidedBy(decideSuspend(credential)), { revokes: true }),

        resume: (context, uuid) => command(context, uuid, (credential) => decidedBy(decideResume(credential))),

        changeLink: (context, uuid, link) =>
          command(
            context,
            uuid,
            Effect.fnUntraced(function* (credential) {
              const { events } = yield* decidedBy(decideLink(credential, link))
              yield* isFree(link)
              return { events, link }
            })
          ),

        reissuePin: (context, uuid, key) =>
          drawing.withPermit(
            command(
              context,
              uuid,
              Effect.fnUntraced(function* (credential) {
                yield* decidedBy(decidePin(credential))
                const { doors, pin } = credential
                return { events: pinFor(credential, doors, key, pin === undefined ? 0 : pin.draw + 1) }
              }),
              { key }
            )
          ),

        revoke: (context, uuid) =>
          Effect.asVoid(
            command(context, uuid, (credential) => Effect.succeed({ events: decideRevoke(credential) }), {
              revokes: true
            })
          ),

        at: (uuid) => register.at(canonical(uuid)),

        mayManage: Effect.fnUntraced(function* (principal, uuid) {
          yield* catchUp()
          const credential = register.get(canonical(uuid))
          return credential !== undefined && (yield* lockReader().mayManage(principal, credential))
        }),

        list: Effect.fnUntraced(function* (principal, query, now) {
          yield* Effect.fromResult(permitScope(principal, "temp-keys", "Listing temp keys"))
          yield* catchUp()
          return yield* pages(principal, query, now)
        }),

        find: Effect.fnUntraced(function* (link) {
          yield* catchUp()
          const owner = Option.getOrUndefined(yield* streamOfLink(store, link))
          const uuid = owner === undefined ? register.ofLink(link)?.uuid : Credentials.idOf(owner)
          return uuid === undefined ? Option.none() : Option.fromUndefinedOr(yield* granting(register.at(uuid)))
        }),

        findByPin: (lockId, pin, key) =>
          Effect.map(catchUp(), () => {
            const found = register.ofPin(hashPin(key, lockId, pin))
            return found === undefined || register.at(found.uuid).unknown === undefined ? found : undefined
          }),

        hasDoorsAt: (lockId) => register.placesAt(lockId).length > 0,

        hasPins: register.hasPins,

        strayPins: (key, now) =>
          register.all().filter((credential) => {
            return credential.pin !== undefined && credential.pin.keyId !== key.id && !hasEnded(credential, now)
          }).length
      }
    })
  ).pipe(Layer.provide(Feed.layer))
}

const decidedBy = <E>(decided: Result.Result<ReadonlyArray<SharedCredentialEvent>, E>) =>
  Effect.map(Effect.fromResult(decided), (events) => ({ events }))

const hasEnded = (credential: SharedCredential, now: number): boolean => {
  const status = sharedStatusAt(credential, now)
  return status === "deleted" || status === "expired"
}
