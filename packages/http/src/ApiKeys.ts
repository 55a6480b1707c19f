/**
 * API keys of organizations. A key is shown once and kept as a hash; creating and revoking are events of the
 * organization's stream, so every instance over the same store learns of them.
 */
import { hash, randomBytes } from "node:crypto"
import {
  EventStore,
  followStreams,
  type NewEvent,
  type Principal,
  type StoredEvent,
  type StoreUnavailable
} from "@latchkey/core"
import { Clock, Context, Effect, Layer, Option, Schema } from "effect"
import { v7 as uuid } from "uuid"

/** What happened to an organization. Stored for ever: add cases and optional fields, never rename or remove one. */
export const OrganizationEvent = Schema.TaggedUnion({
  ApiKeyCreated: {
    keyId: Schema.String,
    /** SHA-256 of the key, base64url. Keys are random, so a plain hash gives nothing away. */
    hash: Schema.String,
    name: Schema.optionalKey(Schema.String),
    /** Epoch milliseconds. */
    expiresAt: Schema.optionalKey(Schema.Int)
  },
  ApiKeyRevoked: { keyId: Schema.String }
})
export type OrganizationEvent = typeof OrganizationEvent.Type

/** The organization of super keys: the operator. */
export const OPERATOR = "*"

export interface ApiKey {
  readonly keyId: string
  readonly orgId: string
  readonly hash: string
  readonly name?: string
  readonly createdAt: number
  readonly expiresAt?: number
  readonly revokedAt?: number
}

/** There is no API key with this id. */
export class ApiKeyNotFound extends Schema.TaggedError<ApiKeyNotFound>()("ApiKeyNotFound", { keyId: Schema.String }) {
  override get message() {
    return `There is no API key ${this.keyId}. "latchkey keys list" shows them.`
  }
}

/** Somebody else changed the organization's keys at the same moment. */
export class ApiKeysChanged extends Schema.TaggedError<ApiKeysChanged>()("ApiKeysChanged", {}) {
  override get message() {
    return "The organization's keys were changed at the same moment. Nothing was done; try again."
  }
}

const PREFIX = "organization-"

export class ApiKeys extends Context.Service<
  ApiKeys,
  {
    /** Who presents this key; `undefined` when it is unknown, expired by `now` (epoch milliseconds) or revoked. */
    readonly principalOf: (secret: string, now: number) => Principal | undefined
    /** Learns at once what other instances did to keys; without being asked, that takes a moment. */
    readonly catchUp: () => Effect.Effect<void, StoreUnavailable>
    /** Makes a key; the secret is in the answer and nowhere else. */
    readonly create: (
      orgId: string,
      options: { readonly name?: string; readonly expiresAt?: number }
    ) => Effect.Effect<{ readonly keyId: string; readonly secret: string }, StoreUnavailable | ApiKeysChanged>
    readonly revoke: (keyId: string) => Effect.Effect<ApiKey, StoreUnavailable | ApiKeyNotFound | ApiKeysChanged>
    /** Every key that was ever made, oldest first. */
    readonly list: Effect.Effect<ReadonlyArray<ApiKey>>
  }
>()("@latchkey/http/ApiKeys") {
  /** `bootstrap`: keys that the operator configured, beside those in the store. */
  static readonly layer = (bootstrap: ReadonlyArray<{ readonly orgId: string; readonly secret: string }> = []) =>
    Layer.effect(
      ApiKeys,
      Effect.gen(function* () {
        const store = yield* EventStore
        const byId = new Map<string, ApiKey>()
        const byHash = new Map<string, ApiKey>()

        const remember = (key: ApiKey): void => {
          byId.set(key.keyId, key)
          byHash.set(key.hash, key)
        }
        for (const { orgId, secret } of bootstrap) {
          const hash = hashOf(secret)
          byHash.set(hash, { keyId: "", orgId, hash, createdAt: 0 })
        }

        const take = (stored: StoredEvent): void => {
          const event = Option.getOrUndefined(decode({ ...stored.data, _tag: stored.type }))
          if (event?._tag === "ApiKeyCreated") {
            const { _tag: _, ...key } = event
            remember({ ...key, orgId: stored.streamId.slice(PREFIX.length), createdAt: stored.at })
          } else if (event?._tag === "ApiKeyRevoked") {
            const key = byId.get(event.keyId)
            if (key !== undefined) remember({ ...key, revokedAt: stored.at })
          }
        }
        const { catchUp, versionOf } = yield* followStreams(PREFIX, take)

        const append = Effect.fnUntraced(function* (orgId: string, { _tag: type, ...data }: OrganizationEvent) {
          const streamId = PREFIX + orgId
          yield* catchUp()
          const at = yield* Clock.currentTimeMillis
          const commandId = uuid()
          const principal: Principal = { _tag: "System" }
          const event: NewEvent = { eventId: `${commandId}-1`, type, data, at, orgId, principal, commandId }
          yield* store
            .append(streamId, versionOf(streamId), [event])
            .pipe(
              Effect.catchTag(["VersionConflict", "StreamReserved", "ReceiptExists", "EventExists"], () =>
                Effect.fail(new ApiKeysChanged())
              )
            )
          yield* catchUp()
        })

        return {
          principalOf: (secret, now) => {
            // Found by its hash: how long that takes depends on nothing that a caller could learn a secret from.
            const key = byHash.get(hashOf(secret))
            if (key === undefined) return undefined
            if (key.revokedAt !== undefined || (key.expiresAt !== undefined && key.expiresAt <= now)) return undefined
            return key.orgId === OPERATOR ? { _tag: "Super" } : { _tag: "Organization", orgId: key.orgId }
          },
          catchUp,
          create: Effect.fnUntraced(function* (orgId, options) {
            const keyId = uuid()
            const secret = `lk_${randomBytes(32).toString("base64url")}`
            yield* append(orgId, { _tag: "ApiKeyCreated", keyId, hash: hashOf(secret), ...options })
            return { keyId, secret }
          }),
          revoke: Effect.fnUntraced(function* (keyId) {
            const key = byId.get(keyId)
            if (key === undefined) return yield* Effect.fail(new ApiKeyNotFound({ keyId }))
            if (key.revokedAt === undefined) yield* append(key.orgId, { _tag: "ApiKeyRevoked", keyId })
            return byId.get(keyId) ?? key
          }),
          list: Effect.sync(() => Array.from(byId.values()).sort((a, b) => a.createdAt - b.createdAt))
        }
      })
    )
}

const hashOf = (secret: string): string => hash("sha256", secret, "base64url")
const decode = Schema.decodeUnknownOption(OrganizationEvent)
