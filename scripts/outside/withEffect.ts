/** The API on a socket of a program with Effect, over a store of its own. */
import { BUDGETS, CurrentBudgets, Latchkey } from "@latchkey/core"
import { MemoryDeviceShadow } from "@latchkey/core/memory"
import { Authenticator, apiKeysLayer, Jwt, listen, PinSecret, urlOf } from "@latchkey/http"
import { Effect, Layer } from "effect"
import { latchkeyStore } from "./store.ts"

const superKey = "a-super-key-of-more-than-32-bytes"
const signIn = Authenticator.layer.pipe(
  Layer.provideMerge(apiKeysLayer([{ orgId: "*", secret: superKey }])),
  Layer.provide(Jwt.layer({ key: { _tag: "None" }, issuer: "acme", audience: "latchkey" }))
)
const services = Layer.mergeAll(signIn, PinSecret.layerOf("a-key-for-pins-of-more-than-32-bytes")).pipe(
  Layer.provideMerge(Latchkey.layer()),
  Layer.provideMerge(Layer.mergeAll(latchkeyStore({ ACME_STORE: "ready" }), MemoryDeviceShadow.layer)),
  Layer.provideMerge(Layer.succeed(CurrentBudgets, BUDGETS))
)

const program = Effect.gen(function* () {
  const url = urlOf(yield* listen({ host: "127.0.0.1", port: 0 }))
  const response = yield* Effect.promise(() => fetch(`${url}/locks/7/details`, { headers: { "x-api-key": superKey } }))
  if (response.status !== 404) throw new Error(String(response.status))
  console.log("served with Effect")
})

await Effect.runPromise(Effect.scoped(program).pipe(Effect.provide(services)))
