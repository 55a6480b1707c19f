/**
 * The AWS IoT Device Shadow service in this process, durable in the data folder. Applications and devices meet here:
 * the one side as `DeviceShadow`, the other, and every front that speaks for devices, as `LocalShadow`.
 */
import { randomUUID } from "node:crypto"
import { type AbsenceReason, DeviceShadow, EventStore, ShadowUnavailable } from "@latchkey/core"
import { Clock, Context, Effect, Layer, type Scope, Stream } from "effect"
import { deviceCommands } from "./DeviceCommands.ts"
import type { LiveShadow, Shadow } from "./ShadowDocument.ts"
import type { Observer } from "./ShadowEvents.ts"
import { shadowEvents } from "./ShadowEvents.ts"
import {
  acceptedOf,
  changeOf,
  deletedOf,
  gotOf,
  type ShadowAccepted,
  type ShadowChange,
  type ShadowDeleted,
  type ShadowGot
} from "./ShadowMessage.ts"
import { type LastSeen, type ShadowKey, steadyMillis } from "./ShadowOperation.ts"
import { checkNames, parseUpdate, ShadowRefused } from "./ShadowRequest.ts"
import { openShadowStore, type ShadowStore, type ShadowStoreError, type ShadowWitness } from "./ShadowStore.ts"
import { openStoredShadows } from "./StoredShadows.ts"

type ShadowError = ShadowRefused | ShadowUnavailable

export class LocalShadow extends Context.Service<
  LocalShadow,
  {
    /** The whole shadow with its delta; 404 when there is none. */
    readonly get: (thing: string, shadowName?: string) => Effect.Effect<ShadowGot, ShadowError>

    /** Merges `{ state: { desired?, reported? }, version?, clientToken? }` into the shadow. Durable when it answers. */
    readonly update: (
      thing: string,
      request: unknown,
      shadowName?: string
    ) => Effect.Effect<ShadowAccepted, ShadowError>

    /** Deletes the shadow; 404 when there is none. Its versions go on when it is created again. */
    readonly delete: (
      thing: string,
      shadowName?: string,
      clientToken?: string
    ) => Effect.Effect<ShadowDeleted, ShadowError>

    /** Names of the thing's named shadows, in order. */
    readonly list: (thing: string) => Effect.Effect<ReadonlyArray<string>, ShadowError>

    /**
     * Every change from now on, by whichever process that has the folder open, in the order of the versions. Anyone who is
     * more than 1,024 changes behind misses the oldest, as the versions show: `get` tells how things stand.
     */
    readonly changes: Stream.Stream<ShadowChange>

    /** As `changes`, but called at once with each, until the scope ends. */
    readonly observe: (observer: Observer) => Effect.Effect<void, never, Scope.Scope>

    /** Tells that a device is there. It holds until it is told to be gone, or this process ends, however it does. */
    readonly connected: (thing: string) => Effect.Effect<void, ShadowUnavailable>

    /** Tells that a device is gone, why where that is known, and for how many milliseconds already. */
    readonly disconnected: (
      thing: string,
      reason?: AbsenceReason,
      ago?: number
    ) => Effect.Effect<void, ShadowUnavailable>

    /** Whether a device is there, as the process last told to which it came, if that one lives. */
    readonly isOnline: (thing: string) => boolean
  }
>()("@latchkey/local-shadow/LocalShadow") {
  /** Keeps the shadows in `<folder>/shadow.db`, which several processes may have open; `:memory:` keeps nothing. */
  static readonly layer = (options: {
    readonly folder: string
    /** Without one, an older file is not told from a newer one. */
    readonly witness?: ShadowWitness
  }): Layer.Layer<LocalShadow | DeviceShadow, ShadowStoreError> =>
    Layer.effectContext(
      Effect.flatMap(openShadowStore(options.folder, options.witness), (store) =>
        Effect.map(shadowsOver(store, true), ({ context }) => context)
      )
    )

  /**
   * Keeps the shadows in the store of the log, for any number of servers. A device hears of a change wherever it is connected; whether
   * it is connected, `Presence` tells.
   */
  static readonly layerInStore: Layer.Layer<LocalShadow | DeviceShadow, ShadowStoreError, EventStore> =
    Layer.effectContext(
      Effect.gen(function* () {
        const server = randomUUID()
        const shadows = yield* openStoredShadows({ store: yield* EventStore, server, elsewhere: server })
        return (yield* shadowsOver(shadows, false)).context
      })
    )
}

/** The services over a store, and who is told of what happens. `knowsAll`: the store tells of all devices, wherever they are connected. */
export const shadowsOver = Effect.fnUntraced(function* (store: ShadowStore, knowsAll: boolean) {
  const events = yield* shadowEvents
  const online = new Set<string>()
  const see = (seen: LastSeen) => (seen.online ? online.add(seen.thing) : online.delete(seen.thing))
  const tellSeen = (seen: LastSeen) => {
    see(seen)
    events.tell({ _tag: "Presence", ...seen })
  }
  store.onOthers(({ made, gap, seen }) => {
    if (gap) events.skip()
    for (const one of made) events.tell(changeOf(one))
    seen.forEach(see)
  })
  store.onSeen((seen) => seen.forEach(tellSeen))
  const run = Effect.runForkWith(yield* Effect.context<never>())
  store.onDown(({ message }) => {
    // Then nobody can tell.
    online.clear()
    run(Effect.logError(message))
  })

  const unavailable =
    (thing: string) =>
    ({ message }: ShadowStoreError) =>
      new ShadowUnavailable({ thing, message })

  const read = (thing: string, shadowName?: string): Effect.Effect<Shadow, ShadowUnavailable> =>
    store.perform("read", key(thing, shadowName)).pipe(Effect.mapError(unavailable(thing)))

  const get = Effect.fnUntraced(function* (thing: string, shadowName?: string) {
    yield* Effect.fromResult(checkNames(thing, shadowName))
    const shadow = yield* read(thing, shadowName)
    if (!isLive(shadow)) return yield* noShadowNamed(thing, shadowName)
    return gotOf(shadow, yield* currentTimeSeconds)
  })

  const write = Effect.fnUntraced(function* (
    thing: string,
    json: unknown,
    shadowName?: string,
    /** Epoch milliseconds. */
    notAfter?: number
  ) {
    yield* Effect.fromResult(checkNames(thing, shadowName))
    const request = yield* Effect.fromResult(parseUpdate(json))
    const millis = yield* Clock.currentTimeMillis
    const now = secondsOf(millis)
    // What the worker and this fiber both know is how long is left, by a clock that nobody sets.
    const limit = notAfter === undefined ? {} : { notAfter: steadyMillis() + notAfter - millis }
    const answer = yield* store
      .perform("update", { ...key(thing, shadowName), request, now, ...limit }, (answer) => {
        if (!("code" in answer)) events.tell(changeOf({ ...key(thing, shadowName), request, now, ...answer }))
      })
      .pipe(Effect.mapError(unavailable(thing)))
    if ("code" in answer) return yield* new ShadowRefused(answer)
    return acceptedOf(request, answer.current.version, now)
  })

  const deleteShadow = Effect.fnUntraced(function* (thing: string, shadowName?: string, clientToken?: string) {
    yield* Effect.fromResult(checkNames(thing, shadowName))
    const input = {
      ...key(thing, shadowName),
      now: yield* currentTimeSeconds,
      ...(clientToken !== undefined && { clientToken })
    }
    const shadow = yield* store
      .perform("delete", input, (shadow) => {
        if (isLive(shadow)) events.tell(changeOf({ ...input, version: shadow.version }))
      })
      .pipe(Effect.mapError(unavailable(thing)))
    if (!isLive(shadow)) return yield* noShadowNamed(thing, shadowName)
    return deletedOf({ ...input, version: shadow.version })
  })

  const list = Effect.fnUntraced(function* (thing: string) {
    yield* Effect.fromResult(checkNames(thing, undefined))
    return yield* store.perform("list", { thing }).pipe(Effect.mapError(unavailable(thing)))
  })

  const present = Effect.fnUntraced(function* (said: Omit<LastSeen, "at">, ago = 0) {
    const at = (yield* Clock.currentTimeMillis) - Math.round(ago)
    yield* store
      .perform("presence", { ...said, at }, (seen) => seen && tellSeen(seen))
      .pipe(Effect.mapError(unavailable(said.thing)))
  })

  const local = LocalShadow.of({
    get,
    update: (thing, request, shadowName) => write(thing, request, shadowName),
    delete: deleteShadow,
    list,
    changes: Stream.unwrap(events.listen).pipe(
      Stream.map(({ event }) => event),
      Stream.filter((event) => event._tag !== "Presence")
    ),
    observe: events.observe,
    connected: (thing) => present({ thing, online: true }),
    disconnected: (thing, reason, ago) => present({ thing, online: false, ...(reason && { reason }) }, ago),
    isOnline: (thing) => online.has(thing)
  })
  const presences = store.perform("presences", {}).pipe(Effect.mapError(unavailable("all things")))
  const outcomes = store.perform("outcomes", {}).pipe(Effect.mapError(unavailable("all things")))
  const device = deviceCommands({
    read,
    update: (thing, request, notAfter) => write(thing, request, undefined, notAfter),
    outcomes,
    presences,
    ...(knowsAll && { isOnline: local.isOnline }),
    ready: store.perform("prove", {}).pipe(Effect.mapError(unavailable("all things"))),
    events
  })
  yield* store.perform("presences", {}, (all) => all.forEach(see))
  return { context: Context.make(LocalShadow, local).pipe(Context.add(DeviceShadow, device)), events }
})

const secondsOf = (millis: number) => Math.floor(millis / 1000)
const currentTimeSeconds = Effect.map(Clock.currentTimeMillis, secondsOf)

const isLive = (shadow: Shadow): shadow is LiveShadow => shadow.content !== undefined

const key = (thing: string, shadowName: string | undefined): ShadowKey => ({ thing, name: shadowName ?? "" })

const noShadowNamed = (thing: string, shadowName: string | undefined) =>
  new ShadowRefused({
    code: 404,
    message: `No shadow exists with name: '${shadowName === undefined ? thing : `${thing}~${shadowName}`}'`
  })
