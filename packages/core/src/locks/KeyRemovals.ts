/**
 * Many keys removed by one request: those that a lock has inherited, or all that somebody holds. Each is a command of its
 * lock like any other, and one answer says what became of each.
 *
 * With a receipt, the keys are written down before the first of them goes: the same request again goes on with those, and
 * no key is removed twice.
 */
import { Clock, Context, Duration, Effect, Layer, Option, Schedule, Schema } from "effect"
import { stands } from "../lock/AccessPolicy.ts"
import { LockId } from "../lock/Lock.ts"
import { type CommandContext, isAsExpected } from "../lock/LockCommand.ts"
import { type LockNotFound, VersionMoved } from "../lock/LockError.ts"
import type { ReadModelUnavailable } from "../read-model/ReadModel.ts"
import { EventStore } from "../streams/EventStore.ts"
import { earlierTry, givenFor, notGiven, type ReceiptReused, type RequestReceipt } from "../streams/Receipts.ts"
import { unreadable } from "../streams/Records.ts"
import type { CommandExists } from "../streams/Reservations.ts"
import { type AskError, LockQueries } from "./LockQueries.ts"
import { type ExecuteError, Locks } from "./Locks.ts"

/** A key on a lock, as a removal names it; `userId` is its holder. */
const NamedKey = Schema.Struct({
  lockId: LockId,
  keyUuid: Schema.String,
  keyIndexNumber: Schema.optionalKey(Schema.Int),
  userId: Schema.optionalKey(Schema.String)
})
type NamedKey = typeof NamedKey.Type

/** What became of the keys of one lock. What failed is still there: ask again. */
export interface RemovedKeys {
  readonly lockId: number
  readonly removed: ReadonlyArray<RemovedKey>
  readonly failed: ReadonlyArray<RemovedKey & { readonly reason: string }>
}
type RemovedKey = Pick<NamedKey, "keyUuid" | "keyIndexNumber">

/** Why no key was removed, or it is not known which. */
export type RemovalError = AskError | VersionMoved | ReceiptReused | CommandExists

/** Who asks, when and under which id: of no single lock. */
type Asked = Omit<CommandContext, "lockId" | "ifVersion">

/** How long keys are begun with. What has failed by then may be asked for again. */
const PATIENCE = Duration.seconds(15)
/** What holds a lock up is settled meanwhile. */
const AGAIN = Schedule.max([Schedule.exponential(Duration.millis(100)), Schedule.recurs(4)])
/** Locks at once. */
const LOCKS = 8

/** Keys of one request. */
const MOST = 1_000

/** What a request is about, kept when it has a receipt. */
const Kept = Schema.fromJsonString(
  Schema.Struct({ commandId: Schema.String, keys: Schema.Array(NamedKey), more: Schema.Boolean })
)
interface Found {
  readonly keys: ReadonlyArray<NamedKey>
  readonly more: boolean
}
const decode = Schema.decodeEffect(Kept)
const encode = Schema.encodeSync(Kept)
/** Storage. */
const keptKey = ({ id }: RequestReceipt): string => `removal/${id}`

/** Removes many keys in one request. */
export class KeyRemovals extends Context.Service<
  KeyRemovals,
  {
    /** Removes the keys that a lock has from those who had it before. With a receipt, a retry goes on with the same keys. */
    readonly inherited: (context: CommandContext) => Effect.Effect<RemovedKeys, RemovalError>
    /**
     * Removes all keys that a user holds: a user their own, an organization those on its locks. By lock; `more` says that
     * there were too many for one request.
     */
    readonly ofUser: (
      userId: string,
      context: Omit<CommandContext, "lockId" | "ifVersion">
    ) => Effect.Effect<
      { readonly locks: ReadonlyArray<RemovedKeys>; readonly more: boolean },
      Exclude<RemovalError, LockNotFound | VersionMoved> | ReadModelUnavailable
    >
  }
>()("@latchkey/core/KeyRemovals") {
  static readonly layer = Layer.effect(
    KeyRemovals,
    Effect.gen(function* () {
      const store = yield* EventStore
      const locks = yield* Locks
      const queries = yield* LockQueries

      /** The keys that the request is about: those of its first try. */
      const keysOf = Effect.fnUntraced(function* <E>({ commandId, receipt }: Asked, found: Effect.Effect<Found, E>) {
        if (receipt === undefined) return { commandId, ...(yield* found) }
        const again = Effect.flatMap(earlierTry(store, receipt), (earlier) =>
          Option.isNone(earlier) ? Effect.undefined : kept(receipt)
        )
        const first = (yield* again) ?? { commandId, ...(yield* found) }
        const until = receipt.expiresAt === undefined ? {} : { until: receipt.expiresAt }
        const put = [givenFor(receipt, "removal", 0, 0), { key: keptKey(receipt), value: encode(first), ...until }]
        return yield* store.write({ expect: [notGiven(receipt)], put }).pipe(
          Effect.as(first),
          // Another try was quicker, or this is one: it was read above.
          Effect.catchTag("RecordConflict", () => Effect.map(again, (kept) => kept ?? first)),
          Effect.catchTag(["EventExists", "VersionConflict"], Effect.die)
        )
      })

      const kept = Effect.fnUntraced(function* (receipt: RequestReceipt) {
        const key = keptKey(receipt)
        const record = yield* store.record(key)
        // Records of receipts may be lost: then the keys are those that are there now.
        if (Option.isNone(record)) return undefined
        return yield* Effect.mapError(decode(record.value), (cause) => unreadable(key, cause))
      })

      const remove = Effect.fnUntraced(function* (context: Asked, { lockId, ...key }: NamedKey, commandId: string) {
        const { receipt, principal } = context
        const once = { ...context, lockId, commandId, ...(receipt && { receipt: receiptOf(receipt, commandId) }) }
        const { keyUuid, userId } = key
        return yield* locks
          .execute(
            userId !== undefined && principal._tag === "User"
              ? { ...once, _tag: "GiveUpKey", keyUuid }
              : { ...once, _tag: "RemoveKey", keyUuid, ...(userId !== undefined && { userId }) }
          )
          .pipe(
            Effect.as(undefined),
            // It is gone, whoever removed it.
            Effect.catchTag("KeyNotFound", () => Effect.undefined)
          )
      })

      /** One lock's keys, one after the other. */
      const removeAtLock = Effect.fnUntraced(function* (
        context: Asked,
        lockId: number,
        keys: ReadonlyArray<{ readonly key: NamedKey; readonly commandId: string }>,
        until: number
      ) {
        const removed: Array<RemovedKey> = []
        const failed: Array<RemovedKey & { readonly reason: string }> = []
        for (const { key, commandId } of keys) {
          const { keyUuid, keyIndexNumber } = key
          const named = { keyUuid, ...(keyIndexNumber !== undefined && { keyIndexNumber }) }
          if ((yield* Clock.currentTimeMillis) > until) {
            failed.push({ ...named, reason: TOO_LONG })
            continue
          }
          const reason = yield* Effect.retry(remove(context, key, commandId), { schedule: AGAIN, while: mayPass }).pipe(
            Effect.catch((error) =>
              error._tag === "StoreUnavailable" || error._tag === "ReceiptReused" || error._tag === "CommandExists"
                ? Effect.fail(error)
                : Effect.succeed(error.message)
            )
          )
          if (reason === undefined) removed.push(named)
          else failed.push({ ...named, reason })
        }
        return { lockId, removed, failed }
      })

      const removeAll = Effect.fnUntraced(function* <E>(context: Asked, found: Effect.Effect<Found, E>) {
        const { commandId, keys, more } = yield* keysOf(context, found)
        const byLock = Map.groupBy(
          keys.map((key, index) => ({ key, commandId: `${commandId}-${index}` })),
          ({ key }) => key.lockId
        )
        const until = (yield* Clock.currentTimeMillis) + Duration.toMillis(PATIENCE)
        const locks = yield* Effect.forEach(byLock, ([lockId, keys]) => removeAtLock(context, lockId, keys, until), {
          concurrency: LOCKS
        })
        return { locks, more }
      })

      return {
        inherited: Effect.fnUntraced(function* (command) {
          const { lockId, ifVersion: _, ...context } = command
          const lock = yield* queries.lock(context.principal, lockId, "remove-inherited-keys")
          const keys = lock.keys.flatMap(({ uuid, indexNumber, giver }) =>
            stands(giver, lock)
              ? []
              : [{ lockId, keyUuid: uuid, ...(indexNumber !== undefined && { keyIndexNumber: indexNumber }) }]
          )
          // Once, for the request as a whole: each key that is removed moves the version.
          const found = isAsExpected(command, lock.version)
            ? Effect.succeed({ keys, more: false })
            : Effect.fail(new VersionMoved({ lockId, version: lock.version }))
          const { locks } = yield* removeAll(context, found)
          return locks[0] ?? { lockId, removed: [], failed: [] }
        }),
        ofUser: Effect.fnUntraced(function* (userId, context) {
          const found = Effect.map(
            queries.userKeys(context.principal, userId, { limit: MOST }, "keys"),
            ({ keys, nextCursor }): Found => ({
              keys: keys.map(({ lockId, keyUuid, keyIndexNumber }) => ({
                lockId,
                keyUuid,
                ...(keyIndexNumber !== null && { keyIndexNumber }),
                userId
              })),
              more: nextCursor !== undefined
            })
          )
          return yield* removeAll(context, found)
        })
      }
    })
  )
}

/** Of the command that removes one of the keys. */
const receiptOf = ({ expiresAt }: RequestReceipt, id: string) => ({
  id,
  fingerprint: id,
  ...(expiresAt === undefined ? {} : { expiresAt })
})

const mayPass = ({ _tag }: ExecuteError): boolean => _tag === "LockBusy"

const TOO_LONG = "There was no time left for it. The key is still there; ask again."
