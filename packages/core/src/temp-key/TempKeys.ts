/**
 * Temp keys of both kinds, managed in one way: those that a lock has of its own, and those with doors at several. A key is
 * named by its id, or by its link. What is asked of a lock's own key becomes a command to that lock.
 */
import { Context, Effect, HashMap, HashSet, Layer, Option } from "effect"
import { type Lock, lockOfStream } from "../lock/Lock.ts"
import type { CommandOf } from "../lock/LockCommand.ts"
import { canonical, type TempKey } from "../lock/TempKey.ts"
import { streamOfLink } from "../locks/Links.ts"
import { LockQueries } from "../locks/LockQueries.ts"
import { type ExecuteError, Locks } from "../locks/Locks.ts"
import { EventStore, type StoredEvent, type StoreUnavailable } from "../streams/EventStore.ts"
import { earlierTry } from "../streams/Receipts.ts"
import type { Principal } from "../values/Principal.ts"
import { instantOf, isId, millisOf } from "../values/Text.ts"
import type { PinKey } from "./Pins.ts"
import { type ChangeRequest, Credentials } from "./SharedCredential.ts"
import { KeyEnded, NoPin, OwnDoorOnly, SharedCredentialNotFound, type SharedError } from "./SharedCredentialError.ts"
import { type Changed, type SharedContext, SharedCredentials } from "./SharedCredentials.ts"
import { type TempKeyView, viewOfOwn, viewOfShared } from "./TempKeyView.ts"

/** A key as a command left it, and its PIN if the command has set it. */
export type ManagedKey = TempKeyView & { readonly pin: string | null }

/** Why a temp key was not changed. */
export type ManageError = ExecuteError | SharedError

type Managed = Effect.Effect<ManagedKey, ManageError>

/** Changes temp keys of both kinds. A key is named by its id or its link. */
export class TempKeys extends Context.Service<
  TempKeys,
  {
    /** Changes what the request names, and nothing else: link and PIN stay. */
    readonly change: (context: SharedContext, name: string, request: ChangeRequest, key: PinKey) => Managed
    /** Lets it open nothing until it is resumed. */
    readonly suspend: (context: SharedContext, name: string) => Managed
    readonly resume: (context: SharedContext, name: string) => Managed
    /** Gives it another link: the one before opens nothing any more. */
    readonly changeLink: (context: SharedContext, name: string, link: string) => Managed
    /** Gives it another PIN: the one before opens nothing any more. */
    readonly reissuePin: (context: SharedContext, name: string, key: PinKey) => Managed
    /** Ends it. One that has ended already stays as it is. */
    readonly end: (context: SharedContext, name: string) => Effect.Effect<void, ManageError>
  }
>()("@latchkey/core/TempKeys") {
  static readonly layer = Layer.effect(
    TempKeys,
    Effect.gen(function* () {
      const store = yield* EventStore
      const locks = yield* Locks
      const queries = yield* LockQueries
      const shared = yield* SharedCredentials

      /** Which key is called so: first by id, since a link may be anything, then by link. */
      const named = Effect.fnUntraced(function* (
        name: string
      ): Effect.fn.Return<Named, SharedCredentialNotFound | StoreUnavailable> {
        if (!isId(name)) return yield* Effect.fail(new SharedCredentialNotFound())
        const made = Option.flatMap(yield* store.event(`${name}-1`), madeBy)
        if (Option.isSome(made)) return made.value
        const streamId = Option.getOrUndefined(yield* streamOfLink(store, name))
        const lockId = streamId === undefined ? undefined : lockOfStream(streamId)
        if (lockId !== undefined) return { _tag: "Own", lockId, link: name }
        const credential = Option.getOrUndefined(yield* shared.find(name))
        return credential === undefined
          ? yield* Effect.fail(new SharedCredentialNotFound())
          : { _tag: "Shared", uuid: credential.uuid }
      })

      /** The key of a lock's own, for those who may change it; `undefined` once it was deleted. */
      const ownKey = Effect.fnUntraced(function* (principal: Principal, { lockId, id, link }: Own) {
        const lock = yield* queries.lock(principal, lockId, "temp-keys")
        const key =
          id === undefined ? undefined : Array.from(HashMap.values(lock.tempKeys)).find((key) => key.id === id)
        if (key !== undefined) return key
        const uuid = canonical(link)
        const byLink = Option.getOrUndefined(HashMap.get(lock.tempKeys, uuid))
        if (byLink !== undefined) return byLink
        return HashSet.has(lock.deletedTempKeys, uuid) ? undefined : yield* Effect.fail(new SharedCredentialNotFound())
      })

      /** The link that the first try has given it: by the one before, the key is not found any more. */
      const linkOfFirstTry = Effect.fnUntraced(function* ({ receipt }: SharedContext) {
        const found = Option.getOrUndefined(yield* earlierTry(store, receipt))
        if (found === undefined) return undefined
        const stored = yield* store.read(found.streamId, found.firstVersion - 1, 1)
        return stored.flatMap(({ data }) =>
          typeof data["newTempKeyUuid"] === "string" ? data["newTempKeyUuid"] : []
        )[0]
      })

      /** Carries a command out at the key's lock, and answers the key as it is then. */
      const atLock = Effect.fnUntraced(function* (
        context: SharedContext,
        own: Own,
        commandTo: (key: TempKey) => OwnCommand
      ) {
        const found = (yield* ownKey(context.principal, own)) ?? (yield* ofFirstTry(context, own))
        if (found === undefined) return yield* Effect.fail(new KeyEnded())
        const { lockId } = own
        yield* locks.execute({ ...context, lockId, ...commandTo(found) } as CommandOf<OwnCommand["_tag"]>)
        const lock = yield* queries.lock({ _tag: "System" }, lockId, "temp-keys")
        const key = Array.from(HashMap.values(lock.tempKeys)).find(({ id }) => id === found.id)
        if (key === undefined) return yield* Effect.fail(new KeyEnded())
        return { ...viewOfOwn(lock, key, context.at, context.principal), pin: null }
      })

      const ofFirstTry = Effect.fnUntraced(function* (context: SharedContext, { lockId }: Own) {
        const link = yield* linkOfFirstTry(context)
        return link === undefined ? undefined : yield* ownKey(context.principal, { _tag: "Own", lockId, link })
      })

      const seen = ({ at }: SharedContext) =>
        Effect.map(({ pin, ...changed }: Changed): ManagedKey => ({ ...viewOfShared(changed, at), pin }))

      const on = Effect.fnUntraced(function* <A>(
        name: string,
        ofOwn: (own: Own) => Effect.Effect<A, ManageError>,
        ofShared: (uuid: string) => Effect.Effect<A, ManageError>
      ) {
        const found = yield* named(name)
        return yield* found._tag === "Own" ? ofOwn(found) : ofShared(found.uuid)
      })

      return {
        change: (context, name, request, key) =>
          on(
            name,
            (own) => {
              const { addDoors, removeDoors, showPin, ...changes } = request
              if (showPin !== undefined) return Effect.fail(new NoPin())
              const field = addDoors !== undefined ? "addDoors" : removeDoors !== undefined ? "removeDoors" : undefined
              if (field !== undefined) return Effect.fail(new OwnDoorOnly({ field }))
              return atLock(context, own, ({ uuid: tempKeyUuid }) => ({
                _tag: "UpdateTempKey",
                tempKeyUuid,
                ...inUtc(changes)
              }))
            },
            (uuid) => seen(context)(shared.change(context, uuid, request, key))
          ),
        suspend: (context, name) =>
          on(
            name,
            (own) => atLock(context, own, ({ uuid: tempKeyUuid }) => ({ _tag: "SuspendTempKey", tempKeyUuid })),
            (uuid) => seen(context)(shared.suspend(context, uuid))
          ),
        resume: (context, name) =>
          on(
            name,
            (own) => atLock(context, own, ({ uuid: tempKeyUuid }) => ({ _tag: "ResumeTempKey", tempKeyUuid })),
            (uuid) => seen(context)(shared.resume(context, uuid))
          ),
        changeLink: (context, name, newTempKeyUuid) =>
          on(
            name,
            (own) =>
              atLock(context, own, ({ uuid: tempKeyUuid }) => ({
                _tag: "ChangeTempKeyLink",
                tempKeyUuid,
                newTempKeyUuid
              })),
            (uuid) => seen(context)(shared.changeLink(context, uuid, newTempKeyUuid))
          ),
        reissuePin: (context, name, key) =>
          on(
            name,
            (own) => Effect.andThen(ownKey(context.principal, own), Effect.fail(new NoPin())),
            (uuid) => seen(context)(shared.reissuePin(context, uuid, key))
          ),
        end: (context, name) =>
          on(
            name,
            Effect.fnUntraced(function* (own) {
              const key = yield* ownKey(context.principal, own)
              if (key === undefined) return
              const { lockId } = own
              yield* locks.execute({ ...context, lockId, _tag: "DeleteTempKey", tempKeyUuid: key.uuid })
            }),
            (uuid) => shared.revoke(context, uuid)
          )
      }
    })
  )
}

interface Own {
  readonly _tag: "Own"
  readonly lockId: Lock["lockId"]
  /** Where it was named so. */
  readonly id?: string
  /** Its link, or one that it had. */
  readonly link: string
}
type Named = Own | { readonly _tag: "Shared"; readonly uuid: string }

type OwnTag = "UpdateTempKey" | "SuspendTempKey" | "ResumeTempKey" | "ChangeTempKeyLink"
type OwnCommand = { readonly [Tag in OwnTag]: Omit<CommandOf<Tag>, "lockId" | keyof SharedContext> }[OwnTag]

/** The key that an event made, if it did. */
const madeBy = ({ streamId, type, data, commandId }: StoredEvent): Option.Option<Named> => {
  const lockId = lockOfStream(streamId)
  if (type === "TempKeyCreated" && lockId !== undefined)
    return Option.some({ _tag: "Own", lockId, id: commandId, link: String(data["tempKeyUuid"]) })
  const uuid = type === "SharedCredentialCreated" ? Credentials.idOf(streamId) : undefined
  return uuid === undefined ? Option.none() : Option.some({ _tag: "Shared", uuid })
}

/** Events of locks are published with instants in UTC. */
const inUtc = <Changes extends { readonly validFrom?: string; readonly validUntil?: string }>(changes: Changes) => ({
  ...changes,
  ...(changes.validFrom !== undefined && { validFrom: utcOf(changes.validFrom) }),
  ...(changes.validUntil !== undefined && { validUntil: utcOf(changes.validUntil) })
})

const utcOf = (instant: string): string => (instant.endsWith("Z") ? instant : instantOf(millisOf(instant)))
