/**
 * A temp key as its guest meets it: by the link alone. Whoever has the link learns what the key allows, and opens with
 * it; which lock it is on, they need not know.
 */
import { Context, Duration, Effect, HashMap, HashSet, Layer, Option, Schema } from "effect"
import { streamOfLock } from "../lock/Lock.ts"
import type { CommandContext } from "../lock/LockCommand.ts"
import { AccessDenied, type LockNotFound, type TooManyOpenings } from "../lock/LockError.ts"
import { canonical } from "../lock/TempKey.ts"
import { lockFinder } from "../locks/LockFinder.ts"
import { LockQueries } from "../locks/LockQueries.ts"
import { type Executed, type ExecuteError, Locks } from "../locks/Locks.ts"
import { presence } from "../locks/Presence.ts"
import { Projector } from "../read-model/Projector.ts"
import { EventStore, type StoreUnavailable } from "../streams/EventStore.ts"
import { GuestOpenings } from "../temp-key/GuestOpenings.ts"
import { DoorNotNamed } from "../temp-key/SharedCredentialError.ts"
import { SharedCredentials } from "../temp-key/SharedCredentials.ts"
import type { Principal } from "../values/Principal.ts"
import { UuidText } from "../values/Text.ts"
import { type GuestKey, guestKeyOf, guestKeyOfShared } from "./GuestKey.ts"

/** How long a page of several doors waits for the read model: it shows no more than whether their locks are connected. */
const CATCH_UP = Duration.millis(100)

/** No temp key ever had this link. */
export class LinkNotFound extends Schema.TaggedError<LinkNotFound>()("LinkNotFound", {}) {
  override get message() {
    return "There is no temp key with this link. Check that the link is complete, or ask for a new one."
  }
}

/** The key is for named users, and nobody is signed in. */
export class SignInNeeded extends Schema.TaggedError<SignInNeeded>()("SignInNeeded", {}) {
  override get message() {
    return "This temp key is for named users: sign in as one of them, with Authorization: Bearer and a user's token."
  }
}

/** A door that was told to open. */
export interface Opened {
  /** Version of the use on its lock's stream: names it for `use`. */
  readonly version: number
  readonly usedCount: number
  /** Whether the lock was connected; when it is not, it opens only if it comes back in time. `undefined`: nobody can tell. */
  readonly online: boolean | undefined
}

/** Who opens, when and under which id; `userId` is the signed-in user. */
export interface OpenRequest extends Omit<CommandContext, "lockId"> {
  readonly tempKeyUuid: string
  readonly userId?: string
}

/** Why the link did not open the door. */
export type OpenError =
  | Exclude<ExecuteError, LockNotFound>
  | LinkNotFound
  | DoorNotNamed
  | SignInNeeded
  | TooManyOpenings

/** What who has a link sees, and opens. */
export class TempKeyLinks extends Context.Service<
  TempKeyLinks,
  {
    /** The key behind a link, of one lock or shared, at an instant (epoch milliseconds), for the signed-in user if any. */
    readonly view: (
      tempKeyUuid: string,
      userId: string | undefined,
      now: number
    ) => Effect.Effect<GuestKey, LinkNotFound | StoreUnavailable>
    /** Uses the key and tells its door to open: both or neither. With a receipt, a retry answers what the first try answered. */
    readonly open: (request: OpenRequest) => Effect.Effect<Opened, OpenError>
    /** When the key was used, epoch milliseconds; none if that version is no use of this key. */
    readonly use: (
      tempKeyUuid: string,
      version: number
    ) => Effect.Effect<Option.Option<number>, LinkNotFound | StoreUnavailable>
  }
>()("@latchkey/core/TempKeyLinks") {
  static readonly layer = Layer.effect(
    TempKeyLinks,
    Effect.gen(function* () {
      const store = yield* EventStore
      const locks = yield* Locks
      const queries = yield* LockQueries
      const credentials = yield* SharedCredentials
      const projector = yield* Projector
      const openings = yield* GuestOpenings
      const find = yield* lockFinder

      const lockOf = (tempKeyUuid: string) =>
        Effect.flatMap(
          isUuid(tempKeyUuid) ? find(tempKeyUuid) : Effect.succeedNone,
          Option.match({ onNone: () => Effect.fail(new LinkNotFound()), onSome: Effect.succeed })
        )

      const notFound = (tempKeyUuid: string) =>
        Effect.flatMap(credentials.find(tempKeyUuid), (shared) =>
          Effect.fail(Option.isSome(shared) ? new DoorNotNamed() : new LinkNotFound())
        )

      // The link is the permission.
      const lockAt = (lockId: number) =>
        queries.lock(latchkey, lockId, "temp-keys").pipe(
          Effect.catchTag("LockNotFound", () => Effect.fail(new LinkNotFound())),
          Effect.catchTag("AccessDenied", Effect.die)
        )
      const lockBehind = (tempKeyUuid: string) => Effect.flatMap(lockOf(tempKeyUuid), lockAt)

      const { of: isOnline, at: presenceAt } = yield* presence

      return {
        view: Effect.fnUntraced(function* (tempKeyUuid, userId, now) {
          const shared = Option.getOrUndefined(yield* credentials.find(tempKeyUuid))
          if (shared !== undefined) {
            // Locks that were made just now are in the log before the read model knows them.
            yield* Effect.ignore(projector.catchUp(CATCH_UP))
            const onlineAt = yield* presenceAt(new Set(shared.doors.map(({ lockId }) => lockId)))
            return guestKeyOfShared(shared, onlineAt, now)
          }
          const lock = yield* lockBehind(tempKeyUuid)
          const uuid = canonical(tempKeyUuid)
          const key = Option.getOrUndefined(HashMap.get(lock.tempKeys, uuid))
          if (key !== undefined) return guestKeyOf(key, yield* isOnline(lock.uuid), userId, now)
          if (HashSet.has(lock.deletedTempKeys, uuid)) return { status: "deleted" }
          return yield* Effect.fail(new LinkNotFound())
        }),

        open: Effect.fnUntraced(function* (request) {
          const { tempKeyUuid } = request
          const lockId = yield* Effect.catchTag(lockOf(tempKeyUuid), "LinkNotFound", () => notFound(tempKeyUuid))
          const open = locks.execute({ ...request, _tag: "OpenWithTempKey", lockId })
          const executed = yield* openings.counted({ link: tempKeyUuid, lockId, at: request.at }, open).pipe(
            Effect.catchTag(["LockNotFound", "TempKeyNotFound"], () => Effect.fail(new LinkNotFound())),
            Effect.catchTag("NotOnWhitelist", () =>
              Effect.fail(request.userId === undefined ? new SignInNeeded() : notListed)
            )
          )
          return yield* Option.match(openedBy(executed), {
            onNone: () => Effect.die(new Error("An open recorded no use")),
            onSome: ({ thing, ...use }) => Effect.map(isOnline(thing), (online) => ({ ...use, online }))
          })
        }),

        use: Effect.fnUntraced(function* (tempKeyUuid, version) {
          const lock = yield* lockBehind(tempKeyUuid)
          const [stored] = yield* store.read(streamOfLock(lock.lockId), version - 1, 1)
          const isUse =
            stored?.type === "TempKeyUsed" && canonical(String(stored.data["tempKeyUuid"])) === canonical(tempKeyUuid)
          return isUse ? Option.some(stored.at) : Option.none()
        })
      }
    })
  )
}

/** Links are typed and cut by people: whatever is no UUID is no key. */
const isUuid = Schema.is(UuidText)

/** Latchkey itself looks; what a guest is shown is up to `GuestKey.ts`. */
const latchkey: Principal = { _tag: "System" }

const notListed = new AccessDenied({ action: "Opening with this temp key", needed: "one of the users that it is for" })

/** The use among the events of an open, and the thing that was told. */
const openedBy = ({ version, events }: Executed) => {
  const index = events.findIndex((event) => event._tag === "TempKeyUsed")
  const used = events[index]
  return used?._tag === "TempKeyUsed"
    ? Option.some({ version: version - (events.length - 1 - index), usedCount: used.usedCount, thing: used.lockUuid })
    : Option.none()
}
