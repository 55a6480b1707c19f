/** What the system says of a server's process. */
import { readFileSync } from "node:fs"

/** Kilobytes that it holds. */
export const memoryOf = (pid: number): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? Number.NaN)

/** Clock ticks a second, on every Linux that Node runs on. */
const TICKS = 100

/** Seconds of processors that it has used so far, in all its threads. */
export const processorTimeOf = (pid: number): number => {
  const text = readFileSync(`/proc/${pid}/stat`, "utf8")
  // The name comes first, and may hold anything.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ")
  return (Number(fields[11]) + Number(fields[12])) / TICKS
}
