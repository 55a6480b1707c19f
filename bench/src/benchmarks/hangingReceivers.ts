/** Whether commands, and the partners whose receivers answer, notice that those of most others hang. */
import { join } from "node:path"
import { setTimeout } from "node:timers/promises"
import type { Benchmark } from "../benchmark.ts"
import { fillServer, startLatchkey } from "../latchkeyServer.ts"
import { API_KEY, deal, type Generator, post, startGenerator, underLoad } from "../load.ts"
import { lockIds, ownerUuid } from "../locks.ts"
import type { Server } from "../processes.ts"
import { ask, Receivers, sampleOfEvents, webhooksTo } from "../receivers.ts"
import { measureFresh } from "../rounds.ts"
import type { Sample } from "../statistics.ts"

const ORGANIZATIONS = 5
const OF_EACH = 20
const HANGING = 18
const CONNECTIONS = 10
/** Milliseconds from one command of a connection to its next: few enough that the processor is not what they wait for. */
const PACE = 50
/** Rounds are so many times longer than elsewhere: the slowest 1 % of 600 commands is six, which mostly met the garbage collector. */
const LONGER = 4
/** So that a hundred endpoints have everything at once. */
const SLOW_PACE = 500

const organizations = Array.from({ length: ORGANIZATIONS }, (_, n) =>
  n === 0 ? { name: "acme", key: API_KEY } : { name: `acme-${n}`, key: `${API_KEY}-${n}` }
)
const ownerOf = (lock: number) => organizations[lock % ORGANIZATIONS] ?? { name: "acme", key: API_KEY }

export const hangingReceivers: Benchmark = {
  name: "hanging-receivers",
  title: `${ORGANIZATIONS * OF_EACH} webhooks of ${ORGANIZATIONS} organizations, of which ${ORGANIZATIONS * HANGING} hang`,
  run: async (run) => {
    const locks = lockIds(100)
    const ages: { readonly alone: Array<Sample>; readonly beside: Array<Sample> } = { alone: [], beside: [] }
    const figures = await measureFresh(run, async ({ folder }, started) => {
      const generator = started.use(await startGenerator())
      const receivers = started.use(await Receivers.start())
      const subject = async (name: string, hanging: number, into: Array<Sample>) => {
        const server = started.use(
          await startLatchkey(join(folder, `beside-${hanging}`), {
            LATCHKEY_API_KEYS: organizations.map(({ name, key }) => `${name}:${key}`).join(",")
          })
        )
        await fillServer(generator, server, locks.length, 0)
        for (const lock of locks) {
          const { name } = ownerOf(lock)
          if (name !== "acme") await ask(server, "POST", `/locks/${lock}/SetOrganization`, { orgId: name })
        }
        const others: Array<number> = []
        const answering: Array<number> = []
        for (const { key } of organizations) {
          // Those that will hang come first.
          const [some, rest] = [await receivers.listen(hanging), await receivers.listen(OF_EACH - HANGING)]
          await webhooksTo(server, [...some, ...rest], {}, key)
          others.push(...some)
          answering.push(...rest)
        }
        const commands = commandsTo(generator, server, locks)
        return {
          name,
          measure: async (seconds: number) => {
            // They answer for a while, so that the server has many requests under way to each, and then they hang.
            await commands(SLOW_PACE).measure(3)
            await receivers.hang(others)
            await receivers.collect(answering)
            const sample = await commands(PACE).measure(seconds * LONGER)
            await setTimeout(500)
            into.push(sampleOfEvents(await receivers.collect(answering)))
            return sample
          }
        }
      }
      return [
        await subject("commands, ten webhooks", 0, ages.alone),
        await subject("commands, ten webhooks and ninety that hang", HANGING, ages.beside)
      ] as const
    })
    const [alone, beside] = figures
    const told = (samples: ReadonlyArray<Sample>) => samples.map(({ p99 }) => Math.round(p99)).join(", ")
    return {
      figures,
      bounds: [
        {
          what: "commands beside ninety that hang, p99",
          values: beside.samples.map(({ p99 }, round) => p99 / (alone.samples[round]?.p99 ?? Number.NaN)),
          unit: "x",
          required: { atMost: 1.2 }
        },
        {
          what: "age of events when the ten others have them, p99",
          values: ages.beside.map(({ p99 }) => p99),
          unit: "ms",
          required: { atMost: 2000 }
        }
      ],
      notes: [
        `Events to the ten, p99 of their age: ${told(ages.alone)} ms without the ninety, ${told(ages.beside)} ms beside them.`
      ]
    }
  }
}

const commandsTo = (generator: Generator, server: Server, locks: ReadonlyArray<number>) => {
  let owner = 0
  return (pace: number) =>
    underLoad(
      "",
      generator,
      server,
      () => {
        owner += 2
        return deal(locks, CONNECTIONS).map((ids) =>
          [owner, owner + 1].flatMap((n) =>
            ids.map((id) => post(`/locks/${id}/SetOwner`, { userId: ownerUuid(n) }).replace(API_KEY, ownerOf(id).key))
          )
        )
      },
      () => {},
      pace
    )
}
