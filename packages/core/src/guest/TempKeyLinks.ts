/**
 * A temp key as its guest meets it: by the link alone, whether it is on one lock or opens several doors. Anyone who has the
 * link learns what the key allows, and opens with it; which lock it is on, they need not know.
 */
import { Context, Duration, Effect, HashMap, HashSet, Layer, Option, Schema } from "effect"
import type { Hands } from "../lock/Giver.ts"
import { lockOfStream, streamOfLock } from "../lock/Lock.ts"
import type { CommandContext } from "../lock/LockCommand.ts"
import type { LockDescription } from "../lock/LockDescription.ts"
import { AccessDenied, type LockNotFound, type TooManyOpenings } from "../lock/LockError.ts"
import { descriptionOf } from "../lock/ShownDescription.ts"
import { canonical } from "../lock/TempKey.ts"
import { CommandOutcomes, type CommandStatus } from "../locks/CommandOutcomes.ts"
import { streamOfLink } from "../locks/Links.ts"
import { lockFinder } from "../locks/LockFinder.ts"
import { LockQueries } from "../locks/LockQueries.ts"
import { type Executed, type ExecuteError, Locks } from "../locks/Locks.ts"
import { presence } from "../locks/Presence.ts"
import { tempKeyAt } from "../locks/TempKeyNow.ts"
import { lookups } from "../read-model/Lookups.ts"
import { Projector } from "../read-model/Projector.ts"
import { ReadModel } from "../read-model/ReadModel.ts"
import { EventStore, type StoreUnavailable } from "../streams/EventStore.ts"
import { GuestOpenings } from "../temp-key/GuestOpenings.ts"
import type { PinKey } from "../temp-key/Pins.ts"
import { type Door, doorOf, hasLink, isGiven, type SharedCredential } from "../temp-key/SharedCredential.ts"
import {
  type DoorNeedsPin,
  type DoorNotFound,
  DoorNotNamed,
  type DoorWithdrawn
} from "../temp-key/SharedCredentialError.ts"
import { SharedCredentials } from "../temp-key/SharedCredentials.ts"
import { SharedDoors } from "../temp-key/SharedDoors.ts"
import type { Principal } from "../values/Principal.ts"
import { isId } from "../values/Text.ts"
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
    return "This temp key is for named users: sign in as one of them."
  }
}

/** What a link leads to: a temp key of a lock, or doors with numbers. */
export type Link =
  | { readonly _tag: "Lock"; readonly lockId: number }
  | { readonly _tag: "Doors"; readonly credential: SharedCredential }

/** A door that was told to open. */
export interface Opened {
  /** Version of the opening on its lock's stream: names it for `opening`. */
  readonly version: number
  /** Of a key that is on one lock. */
  readonly usedCount?: number
  /** Whether the lock was connected; when it is not, it opens only if it comes back in time. `undefined`: that cannot be told. */
  readonly online: boolean | undefined
}

/** Who opens, when and under which id; `userId` is the signed-in user. */
export interface OpenRequest extends Omit<CommandContext, "lockId"> {
  readonly link: string
  /** Which door, where the link leads to doors with numbers. */
  readonly doorId?: number | undefined
  readonly userId?: string
}

/** Why the link did not open the door. */
export type OpenError =
  | Exclude<ExecuteError, LockNotFound>
  | LinkNotFound
  | DoorNotNamed
  | DoorNotFound
  | DoorNeedsPin
  | DoorWithdrawn
  | SignInNeeded
  | TooManyOpenings

/** What a guest with a link sees and opens. */
export class TempKeyLinks extends Context.Service<
  TempKeyLinks,
  {
    /** What a link leads to: the one lookup that all the others go by. */
    readonly resolve: (link: string) => Effect.Effect<Link, LinkNotFound | StoreUnavailable>
    /** The key behind a link at an instant (epoch milliseconds), for the signed-in user if any; by `pinKey` its PIN is known. */
    readonly view: (
      link: string,
      userId: string | undefined,
      now: number,
      pinKey?: PinKey
    ) => Effect.Effect<GuestKey, LinkNotFound | StoreUnavailable>
    /**
     * Tells a door to open; a key that is on one lock is used in the same append. With a receipt, a retry answers what the
     * first try answered.
     */
    readonly open: (request: OpenRequest) => Effect.Effect<Opened, OpenError>
    /** When the link opened its lock, or this door, epoch milliseconds; none if that version is no such opening. */
    readonly opening: (
      link: string,
      doorId: number | undefined,
      version: number
    ) => Effect.Effect<Option.Option<number>, LinkNotFound | StoreUnavailable>
    /** What became of such an opening, if it has waited for the lock to answer for so long. */
    readonly outcome: (
      link: string,
      doorId: number | undefined,
      version: number,
      patience?: Duration.Duration
    ) => Effect.Effect<Option.Option<CommandStatus>, LinkNotFound | StoreUnavailable>
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
      const doors = yield* SharedDoors
      const openings = yield* GuestOpenings
      const find = yield* lockFinder
      const { handsOf, descriptionsOf } = lookups(yield* ReadModel)

      const resolve = Effect.fnUntraced(function* (link: string) {
        // Links are typed and cut by people.
        if (!isId(link)) return yield* Effect.fail(new LinkNotFound())
        const credential = Option.getOrUndefined(yield* credentials.find(link))
        if (credential !== undefined) return { _tag: "Doors", credential } satisfies Link
        const owner = Option.getOrUndefined(yield* streamOfLink(store, link))
        // Only what an older Latchkey makes beside this one has no record.
        const lockId = owner === undefined ? Option.getOrUndefined(yield* find(link)) : lockOfStream(owner)
        return lockId === undefined ? yield* Effect.fail(new LinkNotFound()) : ({ _tag: "Lock", lockId } satisfies Link)
      })

      // The link is the permission.
      const lockAt = (lockId: number) =>
        queries.lock(latchkey, lockId, "temp-keys").pipe(
          Effect.catchTag("LockNotFound", () => Effect.fail(new LinkNotFound())),
          Effect.catchTag("AccessDenied", Effect.die)
        )

      const outcomes = yield* CommandOutcomes
      const { of: isOnline, at: presenceAt } = yield* presence

      /**
       * By the rows of the locks, for a page alone: whether a door opens is judged at its lock. What has no row is not known
       * to be withdrawn, nor to be given, and nothing is said of it.
       */
      const doorsOf = Effect.fnUntraced(function* (credential: SharedCredential) {
        const lockIds = credential.doors.map(({ lockId }) => lockId)
        const rows = Effect.all([handsOf(lockIds), descriptionsOf(lockIds)])
        const [hands, said] = yield* Effect.orElseSucceed(
          rows,
          (): readonly [ReadonlyMap<number, Hands>, ReadonlyMap<number, LockDescription>] => [new Map(), new Map()]
        )
        return {
          isGivenNow: (door: Door): boolean | undefined => {
            const now = hands.get(door.lockId)
            return now && isGiven(credential, door, now)
          },
          saidOf: (lockId: number): LockDescription => said.get(lockId) ?? {}
        }
      })

      const openLock = Effect.fnUntraced(function* (lockId: number, { link, doorId: _, ...request }: OpenRequest) {
        const open = locks.execute({ ...request, _tag: "OpenWithTempKey", tempKeyUuid: link, lockId })
        const executed = yield* openings.counted({ link, lockId, at: request.at }, open).pipe(
          Effect.catchTag(["LockNotFound", "TempKeyNotFound"], () => Effect.fail(new LinkNotFound())),
          Effect.catchTag("NotOnWhitelist", () =>
            Effect.fail(request.userId === undefined ? new SignInNeeded() : notListed)
          )
        )
        return yield* Option.match(openedBy(executed), {
          onNone: () => Effect.die(new Error("An open recorded no use")),
          onSome: ({ thing, ...use }) => Effect.map(isOnline(thing), (online) => ({ ...use, online }))
        })
      })

      const opening = Effect.fnUntraced(function* (link: string, doorId: number | undefined, version: number) {
        if (doorId !== undefined) return yield* doors.opening(link, doorId, version)
        const found = yield* resolve(link)
        if (found._tag === "Doors") return Option.none()
        const [stored] = yield* store.read(streamOfLock(found.lockId), version - 1, 1)
        const isUse =
          stored?.type === "TempKeyUsed" && canonical(String(stored.data["tempKeyUuid"])) === canonical(link)
        return isUse ? Option.some(stored.at) : Option.none()
      })

      return {
        resolve,

        view: Effect.fnUntraced(function* (link, userId, now, pinKey) {
          const found = yield* resolve(link)
          if (found._tag === "Doors") {
            if (!hasLink(found.credential, link)) return { status: "deleted" }
            // Locks that were made just now are in the log before the read model knows them.
            yield* Effect.ignore(projector.catchUp(CATCH_UP))
            const onlineAt = yield* presenceAt(new Set(found.credential.doors.map(({ lockId }) => lockId)))
            const { isGivenNow, saidOf } = yield* doorsOf(found.credential)
            return guestKeyOfShared(found.credential, onlineAt, isGivenNow, saidOf, userId, now, pinKey)
          }
          const lock = yield* lockAt(found.lockId)
          const uuid = canonical(link)
          const key = Option.getOrUndefined(HashMap.get(lock.tempKeys, uuid))
          if (key !== undefined)
            return guestKeyOf(
              tempKeyAt(key, lock, now),
              lock.orgId,
              descriptionOf(lock),
              yield* isOnline(lock.uuid),
              userId
            )
          if (HashSet.has(lock.deletedTempKeys, uuid)) return { status: "deleted" }
          return yield* Effect.fail(new LinkNotFound())
        }),

        open: Effect.fnUntraced(function* (request) {
          const { link, doorId, userId, ...context } = request
          const found = yield* resolve(link)
          if (found._tag === "Lock") {
            return yield* doorId === undefined ? openLock(found.lockId, request) : Effect.fail(new LinkNotFound())
          }
          if (doorId === undefined) return yield* Effect.fail(new DoorNotNamed())
          const opened = yield* doors.open({ ...context, uuid: link, doorId, userId }).pipe(
            Effect.catchTag("SharedCredentialNotFound", () => Effect.fail(new LinkNotFound())),
            Effect.catchTag("NotOnWhitelist", () => Effect.fail(userId === undefined ? new SignInNeeded() : notListed))
          )
          return { version: opened.version, online: opened.online }
        }),

        opening,

        outcome: Effect.fnUntraced(function* (link, doorId, version, patience) {
          const opened = yield* opening(link, doorId, version)
          const lockId = Option.isNone(opened) ? undefined : lockOf(yield* resolve(link), doorId)
          if (lockId === undefined) return Option.none()
          const [stored] = yield* store.read(streamOfLock(lockId), version - 1, 1)
          if (stored === undefined) return Option.none()
          return yield* outcomes.of(latchkey, lockId, stored.commandId, patience).pipe(
            Effect.map(Option.some),
            // The use was recorded, and no device was told: by an API key, at the door.
            Effect.catchTag(["CommandNotFound", "LockNotFound"], () => Effect.succeedNone),
            Effect.catchTag("AccessDenied", Effect.die)
          )
        })
      }
    })
  )
}

/** Latchkey itself looks; what a guest is shown is up to `GuestKey.ts`. */
const latchkey: Principal = { _tag: "System" }

const notListed = new AccessDenied({ action: "Opening with this temp key", needed: "one of the users it is for" })

/** The lock of the link, or of this door of it. */
const lockOf = (link: Link, doorId: number | undefined): number | undefined =>
  link._tag === "Lock" ? link.lockId : doorId === undefined ? undefined : doorOf(link.credential, doorId)?.lockId

/** The use among the events of an open, and the thing that was told. */
const openedBy = ({ version, events }: Executed) => {
  const index = events.findIndex((event) => event._tag === "TempKeyUsed")
  const used = events[index]
  return used?._tag === "TempKeyUsed"
    ? Option.some({ version: version - (events.length - 1 - index), usedCount: used.usedCount, thing: used.lockUuid })
    : Option.none()
}
