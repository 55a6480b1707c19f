/** API keys and secrets of devices as the log has them: soon known to every process, and changed by one at a time. */
import { describe, expect, it } from "@effect/vitest"
import { VersionConflict } from "@latchkey/core"
import { LocalShadow, ShadowMqtt } from "@latchkey/local-shadow"
import { Clock, Effect, Exit, Fiber, Option, Stream } from "effect"
import { TestClock } from "effect/testing"
import { connectAsync } from "mqtt"
import { ApiKeys } from "../src/auth/ApiKeys.ts"
import { DeviceSecrets } from "../src/auth/DeviceSecrets.ts"
import { controlledStore, over } from "./harness/controlledStore.ts"

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
      expect(yield* ask).toEqual(acme)
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
      expect(yield* ask).toEqual(acme)
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
      yield* TestClock.adjust("1 second")
      expect(Exit.isFailure(yield* Fiber.join(asked))).toBe(true)
      control.reads = "ok"
      expect(yield* ask).toBeUndefined()
    })
  )

  it.effect("is refused at once after the machine slept, though no steady clock went on", () =>
    Effect.gen(function* () {
      const clock = yield* Clock.Clock
      let slept = 0
      const asleep = { ...clock, currentTimeMillisUnsafe: () => clock.currentTimeMillisUnsafe() + slept }
      const { elsewhere, keyId, ask } = yield* Effect.provideService(makeKeys, Clock.Clock, asleep)
      expect(yield* ask).toEqual(acme)
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
      const busy = (streamId: string, expected: number) =>
        Effect.suspend(() => {
          tries++
          return Effect.fail(new VersionConflict({ streamId, expected, actual: expected + 1 }))
        })
      const keys = yield* over(ApiKeys, ApiKeys.layer(), { ...controlled, append: busy })
      const secrets = yield* over(DeviceSecrets, DeviceSecrets.layer, { ...store, append: busy })
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
      expect(yield* keys.principalOf(secret, 0)).toEqual({ _tag: "Super" })
    })
  )
})

const makeSecrets = Effect.gen(function* () {
  const { store, control, controlled } = yield* controlledStore
  const elsewhere = yield* over(DeviceSecrets, DeviceSecrets.layer, store)
  const made = yield* elsewhere.create("thing")
  const secrets = yield* over(DeviceSecrets, DeviceSecrets.layer, controlled)
  const revoked: Array<string> = []
  yield* Effect.forkScoped(Stream.runForEach(secrets.revoked, (thing) => Effect.sync(() => revoked.push(thing))))
  return { store, control, elsewhere, secrets, revoked, ...made }
})

describe("a revoked secret of a device, where the store gives no hints", () => {
  it.effect("opens nothing at once, and a second later its device is named, to be disconnected", () =>
    Effect.gen(function* () {
      const { elsewhere, secrets, secretId, secret, revoked } = yield* makeSecrets
      yield* TestClock.adjust("10 seconds")
      expect([yield* secrets.isSecretOf("thing", secret), revoked]).toEqual([true, []])
      yield* elsewhere.revoke(secretId)
      expect(yield* secrets.isSecretOf("thing", secret)).toBe(false)
      yield* TestClock.adjust("1100 millis")
      expect(revoked).toEqual(["thing"])
      yield* TestClock.adjust("10 seconds")
      expect(revoked).toEqual(["thing"])
    })
  )

  it.effect.each(["fail", "hang"] as const)("is not forgotten when reads %s meanwhile", (reads) =>
    Effect.gen(function* () {
      const { control, elsewhere, secrets, secretId, secret, revoked } = yield* makeSecrets
      control.reads = reads
      yield* elsewhere.revoke(secretId)
      yield* TestClock.adjust("1 minute")
      expect(revoked).toEqual([])
      if (reads === "fail") expect(Exit.isFailure(yield* Effect.exit(secrets.isSecretOf("thing", secret)))).toBe(true)
      control.reads = "ok"
      yield* TestClock.adjust("2 seconds")
      expect(revoked).toEqual(["thing"])
    })
  )

  it.effect("names its device though it was revoked before anybody listened", () =>
    Effect.gen(function* () {
      const { store, controlled } = yield* controlledStore
      const elsewhere = yield* over(DeviceSecrets, DeviceSecrets.layer, store)
      const { secretId } = yield* elsewhere.create("thing")
      const secrets = yield* over(DeviceSecrets, DeviceSecrets.layer, controlled)
      yield* elsewhere.revoke(secretId)
      expect(yield* Stream.runHead(secrets.revoked)).toEqual(Option.some("thing"))
    })
  )
})

it.effect("a device that is connected with a revoked secret is thrown out, and stays out", () =>
  Effect.gen(function* () {
    const { elsewhere, secrets, secretId, secret } = yield* makeSecrets
    const { port } = yield* ShadowMqtt.serve({
      host: "127.0.0.1",
      port: 0,
      signIn: {
        isPasswordOf: (thing, password) => Effect.orDie(secrets.isSecretOf(thing, password)),
        ended: secrets.revoked
      }
    })
    const connect = Effect.tryPromise(() =>
      connectAsync(`mqtt://127.0.0.1:${port}`, { username: "thing", password: secret, reconnectPeriod: 0 }, false)
    )
    const device = yield* connect
    const gone = new Promise<void>((resolve) => device.once("close", () => resolve()))
    yield* elsewhere.revoke(secretId)
    yield* TestClock.adjust("1100 millis")
    yield* Effect.promise(() => gone)
    expect(Exit.isFailure(yield* Effect.exit(connect))).toBe(true)
  }).pipe(Effect.scoped, Effect.provide(LocalShadow.layer({ folder: ":memory:" })))
)

describe("several processes at the secrets of one device", () => {
  it.effect("revoke a secret once", () =>
    Effect.gen(function* () {
      const { store, control, elsewhere, secrets, secretId } = yield* makeSecrets
      control.meanwhile = elsewhere.revoke(secretId)
      yield* TestClock.adjust("5 millis").pipe(Effect.forkChild)
      yield* secrets.revoke(secretId)
      const events = yield* store.read("device-thing", 0, 10)
      expect(events.map(({ type }) => type)).toEqual(["DeviceSecretCreated", "DeviceSecretRevoked"])
    })
  )

  it.effect("make their secrets, whoever is quicker", () =>
    Effect.gen(function* () {
      const { control, elsewhere, secrets } = yield* makeSecrets
      control.meanwhile = elsewhere.create("thing")
      yield* TestClock.adjust("5 millis").pipe(Effect.forkChild)
      const { secret } = yield* secrets.create("thing")
      expect(yield* secrets.isSecretOf("thing", secret)).toBe(true)
      expect(yield* secrets.list).toHaveLength(3)
    })
  )
})
