/** Several servers on one folder, and what happens to them: kills, stops, pauses, and clocks that jump. */
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { brokerOf, configured, type Environment, MAIN, type Server, startServer } from "../harness/process.ts"
import { between, type Chance } from "./chance.ts"

const CLOCK = new URL("shiftedClock.ts", import.meta.url).href
/** Another checkout of the code, whose servers run beside those of this one: an upgrade under way, or one that is taken back. */
const OTHER = process.env["CHAOS_OTHER"]
const OTHER_MAIN = OTHER === undefined ? MAIN : join(OTHER, "packages/http/src/main.ts")

export interface Servers {
  /** Where each can be asked that was not ended; those that are paused do not answer. */
  readonly urls: () => ReadonlyArray<string>
  /** Where devices connect, likewise. */
  readonly brokers: () => ReadonlyArray<string>
  /** One thing after another happens to them, to some just after they were asked for much at once (`rush`). */
  readonly suffer: (chance: Chance, isOver: () => boolean, rush: (url: string) => void) => Promise<void>
  /** All of them run, and their clocks are right. */
  readonly recover: () => Promise<void>
  /** So much time passes for all of them, while nothing else happens to them, before it does for `moved`. */
  readonly move: (millis: number) => Promise<void>
  /** How far time has moved on, in milliseconds. */
  readonly moved: () => number
  /** Stops them as an operator does; answers how each ended. */
  readonly stop: () => Promise<ReadonlyArray<number | null>>
  readonly kill: () => Promise<void>
  /** What happened to them, and how often. */
  readonly told: ReadonlyMap<string, number>
  /** All that they wrote to their terminals. */
  readonly output: () => string
}

/** What depends on the store. */
export interface Faults {
  /** What else may happen, to what they share, by name. */
  readonly misfortunes?: Readonly<Record<string, (chance: Chance) => Promise<void>>>
  /**
   * `alike`: the store takes nothing from a server whose clock is not its own, so clocks are off by less, or for a moment.
   * `together`: they all show the same, and only `move` changes it.
   */
  readonly clocks?: "any" | "alike" | "together"
  /** What a start says that found the store away. */
  readonly away?: RegExp
}

interface Member {
  readonly environment: Environment
  readonly clockFile: string
  readonly outputs: Array<() => string>
  /** The program that it runs, which a start may change. */
  entry: string
  server: Server
  /** Something happens to it. */
  busy: boolean
  isThere: boolean
}

export const startServers = async (
  folder: string,
  count: number,
  more: Environment,
  {
    misfortunes: shared = {},
    clocks = "any",
    away = /holds the database .* locked|is locked by another|PostgreSQL does not do it/
  }: Faults = {}
): Promise<Servers> => {
  const told = new Map<string, number>()
  const tell = (what: string) => told.set(what, (told.get(what) ?? 0) + 1)
  const members: Array<Member> = []
  for (let index = 0; index < count; index++) {
    const clockFile = join(folder, `clock-${index}`)
    writeFileSync(clockFile, "0")
    const environment = {
      ...configured(folder),
      LATCHKEY_MQTT_PORT: "0",
      ...more,
      NODE_OPTIONS: `--import=${CLOCK}`,
      CLOCK_FILE: clockFile
    }
    const entry = index % 2 === 0 ? MAIN : OTHER_MAIN
    const server = await startServer(environment, entry)
    members.push({ environment, clockFile, entry, server, outputs: [server.output], busy: false, isThere: true })
  }

  /** As whatever looks after a server does: one that is paused in a transaction, or a database that is away, lets none start. */
  const started = (member: Member): Promise<Server> =>
    startServer(member.environment, member.entry).catch(async (error: unknown) => {
      if (!away.test(String(error))) throw error
      tell("start in vain")
      await sleep(500)
      return started(member)
    })
  const start = async (member: Member, chance: Chance) => {
    if (OTHER !== undefined && chance() < 0.5) {
      member.entry = member.entry === MAIN ? OTHER_MAIN : MAIN
      tell(member.entry === MAIN ? "start of this version" : "start of the other version")
    }
    member.server = await started(member)
    member.outputs.push(member.server.output)
    member.isThere = true
  }
  let moved = 0
  const setClock = (member: Member, millis: number) => {
    writeFileSync(member.clockFile, String(Math.round(millis)))
    member.server.signal("SIGUSR2")
  }

  const misfortunes = {
    kill: async (member: Member, chance: Chance) => {
      member.isThere = false
      await member.server.kill()
      await sleep(between(chance, 0, 1_500))
      await start(member, chance)
    },
    stop: async (member: Member, chance: Chance) => {
      member.isThere = false
      member.server.signal("SIGTERM")
      await member.server.ended
      await sleep(between(chance, 0, 500))
      await start(member, chance)
    },
    /** Shorter than anybody's patience, or longer than all of them and every lease: a while, or twice as long. */
    pause: async (member: Member, chance: Chance) => {
      member.server.signal("SIGSTOP")
      const longer = chance() < 0.5 ? between(chance, 8_500, 13_000) : 20_000
      await sleep(chance() < 0.7 ? between(chance, 50, 2_900) : longer)
      if (chance() < 0.3) return misfortunes.kill(member, chance)
      member.server.signal("SIGCONT")
    },
    clock: async (member: Member, chance: Chance) => {
      const far = chance() < 0.1 ? -600_000 : between(chance, -45_000, 45_000)
      if (clocks === "any") return setClock(member, far)
      if (chance() < 0.3) {
        setClock(member, far)
        await sleep(between(chance, 100, 2_000))
      }
      setClock(member, between(chance, -1_500, 1_500))
    }
  }
  const stops = ["kill", "kill", "stop", "pause", "pause", "pause", "pause"] as const
  const kinds = clocks === "together" ? stops : ([...stops, "clock", "clock"] as const)
  const others = Object.entries(shared)

  return {
    urls: () => members.filter(({ isThere }) => isThere).map(({ server }) => server.url),
    brokers: () => members.filter(({ isThere }) => isThere).map(({ server }) => brokerOf(server)),
    told,
    suffer: async (chance, isOver, rush) => {
      const underWay = new Set<Promise<void>>()
      if (clocks !== "together") for (const member of members) await misfortunes.clock(member, chance)
      while (!isOver()) {
        await sleep(between(chance, 100, 1_200))
        const [other, happen] = others[Math.floor(4 * chance() * others.length)] ?? []
        if (other !== undefined && happen !== undefined) {
          tell(other)
          await happen(chance)
        }
        const kind = kinds[Math.floor(chance() * kinds.length)] ?? "kill"
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
      for (const member of members) setClock(member, moved)
    },
    move: async (millis) => {
      const by = moved + Math.round(millis)
      for (const member of members) setClock(member, by)
      const isRead = ({ clockFile }: Member) => readFileSync(`${clockFile}.read`, "utf8") === String(by)
      while (!members.every(isRead)) await sleep(10)
      moved = by
    },
    moved: () => moved,
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
