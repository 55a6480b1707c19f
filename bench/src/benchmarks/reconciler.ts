/** What others notice of the reconciler while every one of many locks has still to be told of its keys. */
import { mkdirSync } from "node:fs"
import { join } from "node:path"
import { setTimeout } from "node:timers/promises"
import type { Benchmark } from "../benchmark.ts"
import type { Needing } from "../children/needingKeys.ts"
import { startLatchkey } from "../latchkeyServer.ts"
import { deal, type Generator, post, startGenerator, underLoad } from "../load.ts"
import { lockIds, ownerUuid } from "../locks.ts"
import { Child, type Server } from "../processes.ts"
import { measureFresh } from "../rounds.ts"
import { processorTimeOf } from "../serverProcess.ts"
import { median } from "../statistics.ts"

const LOCKS = 10_000
const KEYS = 2
/** The locks that commands are for. */
const OTHERS = 100
const FULL = { connections: 50, millis: 0 }
/** Few enough that the processor is not what they wait for. */
const PACED = { connections: 10, millis: 50 }

export const reconciler: Benchmark = {
  name: "reconciler",
  title: `Commands beside ${LOCKS.toLocaleString("en")} locks that all have still to be told of ${KEYS} keys`,
  run: async (run) => {
    const locks = run.smoke ? 200 : LOCKS + OTHERS
    /** Of a processor, while nobody asks for anything, and keys that are sent in a second meanwhile. */
    const used: { readonly alone: Array<number>; readonly beside: Array<number> } = { alone: [], beside: [] }
    const sent: Array<number> = []
    const figures = await measureFresh(run, async ({ folder, warmUp }, started) => {
      const generator = started.use(await startGenerator())
      const filler = started.use(
        await Child.start<Needing, void>(new URL("../children/needingKeys.ts", import.meta.url))
      )
      const subjects = async (name: string, keys: number, into: Array<number>) => {
        const own = join(folder, name)
        mkdirSync(own)
        await filler.ask({ folder: own, locks, keys, others: OTHERS })
        // One server at a time: what works by itself on another would be in the way.
        const underLoadOf = (load: Load, isWatched: boolean) => async (seconds: number) => {
          await using server = await startLatchkey(own)
          const commands = commandsTo(generator, server, locks, load)
          await commands(warmUp)
          if (keys > 0) await begun(server)
          if (isWatched) {
            const before = { processor: processorTimeOf(server.pid), sent: await sentBy(server) }
            await setTimeout(seconds * 1000)
            into.push((processorTimeOf(server.pid) - before.processor) / seconds)
            if (keys > 0) sent.push(((await sentBy(server)) - before.sent) / seconds)
          }
          return await commands(seconds)
        }
        return [
          { name: `commands, ${FULL.connections} connections, ${name}`, measure: underLoadOf(FULL, false) },
          {
            name: `${(1000 / PACED.millis) * PACED.connections} commands a second, ${name}`,
            measure: underLoadOf(PACED, true)
          }
        ] as const
      }
      const alone = await subjects("nothing to do", 0, used.alone)
      const beside = await subjects("keys to send", KEYS, used.beside)
      return [...alone, ...beside] as const
    })
    const [, paced, , pacedBeside] = figures
    return {
      figures,
      bounds: [
        {
          what: "what the reconciler takes of a processor",
          values: used.beside.map((beside, round) => beside - (used.alone[round] ?? Number.NaN)),
          unit: "",
          required: { atMost: 0.1 }
        },
        {
          what: "other commands beside it, p99",
          values: pacedBeside.samples.map(({ p99 }, round) => p99 / (paced.samples[round]?.p99 ?? Number.NaN)),
          unit: "x",
          required: { atMost: 1.5 }
        }
      ],
      notes: [
        `It tells locks of ${Math.round(median(sent))} keys a second, so all of them in ${minutes(sent)} minutes.`
      ]
    }
  }
}

interface Load {
  readonly connections: number
  /** From one command of a connection to its next, at least. */
  readonly millis: number
}

/** On the locks that need nothing. */
const commandsTo = (generator: Generator, server: Server, locks: number, { connections, millis }: Load) => {
  const others = lockIds(locks).slice(-OTHERS)
  let owner = 0
  const cycles = () => {
    owner += 2
    return deal(others, connections).map((ids) =>
      [owner, owner + 1].flatMap((n) => ids.map((id) => post(`/locks/${id}/SetOwner`, { userId: ownerUuid(n) })))
    )
  }
  return underLoad("", generator, server, cycles, () => {}, millis).measure
}

const minutes = (sent: ReadonlyArray<number>): string => ((LOCKS * KEYS) / median(sent) / 60).toFixed(1)

/** Waits until the server has read what there is to do. */
const begun = async (server: Server): Promise<void> => {
  while ((await sentBy(server)) === 0) await setTimeout(100)
}

/** Additions and removals of keys that the server has sent so far. */
const sentBy = async ({ port }: Server): Promise<number> => {
  // A connection that is kept may be closed by the time it is asked again.
  const answer = await fetch(`http://127.0.0.1:${port}/metrics`, { headers: { connection: "close" } })
  const text = await answer.text()
  const lines = text.split("\n").filter((line) => line.startsWith("latchkey_key_changes_sent_total"))
  return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" "))), 0)
}
