/**
 * `npm run bench`: measures, prints, and judges against the bounds. Ends with 1 when a bound does not hold.
 * `-- --smoke`: only shows that everything runs. `-- <name> …`: only the benchmarks of these names.
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import type { Benchmark } from "./benchmark.ts"
import { cachedLocks } from "./benchmarks/cachedLocks.ts"
import { consolePages } from "./benchmarks/consolePages.ts"
import { devices } from "./benchmarks/devices.ts"
import { hangingEndpoint } from "./benchmarks/hangingEndpoint.ts"
import { hangingReceivers } from "./benchmarks/hangingReceivers.ts"
import { hotLock } from "./benchmarks/hotLock.ts"
import { httpCommands } from "./benchmarks/httpCommands.ts"
import { httpReads } from "./benchmarks/httpReads.ts"
import { idleStreams } from "./benchmarks/idleStreams.ts"
import { inProcess } from "./benchmarks/inProcess.ts"
import { largeLocks } from "./benchmarks/largeLocks.ts"
import { lists } from "./benchmarks/lists.ts"
import { longStream } from "./benchmarks/longStream.ts"
import { move } from "./benchmarks/move.ts"
import { noisyTenant } from "./benchmarks/noisyTenant.ts"
import { partners } from "./benchmarks/partners.ts"
import { postgresCommands } from "./benchmarks/postgresCommands.ts"
import { reconciler } from "./benchmarks/reconciler.ts"
import { spacetimedb } from "./benchmarks/spacetimedb.ts"
import { startUp } from "./benchmarks/startUp.ts"
import { tempKeys } from "./benchmarks/tempKeys.ts"
import { tenants } from "./benchmarks/tenants.ts"
import { describeMachine } from "./machine.ts"
import { holds, render } from "./report.ts"

const benchmarks: ReadonlyArray<Benchmark> = [
  httpCommands,
  postgresCommands,
  httpReads,
  inProcess,
  longStream,
  largeLocks,
  tempKeys,
  lists,
  consolePages,
  hotLock,
  cachedLocks,
  tenants,
  move,
  startUp,
  devices,
  hangingEndpoint,
  noisyTenant,
  partners,
  hangingReceivers,
  idleStreams,
  reconciler,
  spacetimedb
]

const {
  values: { smoke },
  positionals
} = parseArgs({
  allowPositionals: true,
  options: { smoke: { type: "boolean", default: false } }
})
const unknown = positionals.filter((name) => benchmarks.every((benchmark) => benchmark.name !== name))
if (unknown.length > 0) {
  console.error(
    `There is no benchmark ${unknown.join(", ")}. There are: ${benchmarks.map(({ name }) => name).join(", ")}.`
  )
  process.exit(2)
}
const chosen = benchmarks.filter(({ name }) => positionals.length === 0 || positionals.includes(name))

// On the disk of the checkout: the system's folder for temporary files may be in memory, which is not durable.
const data = fileURLToPath(new URL("../data/", import.meta.url))
mkdirSync(data, { recursive: true })
const folder = mkdtempSync(join(data, "run-"))
const pace = smoke ? { rounds: 1, seconds: 0.3, warmUp: 0.3 } : { rounds: 5, seconds: 3, warmUp: 3 }

let failed = 0
try {
  console.log(
    describeMachine(folder)
      .map((line) => `- ${line}`)
      .join("\n")
  )
  console.log(
    `- ${pace.rounds === 1 ? "one round" : `${pace.rounds} rounds`} of ${pace.seconds} s in random order; medians; "rounds": how far they lie apart; "noise": how far the machine's own time for the same fixed work does; "fsync": what the disk took just before\n`
  )
  for (const { name, title, run } of chosen) {
    const own = join(folder, name)
    mkdirSync(own)
    const outcome = await run({ ...pace, smoke, folder: own })
    failed += outcome.bounds.filter((bound) => !holds(bound)).length
    console.log(`${render(title, outcome, !smoke)}\n`)
    rmSync(own, { recursive: true })
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}
if (failed > 0 && !smoke) {
  console.log(`${failed} ${failed === 1 ? "bound does" : "bounds do"} not hold.`)
  process.exitCode = 1
}
