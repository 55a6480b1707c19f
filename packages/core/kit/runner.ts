/** A small test runner in Vitest's place: it collects what a suite registers, and runs it until a test fails. */

export { expect } from "vitest"

interface Context {
  readonly signal: AbortSignal
  readonly skip: (why?: string) => never
  readonly onTestFinished: (hook: () => unknown) => void
}
type Body = (context: Context) => unknown

interface Test {
  readonly name: string
  readonly body: Body
}

class Skipped extends Error {}

let collected: Array<Test> = []

/** As Vitest takes them: the options or the timeout may stand before or behind the body. */
const register = (name: string, ...rest: ReadonlyArray<unknown>): void => {
  const body = rest.find((one): one is Body => typeof one === "function")
  if (body !== undefined) collected.push({ name, body })
}
const ignore = (): void => {}
const each =
  (cases: ReadonlyArray<unknown>) =>
  (name: string, ...rest: ReadonlyArray<unknown>): void => {
    const body = rest.find((one): one is (args: unknown, context: Context) => unknown => typeof one === "function")
    for (const one of cases) register(`${name} ${JSON.stringify(one)}`, (context: Context) => body?.(one, context))
  }

export const it = Object.assign(register, {
  for: each,
  skip: ignore,
  only: register,
  fails: ignore,
  skipIf: (condition: unknown) => (condition ? ignore : register),
  runIf: (condition: unknown) => (condition ? register : ignore)
})
export const describe = (_: string, ...rest: ReadonlyArray<unknown>): void => {
  rest.find((one): one is () => void => typeof one === "function")?.()
}
export const beforeAll = ignore
export const afterAll = ignore
export const beforeEach = ignore
export const TestRunner = { getCurrentSuite: () => ({ tasks: [] }) }

export interface Outcome {
  readonly tests: number
  /** Of which so many could not be run. */
  readonly skipped: number
  /** The first test that failed. */
  readonly failed?: {
    readonly name: string
    readonly why: string
    /** It is the adapter's source that is wrong, and not what it does. */
    readonly isMistake: boolean
  }
}

/** Runs the tests that `suite` registers, one after the other, each for so many milliseconds at most, until one fails. */
export const runSuite = async (suite: () => void, limit: number): Promise<Outcome> => {
  collected = []
  suite()
  const tests = collected
  let skipped = 0
  for (const { name, body } of tests) {
    const abort = new AbortController()
    const { promise: late, reject } = Promise.withResolvers<never>()
    const timer = setTimeout(() => {
      reject(new Error(`It hangs: no end after ${limit} ms.`))
      abort.abort()
    }, limit)
    const context: Context = {
      signal: abort.signal,
      skip: (why) => {
        throw new Skipped(why)
      },
      onTestFinished: ignore
    }
    try {
      await Promise.race([late, (async () => body(context))()])
    } catch (error) {
      if (!(error instanceof Skipped)) {
        const isMistake = /^(Reference|Syntax|Type)Error/.test(String(error))
        return { tests: tests.length, skipped, failed: { name, why: wordsOf(error), isMistake } }
      }
      skipped++
    } finally {
      clearTimeout(timer)
    }
  }
  return { tests: tests.length, skipped }
}

const wordsOf = (error: unknown): string => String(error instanceof Error ? error.message : error).replace(/\s+/g, " ")
