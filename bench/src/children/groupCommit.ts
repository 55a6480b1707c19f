/**
 * The least that durable events cost on SQLite: rows as Latchkey stores them, all that arrive in one turn of the event
 * loop in one transaction, WAL with synchronous=FULL. No rules, no versions of others, no second thread.
 */
import { DatabaseSync } from "node:sqlite"

export interface Row {
  readonly lockId: number
  readonly type: string
  readonly data: { readonly [field: string]: unknown }
}

/** Opens a new database; `done` is called with the version of the row's stream once the row is on the disk. */
export const openGroupCommit = (file: string) => {
  const db = new DatabaseSync(file)
  db.exec(`
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA wal_autocheckpoint = 4000;
    CREATE TABLE events (
      position INTEGER PRIMARY KEY, stream TEXT NOT NULL, version INTEGER NOT NULL, event_id TEXT NOT NULL, type TEXT NOT NULL,
      data TEXT NOT NULL, at INTEGER NOT NULL, org_id TEXT NOT NULL, principal TEXT NOT NULL, command_id TEXT NOT NULL,
      UNIQUE (stream, version)
    ) STRICT`)
  const begin = db.prepare("BEGIN IMMEDIATE")
  const insert = db.prepare("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
  const commit = db.prepare("COMMIT")
  const principal = JSON.stringify({ _tag: "Organization", orgId: "acme" })
  const versions = new Map<number, number>()
  let position = 0
  let waiting: Array<{ readonly row: Row; readonly done: (version: number) => void }> = []

  const flush = () => {
    const group = waiting
    waiting = []
    begin.run()
    const answers = group.map(({ row: { lockId, type, data } }) => {
      const version = (versions.get(lockId) ?? 0) + 1
      versions.set(lockId, version)
      const commandId = crypto.randomUUID()
      insert.run(
        ++position,
        `lock-${lockId}`,
        version,
        `${commandId}-1`,
        type,
        JSON.stringify(data),
        Date.now(),
        "acme",
        principal,
        commandId
      )
      return version
    })
    commit.run()
    group.forEach(({ done }, index) => done(answers[index] ?? 0))
  }

  return {
    append: (row: Row, done: (version: number) => void): void => {
      if (waiting.push({ row, done }) === 1) setImmediate(flush)
    },
    close: () => db.close()
  }
}
