/** What a page of the console costs, beside the API calls that it shows: a hotel chain with many locks and a long history. */
import { mkdirSync } from "node:fs"
import { Agent, type IncomingHttpHeaders, request } from "node:http"
import { join } from "node:path"
import type { Benchmark, Bound, Figure } from "../benchmark.ts"
import type { ConsoleStoreJob } from "../children/consoleStore.ts"
import { startLatchkey } from "../latchkeyServer.ts"
import { API_KEY } from "../load.ts"
import { timeFixedWork, timeSync } from "../machine.ts"
import { Child, type Server } from "../processes.ts"
import { type Sample, sampleOf } from "../statistics.ts"

const SIZES = { locks: 100_000, openings: 7, busy: 10_000 }
const SMALL = { locks: 500, openings: 2, busy: 300 }

export const consolePages: Benchmark = {
  name: "console",
  title: "Pages of the console, beside the API calls that they show: 100,000 locks, a million events, 1 caller, HTTP",
  run: async ({ rounds, smoke, folder }) => {
    const own = join(folder, "data")
    mkdirSync(own)
    const sizes = smoke ? SMALL : SIZES
    const events = await filled({ folder: own, ...sizes })
    await using server = await startLatchkey(own)
    using browser = browserAt(server)
    await browser.signIn()
    const { locks } = await browser.json(`/locks?limit=1&attention=battery-low`)
    const low = locks[0].lockId
    const { nextCursor } = await browser.json("/locks?limit=60")
    const { tempKeys } = await browser.json("/temp-keys?limit=1")
    const pages: ReadonlyArray<readonly [string, string]> = [
      ["overview", "/console"],
      ["attention", "/console/attention"],
      ["locks", "/console/locks"],
      ["locks, the next page", `/console/locks?after=${encodeURIComponent(nextCursor)}`],
      ["locks by name", "/console/locks?sort=name"],
      ["locks, a search", "/console/locks?q=room+0"],
      ["locks with a low battery", "/console/locks?battery=low"],
      [`a lock with ${sizes.busy.toLocaleString("en")} openings`, "/console/locks/1"],
      ["a quiet lock", `/console/locks/${low}`],
      ["its device", `/console/locks/${low}/device`],
      ["why", "/console/locks/1/why?what=user&who=nobody"],
      ["pictures", "/console/locks/1/pictures"],
      ["temp keys", "/console/temp-keys"],
      ["a temp key", `/console/temp-keys/${tempKeys[0].id}`],
      ["webhooks", "/console/webhooks"],
      ["API keys", "/console/api-keys"],
      ["health", "/console/health"]
    ]
    const count = smoke ? 3 : 30
    const asked = await Promise.all(
      pages.map(async ([name, path]) => {
        const body = await browser.get(path)
        const calls = callsOn(body)
        if (calls.length === 0) throw new Error(`${path} shows no call`)
        const figureOf = (subject: string): Mutable => ({ subject, samples: [], machine: [], syncs: [] })
        const page = figureOf(`${name}: the page`)
        return { name, path, calls, bytes: body.length, page, api: figureOf(`${name}: its ${calls.length} calls`) }
      })
    )
    for (const { path, calls } of asked) await timed(browser, path, calls, Math.ceil(count / 3))
    for (let round = 0; round < rounds; round++) {
      for (const { path, calls, page, api } of asked) {
        const [machine, sync] = [timeFixedWork(), timeSync(folder)]
        const samples = await timed(browser, path, calls, count)
        for (const [figure, sample] of [
          [page, samples.page],
          [api, samples.api]
        ] as const) {
          figure.samples.push(sample)
          figure.machine.push(machine)
          figure.syncs.push(sync)
        }
      }
    }
    return {
      figures: asked.flatMap(({ page, api }) => [page, api]),
      bounds: asked.flatMap(
        ({ name, bytes, page, api }): ReadonlyArray<Bound> => [
          {
            what: `${name}, beside the calls that it shows`,
            values: page.samples.map(({ p50 }, round) => p50 / (api.samples[round]?.p50 ?? Number.NaN)),
            unit: "x",
            required: { atMost: 3 }
          },
          { what: `${name}: its size`, values: [bytes / 1000], unit: "KB", required: { atMost: 100 } }
        ]
      ),
      notes: [
        `The log holds ${Number(events).toLocaleString("en")} events. A page and its calls are asked for in turn, over one connection; calls that a page shows are asked for one after the other.`
      ]
    }
  }
}

interface Mutable extends Figure {
  readonly samples: Array<Sample>
  readonly machine: Array<number>
  readonly syncs: Array<number>
}

const filled = async (job: ConsoleStoreJob): Promise<number> => {
  await using child = await Child.start<ConsoleStoreJob, number>(
    new URL("../children/consoleStore.ts", import.meta.url)
  )
  return await child.ask(job)
}

interface ShownCall {
  readonly method: string
  readonly path: string
  readonly body: string | undefined
}

/** The calls that a page shows, as it has made them: those that its form would make change something. */
const callsOn = (page: string): ReadonlyArray<ShownCall> =>
  Array.from(page.matchAll(/<code>(curl [^<]*)<\/code>/g), ([, line = ""]): ShownCall => {
    const [, method = "GET"] = / -X (\w+) /.exec(line) ?? []
    const [, path = ""] = /(?:&#39;|')https?:\/\/[^/]+([^']*?)(?:&#39;|')$/.exec(line) ?? []
    return { method, path: path.replaceAll("&amp;", "&"), body: method === "GET" ? undefined : "{}" }
  })

/** Median times of a page, and of its calls together, in milliseconds. What disturbs the one disturbs the other. */
const timed = async (browser: Browser, path: string, calls: ReadonlyArray<ShownCall>, count: number) => {
  const [page, api] = [new Float64Array(count), new Float64Array(count)]
  for (let n = 0; n < count; n++) {
    const begun = performance.now()
    await browser.get(path)
    const shown = performance.now()
    for (const call of calls) await browser.repeat(call)
    page[n] = shown - begun
    api[n] = performance.now() - shown
  }
  const sample = (times: Float64Array) => sampleOf(count, times.reduce((sum, ms) => sum + ms, 0) / 1000, times)
  return { page: sample(page), api: sample(api) }
}

type Browser = ReturnType<typeof browserAt>

/** Somebody at the console, and at the API: one connection, which stays open. */
const browserAt = ({ port }: Server) => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  let cookie = ""
  const send = (method: string, path: string, headers: IncomingHttpHeaders, body?: string) =>
    new Promise<string>((resolve, reject) => {
      const sent = request({ agent, host: "127.0.0.1", port, method, path, headers }, (answer) => {
        const [set] = answer.headers["set-cookie"] ?? []
        cookie = set?.split(";")[0] ?? cookie
        let text = ""
        answer.setEncoding("utf8")
        answer.on("data", (chunk: string) => {
          text += chunk
        })
        answer.on("end", () =>
          (answer.statusCode ?? 500) < 400
            ? resolve(text)
            : reject(new Error(`${method} ${path}: ${answer.statusCode} ${text.slice(0, 500)}`))
        )
      })
      sent.on("error", reject)
      sent.end(body)
    })
  const get = (path: string) => send("GET", path, { accept: "text/html", cookie })
  const asKey = { "x-api-key": API_KEY }
  const asJson = { ...asKey, "content-type": "application/json" }
  return {
    get,
    repeat: ({ method, path, body }: ShownCall) => send(method, path, body === undefined ? asKey : asJson, body),
    json: async (path: string) => JSON.parse(await send("GET", path, asKey)),
    signIn: async () => {
      const [, csrf = ""] = /name="csrf" value="([^"]+)"/.exec(await get("/console/sign-in")) ?? []
      const form = new URLSearchParams({ csrf, secret: API_KEY, to: "/console" })
      const headers = { "content-type": "application/x-www-form-urlencoded", cookie }
      await send("POST", "/console/sign-in", headers, form.toString())
    },
    [Symbol.dispose]: () => agent.destroy()
  }
}
