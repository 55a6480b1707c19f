/**
 * Durable commands over HTTP on PostgreSQL, beside a bare server with a bare grouped insert into the same table, and emmett; and
 * by two servers on one database, each with half of the connections.
 */
import { join } from "node:path"
import { type Benchmark, ratioBound } from "../benchmark.ts"
import { startEmmett } from "../emmett.ts"
import { fillServer, startLatchkey } from "../latchkeyServer.ts"
import { startGenerator, underLoad } from "../load.ts"
import { dropSchema, inSchema, newSchema, POSTGRES, postgresAnswers } from "../postgres.ts"
import { Server } from "../processes.ts"
import { measureFresh, type Subject } from "../rounds.ts"
import { COMMANDS, figureOf } from "./httpCommands.ts"

export const postgresCommands: Benchmark = {
  name: "postgres-commands",
  title: "Durable commands over HTTP on PostgreSQL: 50 connections, 1,000 locks",
  run: async (run) => {
    const missing = await postgresAnswers()
    if (missing !== undefined) return { figures: [], bounds: [], notes: [`Not measured: ${missing}`] }
    const count = run.smoke ? 100 : 1000
    const figures = await measureFresh(run, async ({ folder }, started) => {
      const generator = started.use(await startGenerator())
      const [own, both, bare] = [newSchema(), newSchema(), newSchema()]
      for (const schema of [own, both, bare]) started.defer(() => dropSchema(schema))
      const sharedPlace = { ...inSchema(both), LATCHKEY_PIN_KEY: "0".repeat(64) }
      // The tables of the floor are those of a server that has done nothing.
      await (await startLatchkey(join(folder, "bare"), inSchema(bare)))[Symbol.asyncDispose]()
      const servers = {
        latchkey: started.use(await startLatchkey(join(folder, "own"), inSchema(own))),
        [TWO]: [
          started.use(await startLatchkey(join(folder, "one"), sharedPlace)),
          started.use(await startLatchkey(join(folder, "other"), sharedPlace))
        ],
        floor: started.use(
          await Server.start(new URL("../children/commandFloor.ts", import.meta.url), { args: [POSTGRES, bare] })
        ),
        emmett: started.use(await startEmmett()).server
      }
      for (const server of [servers.latchkey, servers[TWO][0], servers.emmett])
        if (server !== undefined) await fillServer(generator, server, count, 1)
      return Object.entries(servers)
        .flatMap(([name, server]) =>
          server === undefined ? [] : COMMANDS.map(({ command, cycles }) => ({ name, server, command, cycles }))
        )
        .map(
          ({ name, server, command, cycles }): Subject =>
            underLoad(`${name}: ${command}`, generator, server, cycles(count))
        )
    })
    return {
      figures,
      bounds: COMMANDS.flatMap(({ command }) => {
        const [latchkey, two, floor, emmett] = ["latchkey", TWO, "floor", "emmett"].map((name) =>
          figureOf(name, command, figures)
        )
        return [
          ...(latchkey && floor ? [ratioBound(`${command}, beside the floor`, latchkey, floor, 0.5)] : []),
          ...(latchkey && emmett ? [ratioBound(`${command}, beside emmett`, latchkey, emmett, 5)] : []),
          ...(latchkey && two ? [ratioBound(`${command}, two servers beside one`, two, latchkey, 0.8)] : [])
        ]
      }),
      notes: []
    }
  }
}

const TWO = "latchkey, two servers"
