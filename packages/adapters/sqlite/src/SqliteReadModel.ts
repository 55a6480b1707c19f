/**
 * The read model: a file of its own beside the event log. Disposable: a file that is damaged, or that a newer Latchkey
 * wrote, is deleted, and the projector fills a new one from the feed.
 *
 * It works in the main thread: a batch of the projector is one short transaction, which writes a lock's row once.
 */

import { rmSync } from "node:fs"
import type { DatabaseSync } from "node:sqlite"
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
import { type DatabaseOptions, explain, isDamage, openDatabase, WrongVersion, whileBusy } from "./Database.ts"

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
  `
]

const options: DatabaseOptions = {
  // A commit waits for no disk, so projecting costs appends nothing; what a loss of power takes is projected again.
  synchronous: "NORMAL",
  migrations,
  // The main thread waits so long, in milliseconds, for another process that projects into the same file.
  busyTimeout: 200
}

/** Opens the read model on a file; `head` is the newest position of the event log beside it. */
export const make: (
  file: string,
  head: number
) => Effect.Effect<ReadModel["Service"], ReadModelUnavailable, Scope.Scope> = Effect.fnUntraced(function* (file, head) {
  const unavailable = (cause: unknown) =>
    new ReadModelUnavailable({
      message: explain(cause, file, "Delete it and start again: it is filled from the event log."),
      cause
    })
  const attempt = <A>(run: () => A) => Effect.try({ try: run, catch: unavailable })

  const open = attempt(() => {
    const db = openDatabase(file, options)
    try {
      return { db, sql: statements(db) }
    } catch (error) {
      db.close()
      throw error
    }
  })
  const { db, sql } = yield* Effect.acquireRelease(
    open.pipe(
      Effect.catchIf(
        ({ cause }) => isDamage(cause) || cause instanceof WrongVersion,
        ({ cause }) =>
          Effect.logWarning(
            `${file} is ${isDamage(cause) ? "damaged" : "from a newer Latchkey"}: deleting it, to fill it again from the event log`
          ).pipe(
            Effect.andThen(
              attempt(() => {
                for (const suffix of ["", "-wal", "-shm"]) rmSync(file + suffix, { force: true })
              })
            ),
            Effect.andThen(open)
          )
      )
    ),
    ({ db }) => Effect.sync(() => db.close())
  )

  /** Several processes may project into one file: whatever is read inside stands until the commit. */
  const transaction = <A>(run: () => A) =>
    attempt(() => {
      whileBusy(options.busyTimeout, () => sql.begin.run())
      try {
        const result = run()
        sql.commit.run()
        return result
      } catch (error) {
        if (db.isTransaction) db.exec("ROLLBACK")
        throw error
      }
    })

  const checkpointNow = () => Number(sql.checkpoint.get()?.["position"])
  const reset = transaction(() => sql.forget.forEach((statement) => statement.run()))

  if ((yield* attempt(checkpointNow)) > head) {
    yield* Effect.logWarning("The read model is ahead of the event log, which was restored: filling it again")
    yield* reset
  }

  return {
    source: "sqlite",

    checkpoint: attempt(checkpointNow),

    apply: (events) =>
      transaction(() => {
        const checkpoint = checkpointNow()
        const news = events.filter(({ position }) => position > checkpoint)
        const last = news.at(-1)
        if (last === undefined || news[0]?.position !== checkpoint + 1) return checkpoint
        applyNews(sql, news)
        sql.moveCheckpoint.run(last.position)
        return last.position
      }),

    devicesOwnedBy: (userId, orgId) =>
      attempt(() => (sql.ownedBy.all(userId, orgId ?? null) as Array<OwnedRow>).map(toOwned)),

    locksOfOrganization: (orgId) => attempt(() => sql.ofOrganization.all(orgId).map((row) => Number(row["lock_id"]))),

    devices: (lockIds) => attempt(() => (sql.devices.all(JSON.stringify(lockIds)) as Array<OwnedRow>).map(toOwned)),

    lockOfThing: (thing) => attempt(() => lockId(sql.lockOfThing.get(thing))),

    lockOfTempKey: (tempKeyUuid) => attempt(() => lockId(sql.lockOfTempKey.get(canonical(tempKeyUuid)))),

    isKnownUser: (userId, orgId) =>
      attempt(
        () => (orgId === undefined ? sql.isKnownUser.get(userId) : sql.isKnownTo.get(orgId, userId)) !== undefined
      ),

    reportDevice: (thing, online, at) =>
      attempt(
        () =>
          void whileBusy(options.busyTimeout, () =>
            online === undefined ? sql.seen.run(thing, at) : sql.report.run(thing, online ? 1 : 0, at)
          )
      ),

    isOnline: (thing) => attempt(() => sql.isOnline.get(thing) !== undefined),

    reset
  }
})

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
  checkpoint: db.prepare("SELECT position FROM checkpoint"),
  moveCheckpoint: db.prepare("UPDATE checkpoint SET position = ?"),
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
    db.prepare("UPDATE checkpoint SET position = 0")
  ]
})
