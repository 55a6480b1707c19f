/** What goes wrong around locks, and how often. Every decision is drawn from the seed, by lock and by occasion. */
import { between, type Random, randomOf } from "./Randomness.ts"

type Range = readonly [from: number, to: number]

export interface Faults {
  /** Milliseconds that a message takes, either way. Messages with different times overtake each other. */
  readonly latency: Range
  /** How many of all messages are lost, come twice, or are held up for `delay` milliseconds, from 0 to 1. */
  readonly loss: number
  readonly duplicates: number
  readonly delayed: number
  readonly delay: Range
  /** Milliseconds between, and of, times without a connection; `undefined`: never. */
  readonly online: Range | undefined
  readonly offline: Range
  /** How much faster or slower a lock's clock may run than time does, as a part of it. */
  readonly drift: number
  /** How many commands the hardware fails at, from 0 to 1, and milliseconds that it takes. */
  readonly jams: number
  /** How many commands the hardware refuses, from 0 to 1: it never begins them, and says so. */
  readonly refuses: number
  readonly work: Range
  /** How many commands end with a loss of power in the middle, and how many with a loss of all keys, from 0 to 1. */
  readonly cuts: number
  readonly forgets: number
  /** How many reports are said once more, some time later, from 0 to 1. */
  readonly repeats: number
  /** Milliseconds between openings at the door itself; `undefined`: never. */
  readonly openings: Range | undefined
  /** Percent of its battery that a command takes; one that finds it empty is cut off in the middle, like the lock. */
  readonly drain: number
}

export const FAULTS = {
  none: {
    latency: [1, 1],
    loss: 0,
    duplicates: 0,
    delayed: 0,
    delay: [0, 0],
    online: undefined,
    offline: [0, 0],
    drift: 0,
    jams: 0,
    refuses: 0,
    work: [50, 50],
    cuts: 0,
    forgets: 0,
    repeats: 0,
    openings: undefined,
    drain: 0
  },
  some: {
    latency: [10, 120],
    loss: 0.02,
    duplicates: 0.05,
    delayed: 0.02,
    delay: [200, 2_000],
    online: [60_000, 600_000],
    offline: [1_000, 60_000],
    drift: 0.005,
    jams: 0.01,
    refuses: 0.01,
    work: [300, 1_200],
    cuts: 0,
    forgets: 0,
    repeats: 0.02,
    openings: [60_000, 600_000],
    drain: 0.05
  },
  many: {
    latency: [20, 400],
    loss: 0.2,
    duplicates: 0.3,
    delayed: 0.2,
    delay: [200, 5_000],
    online: [500, 10_000],
    offline: [100, 15_000],
    drift: 0.01,
    jams: 0.1,
    refuses: 0.1,
    work: [100, 2_000],
    cuts: 0.02,
    forgets: 0,
    repeats: 0.1,
    openings: [2_000, 60_000],
    drain: 0.05
  }
} as const satisfies { readonly [name: string]: Faults }

const RETRY = { first: 250, most: 5_000 }

/** What a lock meets, decided by its seed and name. */
export interface Fortune {
  /** Milliseconds after which each copy of the n-th message arrives; none when it is lost. */
  readonly message: (direction: "in" | "out", n: number) => ReadonlyArray<number>
  /** Milliseconds that the n-th connection lasts, if it ends by itself, and that its lock is away after it. */
  readonly connection: (n: number) => { readonly lasts: number | undefined; readonly away: number }
  /** Milliseconds until the lock tries again after the n-th connection in a row that failed: ever more, not all at once. */
  readonly retry: (n: number) => number
  /** How the hardware does with the n-th command. */
  readonly work: (n: number) => {
    readonly takes: number
    readonly jams: boolean
    readonly refuses: boolean
    readonly drains: number
    readonly cuts: boolean
    readonly forgets: boolean
  }
  /** Milliseconds from the n-th opening at the door to the next, if there is one, and how that is done. */
  readonly opening: (n: number) => { readonly after: number | undefined; readonly way: number }
  /** Milliseconds after which the n-th report is said once more, if it is. */
  readonly repeat: (n: number) => number | undefined
  /** The lock's clock: how fast it runs, and what it shows at first, in milliseconds. */
  readonly clock: { readonly rate: number; readonly start: number }
  /** Percent at first. */
  readonly battery: number
}

export const fortuneOf = (faults: Faults, seed: number, thing: string): Fortune => {
  const chance = (...names: ReadonlyArray<string | number>): Random => randomOf(seed, thing, ...names)
  const clock = chance("clock")
  return {
    message: (direction, n) => {
      const random = chance(direction, n)
      if (random() < faults.loss) return []
      const copies = random() < faults.duplicates ? 2 : 1
      return Array.from({ length: copies }, () => {
        const takes = between(random, faults.latency)
        return random() < faults.delayed ? takes + between(random, faults.delay) : takes
      })
    },
    connection: (n) => {
      const random = chance("connection", n)
      const lasts = faults.online && between(random, faults.online)
      return { lasts, away: between(random, faults.offline) }
    },
    retry: (n) => Math.min(RETRY.most, RETRY.first * 2 ** n) * between(chance("retry", n), [0.5, 1]),
    work: (n) => {
      const random = chance("work", n)
      const [takes, jams] = [between(random, faults.work), random() < faults.jams]
      const refuses = !jams && random() < faults.refuses
      const [cuts, forgets] = [random() < faults.cuts, random() < faults.forgets]
      return { takes, jams, refuses, drains: faults.drain, cuts, forgets }
    },
    opening: (n) => {
      const random = chance("opening", n)
      return { after: faults.openings && between(random, faults.openings), way: random() }
    },
    repeat: (n) => {
      const random = chance("repeat", n)
      return random() < faults.repeats ? between(random, [1_000, 20_000]) : undefined
    },
    clock: { rate: 1 + between(clock, [-faults.drift, faults.drift]), start: Math.floor(clock() * 1_000_000_000) },
    battery: Math.round(between(chance("battery"), [30, 100]))
  }
}
