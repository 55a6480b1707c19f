/** Whether devices are connected: as the device shadow says, where it holds their connections, else as was reported last. */
import { Effect, Option } from "effect"
import { DeviceShadow } from "../device/DeviceShadow.ts"
import { type AbsenceReason, type Heard, Presence } from "../device/Presence.ts"
import type { DeviceState } from "../read-model/LockTables.ts"
import { lookups } from "../read-model/Lookups.ts"
import { ReadModel } from "../read-model/ReadModel.ts"
import { logSeldom } from "../streams/SeldomLog.ts"

/** Whether a device is connected, and what is known of that. Instants are epoch milliseconds. */
export interface Connection {
  readonly online: boolean
  /** Since when: of one that is `silent`, when it was last heard. Missing where that is not known. */
  readonly since?: number
  /** Why it is gone, where that is known. */
  readonly reason?: AbsenceReason
  /** When it last reported something, came or went. */
  readonly lastSeen?: number
}

/** A lock as its owner's list shows it. */
export interface OwnedLock extends DeviceState {
  /** Whether the device is connected; in doubt it is not. */
  readonly online: boolean
  /** The same with since when and why; `undefined` while nobody can tell. */
  readonly presence: Connection | undefined
}

/** What answers tell of presence; `undefined` while nobody can tell: they go on without knowing. */
interface Connections {
  readonly of: (thing: string) => Effect.Effect<boolean | undefined>
  /** The same with since when and why. */
  readonly told: (thing: string) => Effect.Effect<Connection | undefined>
  /** Of the devices of these locks, by one question for all of them. */
  readonly at: (lockIds: ReadonlySet<number>) => Effect.Effect<(lockId: number) => boolean | undefined>
  /** The locks as they are shown, with the presence of their devices. */
  readonly shown: (locks: ReadonlyArray<DeviceState>) => Effect.Effect<ReadonlyArray<OwnedLock>>
}

/** What only asks about locks needs no device shadow. */
export const presence: Effect.Effect<Connections, never, ReadModel | Presence> = Effect.gen(function* () {
  const { thingsOf } = lookups(yield* ReadModel)
  const reported = yield* Presence
  const isOnline = Option.getOrUndefined(yield* Effect.serviceOption(DeviceShadow))?.isOnline

  const onlineOf = (things: ReadonlyArray<string>) =>
    isOnline === undefined
      ? Effect.map(reported.of(things), (known) => (thing: string) => known.get(thing)?.online ?? false)
      : Effect.succeed(isOnline)

  /** Without what was reported, the word of the shadow service is left, where it has one. */
  const toldOf = (things: ReadonlyArray<string>) =>
    Effect.map(orElse(reported.of(things), undefined), (known) => (thing: string) => {
      const heard = known?.get(thing)
      const online = isOnline === undefined ? known && (heard?.online ?? false) : isOnline(thing)
      return online === undefined ? undefined : connectionOf(heard, online)
    })

  return {
    told: (thing) => Effect.map(toldOf([thing]), (told) => told(thing)),
    of: (thing) =>
      orElse(
        Effect.map(onlineOf([thing]), (online) => online(thing)),
        undefined
      ),
    at: (lockIds) =>
      thingsOf([...lockIds]).pipe(
        Effect.flatMap((things) =>
          Effect.map(onlineOf([...things.values()]), (online) => (lockId: number): boolean | undefined => {
            const thing = things.get(lockId)
            return thing !== undefined && online(thing)
          })
        ),
        (asked) => orElse(asked, () => undefined)
      ),
    shown: (locks) =>
      Effect.map(toldOf(locks.map(({ thingName }) => thingName)), (told) =>
        locks.map((lock) => {
          const presence = told(lock.thingName)
          return { ...lock, online: presence?.online ?? false, presence }
        })
      )
  }
})

/** What was reported tells since when and why only where it says the same. */
const connectionOf = (heard: Heard | undefined, online: boolean): Connection => {
  const { since, reason } = heard?.online === online ? heard : {}
  return {
    online,
    ...(since !== undefined && { since }),
    ...(reason !== undefined && { reason }),
    ...(heard !== undefined && { lastSeen: heard.lastSeen })
  }
}

const orElse = <A, B, E extends { readonly message: string }>(ask: Effect.Effect<A, E>, unknown: B) =>
  Effect.catch(ask, (error) =>
    Effect.as(logSeldom(Effect.logWarning, "Cannot tell whether a device is connected", error.message), unknown)
  )
