/** Whether devices are connected: as the device shadow says, where it holds their connections, else as was reported last. */
import { Effect, Option } from "effect"
import { DeviceShadow } from "../device/DeviceShadow.ts"
import { Presence } from "../device/Presence.ts"
import type { DeviceState } from "../read-model/LockTables.ts"
import { lookups } from "../read-model/Lookups.ts"
import { ReadModel } from "../read-model/ReadModel.ts"
import { logSeldom } from "../streams/SeldomLog.ts"

/** A lock as its owner's list shows it. */
export interface OwnedLock extends DeviceState {
  /** Whether the device is connected; in doubt it is not. */
  readonly online: boolean
}

/** What answers tell of presence; `undefined` while nobody can tell: they go on without knowing. */
interface Connections {
  readonly of: (thing: string) => Effect.Effect<boolean | undefined>
  /** Of the devices of these locks, by one question for all of them. */
  readonly at: (lockIds: ReadonlySet<number>) => Effect.Effect<(lockId: number) => boolean | undefined>
  /** The locks as they are shown, with the presence of their devices. */
  readonly shown: (locks: ReadonlyArray<DeviceState>) => Effect.Effect<ReadonlyArray<OwnedLock>>
}

/** What only asks about locks needs no device shadow. */
export const presence: Effect.Effect<Connections, never, ReadModel | Presence> = Effect.gen(function* () {
  const { devices } = lookups(yield* ReadModel)
  const reported = yield* Presence
  const isOnline = Option.getOrUndefined(yield* Effect.serviceOption(DeviceShadow))?.isOnline

  const onlineOf = (things: ReadonlyArray<string>) =>
    isOnline === undefined
      ? Effect.map(reported.of(things), (known) => (thing: string) => known.get(thing)?.online ?? false)
      : Effect.succeed(isOnline)

  return {
    of: (thing) =>
      orElse(
        Effect.map(onlineOf([thing]), (online) => online(thing)),
        undefined
      ),
    at: (lockIds) =>
      devices([...lockIds]).pipe(
        Effect.flatMap((locks) =>
          Effect.map(onlineOf(thingsOf(locks)), (online) => {
            const connected = new Map(locks.map(({ lockId, thingName }) => [lockId, online(thingName)]))
            return (lockId: number): boolean | undefined => connected.get(lockId) ?? false
          })
        ),
        (asked) => orElse(asked, () => undefined)
      ),
    shown: (locks) =>
      Effect.map(orElse(onlineOf(thingsOf(locks)), inDoubt), (online) =>
        locks.map((lock) => ({ ...lock, online: online(lock.thingName) }))
      )
  }
})

const thingsOf = (locks: ReadonlyArray<DeviceState>) => locks.map(({ thingName }) => thingName)

const inDoubt = (): boolean => false

const orElse = <A, B, E extends { readonly message: string }>(ask: Effect.Effect<A, E>, unknown: B) =>
  Effect.catch(ask, (error) =>
    Effect.as(logSeldom(Effect.logWarning, "Cannot tell whether a device is connected", error.message), unknown)
  )
