/**
 * API keys of organizations. A key is shown once and kept as a hash; creating and revoking are events of the
 * organization's stream, so every instance over the same store learns of them.
 */
import { hash, randomBytes } from "node:crypto"
import {
  contended,
  EventStore,
  followStreams,
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

/** Others kept changing the organization's keys at the same moment. */
export class ApiKeysChanged extends Schema.TaggedError<ApiKeysChanged>()("ApiKeysChanged", {}) {
  override get message() {
    return "Others keep changing the organization's keys. Nothing was done; try again."
  }
}

const PREFIX = "organization-"
/** The id of keys that are not in the log. */
const CONFIGURED = ""

export class ApiKeys extends Context.Service<
  ApiKeys,
  {
    /** As `principalOf`, when that can be told at once; `undefined` also when it cannot. */
    readonly known: (secret: string, now: number) => Principal | undefined
    /**
     * Who presents this key; `undefined` when it is unknown, expired by `now` (epoch milliseconds) or revoked, as the log
     * said at most two seconds ago. Fails when the log cannot tell.
     */
    readonly principalOf: (secret: string, now: number) => Effect.Effect<Principal | undefined, StoreUnavailable>
    /** Makes a key; the secret is in the answer and nowhere else. */
    readonly create: (
      orgId: string,
      options: { readonly name?: string; readonly expiresAt?: number }
    ) => Effect.Effect<{ readonly keyId: string; readonly secret: string }, StoreUnavailable | ApiKeysChanged>
    /** The operator's first key, unless a key was ever made. Of all who ask at once, on whichever server, one gets it. */
    readonly createFirst: (
      name: string
    ) => Effect.Effect<Option.Option<{ readonly secret: string }>, StoreUnavailable | ApiKeysChanged>
    /** Revoking once more changes nothing. */
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
          byHash.set(hash, { keyId: CONFIGURED, orgId, hash, createdAt: 0 })
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
        const { catchUp, isCurrent, versionOf } = yield* followStreams(PREFIX, take)

        /** Decides on the keys as the log has them, and appends to exactly that log; decides anew when it has grown. */
        const transact = Effect.fnUntraced(
          function* (orgId: string, decide: () => OrganizationEvent | undefined) {
            yield* catchUp()
            const at = yield* Clock.currentTimeMillis
            const streamId = PREFIX + orgId
            const [decided, version] = [decide(), versionOf(streamId)]
            if (decided === undefined) return false
            const { _tag: type, ...data } = decided
            const commandId = uuid()
            const principal: Principal = { _tag: "System" }
            yield* store.append(streamId, version, [
              { eventId: `${commandId}-1`, type, data, at, orgId, principal, commandId }
            ])
            // It is stored, whether or not it can be read back now.
            yield* Effect.ignore(catchUp())
            return true
          },
          Effect.retry({ schedule: contended, while: ({ _tag }) => _tag !== "StoreUnavailable" }),
          Effect.catchTag(["VersionConflict", "StreamReserved", "ReceiptExists", "EventExists"], () =>
            Effect.fail(new ApiKeysChanged())
          )
        )

        const known = (secret: string, now: number): Principal | undefined => {
          // Found by its hash: how long that takes depends on nothing that a caller could learn a secret from.
          const key = byHash.get(hashOf(secret))
          // What the operator configured rests on no log.
          return key !== undefined && (key.keyId === CONFIGURED || isCurrent()) ? ownerOf(key, now) : undefined
        }

        return {
          known,
          // It may have been made, or revoked, a moment ago in another process.
          principalOf: (secret, now) =>
            Effect.suspend(() => {
              const principal = known(secret, now)
              return principal === undefined
                ? Effect.map(catchUp(), () => ownerOf(byHash.get(hashOf(secret)), now))
                : Effect.succeed(principal)
            }),
          create: Effect.fnUntraced(function* (orgId, options) {
            const { secret, event } = newKey(options)
            yield* transact(orgId, () => event)
            return { keyId: event.keyId, secret }
          }),
          createFirst: Effect.fnUntraced(function* (name) {
            const { secret, event } = newKey({ name })
            const made = yield* transact(OPERATOR, () => (byId.size === 0 ? event : undefined))
            return made ? Option.some({ secret }) : Option.none()
          }),
          revoke: Effect.fnUntraced(function* (keyId) {
            yield* catchUp()
            const key = byId.get(keyId)
            if (key === undefined) return yield* Effect.fail(new ApiKeyNotFound({ keyId }))
            yield* transact(key.orgId, () =>
              byId.get(keyId)?.revokedAt === undefined ? { _tag: "ApiKeyRevoked", keyId } : undefined
            )
            return byId.get(keyId) ?? key
          }),
          list: Effect.sync(() => Array.from(byId.values()).sort((a, b) => a.createdAt - b.createdAt))
        }
      })
    )
}

const newKey = (options: { readonly name?: string; readonly expiresAt?: number }) => {
  const secret = `lk_${randomBytes(32).toString("base64url")}`
  const event = OrganizationEvent.cases.ApiKeyCreated.make({ keyId: uuid(), hash: hashOf(secret), ...options })
  return { secret, event }
}

const ownerOf = (key: ApiKey | undefined, now: number): Principal | undefined => {
  if (key === undefined || key.revokedAt !== undefined) return undefined
  if (key.expiresAt !== undefined && key.expiresAt <= now) return undefined
  return key.orgId === OPERATOR ? { _tag: "Super" } : { _tag: "Organization", orgId: key.orgId }
}

const hashOf = (secret: string): string => hash("sha256", secret, "base64url")
const decode = Schema.decodeUnknownOption(OrganizationEvent)
