/**
 * With what devices sign in: a secret is shown once and kept as a hash. Making and revoking one are events of the
 * device's stream, so a revoked secret opens nothing anywhere, and the log tells who could speak for a lock, and when.
 */
import { Clock, Context, Effect, Layer, Option, Queue, Result, Schema, Stream } from "effect"
import { Base64Url } from "effect/encoding"
import { keepGoing } from "../streams/Backoff.ts"
import { type At, Category, type Decision, granting, type WriteContext } from "../streams/Category.ts"
import { EventNames, EventStore, type Put, type StoredEvent, type StoreUnavailable } from "../streams/EventStore.ts"
import { Feed } from "../streams/Feed.ts"
import { forEachPaged } from "../streams/Turns.ts"
import { Secrets, sha256 } from "./Secrets.ts"
import { canonicalThing } from "./Thing.ts"

/** What happened to a device's secrets. Stored forever: add cases and optional fields, never rename or remove one. */
export const DeviceEvent = Schema.TaggedUnion({
  DeviceSecretCreated: {
    secretId: Schema.String,
    /** Of the secret; see `Secrets.hash`. */
    hash: Schema.String,
    /** The same of a code that proves once, to the one who reads it on the device, that the device is theirs. */
    claimCodeHash: Schema.optionalKey(Schema.String),
    /** Whose device it is: that organization may claim it without more ado, and no other. */
    orgId: Schema.optionalKey(Schema.String)
  },
  DeviceSecretRevoked: { secretId: Schema.String },
  /** A lock claimed the device with the code that came with this secret: it is good for nothing more. */
  ClaimCodeUsed: { secretId: Schema.String, lockId: Schema.Int }
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
  /** Of the claim code that was made with it; older secrets have none. */
  readonly claimCodeHash?: string
  /** When that was used. */
  readonly claimCodeUsedAt?: number
  readonly orgId?: string
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
      const { _tag: _, ...made } = event
      return new Map(secrets).set(secretId, { ...made, thing, createdAt: at })
    }
    const secret = secrets.get(secretId)
    if (secret === undefined) return secrets
    const ended = event._tag === "ClaimCodeUsed" ? { claimCodeUsedAt: at } : { revokedAt: at }
    return new Map(secrets).set(secretId, { ...secret, ...ended })
  }
})

/** Before a thing's canonical name: under which other spellings of it there are secrets. Storage. */
const SPELLINGS = "thing-name/"
const spellingKey = (thing: string): string => `${SPELLINGS}${canonicalThing(thing)}/${thing}`
const ALL_SPELLINGS = "thing-names"
/** What says that every spelling has a record. */
export const allSpellingsKnown = { key: ALL_SPELLINGS, value: "recorded" }
const MOST_SPELLINGS = 100
const PAGE = 500

/** What is written with a secret, so that it is found however its thing is spelled; nothing for what is spelled canonically. */
const spellingOf = (thing: string): ReadonlyArray<Put> =>
  thing === canonicalThing(thing) ? [] : [{ key: spellingKey(thing), value: "" }]

/** The same for secrets that these events are of. */
export const spellingsIn = (events: ReadonlyArray<StoredEvent>): ReadonlyArray<Put> =>
  [...new Set(events.flatMap(({ streamId }) => Devices.idOf(streamId) ?? []))].flatMap(spellingOf)

/** The names under which there may be secrets of a thing: however its uuid is spelled, it is the same thing. */
export const spellingsOf = Effect.fnUntraced(function* (
  store: EventStore["Service"],
  thing: string
): Effect.fn.Return<ReadonlyArray<string>, StoreUnavailable> {
  const prefix = `${SPELLINGS}${canonicalThing(thing)}/`
  const others = yield* store.records(prefix, "", MOST_SPELLINGS)
  return [...new Set([thing, canonicalThing(thing), ...others.map(({ key }) => key.slice(prefix.length))])]
})

/** Writes down under which spellings secrets were made before that was written with them. Costs one question once it is done. */
export const recordStoredSpellings = Effect.fnUntraced(function* (
  store: EventStore["Service"]
): Effect.fn.Return<void, StoreUnavailable> {
  if (Option.isSome(yield* store.record(ALL_SPELLINGS))) return
  for (let after = 0; ; ) {
    const events = yield* store.feed(after, PAGE, { category: Devices.category })
    const isLast = events.length < PAGE
    const put = [...spellingsIn(events), ...(isLast ? [allSpellingsKnown] : [])]
    // Nothing is expected, so only the store can fail.
    yield* store
      .write({ put })
      .pipe(Effect.catch((error) => (error._tag === "StoreUnavailable" ? Effect.fail(error) : Effect.die(error))))
    after = events.at(-1)?.position ?? after
    if (isLast) return
  }
})

/** The secrets with which devices sign in. */
export class DeviceSecrets extends Context.Service<
  DeviceSecrets,
  {
    /** Whether the device, however its name is spelled, has this secret and it is not revoked, as the log says at this moment. */
    readonly isSecretOf: (thing: string, secret: string) => Effect.Effect<boolean, StoreUnavailable>
    /**
     * Makes another secret of the device, and a claim code; they are in the answer and nowhere else.
     *
     * @param orgId whose device it is from now on; as before unless given
     */
    readonly create: (
      thing: string,
      orgId?: string
    ) => Effect.Effect<
      { readonly secretId: string; readonly secret: string; readonly claimCode: string },
      StoreUnavailable | DeviceSecretsChanged
    >
    /** Revoking once more changes nothing. */
    readonly revoke: (
      secretId: string
    ) => Effect.Effect<DeviceSecret, StoreUnavailable | DeviceSecretNotFound | DeviceSecretsChanged>
    /**
     * Secrets in the order in which they were made, `limit` at most.
     *
     * @param after 0, or where the page before has ended
     */
    readonly page: (
      after: number,
      limit: number
    ) => Effect.Effect<
      { readonly secrets: ReadonlyArray<DeviceSecret>; readonly next: number | undefined },
      StoreUnavailable
    >
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
  /** Whether all spellings have records. */
  let isSpelled = false

  const transact = Effect.fnUntraced(
    function* (
      thing: string,
      decide: (at: At<OfDevice>) => ReadonlyArray<DeviceEvent> | Decision<DeviceEvent>,
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

  /** Events that made secrets, after a position: `limit` at most. */
  const making = Effect.fnUntraced(function* (after: number, limit: number) {
    const made: Array<StoredEvent> = []
    for (let position = after; made.length < limit; ) {
      const events = yield* store.feed(position, PAGE, filter)
      made.push(...events.filter(({ type }) => type === "DeviceSecretCreated"))
      position = events.at(-1)?.position ?? position
      if (events.length < PAGE) break
    }
    return made.slice(0, limit)
  })

  const secretIn = Effect.fnUntraced(
    function* (made: StoredEvent) {
      const event = Devices.decode(made)
      const thing = Devices.idOf(made.streamId)
      if (event?._tag !== "DeviceSecretCreated" || thing === undefined) return undefined
      return (yield* Devices.fold(thing)).state.get(event.secretId)
    },
    Effect.provideService(EventStore, store)
  )

  const find = Effect.fnUntraced(function* (secretId: string) {
    for (let after = 0; ; ) {
      const made = yield* making(after, PAGE)
      for (const stored of made) {
        const event = Devices.decode(stored)
        if (event?._tag === "DeviceSecretCreated" && event.secretId === secretId) return yield* secretIn(stored)
      }
      after = made.at(-1)?.position ?? after
      if (made.length < PAGE) return undefined
    }
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
        if (!isSpelled) yield* recordStoredSpellings(store)
        isSpelled = true
        const presented = hash(secret)
        for (const name of yield* spellingsOf(store, thing)) {
          const secrets = yield* granting(yield* Devices.fold(name))
          // Hashes are compared, of secrets that nobody can come close to: how long that takes tells nothing.
          if ([...secrets.values()].some(({ hash, revokedAt }) => revokedAt === undefined && hash === presented))
            return true
        }
        return false
      },
      Effect.provideService(EventStore, store)
    ),
    create: Effect.fnUntraced(function* (thing, orgId) {
      const secretId = newId()
      const secret = `ld_${draw()}`
      const claimCode = codeFrom(draw())
      const hashes = { hash: hash(secret), claimCodeHash: hash(spelled(claimCode)) }
      const created = {
        _tag: "DeviceSecretCreated",
        secretId,
        ...hashes,
        ...(orgId === undefined ? {} : { orgId })
      } as const
      yield* transact(thing, () => ({ events: [created], put: spellingOf(thing) }))
      return { secretId, secret, claimCode }
    }),
    revoke: Effect.fnUntraced(function* (secretId) {
      const secret = yield* find(secretId)
      if (secret === undefined) return yield* Effect.fail(new DeviceSecretNotFound({ secretId }))
      const { after } = yield* transact(
        secret.thing,
        ({ state }) =>
          state.get(secretId)?.revokedAt === undefined ? [{ _tag: "DeviceSecretRevoked", secretId }] : [],
        { revokes: true }
      )
      return after.state.get(secretId) ?? secret
    }),
    page: Effect.fnUntraced(function* (after, limit) {
      const made = yield* making(after, limit + 1)
      const shown = made.slice(0, limit)
      const secrets = yield* Effect.forEach(shown, secretIn)
      return {
        secrets: secrets.filter((secret) => secret !== undefined),
        next: made.length > limit ? shown.at(-1)?.position : undefined
      }
    }),
    list,
    revoked: Stream.unwrap(follow)
  })
})

/** Whether a stream can be named after it: who signs in may call themselves anything. */
const isNameable = (thing: string): boolean => isStreamId(Devices.streamOf(thing))

/** Letters and digits that are not taken for each other when they are read from a label (Crockford's). */
const SYMBOLS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

/** A claim code of 125 of the random bits, in five groups of five. */
const codeFrom = (drawn: string): string => {
  const bits = Array.from(Result.getOrThrow(Base64Url.decode(drawn)), (byte) => byte.toString(2).padStart(8, "0")).join(
    ""
  )
  const symbols = Array.from({ length: 25 }, (_, n) => SYMBOLS[Number.parseInt(bits.slice(5 * n, 5 * n + 5), 2)]).join(
    ""
  )
  return (symbols.match(/.{5}/g) ?? []).join("-")
}

/** A claim code as it is meant, however somebody has typed it. */
const spelled = (code: string): string =>
  code.toUpperCase().replaceAll(/[\s-]/g, "").replaceAll("O", "0").replaceAll(/[IL]/g, "1")

/** What somebody presents to show that a device is theirs. */
export interface Presented {
  readonly deviceSecret?: string | undefined
  readonly claimCode?: string | undefined
}

/** What the device's secrets say of its owner, and of what is presented. */
export interface DeviceProof {
  readonly isProven: boolean
  /** Whether there is anything that could be presented. */
  readonly hasProof: boolean
  /** The organization that the operator said has the device. */
  readonly orgId?: string
  /** With a claim code that proves it: with which secret it was made. */
  readonly usedCodeOf?: string
}

/** Judges what is presented. A secret proves it as often as it is presented, a claim code once. */
export const proofOf = Effect.fnUntraced(function* (
  secrets: ReadonlyArray<DeviceSecret>,
  { deviceSecret, claimCode }: Presented
): Effect.fn.Return<DeviceProof> {
  const good = secrets.filter(({ revokedAt }) => revokedAt === undefined)
  const orgId = secrets.findLast((secret) => secret.orgId !== undefined)?.orgId
  const about = { hasProof: good.length > 0, ...(orgId === undefined ? {} : { orgId }) }
  const hashed = deviceSecret === undefined ? undefined : yield* sha256(deviceSecret)
  if (good.some(({ hash }) => hash === hashed)) return { ...about, isProven: true }
  const code = claimCode === undefined ? undefined : yield* sha256(spelled(claimCode))
  const coded = good.find(
    ({ claimCodeHash, claimCodeUsedAt }) =>
      code !== undefined && claimCodeHash === code && claimCodeUsedAt === undefined
  )
  return coded === undefined ? { ...about, isProven: false } : { ...about, isProven: true, usedCodeOf: coded.secretId }
})

const isStreamId = Schema.is(EventNames.streamId)
