/**
 * The read model: a file of its own beside the event log. Disposable: a file that is damaged, or that a newer Latchkey
 * wrote, is deleted as soon as that shows, and the projector fills a new one from the feed.
 *
 * It works in the main thread: a batch of the projector is one short transaction, which writes a lock's row once.
 */

import { rmSync, statSync } from "node:fs"
import { DatabaseSync } from "node:sqlite"
import {
  canonical,
  type DeviceState,
  type OwnedLock,
  type Projected,
  project,
  type ReadModel,
  ReadModelUnavailable,
  type StoredEvent
} from "@latchkey/core"
import { Effect, Option, type Scope } from "effect"
import {
  Damaged,
  type DatabaseOptions,
  explain,
  isDamage,
  isOtherSchema,
  openDatabase,
  shrinkWal,
  WrongVersion,
  whileBusy
} from "./Database.ts"
import type { Witness } from "./Witness.ts"

/** A step may drop what the one before it made, and set the checkpoint to 0: everything is projected again. */
const migrations = [
  `
  CREATE TABLE device_state (
    lock_id INTEGER PRIMARY KEY,
    lock_uuid TEXT NOT NULL,
    thing_name TEXT NOT NULL,
    serial_number TEXT,
    owner_id TEXT,
    org_id TEXT,
    keys_count INTEGER NOT NULL,
    resident_count INTEGER NOT NULL,
    last_event TEXT NOT NULL,
    last_updated INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX device_state_owner ON device_state (owner_id);
  CREATE INDEX device_state_thing ON device_state (thing_name);
  CREATE TABLE temp_keys (uuid TEXT PRIMARY KEY, lock_id INTEGER NOT NULL) STRICT;
  CREATE TABLE known_users (user_id TEXT PRIMARY KEY) STRICT;
  CREATE TABLE presence (thing TEXT PRIMARY KEY, online INTEGER NOT NULL, at INTEGER NOT NULL) STRICT;
  CREATE TABLE checkpoint (position INTEGER NOT NULL) STRICT;
  INSERT INTO checkpoint VALUES (0);
  `,
  `
  -- What was heard of devices: not in the feed, so it outlives a reset. online is NULL until a report says, since is its time.
  CREATE TABLE devices (thing TEXT PRIMARY KEY, online INTEGER, since INTEGER, last_seen INTEGER NOT NULL) STRICT;
  INSERT INTO devices SELECT thing, online, at, at FROM presence;
  DROP TABLE presence;
  `,
  `
  CREATE INDEX device_state_organization ON device_state (org_id);
  -- Who was named by events of which organization. Only the feed tells, so everything is projected again.
  CREATE TABLE users_of (org_id TEXT NOT NULL, user_id TEXT NOT NULL, PRIMARY KEY (org_id, user_id)) STRICT;
  DELETE FROM device_state;
  DELETE FROM temp_keys;
  DELETE FROM known_users;
  UPDATE checkpoint SET position = 0;
  `,
  // Which event is at the checkpoint: so that what was made from another log is told apart.
  "ALTER TABLE checkpoint ADD COLUMN event_id TEXT"
]

const options: DatabaseOptions = {
  // A commit waits for no disk, so projecting costs appends nothing; what a loss of power takes is projected again.
  synchronous: "NORMAL",
  migrations,
  // The main thread waits so long, in milliseconds, for another process that projects into the same file.
  busyTimeout: 200
}

/** Milliseconds to wait at the start, when others may start too, on a machine that is busy with that. */
const START_TIMEOUT = 5000

/** Milliseconds between looks whether the write-ahead log has grown too large, and the file is still the one there. */
const CARE_EVERY = 1000

/** The open file, which may have another successor by now. */
interface Opened {
  readonly db: DatabaseSync
  readonly sql: Statements
  readonly inode: number | undefined
}

/** A read model that also tells what it has seen of the log. */
export type Witnessing = ReadModel["Service"] & { readonly seen: Effect.Effect<Witness, ReadModelUnavailable> }

/**
 * Opens the read model on a file. Before it deletes a damaged one, it tells how far in the feed that one had come. A file
 * that took its place meanwhile is used only if what it has seen `isOfLog`.
 */
export const make: (
  file: string,
  onDelete: (checkpoint: number) => void,
  isOfLog: (seen: Witness) => boolean
) => Effect.Effect<Witnessing, ReadModelUnavailable, Scope.Scope> = Effect.fnUntraced(
  function* (file, onDelete, isOfLog) {
    const unavailable = (cause: unknown) =>
      new ReadModelUnavailable({
        message: explain(cause, file, "It is deleted, and filled again from the event log."),
        cause
      })

    let opened: Opened | undefined
    /** Whether another file has taken the place of the one that was open. */
    let replaced = false
    const close = () => {
      opened?.db.close()
      opened = undefined
    }
    const open = (busyTimeout = options.busyTimeout): Opened => {
      const db = openDatabase(file, { ...options, busyTimeout })
      try {
        const sql = statements(db)
        const seen = seenBy(sql)
        if (replaced && !isOfLog(seen)) throw new Damaged("it was made from another log")
        replaced = false
        return { db, sql, inode: inodeOf(file) }
      } catch (error) {
        db.close()
        throw isOtherSchema(error) ? new Damaged("it has other tables") : error
      }
    }
    const current = (): Opened => {
      opened ??= open()
      return opened
    }
    const startAnew = () => {
      const inode = opened?.inode ?? inodeOf(file)
      close()
      // What took its place unasked has seen nothing here.
      if (!replaced) onDelete(salvage(file))
      if (inodeOf(file) === inode) for (const suffix of ["", "-wal", "-shm"]) rmSync(file + suffix, { force: true })
      opened = open()
    }

    const attempt = <A>(run: (opened: Opened) => A): Effect.Effect<A, ReadModelUnavailable> =>
      Effect.suspend(() => {
        try {
          return Effect.succeed(run(current()))
        } catch (cause) {
          const failed = Effect.fail(unavailable(cause))
          return isDisposable(cause) ? Effect.andThen(deleted(cause), failed) : failed
        }
      })
    const deleted = (cause: unknown) =>
      Effect.logWarning(
        `${file} is ${isDamage(cause) ? "damaged" : "from a newer Latchkey"}: deleting it, to fill it again from the event log`
      ).pipe(Effect.andThen(Effect.try({ try: startAnew, catch: unavailable })))

    yield* Effect.addFinalizer(() => Effect.sync(close))
    yield* Effect.try({ try: () => (opened = open(START_TIMEOUT)), catch: unavailable }).pipe(
      Effect.catchIf(
        ({ cause }) => isDisposable(cause),
        ({ cause }) => deleted(cause)
      )
    )
    const care = () => {
      if (opened === undefined) return
      // Another process may have found damage first: then there is a new file in the place of the open one.
      if (inodeOf(file) !== opened.inode) {
        replaced = true
        return close()
      }
      shrinkWal(opened.db, file)
    }
    yield* Effect.acquireRelease(
      Effect.sync(() => setInterval(care, CARE_EVERY).unref()),
      (caring) => Effect.sync(() => clearInterval(caring))
    )

    /** Several processes may project into one file: whatever is read inside stands until the commit. */
    const transaction = <A>(run: (sql: Statements) => A) =>
      attempt(({ db, sql }) => {
        whileBusy(options.busyTimeout, () => sql.begin.run())
        try {
          const result = run(sql)
          sql.commit.run()
          return result
        } catch (error) {
          if (db.isTransaction) db.exec("ROLLBACK")
          throw error
        }
      })

    return {
      source: "sqlite",

      checkpoint: attempt(({ sql }) => checkpointOf(sql)),

      seen: attempt(({ sql }) => seenBy(sql)),

      apply: (events) =>
        transaction((sql) => {
          const checkpoint = checkpointOf(sql)
          const news = events.filter(({ position }) => position > checkpoint)
          const last = news.at(-1)
          if (last === undefined || news[0]?.position !== checkpoint + 1) return checkpoint
          applyNews(sql, news)
          sql.moveCheckpoint.run(last.position, last.eventId)
          return last.position
        }),

      devicesOwnedBy: (userId, orgId) =>
        attempt(({ sql }) => (sql.ownedBy.all(userId, orgId ?? null) as Array<OwnedRow>).map(toOwned)),

      locksOfOrganization: (orgId) =>
        attempt(({ sql }) => sql.ofOrganization.all(orgId).map((row) => Number(row["lock_id"]))),

      devices: (lockIds) =>
        attempt(({ sql }) => (sql.devices.all(JSON.stringify(lockIds)) as Array<OwnedRow>).map(toOwned)),

      lockOfThing: (thing) => attempt(({ sql }) => lockId(sql.lockOfThing.get(thing))),

      lockOfTempKey: (tempKeyUuid) => attempt(({ sql }) => lockId(sql.lockOfTempKey.get(canonical(tempKeyUuid)))),

      isKnownUser: (userId, orgId) =>
        attempt(
          ({ sql }) =>
            (orgId === undefined ? sql.isKnownUser.get(userId) : sql.isKnownTo.get(orgId, userId)) !== undefined
        ),

      reportDevice: (thing, online, at) =>
        attempt(
          ({ sql }) =>
            void whileBusy(options.busyTimeout, () =>
              online === undefined ? sql.seen.run(thing, at) : sql.report.run(thing, online ? 1 : 0, at)
            )
        ),

      isOnline: (thing) => attempt(({ sql }) => sql.isOnline.get(thing) !== undefined),

      reset: transaction((sql) => sql.forget.forEach((statement) => statement.run()))
    }
  }
)

const checkpointOf = (sql: Statements): number => seenBy(sql).position

/** The event at the checkpoint; its id is unknown where an earlier Latchkey was the last to write. */
const seenBy = (sql: Statements): Witness => {
  const row = sql.checkpoint.get()
  if (row === undefined) throw new Damaged("it has no checkpoint")
  const { position, event_id: eventId } = row
  return { position: Number(position), ...(typeof eventId === "string" && { eventId }) }
}

/** The checkpoint of a file that is given up, as far as it can still be read. */
const salvage = (file: string): number => {
  try {
    const db = new DatabaseSync(file, { readOnly: true })
    try {
      return Number(db.prepare("SELECT position FROM checkpoint").get()?.["position"] ?? 0)
    } finally {
      db.close()
    }
  } catch {
    return 0
  }
}

const inodeOf = (file: string): number | undefined => statSync(file, { throwIfNoEntry: false })?.ino

const isDisposable = (cause: unknown): boolean => isDamage(cause) || cause instanceof WrongVersion

/** What a batch changes about the row of one lock. */
interface Changes {
  sets: Projected["sets"]
  keys: number
  residents: number
  last: StoredEvent
}

/** However many events of a lock there are, its row is written once, and never read. */
const applyNews = (sql: Statements, events: ReadonlyArray<StoredEvent>) => {
  const changed = new Map<number, Changes>()
  const known = new Set<string>()
  const knownTo = new Map<string, Set<string>>()
  for (const event of events) {
    const projected = project(event)
    if (projected === undefined) continue
    const { lockId, created, sets, adds, users, tempKeyUuid } = projected
    let changes = changed.get(lockId)
    if (created !== undefined) {
      // What came before was about no lock.
      if (changes !== undefined) save(sql, lockId, changes)
      changes = undefined
      create(sql, created)
    }
    if (changes === undefined) {
      changes = { sets, keys: 0, residents: 0, last: event }
      changed.set(lockId, changes)
    } else {
      changes.sets = { ...changes.sets, ...sets }
      changes.last = event
    }
    changes.keys += adds.keysCount ?? 0
    changes.residents += adds.residentCount ?? 0
    for (const user of users) {
      known.add(user)
      knownTo.set(event.orgId, (knownTo.get(event.orgId) ?? new Set()).add(user))
    }
    if (tempKeyUuid !== undefined) sql.addTempKey.run(tempKeyUuid, lockId)
  }
  for (const [lockId, changes] of changed) save(sql, lockId, changes)
  for (const user of known) sql.addUser.run(user)
  for (const [orgId, users] of knownTo) for (const user of users) sql.addUserOf.run(orgId, user)
}

const create = (sql: Statements, row: DeviceState) => {
  const { lockId, lockUuid, thingName, serialNumber, ownerId, orgId } = row
  const { keysCount, residentCount, lastEvent, lastUpdated } = row
  const counts = [keysCount, residentCount, lastEvent, lastUpdated] as const
  sql.createDevice.run(lockId, lockUuid, thingName, serialNumber, ownerId, orgId, ...counts)
}

const save = (sql: Statements, lockId: number, { sets, keys, residents, last: { type, at } }: Changes) => {
  const { ownerId, orgId, lockUuid, thingName } = sets
  if (orgId !== undefined) sql.setOrganization.run(orgId, lockId)
  if (lockUuid !== undefined && thingName !== undefined) sql.setUuid.run(lockUuid, thingName, lockId)
  if (ownerId === undefined) sql.touchDevice.run(keys, residents, type, at, lockId)
  else sql.setOwner.run(keys, residents, type, at, lockId, ownerId)
}

type OwnedRow = Omit<OwnedLock, "online"> & { readonly online: number | null }
const toOwned = (row: OwnedRow): OwnedLock => ({ ...row, online: row.online === 1 })
type Statements = ReturnType<typeof statements>

const lockId = (row: { readonly [column: string]: unknown } | undefined): Option.Option<number> =>
  row === undefined ? Option.none() : Option.some(Number(row["lock_id"]))

const DEVICE = `lock_id AS lockId, lock_uuid AS lockUuid, thing_name AS thingName, serial_number AS serialNumber,
  owner_id AS ownerId, org_id AS orgId, keys_count AS keysCount, resident_count AS residentCount,
  last_event AS lastEvent, last_updated AS lastUpdated`

/** Rows of locks, with what was heard of their devices. */
const DEVICES = `SELECT ${DEVICE}, online, last_seen AS lastSeen FROM device_state LEFT JOIN devices ON thing = thing_name`

const TOUCH = "keys_count = keys_count + ?1, resident_count = resident_count + ?2, last_event = ?3, last_updated = ?4"

const statements = (db: DatabaseSync) => ({
  begin: db.prepare("BEGIN IMMEDIATE"),
  commit: db.prepare("COMMIT"),
  checkpoint: db.prepare("SELECT position, event_id FROM checkpoint"),
  moveCheckpoint: db.prepare("UPDATE checkpoint SET position = ?, event_id = ?"),
  createDevice: db.prepare("INSERT OR IGNORE INTO device_state VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"),
  setOrganization: db.prepare("UPDATE device_state SET org_id = ? WHERE lock_id = ?"),
  setUuid: db.prepare("UPDATE device_state SET lock_uuid = ?, thing_name = ? WHERE lock_id = ?"),
  // Two, since most events change no owner: then its index is left alone.
  touchDevice: db.prepare(`UPDATE device_state SET ${TOUCH} WHERE lock_id = ?5`),
  setOwner: db.prepare(`UPDATE device_state SET ${TOUCH}, owner_id = ?6 WHERE lock_id = ?5`),
  addUser: db.prepare("INSERT OR IGNORE INTO known_users VALUES (?)"),
  addUserOf: db.prepare("INSERT OR IGNORE INTO users_of VALUES (?, ?)"),
  addTempKey: db.prepare("INSERT OR IGNORE INTO temp_keys VALUES (?, ?)"),
  ownedBy: db.prepare(
    `${DEVICES}
     WHERE owner_id = ?1 AND (?2 IS NULL OR org_id = ?2) ORDER BY lock_id`
  ),
  ofOrganization: db.prepare("SELECT lock_id FROM device_state WHERE org_id = ? ORDER BY lock_id"),
  devices: db.prepare(`${DEVICES} WHERE lock_id IN (SELECT value FROM json_each(?))`),
  lockOfThing: db.prepare("SELECT lock_id FROM device_state WHERE thing_name = ? ORDER BY lock_id LIMIT 1"),
  lockOfTempKey: db.prepare("SELECT lock_id FROM temp_keys WHERE uuid = ?"),
  isKnownUser: db.prepare("SELECT 1 FROM known_users WHERE user_id = ?"),
  isKnownTo: db.prepare("SELECT 1 FROM users_of WHERE org_id = ? AND user_id = ?"),
  report: db.prepare(
    `INSERT INTO devices VALUES (?1, ?2, ?3, ?3)
     ON CONFLICT (thing) DO UPDATE SET
       online = CASE WHEN since IS NULL OR (?3, ?2) > (since, online) THEN ?2 ELSE online END,
       since = max(?3, coalesce(since, ?3)),
       last_seen = max(?3, last_seen)`
  ),
  seen: db.prepare(
    `INSERT INTO devices VALUES (?1, NULL, NULL, ?2)
     ON CONFLICT (thing) DO UPDATE SET last_seen = max(?2, last_seen)`
  ),
  isOnline: db.prepare("SELECT 1 FROM devices WHERE thing = ? AND online = 1"),
  forget: [
    db.prepare("DELETE FROM device_state"),
    db.prepare("DELETE FROM temp_keys"),
    db.prepare("DELETE FROM known_users"),
    db.prepare("DELETE FROM users_of"),
    db.prepare("UPDATE checkpoint SET position = 0, event_id = NULL")
  ]
})
