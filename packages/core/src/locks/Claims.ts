/**
 * Who has which thing, as the records of the store say. They are derived from the events of locks: an import writes them
 * with the events, and a log from before there were claims is read once, before the first command is judged.
 */
import { Context, Effect, Layer, Option } from "effect"
import {
  type Claim,
  type ClaimPolicy,
  type ClaimStep,
  claimAfter,
  claimIn,
  claimKey,
  claimRecords,
  DISPUTES,
  isDisputed,
  mayClaim
} from "../access/Claims.ts"
import {
  type DeviceProof,
  type DeviceSecret,
  Devices,
  proofOf,
  recordStoredSpellings,
  spellingsOf
} from "../access/DeviceSecrets.ts"
import { canonicalThing } from "../access/Thing.ts"
import { claimStepsOf } from "../lock/ClaimSteps.ts"
import type { Lock, LockId } from "../lock/Lock.ts"
import type { LockCommand } from "../lock/LockCommand.ts"
import { rowOf } from "../lock/LockCommands.ts"
import type { LockEventType } from "../lock/LockEvent.ts"
import { granting } from "../streams/Category.ts"
import {
  type Append,
  type Batch,
  EventStore,
  type Expectation,
  type NewEvent,
  type Put,
  type StoredEvent,
  type StoreUnavailable
} from "../streams/EventStore.ts"
import type { Records } from "../streams/Import.ts"
import type { BesideRecords } from "../streams/Reservations.ts"

type Store = EventStore["Service"]

/** Up to which position of the feed claims are written down, or that all of them are, and stay so. Storage. */
const PROGRESS = "claims"
const COMPLETE = "complete"
/** With two claims an event, each of which may begin or end a dispute, they fit into one batch. */
const PAGE = 250
const DISPUTES_AT_ONCE = 500
/** Claims that are asked for at the same time. */
const CLAIMS_AT_ONCE = 16

/** A thing that several locks are on. */
export interface Dispute {
  readonly thing: string
  readonly lockIds: ReadonlyArray<LockId>
}

export class Claims extends Context.Service<
  Claims,
  {
    /** Reads a log from before there were claims, once. Costs nothing more once it is done. */
    readonly known: Effect.Effect<void, StoreUnavailable>
    /** Whether `known` is done. */
    readonly isKnown: () => boolean
    /** Whether a command cannot be judged without asking who has which thing. Few are so. */
    readonly concern: (command: LockCommand) => boolean
    /** Whether several locks are on the lock's thing. */
    readonly isDisputed: (lock: Lock) => Effect.Effect<boolean, StoreUnavailable>
    /**
     * The lock that has a thing, a retired one included; of several in dispute, the first. By the log alone: the read model
     * may be behind, or a newer Latchkey's.
     */
    readonly lockOfThing: (thing: string) => Effect.Effect<LockId | undefined, StoreUnavailable>
    /** The claims that a command may change, and that rule it. */
    readonly about: (lock: Lock | undefined, command: LockCommand) => Effect.Effect<Things, StoreUnavailable>
  }
>()("@latchkey/core/Claims") {
  /** @param policy who may claim things that nobody ever had */
  static readonly layer = (policy: ClaimPolicy) =>
    Layer.effect(
      Claims,
      Effect.gen(function* () {
        const store = yield* EventStore
        /** Disputes only end: a lock that was in none at the start stays in none. */
        const disputed = new Set<LockId>()
        let isKnown = false

        /** What the secrets of the device say, under whichever spelling of its name they were made. */
        const proofFor = Effect.fnUntraced(function* (command: LockCommand, thing: string | undefined) {
          const names = thing === undefined ? [] : yield* spellingsOf(store, thing)
          const devices = yield* Effect.forEach(names, (name) =>
            Effect.map(Effect.provideService(Devices.fold(name), EventStore, store), (at) => ({ name, at }))
          )
          const secrets: Array<DeviceSecret> = []
          for (const { at } of devices) secrets.push(...(yield* granting(at)).values())
          const device = yield* proofOf(secrets, command._tag === "CreateLock" ? command : {})
          return {
            device,
            versions: devices.map(({ name, at }) => ({ name, version: at.version, since: at.at, secrets: at.state }))
          }
        })

        const known = Effect.gen(function* () {
          if (isKnown) return
          yield* writeDown(store)
          yield* recordStoredSpellings(store)
          for (const { lockIds } of yield* recordedDisputes(store)) for (const lockId of lockIds) disputed.add(lockId)
          isKnown = true
        })

        return {
          isKnown: () => isKnown,
          known,
          isDisputed: Effect.fnUntraced(function* ({ lockId, uuid }) {
            yield* known
            return disputed.has(lockId) && isDisputed(yield* claimOf(store, uuid))
          }),
          lockOfThing: Effect.fnUntraced(function* (thing) {
            yield* known
            const { lockIds = [] } = (yield* claimOf(store, thing)) ?? {}
            return lockIds.length === 0 ? undefined : Math.min(...lockIds)
          }),
          concern: ({ _tag, lockId }) => {
            const { claims, event } = rowOf(_tag)
            return claims !== undefined || writingClaims.has(event ?? "") || disputed.has(lockId)
          },
          about: Effect.fnUntraced(function* (lock, command) {
            const claims = new Map<string, Known>()
            const wanted = wantedBy(command)
            for (const thing of [lock?.uuid, wanted]) {
              if (thing === undefined || claims.has(canonicalThing(thing))) continue
              const record = yield* store.record(claimKey(thing))
              claims.set(canonicalThing(thing), {
                record: Option.getOrUndefined(record),
                claim: yield* claimIn(thing, record)
              })
            }
            const claimOf = (thing: string | undefined) =>
              thing === undefined ? undefined : claims.get(canonicalThing(thing))?.claim
            const { device, versions } = yield* proofFor(command, wanted)
            const mayHave = wanted === undefined || mayClaim(command.principal, claimOf(wanted), device, policy)
            const isDisputedHere = lock !== undefined && isDisputed(claimOf(lock.uuid))
            if (!isDisputedHere) disputed.delete(command.lockId)
            return { claims, wanted: claimOf(wanted), isDisputed: isDisputedHere, mayHave, device, versions }
          })
        }
      })
    )
}

/** Events of commands that claim nothing and change who has, or last had, the lock's own thing. */
const writingClaims: ReadonlySet<string> = new Set<LockEventType>(["LockRetired", "OrganizationSet"])

interface Known {
  readonly record: string | undefined
  readonly claim: Claim | undefined
}

/** What is known of the things that a command is about. */
export interface Things {
  /** By canonical name. */
  readonly claims: ReadonlyMap<string, Known>
  /** That of the thing which the command claims. */
  readonly wanted: Claim | undefined
  /** Whether the lock is not the only one on its thing. */
  readonly isDisputed: boolean
  /** Whether the principal may claim it, while no lock has it. */
  readonly mayHave: boolean
  readonly device: DeviceProof
  /** What that rests on. */
  readonly versions: ReadonlyArray<{
    readonly name: string
    readonly version: number
    readonly since: number
    readonly secrets: ReadonlyMap<string, DeviceSecret>
  }>
}

/**
 * What is written beside the first events on a thing: that its secrets are what they were, and that a claim code was used.
 *
 * @param event the first of them, in its envelope
 */
export const proofWith = (
  { device: { usedCodeOf }, versions }: Things,
  lockId: LockId,
  event: NewEvent | undefined
): ReadonlyArray<Append> =>
  event === undefined
    ? []
    : versions.map(({ name, version, since, secrets }) => ({
        streamId: Devices.streamOf(name),
        expectedVersion: version,
        events:
          usedCodeOf === undefined || !secrets.has(usedCodeOf)
            ? []
            : [
                {
                  ...event,
                  ...Devices.encode({ _tag: "ClaimCodeUsed", secretId: usedCodeOf, lockId }),
                  eventId: `${event.eventId}-code`,
                  at: Math.max(event.at, since)
                }
              ]
      }))

/** The thing that a command claims. */
export const wantedBy = (command: LockCommand): string | undefined => {
  const { claims } = rowOf(command._tag)
  return claims === undefined ? undefined : (command as { readonly [field in "uuid" | "newUuid"]?: string })[claims]
}

/** What is written with what was decided: the claims as its steps leave them, unless they have changed meanwhile. */
export const claimsAfter = ({ claims }: Things, steps: ReadonlyArray<ClaimStep>): BesideRecords => {
  const together = { expect: [] as Array<Expectation>, put: [] as Array<Put>, remove: [] as Array<string> }
  for (const [thing, { record, claim }] of claims) {
    const after = steps.filter((step) => canonicalThing(step.thing) === thing).reduce(claimAfter, claim)
    if (after === undefined || after === claim) continue
    const { put, remove } = claimRecords(thing, claim, after)
    together.expect.push({ key: claimKey(thing), value: record })
    together.put.push(...put)
    together.remove.push(...remove)
  }
  return together
}

const claimOf = (store: Records, thing: string): Effect.Effect<Claim | undefined, StoreUnavailable> =>
  Effect.flatMap(store.record(claimKey(thing)), (record) => claimIn(thing, record))

/** Claims as they were, and as steps leave them. */
const folding = (before: ReadonlyMap<string, Claim | undefined>) => {
  const claims = new Map(before)
  return {
    take: (step: ClaimStep): void => {
      const thing = canonicalThing(step.thing)
      claims.set(thing, claimAfter(claims.get(thing), step))
    },
    records: (): Required<Pick<Batch, "put" | "remove">> => {
      const changed = [...claims].flatMap(([thing, after]) =>
        after === undefined || after === before.get(thing) ? [] : [claimRecords(thing, before.get(thing), after)]
      )
      return { put: changed.flatMap(({ put }) => put), remove: changed.flatMap(({ remove }) => remove) }
    },
    disputes: (): ReadonlyArray<Dispute> =>
      [...claims].flatMap(([thing, claim]) =>
        claim !== undefined && isDisputed(claim) ? [{ thing, lockIds: claim.lockIds }] : []
      )
  }
}

/**
 * What is written with events that another store had: the claims that follow from them. `isGuessed`: a thing that a lock takes
 * was nobody's before, and the write expects it so; only the claims of other things are asked for.
 */
export const claimsWith = Effect.fnUntraced(function* (
  store: Records,
  events: ReadonlyArray<StoredEvent>,
  isGuessed = false
) {
  const steps = events.flatMap(claimStepsOf)
  const first = new Map<string, ClaimStep>()
  for (const step of steps) if (!first.has(canonicalThing(step.thing))) first.set(canonicalThing(step.thing), step)
  const isGuess = (thing: string) => isGuessed && first.get(thing)?._tag === "Taken"
  const things = [...first.keys()]
  const claims = yield* Effect.forEach(
    things.filter((thing) => !isGuess(thing)),
    (thing) => Effect.map(claimOf(store, thing), (claim) => [thing, claim] as const),
    { concurrency: CLAIMS_AT_ONCE }
  )
  const fold = folding(new Map(claims))
  for (const step of steps) fold.take(step)
  const expect: ReadonlyArray<Expectation> = things
    .filter(isGuess)
    .map((thing) => ({ key: claimKey(thing), value: undefined }))
  return { expect, ...fold.records() }
})

/** What says that all claims of the store are written down. */
export const allClaimsKnown = { key: PROGRESS, value: COMPLETE }

/** Reads the log from where the last one came to, a page a write. Several may do so at once: each page is written by one of them. */
const writeDown = Effect.fnUntraced(function* (store: Store): Effect.fn.Return<void, StoreUnavailable> {
  while (true) {
    const progress = Option.getOrUndefined(yield* store.record(PROGRESS))
    if (progress === COMPLETE) return
    const events = yield* store.feed(Number(progress ?? 0), PAGE, { category: "lock" })
    const last = events.at(-1)
    const { put, remove } = yield* claimsWith(store, events)
    const reached = last !== undefined && events.length === PAGE ? String(last.position) : COMPLETE
    yield* store
      .write({
        expect: [{ key: PROGRESS, value: progress }],
        put: [...put, { key: PROGRESS, value: reached }],
        remove
      })
      .pipe(
        Effect.catchTags({
          // Another process was quicker.
          RecordConflict: () => Effect.void,
          EventExists: Effect.die,
          VersionConflict: Effect.die
        })
      )
    // Others who ask something meanwhile go on in between.
    yield* Effect.yieldNow
  }
})

const recordedDisputes = Effect.fnUntraced(function* (store: Store) {
  const disputes: Array<Dispute> = []
  for (let after = ""; ; ) {
    const page = yield* store.records(DISPUTES, after, DISPUTES_AT_ONCE)
    for (const { key } of page) {
      const thing = key.slice(DISPUTES.length)
      const claim = yield* claimOf(store, thing)
      if (claim !== undefined && isDisputed(claim)) disputes.push({ thing, lockIds: claim.lockIds })
    }
    after = page.at(-1)?.key ?? after
    if (page.length < DISPUTES_AT_ONCE) return disputes
  }
})

/**
 * The things that several locks are on, also in a log that was not read for claims yet. Writes nothing.
 *
 * @example
 * ```ts
 * const store = yield* EventStore
 * for (const { thing, lockIds } of yield* disputesIn(store)) console.log(thing, lockIds)
 * ```
 */
export const disputesIn = Effect.fnUntraced(function* (
  store: Store
): Effect.fn.Return<ReadonlyArray<Dispute>, StoreUnavailable> {
  if (Option.getOrUndefined(yield* store.record(PROGRESS)) === COMPLETE) return yield* recordedDisputes(store)
  const fold = folding(new Map())
  for (let after = 0; ; ) {
    const events = yield* store.feed(after, PAGE, { category: "lock" })
    for (const step of events.flatMap(claimStepsOf)) fold.take(step)
    after = events.at(-1)?.position ?? after
    if (events.length < PAGE) return fold.disputes()
    yield* Effect.yieldNow
  }
})
