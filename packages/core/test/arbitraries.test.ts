/** The arbitraries reach what they promise: a property over them is never vacuous. */
import { describe, expect, it } from "@effect/vitest"
import {
  decide,
  evolve,
  initial,
  LockEvent,
  type LockRefused,
  LockRequest,
  statusAt,
  TempKey,
  type TempKeyStatus
} from "@latchkey/core"
import {
  lockAfter,
  lockCommands,
  lockFeed,
  lockHistory,
  lockRequest,
  principal,
  tempKey,
  tempKeyAtEdge
} from "@latchkey/core/testing"
import { Arbitrary, Effect, Result, Schema } from "effect"
import { Principal } from "../src/values/Principal.ts"

const SAMPLES = 400
const sample = <A>(arbitrary: Arbitrary.Arbitrary<A>) =>
  Arbitrary.sampleEffect(arbitrary, { count: SAMPLES, seed: "latchkey" })

/** How often each of these was seen. */
const tally = (names: Iterable<string>): { readonly [name: string]: number } => {
  const counts: { [name: string]: number } = {}
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1
  return counts
}

/** Every refusal of the domain; the compiler asks for new ones. */
const REFUSALS = Object.keys({
  LockNotFound: true,
  KeyExists: true,
  SlotTaken: true,
  KeyNotNamed: true,
  KeyNotFound: true,
  UuidUnchanged: true,
  LockRetired: true,
  ResidentExists: true,
  ResidentNotFound: true,
  ResidentNotNamed: true,
  TempKeyNotFound: true,
  TempKeyExists: true,
  EmptyWindow: true,
  EmptyWhitelist: true,
  TempKeyNotValid: true,
  TempKeyWithdrawn: true,
  NotOnWhitelist: true
  // A lock loses its device to another lock, and few devices have said how many slots they have.
  // A lock is full only after a long history.
} satisfies { readonly [Tag in Exclude<LockRefused["_tag"], "LockFull" | "DeviceLost" | "NoSuchSlot">]: true })

const STATUSES = Object.keys({ valid: true, expired: true, "used-up": true, "not-yet-valid": true } satisfies {
  readonly [Status in TempKeyStatus]: true
})

describe("arbitraries", () => {
  it.effect("requests are requests, and all of them but the bulk one come up", () =>
    Effect.gen(function* () {
      const requests = yield* sample(Arbitrary.array(lockRequest))
      for (const request of requests.flat()) expect(Schema.is(LockRequest)(request)).toBe(true)
      const tags = new Set(requests.flat().map(({ _tag }) => _tag))
      expect([...tags, "BulkAddKeys"].toSorted()).toEqual(Object.keys(LockRequest.cases).toSorted())
    })
  )

  it.effect("every kind of principal comes up", () =>
    Effect.gen(function* () {
      const principals = yield* sample(principal)
      expect(Object.keys(tally(principals.map(({ _tag }) => _tag))).toSorted()).toEqual(
        Object.keys(Principal.cases).toSorted()
      )
    })
  )

  it.effect("commands reach every event and every refusal, each more than a few times", () =>
    Effect.gen(function* () {
      const seen: Array<string> = []
      for (const commands of yield* sample(lockCommands)) {
        let lock = initial
        for (const command of commands) {
          const decided = decide(lock, command)
          if (Result.isFailure(decided)) {
            seen.push(decided.failure._tag)
            if (decided.failure._tag === "TempKeyNotValid") seen.push(decided.failure.status)
          } else {
            seen.push(
              ...(decided.success.events.length === 0 ? ["already so"] : decided.success.events.map(({ _tag }) => _tag))
            )
            lock = lockAfter(lock, command, decided.success)
          }
        }
      }
      const counts = tally(seen)
      const expected = [
        // What a lock loses, another lock's command takes. A use that is given back needs a chain of four commands:
        // `UseReturned.test.ts` has arbitraries of its own.
        // What is sent by itself, and fails five times, and lists of keys, `Hardware.properties.test.ts` has.
        ...Object.keys(LockEvent.cases).filter(
          (type) =>
            !["ClaimLost", "TempKeyUseReturned", "KeyNeedsAttention", "KeyRemovalSent", "KeysReported"].includes(type)
        ),
        ...REFUSALS,
        "already so",
        "expired",
        "used-up",
        "not-yet-valid"
      ]
      expect(expected.filter((name) => (counts[name] ?? 0) < 10)).toEqual([])
    })
  )

  it.prop("commands come in the order of their time, each with an id of its own", [lockCommands], ([commands]) => {
    const times = commands.map(({ at }) => at)
    expect(times).toEqual(times.toSorted((a, b) => a - b))
    expect(new Set(commands.map(({ commandId }) => commandId)).size).toBe(commands.length)
  })

  it.prop("a history begins with the creation of its lock, and folds", [lockHistory], ([events]) => {
    expect(events[0]?._tag).toBe("LockCreated")
    expect(events.reduce((lock, event) => evolve(lock, event), initial)?.version).toBe(events.length)
  })

  it.prop("a feed has neither gaps in its positions nor in the versions of a stream", [lockFeed], ([feed]) => {
    expect(feed.map(({ position }) => position)).toEqual(feed.map((_, index) => index + 1))
    for (const stream of new Set(feed.map(({ streamId }) => streamId))) {
      const versions = feed.filter(({ streamId }) => streamId === stream).map(({ version }) => version)
      expect(versions).toEqual(versions.map((_, index) => index + 1))
    }
  })

  it.effect("feeds hold events of several locks, and two locks of one name", () =>
    Effect.gen(function* () {
      const feeds = yield* sample(lockFeed)
      for (const feed of feeds) expect(new Set(feed.map(({ streamId }) => streamId)).size).toBe(3)
      const claims = feeds.map(
        (feed) =>
          new Set(
            feed
              .filter(({ type }) => type === "TempKeyCreated")
              .map((e) => `${e.streamId} ${String(e.data["tempKeyUuid"]).toLowerCase()}`)
          )
      )
      const contested = claims.filter(
        (claim) => new Set([...claim].map((name) => name.split(" ")[1])).size < claim.size
      )
      expect(contested.length).toBeGreaterThan(5)
    })
  )

  it.effect("temp keys are temp keys, and their edges show every status", () =>
    Effect.gen(function* () {
      for (const key of yield* sample(tempKey)) expect(Schema.is(TempKey)(key)).toBe(true)
      const statuses = tally((yield* sample(tempKeyAtEdge)).map(({ key, now }) => statusAt(key, now)))
      expect(STATUSES.filter((status) => (statuses[status] ?? 0) < 5)).toEqual([])
    })
  )
})
