/** Counts and times of requests, in the Prometheus exposition format. No label names a lock, a key or a caller. */
import { Context, type Effect, Metric } from "effect"
import { PrometheusMetrics } from "effect/observability"
import type { OnAnswered } from "../server/Dispatcher.ts"

interface Labels {
  readonly [name: string]: string
}
/** Each series is a metric of its own: one that is told its labels with every number puts them together again whenever they change. */
const requestsWith = (attributes: Labels) =>
  Metric.counter("http_requests_total", { description: "Requests answered", incremental: true, attributes })
const durationWith = (attributes: Labels) =>
  Metric.histogram("http_request_duration_seconds", {
    description: "Time from the first byte of a request to its answer",
    boundaries: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
    attributes
  })

/** Notes a request. */
export const recordRequests: OnAnswered = (() => {
  const series = new Map<string, readonly [ReturnType<typeof requestsWith>, ReturnType<typeof durationWith>]>()
  const context = Context.empty()
  return (method, path, status, seconds) => {
    const name = `${method} ${path} ${status}`
    let found = series.get(name)
    if (found === undefined) {
      const labels = { method, route: path }
      found = [requestsWith({ ...labels, status: String(status) }), durationWith(labels)]
      series.set(name, found)
    }
    const [requests, duration] = found
    requests.updateUnsafe(1, context)
    duration.updateUnsafe(seconds, context)
  }
})()

/** All metrics of this process as text. */
export const metricsText: Effect.Effect<string> = PrometheusMetrics.format()
