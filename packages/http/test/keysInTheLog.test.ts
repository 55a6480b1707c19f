/** Secrets of devices that are connected: one that is revoked ends its connections. */
import { expect, it } from "@effect/vitest"
import { DeviceSecrets, EventStore } from "@latchkey/core"
import { MemoryEventStore } from "@latchkey/core/memory"
import { LocalShadow, ShadowMqtt } from "@latchkey/local-shadow"
import { Context, Effect, Exit, Layer } from "effect"
import { TestClock } from "effect/testing"
import { connectAsync } from "mqtt"
import { deviceSecretsLayer } from "../src/auth/Secrets.ts"

/** Secrets as one more process has them. */
const over = (store: EventStore["Service"]) =>
  Effect.map(
    Layer.build(Layer.fresh(deviceSecretsLayer).pipe(Layer.provide(Layer.succeed(EventStore, store)))),
    Context.get(DeviceSecrets)
  )

it.effect("a device that is connected with a revoked secret is thrown out, and stays out", () =>
  Effect.gen(function* () {
    const store = MemoryEventStore.make()
    const [elsewhere, secrets] = yield* Effect.all([over(store), over(store)])
    const { secretId, secret } = yield* elsewhere.create("thing")
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
