/** API keys as the log has them: soon known to every process, and changed by one at a time. */
import { describe, expect, it } from "@effect/vitest"
import { Clock, Effect, Exit, Fiber, Option, type Schema } from "effect"
import { TestClock } from "effect/testing"
import { ApiKeys } from "../src/access/ApiKeys.ts"
import { DeviceSecrets } from "../src/access/DeviceSecrets.ts"
import { type Batch, type EventStore, VersionConflict } from "../src/streams/EventStore.ts"
import { controlledStore, over } from "./controlledStore.ts"

const acme = { _tag: "Organization", orgId: "acme" }
const CONFIGURED = "a-secret-that-the-operator-configured"

const makeKeys = Effect.gen(function* () {
  const { store, control, controlled } = yield* controlledStore
  const elsewhere = yield* over(ApiKeys, ApiKeys.layer(), store)
  const { keyId, secret } = yield* elsewhere.create("acme", {})
  const keys = yield* over(ApiKeys, ApiKeys.layer([{ orgId: "acme", secret: CONFIGURED }]), controlled)
  return { store, control, elsewhere, keyId, secret, keys, ask: keys.principalOf(secret, 0) }
})

describe("a revoked API key, where the store gives no hints", () => {
  it.effect("is refused a second later", () =>
    Effect.gen(function* () {
      const { elsewhere, keyId, ask } = yield* makeKeys
      expect(yield* ask).toEqual({ ...acme, keyId })
      yield* elsewhere.revoke(keyId)
      yield* TestClock.adjust("1100 millis")
      expect(yield* ask).toBeUndefined()
    })
  )

  it.effect("is good for two seconds at most while the log does not answer: then nobody can tell", () =>
    Effect.gen(function* () {
      const { control, elsewhere, keyId, ask } = yield* makeKeys
      control.reads = "fail"
      yield* elsewhere.revoke(keyId)
      yield* TestClock.adjust("1900 millis")
      expect(yield* ask).toEqual({ ...acme, keyId })
      yield* TestClock.adjust("200 millis")
      expect(yield* Effect.flip(ask)).toMatchObject({ _tag: "StoreUnavailable" })
      // The next request looks by itself, whenever the background looks again.
      yield* TestClock.adjust("1 minute")
      control.reads = "ok"
      expect(yield* ask).toBeUndefined()
    })
  )

  it.effect("is good for two seconds at most while the log hangs", () =>
    Effect.gen(function* () {
      const { control, elsewhere, keyId, ask } = yield* makeKeys
      control.reads = "hang"
      yield* elsewhere.revoke(keyId)
      yield* TestClock.adjust("3 seconds")
      const asked = yield* Effect.forkChild(Effect.exit(ask))
      yield* TestClock.adjust("5 seconds")
      expect(Exit.isFailure(yield* Fiber.join(asked))).toBe(true)
      control.reads = "ok"
      // Whoever looked meanwhile is waited for.
      const again = yield* Effect.forkChild(ask)
      yield* TestClock.adjust("5 seconds")
      expect(yield* Fiber.join(again)).toBeUndefined()
    })
  )

  it.effect("is refused at once after the machine slept, though no steady clock went on", () =>
    Effect.gen(function* () {
      const clock = yield* Clock.Clock
      let slept = 0
      const asleep = { ...clock, currentTimeMillisUnsafe: () => clock.currentTimeMillisUnsafe() + slept }
      const { elsewhere, keyId, ask } = yield* Effect.provideService(makeKeys, Clock.Clock, asleep)
      expect(yield* ask).toEqual({ ...acme, keyId })
      yield* elsewhere.revoke(keyId)
      slept = 3_600_000
      expect(yield* ask).toBeUndefined()
    })
  )

  it.effect("is refused though the time of day stands still", () =>
    Effect.gen(function* () {
      const clock = yield* Clock.Clock
      const still = { ...clock, currentTimeMillisUnsafe: () => 0 }
      const { control, ask } = yield* Effect.provideService(makeKeys, Clock.Clock, still)
      control.reads = "fail"
      yield* TestClock.adjust("2100 millis")
      expect(yield* Effect.flip(ask)).toMatchObject({ _tag: "StoreUnavailable" })
    })
  )
})

describe("while the log does not answer", () => {
  it.effect("a key that the operator configured is good", () =>
    Effect.gen(function* () {
      const { control, keys } = yield* makeKeys
      control.reads = "fail"
      yield* TestClock.adjust("1 minute")
      expect(yield* keys.principalOf(CONFIGURED, 0)).toEqual(acme)
    })
  )

  it.effect("nobody can tell of an unknown key", () =>
    Effect.gen(function* () {
      const { control, keys } = yield* makeKeys
      control.reads = "fail"
      expect(yield* Effect.flip(keys.principalOf("unknown", 0))).toMatchObject({ _tag: "StoreUnavailable" })
    })
  )
})

describe("several processes at the keys of one organization", () => {
  it.effect("revoke a key once", () =>
    Effect.gen(function* () {
      const { store, control, elsewhere, keyId, keys } = yield* makeKeys
      control.meanwhile = elsewhere.revoke(keyId)
      yield* TestClock.adjust("5 millis").pipe(Effect.forkChild)
      expect(yield* keys.revoke(keyId)).toMatchObject({ keyId, revokedAt: 0 })
      const events = yield* store.read("organization-acme", 0, 10)
      expect(events.map(({ type }) => type)).toEqual(["ApiKeyCreated", "ApiKeyRevoked"])
    })
  )

  it.effect("revoke each other's keys at once", () =>
    Effect.gen(function* () {
      const { elsewhere, keys } = yield* makeKeys
      const { keyId } = yield* elsewhere.create("acme", {})
      expect(yield* keys.revoke(keyId)).toMatchObject({ keyId, revokedAt: 0 })
    })
  )

  it.effect("make their keys, whoever is quicker", () =>
    Effect.gen(function* () {
      const { control, elsewhere, keys } = yield* makeKeys
      control.meanwhile = elsewhere.create("acme", { name: "theirs" })
      yield* TestClock.adjust("5 millis").pipe(Effect.forkChild)
      yield* keys.create("acme", { name: "ours" })
      expect((yield* keys.list).map(({ name }) => name)).toEqual([undefined, "theirs", "ours"])
    })
  )

  it.effect("give up in the end, and neither fail at once nor spin", () =>
    Effect.gen(function* () {
      const { store, controlled } = yield* controlledStore
      let tries = 0
      const busy = ({ append }: Batch) =>
        Effect.suspend(() => {
          tries++
          const { streamId = "", expectedVersion: expected = 0 } = append?.[0] ?? {}
          return Effect.fail(new VersionConflict({ streamId, expected, actual: expected + 1 }))
        })
      const keys = yield* over(ApiKeys, ApiKeys.layer(), { ...controlled, write: busy })
      const secrets = yield* over(DeviceSecrets, DeviceSecrets.layer, { ...store, write: busy })
      const made = yield* Effect.forkChild(Effect.flip(keys.create("acme", {})))
      yield* TestClock.adjust("1 millis")
      expect(tries).toBe(1)
      yield* TestClock.adjust("5 seconds")
      expect(yield* Fiber.join(made)).toMatchObject({ _tag: "ApiKeysChanged" })
      expect(tries).toBe(13)
      const secret = yield* Effect.forkChild(Effect.flip(secrets.create("thing")))
      yield* TestClock.adjust("5 seconds")
      expect(yield* Fiber.join(secret)).toMatchObject({ _tag: "DeviceSecretsChanged" })
      expect(tries).toBe(26)
    })
  )
})

describe("the first key", () => {
  it.effect("is made by one of all who start at once, and shown by that one", () =>
    Effect.gen(function* () {
      const { store, control, controlled } = yield* controlledStore
      const one = yield* over(ApiKeys, ApiKeys.layer(), controlled)
      const others = yield* Effect.forEach([2, 3], () => over(ApiKeys, ApiKeys.layer(), store))
      // All have seen that there is none.
      expect(yield* one.list).toEqual([])
      control.meanwhile = Effect.forEach(others, ({ createFirst }) => createFirst("first start"))
      yield* TestClock.adjust("5 millis").pipe(Effect.forkChild)
      expect(yield* one.createFirst("first start")).toEqual(Option.none())
      const [made, ...more] = yield* one.list
      expect(more).toEqual([])
      expect(made).toMatchObject({ orgId: "*", name: "first start" })
      expect(yield* store.read("organization-*", 0, 10)).toHaveLength(1)
    })
  )

  it.effect("is not made where a key was ever made", () =>
    Effect.gen(function* () {
      const { store, elsewhere, keyId, keys } = yield* makeKeys
      yield* elsewhere.revoke(keyId)
      expect(yield* keys.createFirst("first start")).toEqual(Option.none())
      expect(yield* store.read("organization-*", 0, 10)).toEqual([])
    })
  )

  it.effect("opens", () =>
    Effect.gen(function* () {
      const { controlled } = yield* controlledStore
      const keys = yield* over(ApiKeys, ApiKeys.layer(), controlled)
      const { secret } = Option.getOrThrow(yield* keys.createFirst("first start"))
      expect(yield* keys.principalOf(secret, 0)).toMatchObject({ _tag: "Super", keyId: expect.any(String) })
    })
  )
})

describe("a later Latchkey's event of an organization", () => {
  const later = (store: EventStore["Service"], data: Schema.JsonObject) =>
    Effect.gen(function* () {
      const { length: expectedVersion } = yield* store.read("organization-acme", 0, 100)
      const event = { eventId: "later", type: "OrganizationSuspended", data, at: 0, orgId: "acme", commandId: "later" }
      const events = [{ ...event, principal: { _tag: "System" } as const }]
      yield* store.write({ append: [{ streamId: "organization-acme", expectedVersion, events }] })
    })

  it.effect("stops its keys from opening anything here, and no other organization's", () =>
    Effect.gen(function* () {
      const { store, elsewhere, keyId, keys, secret, ask } = yield* makeKeys
      const other = yield* elsewhere.create("other", {})
      yield* later(store, {})
      yield* TestClock.adjust("1100 millis")
      expect(keys.known(secret, 0)).toBeUndefined()
      expect(yield* Effect.flip(ask)).toMatchObject({ _tag: "StoreUnavailable" })
      expect(yield* keys.principalOf(other.secret, 0)).toEqual({
        _tag: "Organization",
        orgId: "other",
        keyId: other.keyId
      })
      expect(yield* Effect.flip(keys.create("acme", {}))).toMatchObject({ _tag: "StoreUnavailable" })
      expect(yield* keys.revoke(keyId)).toMatchObject({ revokedAt: expect.any(Number) })
      expect(yield* ask).toBeUndefined()
    })
  )

  it.effect("stops nothing when it says so", () =>
    Effect.gen(function* () {
      const { store, keyId, ask } = yield* makeKeys
      yield* later(store, { ignorable: true })
      yield* TestClock.adjust("1100 millis")
      expect(yield* ask).toEqual({ ...acme, keyId })
    })
  )
})
