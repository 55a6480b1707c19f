/**
 * API keys of organizations. A key is shown once and kept as a hash; creating and revoking are events of the
 * organization's stream, so every instance over the same store learns of them.
 */
import { Clock, Context, Effect, HashMap, Layer, Option, Schema } from "effect"
import { type At, Category, granting, type WriteContext } from "../streams/Category.ts"
import { EventStore, type StoredEvent, type StoreUnavailable } from "../streams/EventStore.ts"
import { Feed } from "../streams/Feed.ts"
import type { Principal } from "../values/Principal.ts"
import { Secrets } from "./Secrets.ts"

/** What happened to an organization. Stored forever: add cases and optional fields, never rename or remove one. */
export const OrganizationEvent = Schema.TaggedUnion({
  ApiKeyCreated: {
    keyId: Schema.String,
    /** Of the key; see `Secrets.hash`. */
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

/** A key of an organization, without its secret. */
export interface ApiKey {
  readonly keyId: string
  readonly orgId: string
  readonly hash: string
  readonly name?: string
  /** Epoch milliseconds. */
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

/** The keys of an organization, by id. */
export const Organizations = Category({
  prefix: "organization-",
  events: OrganizationEvent,
  personal: { ApiKeyCreated: ["name"] },
  initial: HashMap.empty<string, ApiKey>(),
  evolve: (keys, event, { at }, orgId) => {
    switch (event._tag) {
      case "ApiKeyCreated": {
        const { _tag: _, ...key } = event
        return HashMap.set(keys, key.keyId, { ...key, orgId, createdAt: at })
      }
      case "ApiKeyRevoked":
        return HashMap.modify(keys, event.keyId, (key) => ({ ...key, revokedAt: at }))
    }
  }
})
type Keys = At<HashMap.HashMap<string, ApiKey>>

/** The keys with which organizations sign in. */
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
>()("@latchkey/core/ApiKeys") {
  /** `configured`: keys that the operator gave, beside those in the store. */
  static readonly layer = (configured: ReadonlyArray<{ readonly orgId: string; readonly secret: string }> = []) =>
    Layer.effect(
      ApiKeys,
      Effect.suspend(() => make(configured))
    ).pipe(Layer.provide(Feed.layer))
}

const make = Effect.fnUntraced(function* (
  configured: ReadonlyArray<{ readonly orgId: string; readonly secret: string }>
) {
  const store = yield* EventStore
  const feed = yield* Feed
  const { draw, hash, newId } = yield* Secrets
  const principals = new Map(configured.map(({ orgId, secret }) => [hash(secret), ownedBy(orgId)]))
  const organizations = new Map<string, Keys>()
  /** Which key it is, by its hash. */
  const places = new Map<string, { readonly orgId: string; readonly keyId: string }>()
  const keysOf = (orgId: string): Keys => organizations.get(orgId) ?? Organizations.initial

  const { catchUp, isCurrent } = yield* feed.register(
    { category: Organizations.category },
    (stored: StoredEvent): void => {
      const orgId = Organizations.idOf(stored.streamId)
      if (orgId === undefined) return
      organizations.set(orgId, Organizations.next(keysOf(orgId), stored))
      const event = Organizations.decode(stored)
      if (event?._tag === "ApiKeyCreated") places.set(event.hash, { orgId, keyId: event.keyId })
    }
  )

  /** Whose key it is as far as is known here, and what that rests on. */
  const look = (hashed: string, now: number) => {
    const place = places.get(hashed)
    if (place === undefined) return undefined
    const keys = keysOf(place.orgId)
    const key = Option.getOrUndefined(HashMap.get(keys.state, place.keyId))
    return key !== undefined && isGood(key, now) ? { principal: ownedBy(key.orgId), keys } : undefined
  }

  const known = (secret: string, now: number): Principal | undefined => {
    // Found by its hash: how long that takes depends on nothing that a caller could learn a secret from.
    const hashed = hash(secret)
    // What the operator configured rests on no log.
    const principal = principals.get(hashed)
    if (principal !== undefined || !isCurrent()) return principal
    const found = look(hashed, now)
    return found?.keys.unknown === undefined ? found?.principal : undefined
  }

  const transact = Effect.fnUntraced(
    function* (
      orgId: string,
      decide: (keys: Keys) => Effect.Effect<ReadonlyArray<OrganizationEvent>, StoreUnavailable>,
      more: Partial<WriteContext> = {}
    ) {
      yield* catchUp()
      const at = yield* Clock.currentTimeMillis
      const context: WriteContext = { commandId: newId(), at, principal: { _tag: "System" }, ...more }
      const transacted = yield* Organizations.transact(orgId, context, decide, keysOf(orgId))
      // It is stored, whether or not it can be read back now.
      yield* Effect.ignore(catchUp())
      return transacted
    },
    Effect.catchTag(["Contended", "EventExists"], () => Effect.fail(new ApiKeysChanged())),
    Effect.provideService(EventStore, store)
  )

  const newKey = (options: { readonly name?: string; readonly expiresAt?: number }) => {
    const secret = `lk_${draw()}`
    const event = OrganizationEvent.cases.ApiKeyCreated.make({ keyId: newId(), hash: hash(secret), ...options })
    return { secret, event }
  }

  return ApiKeys.of({
    known,
    // It may have been made, or revoked, a moment ago in another process.
    principalOf: Effect.fnUntraced(function* (secret, now) {
      const principal = known(secret, now)
      if (principal !== undefined) return principal
      yield* catchUp()
      const found = look(hash(secret), now)
      if (found !== undefined) yield* granting(found.keys)
      return found?.principal
    }),
    create: Effect.fnUntraced(function* (orgId, options) {
      const { secret, event } = newKey(options)
      yield* transact(orgId, () => Effect.succeed([event]))
      return { keyId: event.keyId, secret }
    }),
    createFirst: Effect.fnUntraced(function* (name) {
      const { secret, event } = newKey({ name })
      const { events } = yield* transact(OPERATOR, () =>
        Effect.map(catchUp(), () => (places.size === 0 ? [event] : []))
      )
      return events.length > 0 ? Option.some({ secret }) : Option.none()
    }),
    revoke: Effect.fnUntraced(function* (keyId) {
      yield* catchUp()
      const orgId = [...organizations].find(([, { state }]) => HashMap.has(state, keyId))?.[0]
      if (orgId === undefined) return yield* Effect.fail(new ApiKeyNotFound({ keyId }))
      const isRevoked = ({ state }: Keys) => HashMap.getUnsafe(state, keyId).revokedAt !== undefined
      const revoked = OrganizationEvent.cases.ApiKeyRevoked.make({ keyId })
      const { after } = yield* transact(orgId, (keys) => Effect.succeed(isRevoked(keys) ? [] : [revoked]), {
        revokes: true
      })
      return HashMap.getUnsafe(after.state, keyId)
    }),
    list: Effect.sync(() =>
      // In the order of the feed where several were made at a time.
      [...places.values()]
        .flatMap(({ orgId, keyId }) => Option.toArray(HashMap.get(keysOf(orgId).state, keyId)))
        .sort((a, b) => a.createdAt - b.createdAt)
    )
  })
})

const isGood = ({ revokedAt, expiresAt }: ApiKey, now: number): boolean =>
  revokedAt === undefined && (expiresAt === undefined || expiresAt > now)

const ownedBy = (orgId: string): Principal => (orgId === OPERATOR ? { _tag: "Super" } : { _tag: "Organization", orgId })
