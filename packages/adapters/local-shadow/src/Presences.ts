/**
 * Which devices are there, in the file of the shadows: a lease of the process that holds their connection. A process that
 * has devices counts up once a second; whose count stands still for a few seconds is dead, and its devices are gone. That
 * count is watched by a clock that nobody sets, so it does not matter what time it is, nor what became of a process's id.
 */
import type { DatabaseSync } from "node:sqlite"
import type { AbsenceReason } from "@latchkey/core"
import type { LastSeen } from "./ShadowOperation.ts"

/** Milliseconds between two signs of life, and after the last one until a process counts as dead. */
export const BEAT = 1000
export const LEASE = 5000

/**
 * `presence.online` is 1 (there), one of `GONE`, or -1 (gone with its process, unless that lives after all). `told` grows with
 * every change, so that others find what is new. `holder` has the processes with devices: their count, and when they counted.
 */
export const PRESENCE_SCHEMA = `
  ALTER TABLE presence ADD COLUMN told INTEGER NOT NULL DEFAULT 0;
  CREATE INDEX presence_told ON presence (told);
  CREATE TABLE holder (writer TEXT NOT NULL PRIMARY KEY, beat INTEGER NOT NULL, at INTEGER NOT NULL);
`

export interface Presences {
  /** A device came to this process, or went from it; see `Operations`. */
  readonly say: (said: LastSeen) => LastSeen | undefined
  /** Every device that ever came. */
  readonly all: () => ReadonlyArray<LastSeen>
  /** What became of devices of others since what was `seen`. `dataVersion` is SQLite's, which others' commits move. */
  readonly byOthers: (dataVersion: unknown) => Look
  /** The next look goes no further back. Not before the transaction that looked is committed. */
  readonly seen: (dataVersion: unknown, look: Look) => void
  /** What was left behind by processes that are dead for certain is gone; once, at first, inside a transaction. */
  readonly open: () => void
  /** Whether there is nobody to give a sign of life to, or to watch. */
  readonly isAlone: () => boolean
  /** A sign of life, inside a transaction; see `ShadowFile`. */
  readonly beat: (now: number) => ReadonlyArray<LastSeen>
  /** This process ends: what it held is gone. */
  readonly goodbye: () => void
}

interface Look {
  readonly seen: ReadonlyArray<LastSeen>
  readonly told: number
}

export const openPresences = (db: DatabaseSync, writer: string): Presences => {
  const select = db.prepare("SELECT at, writer FROM presence WHERE thing = ?")
  const selectAll = db.prepare("SELECT thing, online, at FROM presence ORDER BY thing")
  const selectTold = db.prepare("SELECT thing, online, at, writer, told FROM presence WHERE told > ? ORDER BY told")
  const selectNewest = db.prepare("SELECT coalesce(max(told), 0) AS told FROM presence")
  const NEXT = "(SELECT coalesce(max(told), 0) + 1 FROM presence)"
  const upsert = db.prepare(
    `INSERT INTO presence (thing, online, at, writer, told) VALUES (?, ?, ?, ?, ${NEXT}) ` +
      "ON CONFLICT DO UPDATE SET online = excluded.online, at = excluded.at, writer = excluded.writer, told = excluded.told"
  )
  const change = db.prepare(
    `UPDATE presence SET online = ?1, at = max(at + 1, ?2), told = ${NEXT} WHERE writer = ?3 AND online = ?4 ` +
      "RETURNING thing, online, at"
  )
  const selectHolders = db.prepare("SELECT writer, beat, at FROM holder")
  const insertHolder = db.prepare("INSERT OR IGNORE INTO holder VALUES (?, 0, ?)")
  const count = db.prepare("UPDATE holder SET beat = beat + 1, at = ? WHERE writer = ?")
  const dropHolder = db.prepare("DELETE FROM holder WHERE writer = ?")
  const selectOrphans = db.prepare(
    "SELECT DISTINCT writer FROM presence WHERE online = 1 AND writer NOT IN (SELECT writer FROM holder)"
  )

  /** Others, with their last count, and since when it stands still. */
  const watched = new Map<string, { readonly beat: unknown; readonly since: number }>()

  /** The devices of a process are gone, and come back with it. */
  const lose = (lost: string): ReadonlyArray<LastSeen> => {
    dropHolder.run(lost)
    watched.delete(lost)
    return change.all(IN_DOUBT, Date.now(), lost, ONLINE).map(toSeen)
  }

  const isDead = (other: string, beat: unknown, now: number): boolean => {
    const known = watched.get(other)
    if (known !== undefined && known.beat === beat) return now - known.since > LEASE
    watched.set(other, { beat, since: now })
    return false
  }

  let speaks = false
  let told = Number(selectNewest.get()?.told)
  let lastVersion: unknown

  return {
    say: (said) => {
      const { thing, online, at } = said
      const before = select.get(thing)
      if (!online && before !== undefined && before.writer !== writer) return undefined
      const now = before === undefined ? at : Math.max(at, Number(before.at) + 1)
      if (online) insertHolder.run(writer, Date.now())
      speaks ||= online
      upsert.run(thing, online ? ONLINE : goneFor(said.reason), now, writer)
      return { ...said, at: now }
    },
    all: () => selectAll.all().map(toSeen),
    byOthers: (dataVersion) => {
      if (dataVersion === lastVersion) return { seen: [], told }
      const rows = selectTold.all(told)
      return {
        seen: rows.filter((row) => row.writer !== writer).map(toSeen),
        told: Number(rows.at(-1)?.told ?? told)
      }
    },
    seen: (dataVersion, look) => {
      lastVersion = dataVersion
      told = look.told
    },
    open: () => {
      for (const { writer: other } of selectOrphans.all()) lose(String(other))
      for (const { writer: other, at } of selectHolders.all()) {
        if (!mayLive(String(other), Number(at), Date.now())) lose(String(other))
      }
    },
    isAlone: () => !speaks && selectHolders.get() === undefined,
    beat: (now) => {
      const seen: Array<LastSeen> = []
      if (speaks && count.run(Date.now(), writer).changes === 0) {
        // Others took this process for dead, which it is not: what they say is gone is there.
        insertHolder.run(writer, Date.now())
        seen.push(...change.all(ONLINE, Date.now(), writer, IN_DOUBT).map(toSeen))
      }
      for (const { writer: other, beat } of selectHolders.all()) {
        if (other !== writer && isDead(String(other), beat, now)) seen.push(...lose(String(other)))
      }
      return seen
    },
    goodbye: () => void lose(writer)
  }
}

const ONLINE = 1
const IN_DOUBT = -1
/** Gone, and why. An older process sees that it is gone. */
const GONE: { readonly [reason in AbsenceReason]: number } = {
  saidGoodbye: 2,
  connectionLost: 3,
  silent: 4,
  serverGone: 5,
  turnedAway: 6
}
/** Gone, and nobody knows why. */
const OFFLINE = 0

const goneFor = (reason: AbsenceReason | undefined): number => (reason === undefined ? OFFLINE : GONE[reason])

const REASONS = Object.keys(GONE) as ReadonlyArray<AbsenceReason>

const toSeen = ({ thing, online, at }: { readonly [column: string]: unknown }): LastSeen => {
  const reason = online === IN_DOUBT ? "serverGone" : REASONS.find((reason) => GONE[reason] === online)
  return { thing: String(thing), online: online === ONLINE, at: Number(at), ...(reason && { reason }) }
}

/**
 * Whether a process that was there before this one may still live, by when it last counted. A copy of the folder has
 * processes in it that live elsewhere, if at all; one that lives here, and was taken for dead, says so a second later.
 */
const mayLive = (writer: string, at: number, now: number): boolean =>
  at <= now && now - at <= LEASE && hasProcess(Number.parseInt(writer, 10))

/** Proves death, and never life. In a container every process may have had this process's own id. */
const hasProcess = (pid: number): boolean => {
  try {
    return pid !== process.pid && process.kill(pid, 0)
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM"
  }
}
