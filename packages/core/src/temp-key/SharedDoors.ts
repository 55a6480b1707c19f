/**
 * Doors of shared credentials, opened by link or by PIN. What is allowed stands in the credential's stream, and that a
 * door was opened in its lock's: one append there, in two steps with the device command, as for every open. To a credential
 * with a limit on uses, the use is written together with that; to one without, nothing is written.
 */
import { Context, Duration, Effect, Layer, Option, Result, Schedule } from "effect"
import { permit } from "../lock/AccessPolicy.ts"
import { streamOfLock } from "../lock/Lock.ts"
import type { CommandOf } from "../lock/LockCommand.ts"
import { type LockNotFound, type NotOnWhitelist, TempKeyNotValid, type TooManyOpenings } from "../lock/LockError.ts"
import { usedIdOf } from "../locks/CountedUses.ts"
import { LockQueries } from "../locks/LockQueries.ts"
import { type ExecuteError, Locks } from "../locks/Locks.ts"
import { presence } from "../locks/Presence.ts"
import { makeRefusedUses } from "../locks/RefusedUses.ts"
import { EventStore, type StoreUnavailable } from "../streams/EventStore.ts"
import { heldOn } from "../streams/HeldUses.ts"
import { earlierTry, type RequestReceipt } from "../streams/Receipts.ts"
import type { Counting } from "../streams/Reservations.ts"
import { given } from "../values/given.ts"
import type { Principal } from "../values/Principal.ts"
import { GuestOpenings } from "./GuestOpenings.ts"
import { accountsOf } from "./PinAttempts.ts"
import { PinGuard } from "./PinGuard.ts"
import type { PinKey } from "./Pins.ts"
import {
  Credentials,
  type Door,
  doorForPin,
  doorOf,
  giverOfDoor,
  isGiven,
  linkHindrance,
  type SharedCredential,
  sharedStatusAt
} from "./SharedCredential.ts"
import {
  type DoorNeedsPin,
  DoorNotFound,
  DoorWithdrawn,
  type PinLockedOut,
  PinRefused,
  SharedCredentialNotFound
} from "./SharedCredentialError.ts"
import { type SharedContext, SharedCredentials } from "./SharedCredentials.ts"
import { lockReaders } from "./SharedLocks.ts"

/** How often, and after which pause, a use is tried again when others use the key at the same moment. */
const TRIES = 200
const PAUSE = Duration.millis(5)

/** A door that was told to open. */
export interface OpenedDoor {
  readonly doorId: number
  readonly lockId: number
  /** Version of the opening on its lock's stream: names it for `opening`. */
  readonly version: number
  /** Whether its lock was connected; when it is not, it opens only if it comes back in time. `undefined`: that cannot be told. */
  readonly online: boolean | undefined
}

export interface OpenByLink extends SharedContext {
  /** The uuid in the link: it is the permission. */
  readonly uuid: string
  readonly doorId: number
  /** The signed-in user, if any. */
  readonly userId?: string | undefined
}

export interface OpenByPin extends SharedContext {
  readonly lockId: number
  readonly pin: string
  /** Tell callers apart who are not signed in: the networks that they come from, the narrowest first. */
  readonly networks: ReadonlyArray<string>
  /** A name of the API key that was sent, if one was: each keypad of an organization has a budget of its own. */
  readonly apiKey?: string | undefined
}

/** Why a door was not opened. */
export type OpenDoorError = Exclude<ExecuteError, LockNotFound> | TooManyOpenings

/** Why a door opens to no guest whatever they show: its giver may not give it, or the lock has no hardware of its own. */
const OUT_OF_REACH = ["AccessDenied", "LockRetired", "DeviceLost", "DeviceDisputed"] as const

/** Opens doors of shared keys, by link or by PIN. */
export class SharedDoors extends Context.Service<
  SharedDoors,
  {
    /** Opens a door by the link. With a receipt, a retry answers what the first try answered. */
    readonly open: (
      request: OpenByLink
    ) => Effect.Effect<
      OpenedDoor,
      | OpenDoorError
      | SharedCredentialNotFound
      | DoorNotFound
      | DoorNeedsPin
      | DoorWithdrawn
      | TempKeyNotValid
      | NotOnWhitelist
    >
    /** When a door was opened, epoch milliseconds; none if that version is no opening of this door by this credential. */
    readonly opening: (
      uuid: string,
      doorId: number,
      version: number
    ) => Effect.Effect<Option.Option<number>, StoreUnavailable>
    /**
     * Opens a lock by PIN. A PIN that opens nothing is refused the same way whatever the reason, and counts. With a
     * receipt, a retry is judged anew, but the lock is told once.
     */
    readonly openByPin: (
      request: OpenByPin,
      key: PinKey
    ) => Effect.Effect<OpenedDoor, OpenDoorError | PinRefused | PinLockedOut>
  }
>()("@latchkey/core/SharedDoors") {
  static readonly layer = Layer.effect(
    SharedDoors,
    Effect.gen(function* () {
      const store = yield* EventStore
      const { of: isOnline } = yield* presence
      const locks = yield* Locks
      const queries = yield* LockQueries
      const credentials = yield* SharedCredentials
      const guard = yield* PinGuard
      const openings = yield* GuestOpenings
      const keepRefusedUse = yield* makeRefusedUses
      const lockReader = lockReaders(queries, store)

      /**
       * The uses of a key with a limit are counted in its own stream, in the write of the opening; until that is settled,
       * each is held, and counts. None of it is asked for a key without a limit.
       */
      const counting = Effect.fnUntraced(function* (
        credential: SharedCredential,
        { id: doorId, lockId }: Door,
        { commandId, at, principal }: SharedContext
      ): Effect.fn.Return<Counting | undefined, StoreUnavailable | TempKeyNotValid> {
        const { uuid, link: tempKeyUuid } = credential
        if (credential.maxUses === null) return undefined
        const streamId = Credentials.streamOf(uuid)
        const held = yield* heldOn(store, streamId)
        // As one value, and after what is held: the use rests on exactly this version, and on this record.
        const { state: now = credential, version, at: last } = credentials.at(uuid)
        const others = held.commandIds.filter((other) => other !== commandId)
        const status = sharedStatusAt({ ...now, usedCount: now.usedCount + others.length }, at)
        if (status !== "valid") return yield* Effect.fail(new TempKeyNotValid({ lockId, tempKeyUuid, status }))
        const used = Credentials.encode({ _tag: "SharedCredentialUsed", lockId, doorId })
        const event = {
          ...used,
          eventId: usedIdOf(commandId),
          at: Math.max(at, last),
          orgId: yield* lockReader().toldTo(credential, [lockId]),
          principal,
          commandId
        }
        return { streamId, version, held: held.value, event }
      })

      const tell = Effect.fnUntraced(function* (
        context: SharedContext,
        credential: SharedCredential,
        door: Door,
        via: CommandOf<"OpenDoor">["via"]
      ) {
        const { at, receipt } = context
        const { link } = credential
        const { id: doorId, lockId } = door
        // A retry is answered as it was, and counts no more.
        const count = (yield* isRetry(context)) ? undefined : yield* counting(credential, door, context)
        const open = locks.execute({ ...openingOf(context, credential, door, via), ...given({ receipt, count }) })
        const executed = yield* openings
          .counted({ link, lockId, at }, open)
          // A lock that was there once is there forever.
          .pipe(Effect.catchTag("LockNotFound", Effect.die))
        const opened = executed.events[0]
        const thing = opened !== undefined && "uuid" in opened ? opened.uuid : ""
        return { doorId, lockId, version: executed.version, online: yield* isOnline(thing) }
      })

      /** Tells the door; when another use of the key came in between, all is judged anew. */
      const overtaken = <A, E extends { readonly _tag: string }>(attempt: Effect.Effect<A, E>) =>
        Effect.retry(attempt, {
          while: (error) => error._tag === "CountMoved",
          schedule: Schedule.spaced(PAUSE),
          times: TRIES
        })

      /** Whether it was carried out before: then it is answered as it was, whatever has become of the credential. */
      const isRetry = ({ receipt }: SharedContext) => Effect.map(earlierTry(store, receipt), Option.isSome)

      const lockAt = (lockId: number) => lockReader().find(lockId)

      /** Asks for the lock only on behalf of who is signed in: to strangers all locks are alike, also in time. */
      const mayOpen = Effect.fnUntraced(function* (principal: Principal, lockId: number) {
        if (principal._tag === "Guest" || principal._tag === "System") return false
        const lock = yield* lockAt(lockId)
        return lock !== undefined && Result.isSuccess(permit(principal, lock, "OpenLock"))
      })

      return {
        open: ({ uuid: link, doorId, userId, ...context }) =>
          overtaken(
            Effect.gen(function* () {
              const credential = Option.getOrUndefined(yield* credentials.find(link))
              if (credential === undefined) return yield* Effect.fail(new SharedCredentialNotFound())
              const door = doorOf(credential, doorId)
              if (door === undefined) return yield* Effect.fail(new DoorNotFound({ doorId }))
              const hindrance = linkHindrance(credential, door, link, userId, context.at)
              const told = Effect.gen(function* () {
                if (hindrance !== undefined && !(yield* isRetry(context))) return yield* Effect.fail(hindrance)
                return yield* tell(context, credential, door, "link")
              })
              return yield* told.pipe(
                // What the lock itself refuses, it keeps.
                Effect.tapErrorTag(["TempKeyNotValid", "NotOnWhitelist", "DoorNeedsPin"], (refusal) =>
                  Effect.ignore(
                    Effect.flatMap(lockAt(door.lockId), (lock) =>
                      keepRefusedUse(openingOf(context, credential, door, "link"), lock, refusal)
                    )
                  )
                ),
                Effect.catchTag(OUT_OF_REACH, () => Effect.fail(new DoorWithdrawn({ doorId })))
              )
            })
          ),

        opening: Effect.fnUntraced(function* (uuid, doorId, version) {
          const credential = Option.getOrUndefined(yield* credentials.find(uuid))
          const door = credential === undefined ? undefined : doorOf(credential, doorId)
          if (credential === undefined || door === undefined) return Option.none()
          const [stored] = yield* store.read(streamOfLock(door.lockId), version - 1, 1)
          const { credentialUuid, doorId: opened } = stored?.data ?? {}
          return stored !== undefined && credentialUuid === credential.uuid && opened === doorId
            ? Option.some(stored.at)
            : Option.none()
        }),

        openByPin: Effect.fnUntraced(function* ({ lockId, pin, networks, apiKey, ...context }, key) {
          const { principal, at, receipt } = context
          const caller = { principal, networks, apiKey, mayOpen: yield* mayOpen(principal, lockId) }
          const accounts = accountsOf(key, caller, lockId, credentials.hasPins(lockId))
          const userId = "userId" in principal ? principal.userId : undefined
          const judge = Effect.gen(function* () {
            const credential = yield* credentials.findByPin(lockId, pin, key)
            const door = credential === undefined ? undefined : doorForPin(credential, lockId, userId, at)
            if (credential === undefined || door === undefined) return Result.fail(credential?.uuid)
            const lock = yield* lockAt(lockId)
            return lock !== undefined && isGiven(credential, door, lock)
              ? Result.succeed({ credential, door })
              : Result.fail(credential.uuid)
          })
          const told = ({ credential, door }: { readonly credential: SharedCredential; readonly door: Door }) => {
            const kept = receipt === undefined ? context : { ...context, receipt: receiptOf(receipt, credential, key) }
            return Effect.catchTag(tell(kept, credential, door, "PIN"), [...OUT_OF_REACH, "TempKeyNotValid"], () =>
              Effect.fail(new PinRefused())
            )
          }
          let judged: Effect.Success<typeof judge> = Result.succeed(
            yield* guard.attempt({ ...context, lockId, accounts }, judge)
          )
          return yield* overtaken(
            Effect.suspend(() =>
              Result.isSuccess(judged) ? told(judged.success) : Effect.fail(new PinRefused())
            ).pipe(
              // The PIN was right; whether its key has a use left is seen anew.
              Effect.tapErrorTag("CountMoved", () => Effect.map(judge, (now) => void (judged = now)))
            )
          )
        })
      }
    })
  )
}

/** What the lock of a door is asked. */
const openingOf = (
  { commandId, at, principal }: SharedContext,
  credential: SharedCredential,
  door: Door,
  via: CommandOf<"OpenDoor">["via"]
): CommandOf<"OpenDoor"> => ({
  _tag: "OpenDoor",
  lockId: door.lockId,
  commandId,
  at,
  principal,
  credentialUuid: credential.uuid,
  tempKeyId: credential.id,
  doorId: door.id,
  via,
  giver: giverOfDoor(credential, door)
})

/**
 * Of those who type PINs nothing is known but the PIN: two guests of one lock who send the same key must not meet. The
 * fingerprint is of a body that holds the PIN: without the key it must tell nothing of it.
 */
const receiptOf = (
  { id, fingerprint, earlier, ...rest }: RequestReceipt,
  credential: SharedCredential,
  key: PinKey
): RequestReceipt => {
  const hidden = (fingerprint: string) => key.digest(`receipt\n${fingerprint}`)
  return {
    ...rest,
    id: key.digest(`receipt of\n${credential.uuid}\n${id}`),
    fingerprint: hidden(fingerprint),
    ...(earlier === undefined ? {} : { earlier: { ...earlier, fingerprint: hidden(earlier.fingerprint) } })
  }
}
