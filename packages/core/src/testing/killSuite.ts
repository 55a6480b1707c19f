/// <reference types="node" />
/**
 * The suite for stores that outlive their process: processes that write are killed, and what is left is looked at; and
 * one that has closed its store ends.
 */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Random, type Scope } from "effect"
import { type KilledModule, keyOf, SIZE, streamsOf, WRITERS } from "./kill-suite/batches.ts"
import { feedOf, opened, type Store, upTo, valueOf } from "./store-suite/fixture.ts"

export interface KillSuiteOptions {
  /** URL of a module that exports `open: (place: string) => Layer<EventStore>`; each process imports it. */
  readonly module: string
  /** Makes an empty place, such as the path of a file, which goes with the scope. */
  readonly place: Effect.Effect<string, unknown, Scope.Scope>
  /** How many processes write at once; 2 unless given. */
  readonly processes?: number
  /** After how many answers the first process is killed, life by life; the others are killed a little later. */
  readonly kills?: ReadonlyArray<number>
  /** Milliseconds that the suite's test may take; 120,000 unless given. */
  readonly timeout?: number
}

const program = (name: string) =>
  fileURLToPath(new URL(`./kill-suite/${name}.${import.meta.url.slice(-2)}`, import.meta.url))
const [writer, closer] = [program("writer"), program("closer")]

interface Answer {
  readonly writer: number
  readonly batch: number
  readonly position: number
}

/**
 * Registers the tests.
 *
 * @example
 * ```ts
 * killSuite("file", { module: import.meta.resolve("./FileStore.ts"), place: temporaryFile })
 * ```
 */
export const killSuite = (
  name: string,
  { module, place, processes = 2, kills = [1, 40, 200], timeout = 120_000 }: KillSuiteOptions
): void => {
  describe(`store of killed processes: ${name}`, () => {
    it.live(
      "leaves no pool, timer or socket behind that keeps a process running once the store is closed",
      () => Effect.flatMap(place, (kept) => Effect.promise((signal) => closes([module, kept], signal))),
      timeout
    )

    it.live(
      "holds each answered batch, each batch whole and once, and positions without gaps",
      () =>
        Effect.gen(function* () {
          const kept = yield* place
          const { open }: KilledModule = yield* Effect.promise(() => import(module))
          const told = new Map<string, ReadonlyArray<Answer>>()
          for (const answers of kills) {
            const runs = yield* Effect.forEach(upTo(processes), () =>
              Effect.map(Random.nextInt, (drawn) => Math.abs(drawn).toString(36))
            )
            const lives = yield* Effect.promise((signal) =>
              Promise.all(runs.map((run, index) => live([module, kept, run], answers * (index + 1), signal)))
            )
            for (const [index, run] of runs.entries()) told.set(run, lives[index] ?? [])
            yield* Effect.scoped(Effect.flatMap(opened(open(kept)), (store) => looksRight(store, told)))
          }
        }),
      timeout
    )
  })
}

/** Kills a writer when it has been answered so often, or on the signal; tells what it was answered until it died. */
const live = async (args: ReadonlyArray<string>, kill: number, signal: AbortSignal): Promise<ReadonlyArray<Answer>> => {
  const child = spawn(process.execPath, [writer, ...args], {
    stdio: ["ignore", "pipe", "inherit"],
    killSignal: "SIGKILL",
    signal
  })
  const gone = once(child, "exit")
  const answers: Array<Answer> = []
  for await (const line of createInterface(child.stdout)) {
    const [writer = 0, batch = 0, position = 0] = line.split(" ").map(Number)
    answers.push({ writer, batch, position })
    if (answers.length === kill) child.kill("SIGKILL")
  }
  const [code, ended] = await gone
  if (ended !== "SIGKILL") throw new Error(`A writer ended by itself, with ${code}: see what it printed.`)
  return answers
}

/** Waits for a process that closes its store to end by itself, which one with an open pool, timer or socket never does. */
const closes = async (args: ReadonlyArray<string>, signal: AbortSignal): Promise<void> => {
  const child = spawn(process.execPath, [closer, ...args], { stdio: "inherit", killSignal: "SIGKILL", signal })
  const [code, ended] = await once(child, "exit")
  if (code !== 0) throw new Error(`The process ended with ${code ?? ended}: see what it printed.`)
}

const looksRight = Effect.fnUntraced(function* (store: Store, told: ReadonlyMap<string, ReadonlyArray<Answer>>) {
  const feed = yield* feedOf(store, 0, undefined, 1_000)
  expect(feed.map(({ position }) => position)).toEqual(upTo(feed.length))
  expect(yield* store.head).toBe(feed.length)
  expect(new Set(feed.map(({ eventId }) => eventId)).size).toBe(feed.length)
  for (const [run, answers] of told) {
    for (const writer of upTo(WRITERS)) {
      const [many, one] = streamsOf(run, writer)
      const own = feed.filter(({ streamId }) => streamId === many || streamId === one)
      const batches = Number(yield* valueOf(store, keyOf(run, writer))) || 0
      const inOrder = upTo(batches).flatMap((batch) => [
        ...upTo(SIZE).map((index) => `${many} ${SIZE * (batch - 1) + index}`),
        `${one} ${batch}`
      ])
      expect(own.map(({ streamId, version }) => `${streamId} ${version}`)).toEqual(inOrder)
      const answered = answers.filter((answer) => answer.writer === writer)
      // One more may have been on its way.
      expect([0, 1]).toContain(batches - answered.length)
      expect(answered.map(({ position }) => position)).toEqual(
        own
          .filter(({ streamId }) => streamId === one)
          .slice(0, answered.length)
          .map(({ position }) => position)
      )
    }
  }
})
