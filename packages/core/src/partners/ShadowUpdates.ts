/**
 * What changes in the shadows of an organization's devices, told as it happens: to those who ask for it, without a cursor
 * and without a promise. It is in no log. Who does not take it in time, or is not there, misses it.
 */
import { Context, Effect, Layer, Option, Queue, type Scope, Stream } from "effect"
import { OPERATOR } from "../access/ApiKeys.ts"
import { DeviceShadow, type ShadowUpdate } from "../device/DeviceShadow.ts"
import { lookups } from "../read-model/Lookups.ts"
import { ReadModel } from "../read-model/ReadModel.ts"
import { keepGoing } from "../streams/Backoff.ts"
import { inBackground } from "../streams/Workers.ts"
import { instantOf } from "../values/Text.ts"
import { CurrentOrigin, type Origin } from "./Envelope.ts"

/** By this name they are asked for. */
export const SHADOW_UPDATE = "Shadow Update"

/** An update as partners receive it, as the contract publishes it. */
export interface ShadowEnvelope {
  readonly id: string
  readonly source: "spk.iot.shadow"
  readonly "detail-type": typeof SHADOW_UPDATE
  readonly time: string
  readonly region: string
  readonly account: string
  readonly version: "0"
  readonly resources: ReadonlyArray<string>
  readonly detail: {
    readonly partnerId: string
    readonly thingName: string
    /** Each is JSON as text. */
    readonly reportedState: string
    readonly desiredState: string
    readonly deltaState: string
    readonly metadata: string
    readonly version: number
  }
}

/** An update of the shadow of a lock's device. */
export interface ToldUpdate {
  readonly lockId: number
  /** Whose lock it is; empty where it is no organization's. */
  readonly orgId: string
  readonly envelope: ShadowEnvelope
}

interface Listener {
  /** Whether anything is wanted at all: for what nobody wants, nothing is looked up. */
  readonly wants: () => boolean
  readonly take: (told: ToldUpdate) => void
}

/** Updates that wait for somebody who follows; the oldest give way. */
const WAITING = 64

/** See the top of this module. */
export class ShadowUpdates extends Context.Service<
  ShadowUpdates,
  {
    /** Hands over every update of a lock's device that comes, for as long as the scope lives. */
    readonly listen: (listener: Listener) => Effect.Effect<void, never, Scope.Scope>
    /** Those of an organization, `*` for all, from now on; with `lockIds`, of these locks alone. */
    readonly follow: (orgId: string, lockIds?: ReadonlySet<number>) => Stream.Stream<ShadowEnvelope>
  }
>()("@latchkey/core/ShadowUpdates") {
  static readonly layer = Layer.effect(
    ShadowUpdates,
    Effect.suspend(() => make)
  )
}

const make = Effect.gen(function* () {
  const { updates } = yield* DeviceShadow
  const rows = lookups(yield* ReadModel)
  const origin = yield* CurrentOrigin
  const listeners = new Set<Listener>()

  const tell = Effect.fnUntraced(function* (update: ShadowUpdate) {
    const wanting = [...listeners].filter(({ wants }) => wants())
    if (wanting.length === 0) return
    const lockId = Option.getOrUndefined(yield* rows.lockOfThing(update.thing))
    if (lockId === undefined) return
    const { orgId = "" } = (yield* rows.handsOf([lockId])).get(lockId) ?? {}
    const told = { lockId, orgId, envelope: envelopeOf(update, orgId, origin) }
    for (const { take } of wanting) take(told)
  })

  if (updates !== undefined) {
    // One that cannot be told now is not told.
    const telling = Stream.runForEach(updates, (update) => Effect.ignore(tell(update)))
    yield* inBackground(keepGoing("Updates of shadows are not told")(telling))
  }

  const listen = (listener: Listener) =>
    Effect.asVoid(
      Effect.acquireRelease(
        Effect.sync(() => listeners.add(listener)),
        () => Effect.sync(() => listeners.delete(listener))
      )
    )

  return ShadowUpdates.of({
    listen,
    follow: (orgId, lockIds) =>
      Stream.unwrap(
        Effect.gen(function* () {
          const waiting = yield* Queue.sliding<ShadowEnvelope>(WAITING)
          yield* listen({
            wants: () => true,
            take: (told) => {
              if (isFor(told, orgId, lockIds)) Queue.offerUnsafe(waiting, told.envelope)
            }
          })
          return Stream.fromQueue(waiting)
        })
      )
  })
})

/** Whether an update is for an organization, `*` for all, and of one of these locks, if they are named. */
export const isFor = (told: ToldUpdate, orgId: string, lockIds: ReadonlySet<number> | undefined): boolean =>
  (orgId === OPERATOR || told.orgId === orgId) && (lockIds === undefined || lockIds.has(told.lockId))

const envelopeOf = (
  { thing, version, at, reported, desired, delta, metadata }: ShadowUpdate,
  partnerId: string,
  { region, account }: Origin
): ShadowEnvelope => ({
  id: `shadow-${thing}-${version}`,
  source: "spk.iot.shadow",
  "detail-type": SHADOW_UPDATE,
  time: instantOf(at),
  region,
  account,
  version: "0",
  resources: [],
  detail: {
    partnerId,
    thingName: thing,
    reportedState: JSON.stringify(reported),
    desiredState: JSON.stringify(desired),
    deltaState: JSON.stringify(delta),
    metadata: JSON.stringify(metadata),
    version
  }
})
