/** What the operator's metrics tell of deliveries. */
import { expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { PrometheusMetrics } from "effect/observability"
import { countAttempt } from "../src/partners/DeliveryMetrics.ts"

it.effect("attempts are counted by outcome and answer, whatever order they come in", () =>
  Effect.gen(function* () {
    const attempts = Effect.map(PrometheusMetrics.format(), (text) =>
      text.split("\n").filter((line) => line.startsWith("latchkey_webhook_attempts_total{"))
    )
    const before = yield* attempts
    const none = { response: "", durationMs: 5 }
    const answered = (status: number) => ({ ...none, status })
    countAttempt("delivered", answered(200), 10)
    countAttempt("failed", answered(503), 10)
    countAttempt("delivered", answered(204), 10)
    countAttempt("failed", none, 10)
    countAttempt("failed", answered(500), 10)
    expect([before, yield* attempts]).toEqual([
      [],
      [
        'latchkey_webhook_attempts_total{outcome="delivered",answer="2xx"} 2',
        'latchkey_webhook_attempts_total{outcome="failed",answer="5xx"} 2',
        'latchkey_webhook_attempts_total{outcome="failed",answer="none"} 1'
      ]
    ])
  })
)
