/** Reads over HTTP, beside a bare server that answers the same bytes, and Effect's stock server. */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { type Benchmark, ratioBound, ratioNote } from "../benchmark.ts"
import { fillServer, startLatchkey, startStock } from "../latchkeyServer.ts"
import { API_KEY, deal, get, post, startGenerator, underLoad } from "../load.ts"
import { lockIds, tempKeyUuid } from "../locks.ts"
import { Server } from "../processes.ts"
import { measureFresh } from "../rounds.ts"

const LOCKS = 100
const TEMP_KEYS = 10

export const httpReads: Benchmark = {
  name: "http-reads",
  title: "Reads over HTTP: temp-keys of a lock with ten, 50 connections",
  run: async (run) => {
    const paths = lockIds(LOCKS).map((id) => `/locks/${id}/temp-keys`)
    const figures = await measureFresh(run, async ({ folder }, started) => {
      const generator = started.use(await startGenerator())
      const latchkey = started.use(await startLatchkey(join(folder, "latchkey")))
      const stock = started.use(await startStock(join(folder, "stock")))
      for (const server of [latchkey, stock]) await fillServer(generator, server, LOCKS, TEMP_KEYS)
      await Promise.all(paths.map(answerOf(stock)))
      const answers = join(folder, "answers.json")
      writeFileSync(answers, JSON.stringify(Object.fromEntries(await Promise.all(paths.map(answerOf(latchkey))))))
      const floor = started.use(
        await Server.start(new URL("../children/readFloor.ts", import.meta.url), { args: [answers] })
      )
      const cycles = () => deal(paths.map(get))
      // Nothing that was kept of a lock's answer is of use once a key of it was used.
      const afterUse = () =>
        deal(lockIds(LOCKS)).map((ids) =>
          ids.flatMap((id) => [
            post(`/locks/${id}/use-temp-key`, { tempKeyUuid: tempKeyUuid(id) }),
            get(`/locks/${id}/temp-keys`)
          ])
        )
      return [
        underLoad("latchkey: temp-keys", generator, latchkey, cycles),
        underLoad("floor: the same bytes", generator, floor, cycles),
        underLoad("latchkey: each after a use of a key", generator, latchkey, afterUse),
        underLoad("stock HttpApi server: temp-keys", generator, stock, cycles),
        underLoad("stock HttpApi server: each after a use of a key", generator, stock, afterUse)
      ] as const
    })
    const [latchkey, floor, afterUse, stock, stockAfterUse] = figures
    return {
      figures,
      bounds: [ratioBound("temp-keys, beside the floor", latchkey, floor, 0.6)],
      notes: [
        ratioNote(stock, latchkey),
        ratioNote(stock, floor),
        ratioNote(stockAfterUse, afterUse),
        'Both servers keep the JSON of a temp key until the key changes. "After a use" reads each list after a use of one of its keys: half of the requests are uses.'
      ]
    }
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
