/** Several servers on one folder, and what happens to them: kills, stops, pauses, and clocks that jump. */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { brokerOf, configured, type Environment, type Server, startServer } from "../harness/process.ts"
import { between, type Chance } from "./chance.ts"

const CLOCK = new URL("shiftedClock.ts", import.meta.url).href

export interface Servers {
  /** Where each can be asked that was not ended; those that are paused do not answer. */
  readonly urls: () => ReadonlyArray<string>
  /** Where devices connect, likewise. */
  readonly brokers: () => ReadonlyArray<string>
  /** One thing after another happens to them, to some just after they were asked for much at once (`rush`). */
  readonly suffer: (chance: Chance, isOver: () => boolean, rush: (url: string) => void) => Promise<void>
  /** All of them run, and their clocks are right. */
  readonly recover: () => Promise<void>
  /** Stops them as an operator does; answers how each ended. */
  readonly stop: () => Promise<ReadonlyArray<number | null>>
  readonly kill: () => Promise<void>
  /** What happened to them, and how often. */
  readonly told: ReadonlyMap<string, number>
  /** All that they wrote to their terminals. */
  readonly output: () => string
}

interface Member {
  readonly environment: Environment
  readonly clockFile: string
  readonly outputs: Array<() => string>
  server: Server
  /** Something happens to it. */
  busy: boolean
  isThere: boolean
}

export const startServers = async (folder: string, count: number, more: Environment): Promise<Servers> => {
  const told = new Map<string, number>()
  const tell = (what: string) => told.set(what, (told.get(what) ?? 0) + 1)
  const members: Array<Member> = []
  for (let index = 0; index < count; index++) {
    const clockFile = join(folder, `clock-${index}`)
    writeFileSync(clockFile, "0")
    const environment = {
      ...configured(folder),
      ...more,
      LATCHKEY_MQTT_PORT: "0",
      NODE_OPTIONS: `--import=${CLOCK}`,
      CLOCK_FILE: clockFile
    }
    const server = await startServer(environment)
    members.push({ environment, clockFile, server, outputs: [server.output], busy: false, isThere: true })
  }

  /** As whatever looks after a server does: one that is paused in a transaction keeps the others from starting. */
  const started = (environment: Environment): Promise<Server> =>
    startServer(environment).catch(async (error: unknown) => {
      if (!/holds the database .* locked|is locked by another/.test(String(error))) throw error
      tell("locked start")
      await sleep(500)
      return started(environment)
    })
  const start = async (member: Member) => {
    member.server = await started(member.environment)
    member.outputs.push(member.server.output)
    member.isThere = true
  }
  const setClock = (member: Member, millis: number) => {
    writeFileSync(member.clockFile, String(Math.round(millis)))
    member.server.signal("SIGUSR2")
  }

  const misfortunes = {
    kill: async (member: Member, chance: Chance) => {
      member.isThere = false
      await member.server.kill()
      await sleep(between(chance, 0, 1_500))
      await start(member)
    },
    stop: async (member: Member, chance: Chance) => {
      member.isThere = false
      member.server.signal("SIGTERM")
      await member.server.ended
      await sleep(between(chance, 0, 500))
      await start(member)
    },
    /** Shorter than anybody's patience, or longer than all of them and every lease. */
    pause: async (member: Member, chance: Chance) => {
      member.server.signal("SIGSTOP")
      await sleep(chance() < 0.7 ? between(chance, 50, 2_900) : between(chance, 8_500, 13_000))
      if (chance() < 0.3) return misfortunes.kill(member, chance)
      member.server.signal("SIGCONT")
    },
    clock: async (member: Member, chance: Chance) =>
      setClock(member, chance() < 0.1 ? -600_000 : between(chance, -45_000, 45_000))
  }
  const kinds = ["kill", "kill", "stop", "pause", "pause", "pause", "pause", "clock", "clock"] as const

  return {
    urls: () => members.filter(({ isThere }) => isThere).map(({ server }) => server.url),
    brokers: () => members.filter(({ isThere }) => isThere).map(({ server }) => brokerOf(server)),
    told,
    suffer: async (chance, isOver, rush) => {
      const underWay = new Set<Promise<void>>()
      for (const member of members) await misfortunes.clock(member, chance)
      while (!isOver()) {
        await sleep(between(chance, 100, 1_200))
        const kind = kinds[Math.floor(chance() * kinds.length)] ?? "clock"
        const member = members[Math.floor(chance() * members.length)]
        // Seldom to all at once: somebody must go on with the work.
        const isAlone = members.every((other) => other === member || other.busy)
        const spares = chance() < 0.85 && isAlone && kind !== "clock"
        if (member === undefined || member.busy || spares) continue
        member.busy = true
        tell(kind)
        const [isRushed, after] = [chance() < 0.7, between(chance, 0, 60)]
        if (isRushed && kind !== "clock") {
          rush(member.server.url)
          await sleep(after)
        }
        const happens = misfortunes[kind](member, chance).then(() => {
          member.busy = false
          underWay.delete(happens)
        })
        // Told at the end: a server that does not start again is a failure.
        happens.catch(() => {})
        underWay.add(happens)
      }
      await Promise.all(underWay)
    },
    recover: async () => {
      for (const member of members) setClock(member, 0)
    },
    stop: async () => {
      for (const { server } of members) server.signal("SIGTERM")
      return Promise.all(members.map(async ({ server }) => (await server.ended).code))
    },
    kill: async () => {
      for (const { server } of members) server.signal("SIGCONT")
      await Promise.all(members.map(({ server }) => server.kill()))
    },
    output: () =>
      members.map(({ outputs }, n) => outputs.map((output) => `-- server ${n}\n${output()}`).join("\n")).join("\n")
  }
}
