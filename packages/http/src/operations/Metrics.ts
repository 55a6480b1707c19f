/** Counts and times of requests, in the Prometheus exposition format. No label names a lock, a key or a caller. */
import { Context, type Effect, Metric } from "effect"
import { PrometheusMetrics } from "effect/observability"
import type { OnAnswered } from "../server/Dispatcher.ts"

const requests = Metric.counter("http_requests_total", { description: "Requests answered", incremental: true })
const duration = Metric.histogram("http_request_duration_seconds", {
  description: "Time from the first byte of a request to its answer",
  boundaries: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5]
})

/** Notes a request. The series of a route and status is looked up once: the registry's own look-up costs too much here. */
export const recordRequests: OnAnswered = (() => {
  const series = new Map<string, { readonly count: () => void; readonly time: (seconds: number) => void }>()
  const context = Context.empty()
  return (method, path, status, seconds) => {
    const name = `${method} ${path} ${status}`
    let found = series.get(name)
    if (found === undefined) {
      const attributes = { method, route: path, status: String(status) }
      const counter = Metric.withAttributes(requests, attributes)
      const histogram = Metric.withAttributes(duration, { method, route: path })
      found = {
        count: () => counter.updateUnsafe(1, context),
        time: (seconds) => histogram.updateUnsafe(seconds, context)
      }
      series.set(name, found)
    }
    found.count()
    found.time(seconds)
  }
})()

/** All metrics of this process as text. */
export const metricsText: Effect.Effect<string> = PrometheusMetrics.format()
