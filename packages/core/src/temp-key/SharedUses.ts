/** Gives uses of keys to several doors back: by the rules of every temp key, in the key's own stream. */
import { Effect, Layer, Option } from "effect"
import { mayReturn } from "../lock/TempKey.ts"
import { CountedUses, returnedIdOf, usedIdOf } from "../locks/CountedUses.ts"
import { EventStore } from "../streams/EventStore.ts"
import { Credentials } from "./SharedCredential.ts"
import { SharedCredentials } from "./SharedCredentials.ts"

export const sharedUses = Layer.effect(
  CountedUses,
  Effect.gen(function* () {
    const store = yield* EventStore
    const credentials = yield* SharedCredentials
    return {
      returnOf: Effect.fnUntraced(function* (commandId, now) {
        const used = Option.getOrUndefined(yield* store.event(usedIdOf(commandId)))
        const uuid = used && Credentials.idOf(used.streamId)
        const use = used && Credentials.decode(used)
        if (used === undefined || uuid === undefined || use?._tag !== "SharedCredentialUsed") return undefined
        const { state, version, at, unknown } = yield* Effect.provideService(
          Credentials.fold(uuid, credentials.at(uuid)),
          EventStore,
          store
        )
        const isOpen = state !== undefined && state.revokedAt === undefined && unknown === undefined
        if (!isOpen || !mayReturn(state, now)) return undefined
        const { lockId, doorId } = use
        return {
          streamId: Credentials.streamOf(uuid),
          version,
          event: {
            ...Credentials.encode({ _tag: "SharedCredentialUseReturned", lockId, doorId, ignorable: true }),
            eventId: returnedIdOf(commandId),
            at: Math.max(now, at),
            orgId: used.orgId,
            principal: { _tag: "System" },
            commandId
          }
        }
      })
    }
  })
)
