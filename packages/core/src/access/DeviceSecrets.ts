/**
 * With what devices sign in: a secret is shown once and kept as a hash. Making and revoking one are events of the
 * device's stream, so a revoked secret opens nothing anywhere, and the log tells who could speak for a lock, and when.
 */
import { Clock, Context, Effect, Layer, Queue, Schema, Stream } from "effect"
import { keepGoing } from "../streams/Backoff.ts"
import { type At, Category, granting, type WriteContext } from "../streams/Category.ts"
import { EventStore, type StoreUnavailable } from "../streams/EventStore.ts"
import { Feed } from "../streams/Feed.ts"
import { forEachPaged } from "../streams/Turns.ts"
import { Text } from "../values/Text.ts"
import { Secrets } from "./Secrets.ts"

/** What happened to a device's secrets. Stored forever: add cases and optional fields, never rename or remove one. */
export const DeviceEvent = Schema.TaggedUnion({
  DeviceSecretCreated: {
    secretId: Schema.String,
    /** Of the secret; see `Secrets.hash`. */
    hash: Schema.String
  },
  DeviceSecretRevoked: { secretId: Schema.String }
})
type DeviceEvent = typeof DeviceEvent.Type

/** A secret of a device, without the secret itself. */
export interface DeviceSecret {
  readonly secretId: string
  readonly thing: string
  readonly hash: string
  /** Epoch milliseconds. */
  readonly createdAt: number
  readonly revokedAt?: number
}

/** There is no secret with this id. */
export class DeviceSecretNotFound extends Schema.TaggedError<DeviceSecretNotFound>()("DeviceSecretNotFound", {
  secretId: Schema.String
}) {
  override get message() {
    return `There is no device secret ${this.secretId}. "latchkey devices list" shows them.`
  }
}

/** Others kept changing the device's secrets at the same moment. */
export class DeviceSecretsChanged extends Schema.TaggedError<DeviceSecretsChanged>()("DeviceSecretsChanged", {}) {
  override get message() {
    return "Others keep changing the device's secrets. Nothing was done; try again."
  }
}

type OfDevice = ReadonlyMap<string, DeviceSecret>

/** The secrets of a device, by id. */
export const Devices = Category({
  prefix: "device-",
  events: DeviceEvent,
  personal: {},
  initial: new Map() as OfDevice,
  evolve: (secrets, event, { at }, thing) => {
    const { secretId } = event
    if (event._tag === "DeviceSecretCreated") {
      return new Map(secrets).set(secretId, { secretId, thing, hash: event.hash, createdAt: at })
    }
    const secret = secrets.get(secretId)
    return secret === undefined ? secrets : new Map(secrets).set(secretId, { ...secret, revokedAt: at })
  }
})

/** The secrets with which devices sign in. */
export class DeviceSecrets extends Context.Service<
  DeviceSecrets,
  {
    /** Whether the device has this secret and it is not revoked, as the log says at this moment. */
    readonly isSecretOf: (thing: string, secret: string) => Effect.Effect<boolean, StoreUnavailable>
    /** Makes another secret of the device; it is in the answer and nowhere else. */
    readonly create: (
      thing: string
    ) => Effect.Effect<{ readonly secretId: string; readonly secret: string }, StoreUnavailable | DeviceSecretsChanged>
    /** Revoking once more changes nothing. */
    readonly revoke: (
      secretId: string
    ) => Effect.Effect<DeviceSecret, StoreUnavailable | DeviceSecretNotFound | DeviceSecretsChanged>
    /** Every secret that was ever made, device by device. */
    readonly list: Effect.Effect<ReadonlyArray<DeviceSecret>, StoreUnavailable>
    /** Devices of which a secret was revoked since the layer was made: within a second or so. */
    readonly revoked: Stream.Stream<string>
  }
>()("@latchkey/core/DeviceSecrets") {
  static readonly layer = Layer.effect(
    DeviceSecrets,
    Effect.suspend(() => make)
  ).pipe(Layer.provide(Feed.layer))
}

const make = Effect.gen(function* () {
  const store = yield* EventStore
  const feed = yield* Feed
  const { draw, hash, newId } = yield* Secrets
  const filter = { category: Devices.category }
  const begun = yield* store.head

  const transact = Effect.fnUntraced(
    function* (
      thing: string,
      decide: (at: At<OfDevice>) => ReadonlyArray<DeviceEvent>,
      more: Partial<WriteContext> = {}
    ) {
      const at = yield* Clock.currentTimeMillis
      const context: WriteContext = { commandId: newId(), at, principal: { _tag: "System" }, ...more }
      return yield* Devices.transact(thing, context, decide)
    },
    Effect.catchTag(["Contended", "EventExists"], () => Effect.fail(new DeviceSecretsChanged())),
    Effect.provideService(EventStore, store)
  )

  const list = Effect.gen(function* () {
    const devices = new Map<string, At<OfDevice>>()
    yield* forEachPaged(
      (position, limit) => store.feed(position, limit, filter),
      ({ position }) => position,
      (stored) => devices.set(stored.streamId, Devices.next(devices.get(stored.streamId) ?? Devices.initial, stored))
    )
    const streams = [...devices.keys()].sort()
    return streams.flatMap((streamId) => [...(devices.get(streamId) ?? Devices.initial).state.values()])
  })

  const follow = Effect.gen(function* () {
    const queue = yield* Queue.unbounded<string>()
    const take = ({ type, streamId }: { readonly type: string; readonly streamId: string }) => {
      const thing = Devices.idOf(streamId)
      if (type === "DeviceSecretRevoked" && thing !== undefined) Queue.offerUnsafe(queue, thing)
    }
    yield* keepGoing("Cannot follow which device secrets are revoked")(feed.register(filter, take, begun))
    return Stream.fromQueue(queue)
  })

  return DeviceSecrets.of({
    isSecretOf: Effect.fnUntraced(
      function* (thing, secret) {
        if (!isNameable(thing)) return false
        const secrets = yield* granting(yield* Devices.fold(thing))
        const presented = hash(secret)
        // Hashes are compared, of secrets that nobody can come close to: how long that takes tells nothing.
        return [...secrets.values()].some(({ hash, revokedAt }) => revokedAt === undefined && hash === presented)
      },
      Effect.provideService(EventStore, store)
    ),
    create: Effect.fnUntraced(function* (thing) {
      const secretId = newId()
      const secret = `ld_${draw()}`
      yield* transact(thing, () => [{ _tag: "DeviceSecretCreated", secretId, hash: hash(secret) }])
      return { secretId, secret }
    }),
    revoke: Effect.fnUntraced(function* (secretId) {
      const secret = (yield* list).find((one) => one.secretId === secretId)
      if (secret === undefined) return yield* Effect.fail(new DeviceSecretNotFound({ secretId }))
      const { after } = yield* transact(
        secret.thing,
        ({ state }) =>
          state.get(secretId)?.revokedAt === undefined ? [{ _tag: "DeviceSecretRevoked", secretId }] : [],
        { revokes: true }
      )
      return after.state.get(secretId) ?? secret
    }),
    list,
    revoked: Stream.unwrap(follow)
  })
})

/** Whether a stream can be named after it: who signs in may call themselves anything. */
const isNameable = (thing: string): boolean => Devices.streamOf(thing).length <= LONGEST_STREAM && isText(thing)

const isText = Schema.is(Text)
/** Characters of the longest id of a stream. */
const LONGEST_STREAM = 255
