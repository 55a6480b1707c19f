/**
 * The schema of the event log, one step a version. Files out there have run these: add steps, never change one.
 *
 * Plain rowid tables, but for what is inserted in the order of its key: else WITHOUT ROWID halves the speed of batches.
 */
import type { Migration } from "./Database.ts"
import { INDEX_ALL_ORGANIZATIONS } from "./organizationFeed.ts"
import { toRecords } from "./toRecords.ts"

export const migrations: ReadonlyArray<Migration> = [
  `
  CREATE TABLE events (
    position INTEGER PRIMARY KEY,
    stream TEXT NOT NULL,
    version INTEGER NOT NULL,
    event_id TEXT NOT NULL,
    type TEXT NOT NULL,
    data TEXT NOT NULL,
    at INTEGER NOT NULL,
    org_id TEXT NOT NULL,
    principal TEXT NOT NULL,
    command_id TEXT NOT NULL,
    UNIQUE (stream, version)
  ) STRICT;

  -- Prepared appends. Settled ones (settled_at is set; version and position too, when committed) stay for a while,
  -- so that whoever settles again learns what stands.
  CREATE TABLE reservations (
    command_id TEXT PRIMARY KEY,
    stream TEXT NOT NULL,
    thing TEXT NOT NULL,
    deadline INTEGER NOT NULL,
    released INTEGER NOT NULL DEFAULT 0,
    events TEXT,
    receipt_id TEXT,
    fingerprint TEXT,
    settled_at INTEGER,
    version INTEGER,
    position INTEGER
  ) STRICT;
  CREATE UNIQUE INDEX reservations_pending ON reservations (stream) WHERE settled_at IS NULL;

  CREATE TABLE receipts (
    id TEXT PRIMARY KEY,
    fingerprint TEXT NOT NULL,
    stream TEXT NOT NULL,
    first_version INTEGER NOT NULL,
    version INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE snapshots (
    stream TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    state TEXT NOT NULL
  ) STRICT;
  `,
  "ALTER TABLE events ADD COLUMN accepted_at INTEGER",
  `
  -- Not unique: the first edition took a command id more than once, and with it the ids of its events.
  CREATE INDEX events_by_id ON events (event_id);

  ALTER TABLE reservations ADD COLUMN attempt INTEGER NOT NULL DEFAULT 1;

  -- Ids of events that are prepared: nobody else may use them.
  CREATE TABLE prepared_ids (
    event_id TEXT PRIMARY KEY,
    command_id TEXT NOT NULL
  ) STRICT;
  CREATE INDEX prepared_ids_of ON prepared_ids (command_id);
  INSERT OR IGNORE INTO prepared_ids
    SELECT event.value ->> 0, command_id FROM reservations, json_each(events) AS event WHERE settled_at IS NULL;
  `,
  `
  -- What is beside the streams of locks: by the kind of its stream, and by the lock that it is about. Events of locks
  -- pay nothing for these.
  CREATE INDEX events_of_kind ON events (substr(stream, 1, instr(stream, '-')))
    WHERE substr(stream, 1, 5) <> 'lock-';
  CREATE INDEX events_about_lock ON events (data ->> '$.lockId')
    WHERE substr(stream, 1, 5) <> 'lock-' AND data ->> '$.lockId' IS NOT NULL;

  CREATE INDEX reservations_settled ON reservations (settled_at) WHERE settled_at IS NOT NULL;
  `,
  // Receipts of idempotency keys end: those that are there already, 30 days from now. They are known by their ids, which
  // are digests of 43 characters; tickets of guest pages have such ids too, and no fingerprint.
  `
  ALTER TABLE receipts ADD COLUMN expires_at INTEGER;
  ALTER TABLE reservations ADD COLUMN receipt_expires_at INTEGER;
  UPDATE receipts SET expires_at = (unixepoch() + 30 * 24 * 60 * 60) * 1000
    WHERE length(id) = 43 AND fingerprint <> '' AND fingerprint <> id;
  CREATE INDEX receipts_expiring ON receipts (expires_at) WHERE expires_at IS NOT NULL;
  `,
  // Everything beside the streams becomes a record. The feed is found by category and by organization.
  (db) => {
    db.exec(`
      CREATE TABLE records (
        key TEXT PRIMARY KEY,
        value TEXT NOT NULL,
        until INTEGER
      ) STRICT;
      CREATE INDEX records_expiring ON records (until) WHERE until IS NOT NULL;

      DROP INDEX events_of_kind;
      DROP INDEX events_about_lock;
      ALTER TABLE events ADD COLUMN category TEXT AS (substr(stream, 1, instr(stream || '-', '-') - 1)) VIRTUAL;
      CREATE INDEX events_of_category ON events (category);
      CREATE TABLE events_of_organization (
        org_id TEXT NOT NULL,
        category TEXT NOT NULL,
        position INTEGER NOT NULL,
        PRIMARY KEY (org_id, category, position)
      ) STRICT, WITHOUT ROWID;
      ${INDEX_ALL_ORGANIZATIONS};
    `)
    toRecords(db)
  }
]
