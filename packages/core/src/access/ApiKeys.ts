/**
 * API keys of organizations. A key is shown once and kept as a hash; creating and revoking are events of the
 * organization's stream, so every instance over the same store learns of them.
 */
import { Clock, Context, Effect, HashMap, Layer, Option, Schema } from "effect"
import { type At, Category, type Decide, granting, type WriteContext } from "../streams/Category.ts"
import { EventStore, type StoredEvent, type StoreUnavailable } from "../streams/EventStore.ts"
import { Feed } from "../streams/Feed.ts"
import { earlierTry, givenFor, notGiven, ReceiptReused, type RequestReceipt } from "../streams/Receipts.ts"
import { type Limits, Scope } from "../values/Limits.ts"
import type { Principal } from "../values/Principal.ts"
import { Secrets } from "./Secrets.ts"

/** What happened to an organization. Stored forever: add cases and optional fields, never rename or remove one. */
export const OrganizationEvent = Schema.TaggedUnion({
  ApiKeyCreated: {
    keyId: Schema.String,
    /** Of the key; see `Secrets.hash`. Empty when the key is limited: who knows of no limits must know no such key. */
    hash: Schema.String,
    name: Schema.optionalKey(Schema.String),
    /** Epoch milliseconds. */
    expiresAt: Schema.optionalKey(Schema.Int),
    limited: Schema.optionalKey(
      Schema.Struct({
        hash: Schema.String,
        /** Those that are not known give nothing. */
        scopes: Schema.optionalKey(Schema.Array(Schema.String)),
        locks: Schema.optionalKey(Schema.Array(Schema.Int))
      })
    )
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
  /** What it may do of all that its organization may; everything but to manage API keys, unless given. */
  readonly limits?: Limits
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

/** Most keys that an organization has at a time, and ever, beside those that the operator makes. */
const MOST_KEYS = 100
const MOST_KEYS_EVER = 5_000

/** The organization has as many API keys as it may. */
export class TooManyApiKeys extends Schema.TaggedError<TooManyApiKeys>()("TooManyApiKeys", {}) {
  override get message() {
    return `An organization may have at most ${MOST_KEYS} API keys at a time, and ${MOST_KEYS_EVER} ever. Revoke those that are not needed, or ask the operator.`
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
        const { _tag: _, limited, ...key } = event
        const more = limited === undefined ? {} : { hash: hashOf(event), limits: limitsFrom(limited) }
        return HashMap.set(keys, key.keyId, { ...key, ...more, orgId, createdAt: at })
      }
      case "ApiKeyRevoked":
        return HashMap.modify(keys, event.keyId, (key) => ({ ...key, revokedAt: at }))
    }
  }
})
type ApiKeyCreated = (typeof OrganizationEvent.cases.ApiKeyCreated)["Type"]
const hashOf = ({ hash, limited }: ApiKeyCreated): string => limited?.hash ?? hash

const isScope = Schema.is(Scope)
const limitsFrom = ({ scopes, locks }: NonNullable<ApiKeyCreated["limited"]>): Limits => ({
  ...(scopes && { scopes: scopes.filter(isScope) }),
  ...(locks && { locks })
})

/** What a new key is for, and until when (epoch milliseconds). */
export interface NewApiKey {
  readonly name?: string
  readonly expiresAt?: number
  readonly limits?: Limits
}

/** Who asks for a change of API keys, when and under which id. */
export interface AskedForKeys extends Pick<WriteContext, "commandId" | "at" | "principal"> {
  /** Makes a retry answer what was answered, but for the secret: that is shown once. */
  readonly receipt?: RequestReceipt
}

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
      options: NewApiKey
    ) => Effect.Effect<{ readonly keyId: string; readonly secret: string }, StoreUnavailable | ApiKeysChanged>
    /** Makes a key for somebody who may: an organization has `MOST_KEYS` at most. Without its secret on a retry. */
    readonly issue: (
      orgId: string,
      options: NewApiKey,
      asked: AskedForKeys
    ) => Effect.Effect<
      { readonly key: ApiKey; readonly secret: string | undefined },
      StoreUnavailable | ApiKeysChanged | TooManyApiKeys | ReceiptReused
    >
    /** The operator's first key, unless a key was ever made. Of all who ask at once, on whichever server, one gets it. */
    readonly createFirst: (
      name: string
    ) => Effect.Effect<Option.Option<{ readonly secret: string }>, StoreUnavailable | ApiKeysChanged>
    /** Revoking once more changes nothing. For somebody who may, with who asked. */
    readonly revoke: (
      keyId: string,
      asked?: AskedForKeys
    ) => Effect.Effect<ApiKey, StoreUnavailable | ApiKeyNotFound | ApiKeysChanged>
    /** The key with this id, whosever it is. */
    readonly find: (keyId: string) => Effect.Effect<ApiKey, StoreUnavailable | ApiKeyNotFound>
    /** Every key of an organization that was ever made, oldest first. */
    readonly of: (orgId: string) => Effect.Effect<ReadonlyArray<ApiKey>, StoreUnavailable>
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
  /** Whose key it is, by its id. */
  const owners = new Map<string, string>()
  const keysOf = (orgId: string): Keys => organizations.get(orgId) ?? Organizations.initial

  const { catchUp, isCurrent } = yield* feed.register(
    { category: Organizations.category },
    (stored: StoredEvent): void => {
      const orgId = Organizations.idOf(stored.streamId)
      if (orgId === undefined) return
      organizations.set(orgId, Organizations.next(keysOf(orgId), stored))
      const event = Organizations.decode(stored)
      if (event?._tag !== "ApiKeyCreated") return
      const { keyId } = event
      places.set(hashOf(event), { orgId, keyId })
      owners.set(keyId, orgId)
    }
  )

  /** Whose key it is as far as is known here, and what that rests on. */
  const look = (hashed: string, now: number) => {
    const place = places.get(hashed)
    if (place === undefined) return undefined
    const keys = keysOf(place.orgId)
    const key = Option.getOrUndefined(HashMap.get(keys.state, place.keyId))
    return key !== undefined && isGood(key, now)
      ? { principal: { ...ownedBy(key.orgId), keyId: key.keyId, ...(key.limits && { limits: key.limits }) }, keys }
      : undefined
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
    function* <E = never>(
      orgId: string,
      decide: Decide<OrganizationEvent, Keys["state"], E>,
      more: Partial<WriteContext> = {}
    ) {
      yield* catchUp()
      const at = yield* Clock.currentTimeMillis
      const told = orgId === OPERATOR ? "" : orgId
      const context: WriteContext = { commandId: newId(), at, principal: { _tag: "System" }, orgId: told, ...more }
      const transacted = yield* Organizations.transact(orgId, context, decide, keysOf(orgId))
      // It is stored, whether or not it can be read back now.
      yield* Effect.ignore(catchUp())
      return transacted
    },
    Effect.catchTag(["Contended", "EventExists"], () => Effect.fail(new ApiKeysChanged())),
    Effect.provideService(EventStore, store)
  )

  const newKey = ({ limits, ...options }: NewApiKey) => {
    const secret = `lk_${draw()}`
    const hashed =
      limits === undefined ? { hash: hash(secret) } : { hash: "", limited: { ...limits, hash: hash(secret) } }
    return { secret, event: OrganizationEvent.cases.ApiKeyCreated.make({ keyId: newId(), ...hashed, ...options }) }
  }

  const find = (keyId: string): Effect.Effect<ApiKey, StoreUnavailable | ApiKeyNotFound> =>
    Effect.flatMap(catchUp(), () => {
      const orgId = owners.get(keyId)
      const key = orgId === undefined ? undefined : Option.getOrUndefined(HashMap.get(keysOf(orgId).state, keyId))
      return key === undefined ? Effect.fail(new ApiKeyNotFound({ keyId })) : Effect.succeed(key)
    })

  const of = (orgId: string): ReadonlyArray<ApiKey> =>
    [...HashMap.values(keysOf(orgId).state)].sort((a, b) => a.createdAt - b.createdAt || (a.keyId < b.keyId ? -1 : 1))

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
      yield* transact(orgId, () => [event])
      return { keyId: event.keyId, secret }
    }),
    issue: Effect.fnUntraced(function* (orgId, options, { receipt, ...asked }) {
      const { secret, event } = newKey(options)
      const streamId = Organizations.streamOf(orgId)
      /** The key that the first try has made. */
      const made = Effect.fnUntraced(function* () {
        const found = yield* earlierTry(store, receipt)
        if (Option.isNone(found)) return undefined
        const [stored] = yield* store.read(found.value.streamId, found.value.firstVersion - 1, 1)
        const earlier = stored && found.value.streamId === streamId ? Organizations.decode(stored) : undefined
        return earlier?._tag === "ApiKeyCreated" ? earlier.keyId : yield* new ReceiptReused({ id: receipt?.id ?? "" })
      })
      const { events, after } = yield* transact(
        orgId,
        Effect.fnUntraced(function* ({ state, version }: Keys) {
          if ((yield* made()) !== undefined) return []
          const keys = [...HashMap.values(state)]
          if (keys.filter((key) => isGood(key, asked.at)).length >= MOST_KEYS || keys.length >= MOST_KEYS_EVER)
            return yield* new TooManyApiKeys()
          return receipt === undefined
            ? [event]
            : { events: [event], expect: [notGiven(receipt)], put: [givenFor(receipt, streamId, version, 1)] }
        }),
        asked
      )
      const keyId = events.length > 0 ? event.keyId : ((yield* made()) ?? "")
      const key = Option.getOrUndefined(HashMap.get(after.state, keyId)) ?? (yield* find(keyId).pipe(Effect.orDie))
      return { key, secret: events.length > 0 ? secret : undefined }
    }),
    createFirst: Effect.fnUntraced(function* (name) {
      const { secret, event } = newKey({ name })
      const { events } = yield* transact(OPERATOR, () =>
        Effect.map(catchUp(), () => (places.size === 0 ? [event] : []))
      )
      return events.length > 0 ? Option.some({ secret }) : Option.none()
    }),
    find,
    of: (orgId) => Effect.map(catchUp(), () => of(orgId)),
    revoke: Effect.fnUntraced(function* (keyId, asked) {
      const { orgId } = yield* find(keyId)
      const isRevoked = ({ state }: Keys) => HashMap.getUnsafe(state, keyId).revokedAt !== undefined
      const revoked = OrganizationEvent.cases.ApiKeyRevoked.make({ keyId })
      const { after } = yield* transact(orgId, (keys) => (isRevoked(keys) ? [] : [revoked]), {
        ...asked,
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
