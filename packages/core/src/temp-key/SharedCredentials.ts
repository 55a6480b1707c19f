/**
 * Shared credentials made, found, listed and revoked. All of them are kept in memory, folded from their streams: that
 * is how a PIN is found in one step, and how no PIN is given out twice at one lock.
 */
import { Context, Effect, Layer, Option, Result, Semaphore } from "effect"
import type { Lock } from "../lock/Lock.ts"
import type { CommandContext } from "../lock/LockCommand.ts"
import { AccessDenied, LockFull, TempKeyExists } from "../lock/LockError.ts"
import { BOUNDS } from "../lock/RequestFields.ts"
import { canonical } from "../lock/TempKey.ts"
import { type AskError, LockQueries } from "../locks/LockQueries.ts"
import { asOfCommand, type Decide, type Decision, granting } from "../streams/Category.ts"
import { EventStore, type StoreUnavailable } from "../streams/EventStore.ts"
import { Feed } from "../streams/Feed.ts"
import { earlierTry, givenFor, notGiven, ReceiptReused } from "../streams/Receipts.ts"
import type { CommandExists } from "../streams/Reservations.ts"
import type { Principal } from "../values/Principal.ts"
import { drawPin, hashPin, type PinKey } from "./Pins.ts"
import {
  Credentials,
  type Door,
  decideShare,
  isMaker,
  lockNamed,
  locksWithPin,
  mayShare,
  type SharedCredential,
  type SharedCredentialEvent,
  type ShareRequest,
  sharedStatusAt
} from "./SharedCredential.ts"
import { type EmptySharedWindow, NoSuchLock, SharedCredentialNotFound } from "./SharedCredentialError.ts"
import { makeRegister } from "./SharedRegister.ts"

/** Who asks, when and under which id. */
export type SharedContext = Omit<CommandContext, "lockId">

/** What is asked for, and the uuid of the new credential: the link, so it must be beyond guessing. */
export type ShareCommand = SharedContext & ShareRequest & { readonly uuid: string }

/** A shared credential, and what its doors' locks are called now. */
export interface Shared {
  readonly credential: SharedCredential
  readonly doors: ReadonlyArray<Door & { readonly lockUuid: string }>
}

/** Why the key was not made. */
export type ShareError =
  | NoSuchLock
  | AccessDenied
  | EmptySharedWindow
  | LockFull
  | TempKeyExists
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
    /** Ends a credential. One that has ended already stays as it is. */
    readonly revoke: (
      context: SharedContext,
      uuid: string
    ) => Effect.Effect<void, SharedCredentialNotFound | AccessDenied | CommandExists | StoreUnavailable>
    /** Whether the principal made the credential, or may give keys to all of its doors: only they are told its link. */
    readonly mayManage: (principal: Principal, uuid: string) => Effect.Effect<boolean, StoreUnavailable>
    /**
     * The credentials that a principal made or may make anew, oldest first, ended ones too; with `lockId`, only those
     * with a door at this lock.
     */
    readonly list: (
      principal: Principal,
      lockId?: string
    ) => Effect.Effect<ReadonlyArray<Shared>, AskError | NoSuchLock>
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
      const register = makeRegister()
      const feed = yield* Feed
      const { catchUp } = yield* feed.register({ category: Credentials.category }, register.take)
      /** One at a time draws a PIN: what one takes the next one sees. */
      const drawing = yield* Semaphore.make(1)

      const lockAt = (lockId: number): Effect.Effect<Lock | undefined, StoreUnavailable> =>
        queries.lock({ _tag: "System" }, lockId, "temp-keys").pipe(
          Effect.catchTag("LockNotFound", () => Effect.undefined),
          Effect.catchTag("AccessDenied", Effect.die)
        )

      /** Answers about locks of credentials as they are now; asks for each of them once. */
      const lockReader = () => {
        const read = new Map<number, Lock>()
        const find = Effect.fnUntraced(function* (lockId: number) {
          const known = read.get(lockId) ?? (yield* lockAt(lockId))
          if (known !== undefined) read.set(lockId, known)
          return known
        })
        const lockOf = (lockId: number) =>
          Effect.flatMap(find(lockId), (known) =>
            known === undefined
              ? Effect.die(new Error(`Lock ${lockId} is gone: locks never go`))
              : Effect.succeed(known)
          )
        return {
          /** The locks that the doors of a request name. */
          lookUp: (doors: ShareRequest["doors"]) =>
            Effect.forEach(doors, (door) => {
              const lockId = lockNamed(door.lockId)
              return lockId === undefined ? Effect.undefined : find(lockId)
            }),
          withLocks: (credential: SharedCredential): Effect.Effect<Shared, StoreUnavailable> =>
            Effect.map(
              Effect.forEach(credential.doors, (door) =>
                Effect.map(lockOf(door.lockId), ({ uuid }) => ({ ...door, lockUuid: uuid }))
              ),
              (doors) => ({ credential, doors })
            ),
          /** Whether the principal made the credential, or may give keys to all of its doors. */
          mayManage: Effect.fnUntraced(function* (principal: Principal, credential: SharedCredential) {
            if (isMaker(principal, credential)) return true
            for (const { lockId } of credential.doors) {
              if (Result.isFailure(mayShare(principal, yield* lockOf(lockId)))) return false
            }
            return true
          })
        }
      }

      /** What the first request with this receipt made. */
      const replay = Effect.fnUntraced(function* ({ receipt }: SharedContext) {
        const found = yield* earlierTry(store, receipt)
        if (Option.isNone(found)) return undefined
        const uuid = Credentials.idOf(found.value.streamId)
        if (uuid === undefined) return yield* Effect.fail(new ReceiptReused({ id: receipt?.id ?? "" }))
        yield* catchUp()
        return register.get(uuid)
      })

      /** Commands of credentials, whose errors are those of commands. */
      const transact = <E = never, R = never>(
        uuid: string,
        context: SharedContext,
        decide: Decide<SharedCredentialEvent, SharedCredential | undefined, E, R>,
        revokes = false
      ) =>
        Credentials.transact(canonical(uuid), { ...context, revokes }, decide, register.at(canonical(uuid))).pipe(
          asOfCommand(context),
          Effect.provideService(EventStore, store)
        )

      const decideToMake = Effect.fnUntraced(function* (
        command: ShareCommand,
        key: PinKey,
        { lookUp }: ReturnType<typeof lockReader>
      ) {
        const { uuid, receipt, principal, validFrom, validUntil, description, doors: wanted } = command
        const request = { validFrom, validUntil, doors: wanted, ...(description === undefined ? {} : { description }) }
        const locks = yield* lookUp(wanted)
        const decided = decideShare(request, locks, principal)
        if (Result.isFailure(decided)) return yield* Effect.fail(decided.failure)
        yield* catchUp()
        const created = decided.success
        for (const { lockId } of created.doors) {
          const open = register.ofLock(lockId).filter((shared) => !hasEnded(shared, command.at))
          if (open.length >= BOUNDS.tempKeys) {
            return yield* Effect.fail(new LockFull({ lockId, what: "temp keys", bound: BOUNDS.tempKeys }))
          }
        }
        const events = [created, ...register.freePin(key, uuid, locksWithPin(created.doors), 0)]
        const orgIds = new Set(locks.map((lock) => lock?.orgId ?? ""))
        const decision = { events, orgId: orgIds.size === 1 ? ([...orgIds][0] ?? "") : "" }
        if (receipt === undefined) return decision
        const streamId = Credentials.streamOf(canonical(uuid))
        return { ...decision, expect: [notGiven(receipt)], put: [givenFor(receipt, streamId, 0, events.length)] }
      })

      /** The credential that the command makes, or has made before. */
      const make = Effect.fnUntraced(function* (
        command: ShareCommand,
        key: PinKey,
        locks: ReturnType<typeof lockReader>
      ) {
        let made: SharedCredential | undefined
        yield* transact(
          command.uuid,
          command,
          Effect.fnUntraced(function* ({
            version,
            state
          }): Effect.fn.Return<Decision<SharedCredentialEvent>, ShareError> {
            made = yield* replay(command)
            if (made !== undefined) return { events: [] }
            const decision = yield* decideToMake(command, key, locks)
            if (version === 0) return decision
            const lockId = state?.doors[0]?.lockId ?? 0
            return yield* Effect.fail(new TempKeyExists({ lockId, tempKeyUuid: command.uuid }))
          })
        )
        if (made !== undefined) return made
        yield* catchUp()
        return register.get(canonical(command.uuid))
      })

      /** The credential's PIN. If another process took the same one at the same moment, and was first, it gets another. */
      const pinOf = Effect.fnUntraced(function* (made: SharedCredential, context: SharedContext, key: PinKey) {
        const lockIds = locksWithPin(made.doors)
        if (lockIds.length === 0) return null
        while (true) {
          const { state: credential = made, version } = register.at(made.uuid)
          if (credential.pin !== undefined && register.owns(credential, key)) {
            return drawPin(key, credential.uuid, credential.pin.draw)
          }
          const next = credential.pin === undefined ? 0 : credential.pin.draw + 1
          const events = register.freePin(key, made.uuid, lockIds, next)
          yield* transact(made.uuid, context, (now) =>
            // Unless a retry of the same request was quicker.
            now.version === version ? { events, suffixes: [String(version + 1)] } : []
          )
          yield* catchUp()
        }
      })

      /** What the principal may manage is among these; of other tenants' there is nothing here, however much they have. */
      const mayBeOf = Effect.fnUntraced(function* (principal: Principal) {
        const isOfAll = principal._tag === "Super" || principal._tag === "System"
        const lockIds = isOfAll ? Option.none() : yield* queries.locksOf(principal)
        // Who cannot be told which locks are theirs is looked for everywhere.
        return Option.match(lockIds, { onNone: register.all, onSome: (lockIds) => register.of(principal, lockIds) })
      })

      const atLock = Effect.fnUntraced(function* (principal: Principal, lockId: string) {
        const named = lockNamed(lockId)
        if (named === undefined) return yield* Effect.fail(new NoSuchLock({ field: "lockId" }))
        yield* queries.lock(principal, named, "temp-keys")
        return register.ofLock(named)
      })

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

        revoke: Effect.fnUntraced(function* (context, uuid) {
          yield* catchUp()
          yield* transact(
            uuid,
            context,
            Effect.fnUntraced(function* ({
              state: credential
            }): Effect.fn.Return<
              Decision<SharedCredentialEvent>,
              SharedCredentialNotFound | AccessDenied | StoreUnavailable
            > {
              if (credential === undefined) return yield* Effect.fail(new SharedCredentialNotFound())
              if (!(yield* lockReader().mayManage(context.principal, credential))) return yield* Effect.fail(notYours)
              if (credential.revokedAt !== undefined) return { events: [] }
              return { events: [{ _tag: "SharedCredentialRevoked" }], orgId: credential.orgId }
            }),
            true
          )
        }),

        mayManage: Effect.fnUntraced(function* (principal, uuid) {
          yield* catchUp()
          const credential = register.get(canonical(uuid))
          return credential !== undefined && (yield* lockReader().mayManage(principal, credential))
        }),

        list: Effect.fnUntraced(function* (principal, lockId) {
          yield* catchUp()
          const candidates = lockId === undefined ? yield* mayBeOf(principal) : yield* atLock(principal, lockId)
          const { mayManage, withLocks } = lockReader()
          const visible = yield* Effect.filter(candidates, (credential) => mayManage(principal, credential))
          return yield* Effect.forEach(
            visible.sort((a, b) => a.createdAt - b.createdAt || (a.uuid < b.uuid ? -1 : 1)),
            withLocks
          )
        }),

        find: Effect.fnUntraced(function* (uuid) {
          yield* catchUp()
          return Option.fromUndefinedOr(yield* granting(register.at(canonical(uuid))))
        }),

        findByPin: (lockId, pin, key) =>
          Effect.map(catchUp(), () => {
            const found = register.ofPin(hashPin(key, lockId, pin))
            return found === undefined || register.at(found.uuid).unknown === undefined ? found : undefined
          }),

        hasPins: register.hasPins,

        strayPins: (key, now) =>
          register.all().filter((credential) => {
            return credential.pin !== undefined && credential.pin.keyId !== key.id && !hasEnded(credential, now)
          }).length
      }
    })
  ).pipe(Layer.provide(Feed.layer))
}

const hasEnded = (credential: SharedCredential, now: number): boolean => {
  const status = sharedStatusAt(credential, now)
  return status === "deleted" || status === "expired"
}

const notYours = new AccessDenied({
  action: "Changing this temp key",
  needed: "its maker, or the owner or the organization of all its locks"
})
