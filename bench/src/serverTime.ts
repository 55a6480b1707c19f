/** How long the server itself says that requests took: from a request's head to its answer, without the load generator. */
import type { Server } from "./processes.ts"

export interface Times {
  /** Milliseconds. */
  readonly mean: number
  /** The part of the requests that took at most 5 ms. */
  readonly within5ms: number
}

interface Counts {
  readonly since: (before: Counts) => Times
  readonly seconds: number
  readonly requests: number
  readonly quick: number
}

/** What the metrics say of a declared path so far. */
export const scrape = async ({ port }: Server, route: string): Promise<Counts> => {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()
  const value = (name: string, ...labels: ReadonlyArray<string>): number => {
    const line = text
      .split("\n")
      .find(
        (line) => line.startsWith(`${name}{`) && [`route="${route}"`, ...labels].every((label) => line.includes(label))
      )
    return line === undefined ? 0 : Number(line.slice(line.lastIndexOf(" ")))
  }
  const seconds = value("http_request_duration_seconds_sum")
  const requests = value("http_request_duration_seconds_count")
  const quick = value("http_request_duration_seconds_bucket", 'le="0.005"')
  return {
    seconds,
    requests,
    quick,
    since: (before) => ({
      mean: (1000 * (seconds - before.seconds)) / (requests - before.requests),
      within5ms: (quick - before.quick) / (requests - before.requests)
    })
  }
}
