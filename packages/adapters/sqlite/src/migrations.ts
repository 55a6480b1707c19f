/**
 * The schema of the event log, one step a version. Files out there have run these: add steps, never change one.
 *
 * Plain rowid tables throughout: WITHOUT ROWID halves the speed of batched inserts.
 */
export const migrations: ReadonlyArray<string> = [
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
  // Receipts of idempotency keys end: those that are there already, 30 days from now. They are known by their ids, which
  // are digests of 43 characters; tickets of guest pages have such ids too, and no fingerprint.
  `
  ALTER TABLE receipts ADD COLUMN expires_at INTEGER;
  ALTER TABLE reservations ADD COLUMN receipt_expires_at INTEGER;
  UPDATE receipts SET expires_at = (unixepoch() + 30 * 24 * 60 * 60) * 1000
    WHERE length(id) = 43 AND fingerprint <> '' AND fingerprint <> id;
  CREATE INDEX receipts_expiring ON receipts (expires_at) WHERE expires_at IS NOT NULL;
  `
]
