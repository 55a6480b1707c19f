/**
 * With what devices sign in: a secret is shown once and kept as a hash. Making and revoking one are events of the
 * device's stream, so a revoked secret opens nothing anywhere, and the log tells who could speak for a lock, and when.
 */
import { hash, randomBytes, timingSafeEqual } from "node:crypto"
import {
  contended,
  EventStore,
  feedReader,
  growth,
  type NewEvent,
  type StoredEvent,
  type StoreUnavailable
} from "@latchkey/core"
import { Clock, Context, Effect, Layer, Option, Schema, Stream } from "effect"
import { v7 as uuid } from "uuid"

/** What happened to a device's secrets. Stored for ever: add cases and optional fields, never rename or remove one. */
const DeviceEvent = Schema.TaggedUnion({
  DeviceSecretCreated: {
    secretId: Schema.String,
    /** SHA-256 of the secret, base64url. Secrets are random, so a plain hash gives nothing away. */
    hash: Schema.String
  },
  DeviceSecretRevoked: { secretId: Schema.String }
})
type DeviceEvent = typeof DeviceEvent.Type

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

const PREFIX = "device-"
const PAGE = 1_000

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
>()("@latchkey/http/DeviceSecrets") {
  static readonly layer = Layer.effect(
    DeviceSecrets,
    Effect.gen(function* () {
      const store = yield* EventStore
      const begun = yield* store.head

      const secretsOf = Effect.fnUntraced(function* (thing: string) {
        const secrets = new Map<string, DeviceSecret>()
        let version = 0
        while (true) {
          const events = yield* store.read(PREFIX + thing, version, PAGE)
          for (const stored of events) take(secrets, thing, stored)
          version = events.at(-1)?.version ?? version
          if (events.length < PAGE) return { secrets, version }
        }
      })

      const list = Effect.gen(function* () {
        const all: Array<DeviceSecret> = []
        let after = PREFIX
        while (true) {
          const streams = yield* store.streams(PREFIX, after, PAGE)
          for (const stream of streams) all.push(...(yield* secretsOf(stream.slice(PREFIX.length))).secrets.values())
          if (streams.length < PAGE) return all
          after = streams.at(-1) ?? after
        }
      })

      /** Decides on the device's secrets as the log has them, and appends to exactly that log; decides anew when it has grown. */
      const transact = Effect.fnUntraced(
        function* (thing: string, decide: (secrets: ReadonlyMap<string, DeviceSecret>) => DeviceEvent | undefined) {
          const { secrets, version } = yield* secretsOf(thing)
          const decided = decide(secrets)
          if (decided === undefined) return
          const { _tag: type, ...data } = decided
          const at = yield* Clock.currentTimeMillis
          const commandId = uuid()
          const event: NewEvent = {
            eventId: `${commandId}-1`,
            type,
            data,
            at,
            orgId: "",
            principal: { _tag: "System" },
            commandId
          }
          yield* store.append(PREFIX + thing, version, [event])
        },
        Effect.retry({ schedule: contended, while: ({ _tag }) => _tag !== "StoreUnavailable" }),
        Effect.catchTag(["VersionConflict", "StreamReserved", "ReceiptExists", "EventExists"], () =>
          Effect.fail(new DeviceSecretsChanged())
        )
      )

      const revoked = Stream.suspend(() => {
        const readOn = feedReader(store, PREFIX, begun)
        const found: Array<string> = []
        const look = readOn(({ type, streamId }) => {
          if (type === "DeviceSecretRevoked") found.push(streamId.slice(PREFIX.length))
        })
        // A store that does not answer is asked again a second later: the next look begins where this one ended.
        return growth(store).pipe(
          Stream.mapEffect(() => Effect.map(Effect.ignore(look), () => found.splice(0))),
          Stream.flattenIterable
        )
      })

      return {
        isSecretOf: Effect.fnUntraced(function* (thing, secret) {
          const presented = Buffer.from(hashOf(secret))
          const { secrets } = yield* secretsOf(thing)
          return [...secrets.values()].some(
            ({ hash, revokedAt }) => revokedAt === undefined && timingSafeEqual(Buffer.from(hash), presented)
          )
        }),
        create: Effect.fnUntraced(function* (thing) {
          const secretId = uuid()
          const secret = `ld_${randomBytes(32).toString("base64url")}`
          yield* transact(thing, () => ({ _tag: "DeviceSecretCreated", secretId, hash: hashOf(secret) }))
          return { secretId, secret }
        }),
        revoke: Effect.fnUntraced(function* (secretId) {
          const secret = (yield* list).find((one) => one.secretId === secretId)
          if (secret === undefined) return yield* Effect.fail(new DeviceSecretNotFound({ secretId }))
          yield* transact(secret.thing, (secrets) =>
            secrets.get(secretId)?.revokedAt === undefined ? { _tag: "DeviceSecretRevoked", secretId } : undefined
          )
          return secret
        }),
        list,
        revoked
      }
    })
  )
}

const take = (secrets: Map<string, DeviceSecret>, thing: string, stored: StoredEvent): void => {
  const event = Option.getOrUndefined(decode({ ...stored.data, _tag: stored.type }))
  if (event?._tag === "DeviceSecretCreated") {
    const { secretId, hash } = event
    secrets.set(secretId, { secretId, thing, hash, createdAt: stored.at })
  } else if (event?._tag === "DeviceSecretRevoked") {
    const secret = secrets.get(event.secretId)
    if (secret !== undefined) secrets.set(event.secretId, { ...secret, revokedAt: stored.at })
  }
}

const hashOf = (secret: string): string => hash("sha256", secret, "base64url")
const decode = Schema.decodeUnknownOption(DeviceEvent)
