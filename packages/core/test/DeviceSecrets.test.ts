/** Secrets of devices as the log has them: revoked ones open nothing, and one process at a time changes them. */
import { describe, expect, it } from "@effect/vitest"
import { Effect, Exit, Option, Stream } from "effect"
import { TestClock } from "effect/testing"
import { type DeviceSecret, DeviceSecrets } from "../src/access/DeviceSecrets.ts"
import { controlledStore, over } from "./controlledStore.ts"

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
      yield* TestClock.adjust("10 seconds")
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

describe("a name that no device has", () => {
  it.effect("is not asked for in the store when no stream can have it", () =>
    Effect.gen(function* () {
      const { control, secrets, secret } = yield* makeSecrets
      control.reads = "fail"
      for (const thing of ["x".repeat(249), "\0", "\ud83d"])
        expect(yield* secrets.isSecretOf(thing, secret)).toBe(false)
      expect(Exit.isFailure(yield* Effect.exit(secrets.isSecretOf("x".repeat(248), secret)))).toBe(true)
    })
  )
})

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

it.effect("are listed as they were made, a page at a time, each as it is now", () =>
  Effect.gen(function* () {
    const { secrets, secretId } = yield* makeSecrets
    const made = [secretId]
    for (const thing of ["other", "thing", "third"]) made.push((yield* secrets.create(thing)).secretId)
    yield* secrets.revoke(made[2] ?? "")
    const listed: Array<readonly [string, string, boolean]> = []
    let pages = 0
    for (let after: number | undefined = 0; after !== undefined; pages++) {
      const page: { readonly secrets: ReadonlyArray<DeviceSecret>; readonly next: number | undefined } =
        yield* secrets.page(after, 2)
      for (const { secretId, thing, revokedAt } of page.secrets) listed.push([secretId, thing, revokedAt !== undefined])
      after = page.next
    }
    expect(listed).toEqual([
      [made[0], "thing", false],
      [made[1], "other", false],
      [made[2], "thing", true],
      [made[3], "third", false]
    ])
    expect(pages).toBe(2)
  })
)
