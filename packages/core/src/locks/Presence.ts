/** Whether devices are connected: as the device shadow says, where it holds their connections, else as was reported last. */
import { Effect, Option } from "effect"
import { DeviceShadow } from "../device/DeviceShadow.ts"
import { type OwnedLock, ReadModel } from "../read-model/ReadModel.ts"
import { logSeldom } from "../streams/SeldomLog.ts"

/** What answers tell of presence; `undefined` while nobody can tell: they go on without knowing. */
export interface Presence {
  readonly of: (thing: string) => Effect.Effect<boolean | undefined>
  /** Of the devices of these locks, by one question for all of them. */
  readonly at: (lockIds: ReadonlySet<number>) => Effect.Effect<(lockId: number) => boolean | undefined>
  /** The lock as it is shown, with the presence of its device. */
  readonly shown: (lock: OwnedLock) => OwnedLock
}

/** What only asks about locks needs no device shadow. */
export const presence: Effect.Effect<Presence, never, ReadModel> = Effect.gen(function* () {
  const readModel = yield* ReadModel
  const isOnline = Option.getOrUndefined(yield* Effect.serviceOption(DeviceShadow))?.isOnline
  const shown = (lock: OwnedLock): OwnedLock =>
    isOnline === undefined ? lock : { ...lock, online: isOnline(lock.thingName) }
  return {
    of: (thing) =>
      isOnline === undefined ? orUnknown(readModel.isOnline(thing), undefined) : Effect.sync(() => isOnline(thing)),
    at: (lockIds) => {
      const online = Effect.map(
        readModel.devices([...lockIds]),
        (devices) => new Map(devices.map((device) => [device.lockId, shown(device).online]))
      )
      return orUnknown(
        Effect.map(
          online,
          (known) =>
            (lockId: number): boolean | undefined =>
              known.get(lockId) ?? false
        ),
        () => undefined
      )
    },
    shown
  }
})

const orUnknown = <A, B, E extends { readonly message: string }>(ask: Effect.Effect<A, E>, unknown: B) =>
  Effect.catch(ask, (error) =>
    Effect.as(
      logSeldom(Effect.logWarning, "Nobody can tell whether a device is connected: no read model", error.message),
      unknown
    )
  )
