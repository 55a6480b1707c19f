/** Whether the flags of V8 that the server starts with are worth it: ten pairs of fresh servers, with and without, in turn. */
import { join } from "node:path"
import type { Benchmark, Figure } from "../benchmark.ts"
import { fillServer, startLatchkey } from "../latchkeyServer.ts"
import { deal, get, post, startGenerator, underLoad } from "../load.ts"
import { lockIds, tempKeyUuid } from "../locks.ts"
import { FLAGS } from "../processes.ts"
import { measureFresh } from "../rounds.ts"
import { median } from "../statistics.ts"

const LOCKS = 100
const PAIRS = 10

export const flags: Benchmark = {
  name: "flags",
  title: "The server with the flags of V8 that it starts with, and without",
  run: async (run) => {
    const figures = await measureFresh(run.smoke ? run : { ...run, rounds: PAIRS }, async ({ folder }, started) => {
      const generator = started.use(await startGenerator())
      const servers = [
        { name: "with flags", flags: FLAGS },
        { name: "without", flags: [] }
      ]
      const subjects = []
      for (const { name, flags } of servers) {
        const server = started.use(await startLatchkey(join(folder, name), {}, { flags }))
        await fillServer(generator, server, LOCKS, 10)
        const use = (id: number) => post(`/locks/${id}/use-temp-key`, { tempKeyUuid: tempKeyUuid(id) })
        const list = (id: number) => get(`/locks/${id}/temp-keys`)
        subjects.push(
          underLoad(`use-temp-key: ${name}`, generator, server, () => deal(lockIds(LOCKS).map(use))),
          underLoad(`temp-keys: ${name}`, generator, server, () => deal(lockIds(LOCKS).map(list)))
        )
      }
      return subjects
    })
    const [use, list, useWithout, listWithout] = figures
    return {
      figures,
      bounds: [],
      notes: [
        `With flags beside without, in the median pair: use-temp-key ${ratio(use, useWithout)} x, temp-keys ${ratio(list, listWithout)} x. A flag stays if it gives more than 5 %.`
      ]
    }
  }
}

const ratio = (one: Figure | undefined, other: Figure | undefined): string =>
  median(
    (one?.samples ?? []).map(({ perSecond }, pair) => perSecond / (other?.samples[pair]?.perSecond ?? Number.NaN))
  ).toFixed(3)
