/** Durable commands over HTTP, beside a bare server with a bare group commit, Effect's stock server, and emmett on PostgreSQL. */
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { type Benchmark, type Bound, type Figure, ratioBound, ratioNote } from "../benchmark.ts"
import { startEmmett } from "../emmett.ts"
import { filesIn, fillServer, startLatchkey, startStock } from "../latchkeyServer.ts"
import { deal, post, startGenerator, underLoad } from "../load.ts"
import { lockIds, ownerUuid, tempKeyUuid } from "../locks.ts"
import { Server } from "../processes.ts"
import { measureFresh, type Subject } from "../rounds.ts"

export const httpCommands: Benchmark = {
  name: "http-commands",
  title: "Durable commands over HTTP: 50 connections, 1,000 locks",
  run: async (run) => {
    const count = run.smoke ? 100 : 1000
    const answered: Array<{ readonly server: string; readonly folder: string; events: number }> = []
    let missing: string | undefined
    const figures = await measureFresh(run, async ({ folder }, started) => {
      const generator = started.use(await startGenerator())
      const own = { server: "latchkey", folder: join(folder, "latchkey"), events: 0 }
      const others = { server: STOCK, folder: join(folder, "stock"), events: 0 }
      answered.push(own, others)
      const latchkey = started.use(await startLatchkey(own.folder))
      const stock = started.use(await startStock(others.folder))
      const floor = started.use(
        await Server.start(new URL("../children/commandFloor.ts", import.meta.url), {
          args: [join(folder, "floor.db")]
        })
      )
      const ceiling = started.use(await Server.start(new URL("../children/ceiling.ts", import.meta.url)))
      const emmett = started.use(await startEmmett())
      const logOnly = started.use(await startEmmett(["--no-read-model"]))
      missing = emmett.missing
      own.events += await fillServer(generator, latchkey, count, 1)
      others.events += await fillServer(generator, stock, count, 1)
      for (const { server } of [emmett, logOnly])
        if (server !== undefined) await fillServer(generator, server, count, 1)

      const subjects = (name: string, server: Server, onAnswered?: (answered: number) => void) =>
        COMMANDS.map(
          ({ command, cycles }): Subject =>
            underLoad(`${name}: ${command}`, generator, server, cycles(count), ({ answered }) => onAnswered?.(answered))
        )
      return [
        ...subjects("latchkey", latchkey, (answered) => void (own.events += answered)),
        ...subjects(STOCK, stock, (answered) => void (others.events += answered)),
        ...subjects("floor", floor),
        ...(emmett.server === undefined ? [] : subjects("emmett", emmett.server)),
        ...(logOnly.server === undefined ? [] : subjects("emmett without a read model", logOnly.server)),
        underLoad("load generator alone", generator, ceiling, COMMANDS[0].cycles(count))
      ]
    })
    return {
      figures,
      bounds: COMMANDS.flatMap(({ command }) => boundsOf(command, figures)),
      notes: [
        ...COMMANDS.flatMap(({ command }) => stockNotes(command, figures)),
        ...answered.map(({ server, folder, events }) => `${server}: ${checkLog(folder, events)}`).slice(-2),
        ...(missing === undefined ? [] : [`Not measured beside emmett: ${missing}`])
      ]
    }
  }
}

const STOCK = "stock HttpApi server"

/** A connection has locks of its own, so that SetOwner always sets another owner than the last. */
export const COMMANDS = [
  {
    command: "use-temp-key",
    cycles: (count: number) => () =>
      deal(lockIds(count)).map((ids) =>
        ids.map((id) => post(`/locks/${id}/use-temp-key`, { tempKeyUuid: tempKeyUuid(id) }))
      )
  },
  {
    command: "SetOwner",
    cycles: (count: number) => {
      let owners = 0
      return () => {
        owners += 2
        return deal(lockIds(count)).map((ids) =>
          [owners, owners + 1].flatMap((owner) =>
            ids.map((id) => post(`/locks/${id}/SetOwner`, { userId: ownerUuid(owner) }))
          )
        )
      }
    }
  }
] as const

const boundsOf = (command: string, figures: ReadonlyArray<Figure>): ReadonlyArray<Bound> => {
  const [latchkey, floor, emmett] = ["latchkey", "floor", "emmett"].map((name) => figureOf(name, command, figures))
  return [
    ...(latchkey && floor ? [ratioBound(`${command}, beside the floor`, latchkey, floor, 0.6)] : []),
    ...(latchkey && emmett ? [ratioBound(`${command}, beside emmett`, latchkey, emmett, 10)] : [])
  ]
}

const stockNotes = (command: string, figures: ReadonlyArray<Figure>): ReadonlyArray<string> => {
  const stock = figureOf(STOCK, command, figures)
  const others = ["latchkey", "floor"].flatMap((name) => figureOf(name, command, figures) ?? [])
  return stock === undefined ? [] : others.map((other) => ratioNote(stock, other))
}

export const figureOf = (name: string, command: string, figures: ReadonlyArray<Figure>): Figure | undefined =>
  figures.find(({ subject }) => subject === `${name}: ${command}`)

/** Every answer must be a row, and the read model must keep up: otherwise the figures are of something else. */
const checkLog = (folder: string, events: number): string => {
  const files = filesIn(folder)
  const rows = single(files.log, "SELECT count(*) AS n FROM events")
  if (rows !== events) throw new Error(`${events} commands were answered, but the log holds ${rows} events.`)
  const behind = rows - single(files.readModel, "SELECT position AS n FROM cursor")
  return `All ${events} answered commands are in the log; when the server had stopped, the read model was ${behind} events behind.`
}

const single = (file: string, sql: string): number => {
  const db = new DatabaseSync(file, { readOnly: true })
  try {
    return Number(db.prepare(sql).get()?.n)
  } finally {
    db.close()
  }
}
