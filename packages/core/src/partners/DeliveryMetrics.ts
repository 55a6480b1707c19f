/** How deliveries are doing, for the operator's metrics. No label names an organization. */
import { Context, Metric } from "effect"
import type { Answered } from "./Delivery.ts"

const attemptsWith = (attributes: { readonly outcome: string; readonly answer: string }) =>
  Metric.counter("latchkey_webhook_attempts_total", {
    description: "Attempts to deliver an event to a webhook",
    incremental: true,
    attributes
  })
const duration = Metric.histogram("latchkey_webhook_attempt_duration_seconds", {
  description: "Time from sending an event to a webhook to its answer",
  boundaries: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15]
})
const lag = Metric.histogram("latchkey_webhook_lag_seconds", {
  description: "Age of events when they were delivered",
  boundaries: [0.05, 0.1, 0.25, 0.5, 1, 2, 5, 30, 300, 3_600, 86_400]
})
const context = Context.empty()

/** Attempts by outcome, and by the first digit of the answer's status, 0 for none: a few. */
const counters = new Map<string, Map<number, ReturnType<typeof attemptsWith>>>()
const counterOf = (outcome: string, digit: number): ReturnType<typeof attemptsWith> => {
  const ofOutcome = counters.get(outcome) ?? new Map<number, ReturnType<typeof attemptsWith>>()
  const known = ofOutcome.get(digit)
  if (known !== undefined) return known
  const made = attemptsWith({ outcome, answer: digit === 0 ? "none" : `${digit}xx` })
  counters.set(outcome, ofOutcome.set(digit, made))
  return made
}

/** Notes an attempt. */
export const countAttempt = (outcome: string, { status, durationMs }: Answered, ageMs: number): void => {
  counterOf(outcome, Math.floor((status ?? 0) / 100)).updateUnsafe(1, context)
  duration.updateUnsafe(durationMs / 1_000, context)
  if (outcome === "delivered") lag.updateUnsafe(Math.max(0, ageMs) / 1_000, context)
}
