/** Everything of Latchkey over one event store, read model and device shadow, as a layer. */
import { Effect, Layer } from "effect"
import { Brands } from "../guest/Brands.ts"
import { TempKeyLinks } from "../guest/TempKeyLinks.ts"
import { BulkAddKeys } from "../locks/BulkAddKeys.ts"
import { CommandOutcomes } from "../locks/CommandOutcomes.ts"
import { DeviceReports } from "../locks/DeviceReports.ts"
import { KeyRemovals } from "../locks/KeyRemovals.ts"
import { LockLists } from "../locks/LockLists.ts"
import { LockQueries } from "../locks/LockQueries.ts"
import { Locks, type LocksOptions } from "../locks/Locks.ts"
import { outages } from "../locks/Outages.ts"
import { reconciling } from "../locks/Reconciler.ts"
import { PartnerFeed } from "../partners/PartnerFeed.ts"
import { ShadowUpdates } from "../partners/ShadowUpdates.ts"
import { Projector } from "../read-model/Projector.ts"
import { Feed } from "../streams/Feed.ts"
import { Workers } from "../streams/Workers.ts"
import { GuestOpenings } from "../temp-key/GuestOpenings.ts"
import { LockSearch } from "../temp-key/LockSearch.ts"
import { PinGuard } from "../temp-key/PinGuard.ts"
import { SharedCredentials } from "../temp-key/SharedCredentials.ts"
import { SharedDoors } from "../temp-key/SharedDoors.ts"
import { sharedUses } from "../temp-key/SharedUses.ts"
import { TempKeys } from "../temp-key/TempKeys.ts"
import { Explanations } from "../why/Explanations.ts"

/**
 * Everything that can be asked. Nothing runs in the background: that is for `workers`, in this process or another.
 *
 * @example
 * ```ts
 * const latchkey = Layer.provideMerge(Latchkey.workers, Latchkey.layer())
 * const ports = Layer.merge(Sqlite.layer({ folder }), LocalShadow.layer({ folder }))
 * await Effect.runPromise(Effect.provide(program, Layer.provideMerge(latchkey, ports)))
 * ```
 */
export const layer = (options?: LocksOptions) =>
  Layer.mergeAll(
    BulkAddKeys.layer,
    KeyRemovals.layer,
    Layer.provide(DeviceReports.layer, [outages, sharedUses]),
    TempKeyLinks.layer,
    Brands.layer,
    TempKeys.layer,
    LockSearch.layer,
    PartnerFeed.layer,
    ShadowUpdates.layer,
    reconciling
  ).pipe(
    Layer.provideMerge(CommandOutcomes.layer),
    Layer.provideMerge(Layer.provideMerge(SharedDoors.layer, PinGuard.layer)),
    Layer.provideMerge(GuestOpenings.layer),
    Layer.provideMerge(Layer.provideMerge(Explanations.layer, SharedCredentials.layer)),
    Layer.provideMerge(Layer.merge(LockQueries.layer, LockLists.layer)),
    Layer.provideMerge(Layer.mergeAll(Layer.provide(Locks.layer(options), Feed.layer), Projector.layer, Feed.layer)),
    Layer.provideMerge(Workers.layer)
  )

/**
 * What goes on by itself beside `layer`: it fills the read model, takes in what devices report, settles what writers left
 * behind, brings keys onto the hardware, and goes on with requests for many keys.
 */
export const workers: Layer.Layer<never, never, Workers> = Layer.effectDiscard(
  Effect.flatMap(Workers, ({ run }) => run)
)
