/** The local shadow service answers the AWS SDK as AWS documents it. */
import { IoTDataPlaneClient } from "@aws-sdk/client-iot-data-plane"
import { expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { Aws, clientOf } from "./aws.ts"
import { answerTo, REST_CASES } from "./restCases.ts"

for (const { title, steps } of REST_CASES) {
  it.live(`the AWS SDK sees that ${title}`, () =>
    Effect.gen(function* () {
      const { endpoint } = yield* Aws
      const client = yield* Effect.acquireRelease(
        Effect.sync(() => new IoTDataPlaneClient(clientOf(endpoint))),
        (client) => Effect.sync(() => client.destroy())
      )
      for (const [step, answer] of steps) {
        expect([step, yield* Effect.promise(() => answerTo(client, "lock:1_a-B", step))]).toEqual([step, answer])
      }
    }).pipe(Effect.scoped, Effect.provide(Aws.layer))
  )
}
