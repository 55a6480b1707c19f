/**
 * What was done to the shadows of a file lately, so that all who have it open at the same time hear of each other.
 * A ring: anyone who looks too seldom learns that it has missed something.
 */
import type { DatabaseSync } from "node:sqlite"
import type { Made } from "./ShadowOperation.ts"

/** How many changes are numbered so far: also those that are dropped. */
export const changesIn = (db: DatabaseSync): number =>
  Number(db.prepare("SELECT seq FROM sqlite_sequence WHERE name = 'change'").get()?.seq ?? 0)

/** How many changes are kept. */
export const KEPT = 1024

export interface ShadowsMade {
  /** Inside the transaction that makes it. */
  readonly add: (made: Made) => void
  /** What others made since what was `seen`. */
  readonly look: () => Look
  /** Ends a transaction: drops what is too old, and answers what will have been seen once it is committed. */
  readonly finish: (look: Look) => Look
  /** The next look goes no further back. Not before what was looked at, or added, is committed. */
  readonly seen: (look: Look) => void
}

interface Look {
  readonly by: { readonly made: ReadonlyArray<Made>; readonly gap: boolean }
  /** Number of the newest change. */
  readonly head: number
  readonly dataVersion: unknown
}

const nothing: Look["by"] = { made: [], gap: false }
const nobody: Look = { by: nothing, head: 0, dataVersion: undefined }

/** `shared` is false for what nobody else can open: then nothing is kept. */
export const openMade = (db: DatabaseSync, writer: string, shared: boolean): ShadowsMade => {
  if (!shared) return { add: () => {}, look: () => nobody, finish: () => nobody, seen: () => {} }
  const insert = db.prepare("INSERT INTO change (writer, made) VALUES (?, ?)")
  const select = db.prepare("SELECT id, made FROM change WHERE id > ? AND writer <> ? ORDER BY id")
  const selectEnds = db.prepare("SELECT min(id) AS oldest, max(id) AS newest FROM change")
  const selectVersion = db.prepare("PRAGMA data_version")
  const drop = db.prepare("DELETE FROM change WHERE id <= ?")
  let last = Number(selectEnds.get()?.newest ?? 0)
  let lastVersion: unknown
  let added = 0

  return {
    add: (made) => {
      added = Number(insert.run(writer, JSON.stringify(made)).lastInsertRowid)
    },
    look: () => {
      added = 0
      // SQLite counts up whenever another connection has committed.
      const dataVersion = selectVersion.get()?.data_version
      const { oldest, newest } = dataVersion === lastVersion ? {} : (selectEnds.get() ?? {})
      if (typeof newest !== "number") return { by: nothing, head: last, dataVersion }
      const made = select.all(last, writer).map((row) => JSON.parse(String(row.made)))
      return { by: { made, gap: Number(oldest) > last + 1 }, head: newest, dataVersion }
    },
    finish: (look) => {
      if (added > 0) drop.run(added - KEPT)
      return { ...look, head: Math.max(look.head, added) }
    },
    seen: ({ head, dataVersion }) => {
      last = head
      lastVersion = dataVersion
    }
  }
}
