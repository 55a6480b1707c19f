/** Reads over HTTP, beside a bare server that answers the same bytes. */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { type Benchmark, ratioBound } from "../benchmark.ts"
import { fillServer, startLatchkey } from "../latchkeyServer.ts"
import { API_KEY, deal, get, startGenerator, underLoad } from "../load.ts"
import { lockIds } from "../locks.ts"
import { Server } from "../processes.ts"
import { measure } from "../rounds.ts"

const LOCKS = 100
const TEMP_KEYS = 10

export const httpReads: Benchmark = {
  name: "http-reads",
  title: "Reads over HTTP: temp-keys of a lock with ten, 50 connections",
  run: async (run) => {
    const paths = lockIds(LOCKS).map((id) => `/locks/${id}/temp-keys`)
    await using generator = await startGenerator()
    await using latchkey = await startLatchkey(join(run.folder, "latchkey"))
    await fillServer(generator, latchkey, LOCKS, TEMP_KEYS)
    const answers = join(run.folder, "answers.json")
    writeFileSync(answers, JSON.stringify(Object.fromEntries(await Promise.all(paths.map(answerOf(latchkey))))))
    await using floor = await Server.start(new URL("../children/readFloor.ts", import.meta.url), { args: [answers] })

    const cycles = () => deal(paths.map(get))
    const figures = await measure(run, [
      underLoad("latchkey: temp-keys", generator, latchkey, cycles),
      underLoad("floor: the same bytes", generator, floor, cycles)
    ])
    return { figures, bounds: [ratioBound("temp-keys, beside the floor", ...figures, 0.35)], notes: [] }
  }
}

const answerOf =
  ({ port }: Server) =>
  async (path: string) => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, { headers: { "x-api-key": API_KEY } })
    const body = (await response.json()) as { readonly tempKeys: ReadonlyArray<unknown> }
    if (body.tempKeys.length !== TEMP_KEYS) throw new Error(`${path} answered ${body.tempKeys.length} temp keys`)
    return [path, JSON.stringify(body)] as const
  }
