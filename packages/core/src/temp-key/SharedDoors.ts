/**
 * Doors of shared credentials, opened by link or by PIN. What is allowed stands in the credential's stream, and that a
 * door was opened in its lock's: one append there, in two steps with the device command, as for every open. Nothing is
 * written to the credential, so there is nothing between the two that a crash could leave half done.
 */
import { Context, Effect, Layer, Option, Result } from "effect"
import { permit } from "../lock/AccessPolicy.ts"
import { streamOfLock } from "../lock/Lock.ts"
import type { CommandOf } from "../lock/LockCommand.ts"
import type { LockNotFound, TempKeyNotValid, TooManyOpenings } from "../lock/LockError.ts"
import { LockQueries } from "../locks/LockQueries.ts"
import { type ExecuteError, Locks } from "../locks/Locks.ts"
import { presence } from "../locks/Presence.ts"
import { EventStore, type StoreUnavailable } from "../streams/EventStore.ts"
import { earlierTry, type RequestReceipt } from "../streams/Receipts.ts"
import type { Principal } from "../values/Principal.ts"
import { GuestOpenings } from "./GuestOpenings.ts"
import { accountsOf } from "./PinAttempts.ts"
import { PinGuard } from "./PinGuard.ts"
import type { PinKey } from "./Pins.ts"
import { type Door, doorForPin, doorOf, linkHindrance, mayShare, type SharedCredential } from "./SharedCredential.ts"
import {
  type DoorNeedsPin,
  DoorNotFound,
  DoorWithdrawn,
  type PinLockedOut,
  PinRefused,
  SharedCredentialNotFound
} from "./SharedCredentialError.ts"
import { type SharedContext, SharedCredentials } from "./SharedCredentials.ts"

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

/** Opens doors of shared keys, by link or by PIN. */
export class SharedDoors extends Context.Service<
  SharedDoors,
  {
    /** Opens a door by the link. With a receipt, a retry answers what the first try answered. */
    readonly open: (
      request: OpenByLink
    ) => Effect.Effect<
      OpenedDoor,
      OpenDoorError | SharedCredentialNotFound | DoorNotFound | DoorNeedsPin | DoorWithdrawn | TempKeyNotValid
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

      const tell = Effect.fnUntraced(function* (
        context: SharedContext,
        { uuid, grantedBy }: SharedCredential,
        { id: doorId, lockId }: Door,
        via: CommandOf<"OpenDoor">["via"]
      ) {
        const { commandId, at, principal, receipt } = context
        const open = locks.execute({
          _tag: "OpenDoor",
          lockId,
          commandId,
          at,
          principal,
          ...(receipt === undefined ? {} : { receipt }),
          credentialUuid: uuid,
          doorId,
          via,
          grantedBy
        })
        const executed = yield* openings
          .counted({ link: uuid, lockId, at }, open)
          // A lock that was there once is there forever.
          .pipe(Effect.catchTag("LockNotFound", Effect.die))
        const opened = executed.events[0]
        const thing = opened !== undefined && "uuid" in opened ? opened.uuid : ""
        return { doorId, lockId, version: executed.version, online: yield* isOnline(thing) }
      })

      /** Whether it was carried out before: then it is answered as it was, whatever has become of the credential. */
      const isRetry = ({ receipt }: SharedContext) => Effect.map(earlierTry(store, receipt), Option.isSome)

      const lockAt = (lockId: number) =>
        queries.lock({ _tag: "System" }, lockId, "temp-keys").pipe(
          Effect.catchTag("LockNotFound", () => Effect.undefined),
          Effect.catchTag("AccessDenied", Effect.die)
        )

      /** Asks for the lock only on behalf of who is signed in: to strangers all locks are alike, also in time. */
      const mayOpen = Effect.fnUntraced(function* (principal: Principal, lockId: number) {
        if (principal._tag === "Guest" || principal._tag === "System") return false
        const lock = yield* lockAt(lockId)
        return lock !== undefined && Result.isSuccess(permit(principal, lock, "OpenLock"))
      })

      return {
        open: Effect.fnUntraced(function* ({ uuid, doorId, ...context }) {
          const credential = Option.getOrUndefined(yield* credentials.find(uuid))
          if (credential === undefined) return yield* Effect.fail(new SharedCredentialNotFound())
          const door = doorOf(credential, doorId)
          if (door === undefined) return yield* Effect.fail(new DoorNotFound({ doorId }))
          const hindrance = linkHindrance(credential, door, context.at)
          if (hindrance !== undefined && !(yield* isRetry(context))) return yield* Effect.fail(hindrance)
          return yield* Effect.catchTag(tell(context, credential, door, "link"), "AccessDenied", () =>
            Effect.fail(new DoorWithdrawn({ doorId }))
          )
        }),

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
          const { credential, door } = yield* guard.attempt(
            { ...context, lockId, accounts },
            Effect.gen(function* () {
              const credential = yield* credentials.findByPin(lockId, pin, key)
              const door = credential === undefined ? undefined : doorForPin(credential, lockId, at)
              if (credential === undefined || door === undefined) return Result.fail(credential?.uuid)
              const lock = yield* lockAt(lockId)
              const may = lock !== undefined && Result.isSuccess(mayShare(credential.grantedBy, lock))
              return may ? Result.succeed({ credential, door }) : Result.fail(credential.uuid)
            })
          )
          const kept = receipt === undefined ? context : { ...context, receipt: receiptOf(receipt, credential, key) }
          return yield* Effect.catchTag(tell(kept, credential, door, "PIN"), "AccessDenied", () =>
            Effect.fail(new PinRefused())
          )
        })
      }
    })
  )
}

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
