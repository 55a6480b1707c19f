/**
 * How far the log was once seen to go: a small file beside it, so that a log that is older, lost, or another one is told
 * from one that has only just begun. It may lag behind, and never runs ahead.
 */
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"

/** An event that was durable in the log. */
export interface Witness {
  readonly position: number
  /** Unknown where only the read model is asked. */
  readonly eventId?: string
}

const FILE = "witness.json"

/** What was kept; nothing when the file is not there, or is none. */
export const readWitness = (folder: string): Witness | undefined => {
  try {
    const { position, eventId } = JSON.parse(readFileSync(join(folder, FILE), "utf8"))
    if (!Number.isSafeInteger(position)) return undefined
    return { position, ...(typeof eventId === "string" && { eventId }) }
  } catch {
    return undefined
  }
}

/** Other processes may do so at the same time: the file is always whole. Where it cannot be written, it stays as it is. */
export const keepWitness = (folder: string, witness: Witness): void => {
  const draft = join(folder, `${FILE}.${process.pid}`)
  try {
    writeFileSync(draft, `${JSON.stringify(witness)}\n`, { mode: 0o600 })
    renameSync(draft, join(folder, FILE))
  } catch {
    rmSync(draft, { force: true })
  }
}
