/**
 * Tests the tests: every suite must pass for the right adapters, and fail for each adapter of the catalogue, in which one
 * thing is wrong. Prints who was caught by what, and the share; ends with 1 if a right one fails or too many wrong ones pass.
 */
import { fork } from "node:child_process"
import { once } from "node:events"
import { availableParallelism } from "node:os"
import { fileURLToPath } from "node:url"
import { type Subject, subjects } from "./catalogue.ts"
import { type Outcome, runSuite } from "./runner.ts"

/** The least share of broken adapters that the suites must catch. */
const LEAST = 0.95
/** Milliseconds for a test of a right adapter, and for one of a broken one: what hangs is caught. */
const [PATIENCE, IMPATIENCE] = [60_000, 3_000]

interface Report extends Outcome {
  readonly index: number
  readonly took: number
}

const part = process.env["KIT_PART"]
if (part === undefined) await lead()
else await work(Number(part), Number(process.env["KIT_PARTS"]))

function limitOf({ limit, isRight }: Subject): number {
  return limit ?? (isRight ? PATIENCE : IMPATIENCE)
}

/** Runs every nth subject, and tells the leading process. */
async function work(first: number, step: number): Promise<void> {
  // What a broken adapter makes Effect log is expected.
  globalThis.console = new Proxy(console, { get: () => () => {} })
  for (let index = first; index < subjects.length; index += step) {
    const subject = subjects[index]
    if (subject === undefined) break
    const begun = performance.now()
    const outcome = await runSuite(subject.suite, limitOf(subject))
    process.send?.({ index, took: performance.now() - begun, ...outcome } satisfies Report)
  }
  process.disconnect()
  process.exit(0)
}

async function lead(): Promise<void> {
  const started = performance.now()
  const only = process.argv[2]
  const reports: Array<Report | undefined> = []
  if (only !== undefined) {
    for (const [index, subject] of subjects.entries()) {
      if (subject.name.includes(only))
        reports[index] = { index, took: 0, ...(await runSuite(subject.suite, limitOf(subject))) }
    }
  } else {
    // Most of the time they wait for what hangs.
    const workers = 2 * availableParallelism()
    await Promise.all(
      Array.from({ length: workers }, async (_, first) => {
        const child = fork(fileURLToPath(import.meta.url), {
          env: { ...process.env, KIT_PART: String(first), KIT_PARTS: String(workers) }
        })
        child.on("message", (message) => {
          const report = message as Report
          reports[report.index] = report
        })
        const [code] = await once(child, "exit")
        if (code !== 0) throw new Error(`A part of the kit ended with ${code}.`)
      })
    )
  }
  print(reports, performance.now() - started)
}

function print(reports: ReadonlyArray<Report | undefined>, took: number): void {
  let [caught, broken, wrong] = [0, 0, 0]
  for (const [index, { name, port, isRight }] of subjects.entries()) {
    const report = reports[index]
    if (report === undefined) continue
    const { tests, skipped, failed, took } = report
    const isTold = process.argv[2] !== undefined
    const line = `${port.padEnd(14)} ${name}`
    if (isRight) {
      if (failed !== undefined) wrong++
      const found =
        failed === undefined ? `passes ${tests - skipped} of ${tests} tests` : `FAILS ${failed.name}: ${failed.why}`
      console.log(`  right  ${line}: ${found}`)
      continue
    }
    broken++
    if (failed === undefined) console.log(`  MISSED ${line}`)
    else if (failed.isMistake) {
      wrong++
      console.log(`  BROKEN OTHERWISE THAN IT SAYS ${line}: ${failed.why}`)
    } else {
      caught++
      console.log(`  caught ${line}\n         ${" ".repeat(15)}by: ${failed.name} (${Math.round(took)} ms)`)
      if (isTold) console.log(`         ${" ".repeat(15)}${failed.why.slice(0, 2_000)}`)
    }
  }
  const share = broken === 0 ? 1 : caught / broken
  console.log(
    `${caught} of ${broken} broken adapters caught (${(100 * share).toFixed(1)} %), ${wrong} right ones failed, in ${(took / 1_000).toFixed(0)} s`
  )
  if (wrong > 0 || share < LEAST) process.exitCode = 1
}
