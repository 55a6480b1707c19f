/** Whether a device is connected, for answers that go on without knowing. */
import { Effect } from "effect"
import type { ReadModel } from "./ports/ReadModel.ts"

/** `undefined` while nobody can tell. */
export const presenceOf = (readModel: ReadModel["Service"], thing: string): Effect.Effect<boolean | undefined> =>
  Effect.catch(readModel.isOnline(thing), (error) =>
    Effect.as(
      Effect.logWarning("Nobody can tell whether a device is connected: no read model", error.message),
      undefined
    )
  )

/** Whether the devices of these locks are connected, by one question for all of them; `undefined` while nobody can tell. */
export const presenceAt = (
  readModel: ReadModel["Service"],
  lockIds: ReadonlySet<number>
): Effect.Effect<(lockId: number) => boolean | undefined> =>
  readModel.devices([...lockIds]).pipe(
    Effect.map((devices) => {
      const online = new Map(devices.map((device) => [device.lockId, device.online]))
      return (lockId: number) => online.get(lockId) ?? false
    }),
    Effect.catch((error) =>
      Effect.as(
        Effect.logWarning("Nobody can tell whether devices are connected: no read model", error.message),
        () => undefined
      )
    )
  )
