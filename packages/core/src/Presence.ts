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
