/** Everything of Latchkey over one event store, read model and device shadow, as a layer. */
import { Layer } from "effect"
import { TempKeyLinks } from "../guest/TempKeyLinks.ts"
import { BulkAddKeys } from "../locks/BulkAddKeys.ts"
import { DeviceReports } from "../locks/DeviceReports.ts"
import { LockQueries } from "../locks/LockQueries.ts"
import { Locks, type LocksOptions } from "../locks/Locks.ts"
import { Projector } from "../read-model/Projector.ts"
import { Feed } from "../streams/Feed.ts"
import { GuestOpenings } from "../temp-key/GuestOpenings.ts"
import { PinGuard } from "../temp-key/PinGuard.ts"
import { SharedCredentials } from "../temp-key/SharedCredentials.ts"
import { SharedDoors } from "../temp-key/SharedDoors.ts"
import { Explanations } from "../why/Explanations.ts"

/** Commands, questions, bulk requests, projection, recovery and device reports. */
export const layer = (options?: LocksOptions) =>
  Layer.mergeAll(BulkAddKeys.layer, DeviceReports.layer).pipe(
    Layer.provideMerge(Layer.provideMerge(SharedDoors.layer, PinGuard.layer)),
    Layer.provideMerge(TempKeyLinks.layer),
    Layer.provideMerge(GuestOpenings.layer),
    Layer.provideMerge(Layer.provideMerge(Explanations.layer, SharedCredentials.layer)),
    Layer.provideMerge(LockQueries.layer),
    Layer.provideMerge(Layer.mergeAll(Locks.layer(options), Projector.layer, Feed.layer))
  )
