/** What partners are told: events to ten endpoints beside a bare loop that posts the same bytes, pages of the feed, and lag. */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { setTimeout } from "node:timers/promises"
import { type Benchmark, ratioBound, ratioNote } from "../benchmark.ts"
import type { Job } from "../children/deliveryFloor.ts"
import { fillServer, startLatchkey } from "../latchkeyServer.ts"
import { API_KEY, deal, type Generator, get, post, startGenerator, underLoad } from "../load.ts"
import { lockIds, ownerUuid } from "../locks.ts"
import { Child, Server } from "../processes.ts"
import { ask, Receivers, sampleOfEvents, webhooksTo } from "../receivers.ts"
import { measureFresh, type Subject } from "../rounds.ts"

const ENDPOINTS = 10
/** As many as the server has under way to one endpoint: ten have room for that. */
const AT_ONCE = 16
/** Commands a second while lag is measured: ten connections, each every 200 milliseconds. */
const PACE = { connections: 10, millis: 200 }
/** Milliseconds. */
const LAG = 500

export const partners: Benchmark = {
  name: "partners",
  title: `Events to ${ENDPOINTS} endpoints, and pages of a hundred events`,
  run: async (run) => {
    const locks = lockIds(run.smoke ? 20 : 200)
    const owners = run.smoke ? 20 : 150
    const figures = await measureFresh(run, async ({ folder }, started) => {
      const generator = started.use(await startGenerator())
      const receivers = started.use(await Receivers.start())
      const latchkey = started.use(await startLatchkey(join(folder, "latchkey")))
      const floor = started.use(
        await Child.start<Job, number>(new URL("../children/deliveryFloor.ts", import.meta.url))
      )
      const ports = await receivers.listen(ENDPOINTS)
      await fillServer(generator, latchkey, locks.length, 0)
      const first = await ask(latchkey, "GET", "/events?limit=1")
      await fillOwners(generator, latchkey, locks, owners)

      /** Ten new webhooks, which have all that has happened before them. */
      const deliveries = async (seconds: number) => {
        const ids = await webhooksTo(latchkey, ports, { after: first["nextCursor"] })
        await receivers.received(ports, ENDPOINTS * AT_ONCE * 2)
        await setTimeout(seconds * 1000)
        const collected = await receivers.collect(ports)
        if (collected.count >= ENDPOINTS * locks.length * owners) throw new Error("All events were delivered too soon.")
        for (const id of ids) await ask(latchkey, "DELETE", `/webhooks/${id}`)
        return { ...sampleOfEvents(collected), p50: Number.NaN, p99: Number.NaN }
      }
      const kept = join(folder, "kept.json")
      await deliveries(run.warmUp / 3)
      await receivers.keep(kept)
      const floorPosts = async (seconds: number) => {
        const perSecond = await floor.ask({ ports, atOnce: AT_ONCE, kept, seconds })
        return { perSecond, p50: Number.NaN, p99: Number.NaN }
      }

      const pages = await pagesOf(latchkey, run.smoke ? 3 : 100)
      const answers = join(folder, "answers.json")
      writeFileSync(answers, JSON.stringify(Object.fromEntries(pages)))
      const bytes = started.use(
        await Server.start(new URL("../children/readFloor.ts", import.meta.url), { args: [answers] })
      )
      const cycles = () => deal(pages.map(([path]) => get(path)))

      let owner = owners
      const commands = underLoad(
        "",
        generator,
        latchkey,
        () => deal(locks, PACE.connections).map((ids) => [++owner].flatMap((n) => ids.map((id) => setOwner(id, n)))),
        () => {},
        PACE.millis
      )
      /** From now on, not from the beginning. */
      const lag = async (seconds: number) => {
        const ids = await webhooksTo(latchkey, ports)
        await commands.measure(1)
        await receivers.collect(ports)
        await commands.measure(seconds)
        const sample = sampleOfEvents(await receivers.collect(ports))
        for (const id of ids) await ask(latchkey, "DELETE", `/webhooks/${id}`)
        return sample
      }
      return [
        { name: "latchkey: events to ten endpoints", warmUp: deliveries, measure: deliveries },
        { name: "floor: the same bytes by undici", warmUp: floorPosts, measure: floorPosts },
        underLoad("latchkey: pages", generator, latchkey, cycles),
        underLoad("floor: the same pages", generator, bytes, cycles),
        { name: "latchkey: events as they happen; how old", measure: lag }
      ] as const satisfies ReadonlyArray<Subject>
    })
    const [events, floor, pages, samePages, lag] = figures
    return {
      figures,
      bounds: [
        ratioBound("events to ten endpoints, beside the floor", events, floor, 0.6),
        {
          what: "age of events when they arrive, p99",
          values: lag.samples.map(({ p99 }) => p99),
          unit: "ms",
          required: { atMost: LAG }
        }
      ],
      notes: [
        ratioNote(pages, samePages),
        `${(PACE.connections * 1000) / PACE.millis} commands a second while the age of events is measured.`
      ]
    }
  }
}

const setOwner = (lockId: number, owner: number): string =>
  post(`/locks/${lockId}/SetOwner`, { userId: ownerUuid(owner) })

/** Gives each lock so many owners, one after the other. */
const fillOwners = (generator: Generator, { port }: Server, locks: ReadonlyArray<number>, owners: number) =>
  generator.ask({
    ports: [port],
    cycles: deal(locks).map((ids) =>
      Array.from({ length: owners }, (_, n) => ids.map((id) => setOwner(id, n + 1))).flat()
    )
  })

/** Pages of a hundred events, and what is answered. */
const pagesOf = async ({ port }: Server, count: number): Promise<ReadonlyArray<readonly [string, string]>> => {
  const pages: Array<readonly [string, string]> = []
  for (let path = "/events?limit=100"; pages.length < count; ) {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, { headers: { "x-api-key": API_KEY } })
    const text = await response.text()
    pages.push([path, text])
    const { nextCursor, more }: { readonly nextCursor: string; readonly more: boolean } = JSON.parse(text)
    if (!more) break
    path = `/events?limit=100&after=${nextCursor}`
  }
  return pages
}
