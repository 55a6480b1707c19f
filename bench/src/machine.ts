/** The machine: what it is, and how steady it is while we measure. */
import { createHash } from "node:crypto"
import { closeSync, fdatasyncSync, openSync, writeSync } from "node:fs"
import { availableParallelism, cpus, totalmem, type } from "node:os"
import { join } from "node:path"
import { median } from "./statistics.ts"

/** What the figures were measured on, a line each. */
export const describeMachine = (folder: string): ReadonlyArray<string> => [
  `${availableParallelism()} x ${cpus()[0]?.model ?? "unknown processor"}, ${Math.round(totalmem() / 2 ** 30)} GB, ${type()}, Node ${process.version}`,
  `a write of 4 KB and its fdatasync take ${timeSync(folder).toFixed(2)} ms (median of 50)`
]

const block = Buffer.alloc(4096, "latchkey")

/** Milliseconds that a fixed piece of work takes: what varies here varies in the figures, and is not ours. */
export const timeFixedWork = (): number => {
  const begun = performance.now()
  for (let n = 0; n < 10_000; n++) createHash("sha256").update(block).digest()
  return performance.now() - begun
}

/** Milliseconds that a write of 4 KB takes until it is on the disk: the median of fifty. */
export const timeSync = (folder: string): number => {
  const file = openSync(join(folder, "sync"), "w")
  const times = Array.from({ length: 50 }, () => {
    const begun = performance.now()
    writeSync(file, block)
    fdatasyncSync(file)
    return performance.now() - begun
  })
  closeSync(file)
  return median(times)
}
