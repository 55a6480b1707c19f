/** Receivers of partners, and the webhooks that lead to them. */
import { setTimeout } from "node:timers/promises"
import type { Collected, Job } from "./children/receiver.ts"
import { API_KEY } from "./load.ts"
import { Child, type Server } from "./processes.ts"
import { type Sample, sampleOf } from "./statistics.ts"

export class Receivers implements AsyncDisposable {
  readonly #child: Child<Job, unknown>

  private constructor(child: Child<Job, unknown>) {
    this.#child = child
  }

  static async start(): Promise<Receivers> {
    return new Receivers(await Child.start(new URL("./children/receiver.ts", import.meta.url)))
  }

  /** The ports of so many more. */
  async listen(count: number): Promise<ReadonlyArray<number>> {
    return (await this.#child.ask({ listen: count })) as ReadonlyArray<number>
  }

  /** These hang from now on, and no others. */
  async hang(ports: ReadonlyArray<number>): Promise<void> {
    await this.#child.ask({ hang: ports })
  }

  /** What these were sent since they were asked last. */
  async collect(ports: ReadonlyArray<number>): Promise<Collected> {
    return (await this.#child.ask({ collect: ports })) as Collected
  }

  /** Waits until these have been sent so many. */
  async received(ports: ReadonlyArray<number>, count: number): Promise<void> {
    for (let left = count; left > 0; await setTimeout(20)) left -= (await this.collect(ports)).count
  }

  async keep(file: string): Promise<void> {
    await this.#child.ask({ keep: file })
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#child[Symbol.asyncDispose]()
  }
}

/** Events delivered a second; the times are how old they were. */
export const sampleOfEvents = ({ count, seconds, ages }: Collected): Sample =>
  sampleOf(count, seconds, Float64Array.from(ages))

/** Asks the API as an organization. */
export const ask = async (
  { port }: Server,
  method: string,
  path: string,
  body?: object,
  key = API_KEY
): Promise<Readonly<Record<string, unknown>>> => {
  const headers = { "x-api-key": key, "content-type": "application/json" }
  const response = await fetch(`http://127.0.0.1:${port}${path}`, {
    method,
    headers,
    ...(body !== undefined && { body: JSON.stringify(body) })
  })
  const answer = (await response.json()) as Readonly<Record<string, unknown>>
  if (!response.ok) throw new Error(`${method} ${path} was answered ${response.status}: ${JSON.stringify(answer)}`)
  return answer
}

/** A webhook for each of these ports, one after the other: all of an organization are one stream. Answers their ids. */
export const webhooksTo = async (server: Server, ports: ReadonlyArray<number>, more: object = {}, key = API_KEY) => {
  const ids: Array<string> = []
  for (const port of ports) {
    const { id } = await ask(server, "POST", "/webhooks", { url: `http://127.0.0.1:${port}/`, ...more }, key)
    ids.push(String(id))
  }
  return ids
}
