/**
 * How far a file was once seen to go: a small file beside it, so that one that is older, lost, or another one is told
 * from one that has only just begun. It may lag behind, and never runs ahead.
 */
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"

/** What was durable at the place. */
export interface Witness {
  readonly position: number
  /** Unknown where only places count, or only the read model was asked. */
  readonly eventId?: string
}

/** What was kept of a database; nothing when there is no such file, or it is none. */
export const readWitness = (database: string): Witness | undefined => {
  try {
    const { position, eventId } = JSON.parse(readFileSync(fileOf(database), "utf8"))
    if (!Number.isSafeInteger(position)) return undefined
    return { position, ...(typeof eventId === "string" && { eventId }) }
  } catch {
    return undefined
  }
}

/** Other processes may do so at the same time: the file is always whole. Where it cannot be written, it stays as it is. */
export const keepWitness = (database: string, witness: Witness): void => {
  const file = fileOf(database)
  const draft = `${file}.${process.pid}`
  try {
    writeFileSync(draft, `${JSON.stringify(witness)}\n`, { mode: 0o600 })
    renameSync(draft, file)
  } catch {
    rmSync(draft, { force: true })
  }
}

const fileOf = (database: string): string => database.replace(/\.db$/, ".witness")
