/**
 * The schema, one step a version. Databases out there have run these: add steps, never change one. Servers of an older version go
 * on beside a newer one, so a step leaves what they use: it adds functions under new names, and columns with defaults. What a
 * function takes never changes: older servers have prepared their calls of it.
 *
 * Everything that is asked or written is a function: its plan is kept with the connection, through a pooler too, and by its
 * settings it is the same plan whether the tables are empty or full. Each call is one statement and one round trip.
 */

/** A step, and the number of steps that the oldest version has run that may still use the database after it. */
export interface Migration {
  readonly sql: string
  readonly oldest: number
}

/** The index that gives the order, however the tables are estimated: a plan from the day they were empty is kept. */
const BY_INDEX = `
  SET search_path FROM CURRENT
  SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off
  SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off SET plan_cache_mode = force_generic_plan`

const EVENTS = `
  -- How far the feed goes. Whoever writes locks it first, so positions are given in the order of commits.
  CREATE TABLE head (only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one), position bigint NOT NULL) WITH (fillfactor = 20);
  INSERT INTO head (position) VALUES (0);

  CREATE TABLE events (
    position bigint PRIMARY KEY,
    stream text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    event_id text COLLATE "C" NOT NULL,
    category text COLLATE "C" NOT NULL,
    org_id text COLLATE "C" NOT NULL,
    type text COLLATE "C" NOT NULL,
    data text COLLATE "C" NOT NULL,
    at bigint NOT NULL,
    principal text COLLATE "C" NOT NULL,
    command_id text COLLATE "C" NOT NULL,
    accepted_at bigint,
    UNIQUE (stream, version)
  );
  CREATE INDEX events_by_id ON events (event_id);
  -- A filter's order is an expression that no other index has: so none is read through for what it filters out.
  CREATE INDEX events_of_category ON events (category, (position + 0));
  CREATE INDEX events_of_organization ON events (org_id, (position + 1));
  CREATE INDEX events_of_both ON events (org_id, category, (position + 2));

  -- Keys are UTF-16, highest byte first: bytes then sort as code units do.
  CREATE TABLE records (key bytea PRIMARY KEY, value text COLLATE "C" NOT NULL, until bigint);
  CREATE INDEX records_expiring ON records (until) WHERE until IS NOT NULL;`

const READS = `
  CREATE FUNCTION epoch_milliseconds(instant timestamptz) RETURNS bigint LANGUAGE sql IMMUTABLE
    RETURN floor(extract(epoch FROM instant) * 1000)::bigint;

  CREATE FUNCTION read_stream(_stream text, _after bigint, _limit bigint) RETURNS SETOF events LANGUAGE plpgsql STABLE ${BY_INDEX} AS $$
  BEGIN
    RETURN QUERY SELECT * FROM events WHERE stream = _stream AND version > _after ORDER BY version LIMIT _limit;
  END $$;

  CREATE FUNCTION read_feed(_after bigint, _limit bigint, _category text, _org_id text) RETURNS SETOF events
  LANGUAGE plpgsql STABLE ${BY_INDEX} AS $$
  BEGIN
    IF _org_id IS NULL AND _category IS NULL THEN
      RETURN QUERY SELECT * FROM events WHERE position > _after ORDER BY position LIMIT _limit;
    ELSIF _org_id IS NULL THEN
      RETURN QUERY SELECT * FROM events
        WHERE category = _category AND position + 0 > _after + 0 ORDER BY position + 0 LIMIT _limit;
    ELSIF _category IS NULL THEN
      RETURN QUERY SELECT * FROM events
        WHERE org_id = _org_id AND position + 1 > _after + 1 ORDER BY position + 1 LIMIT _limit;
    ELSE
      RETURN QUERY SELECT * FROM events
        WHERE org_id = _org_id AND category = _category AND position + 2 > _after + 2 ORDER BY position + 2 LIMIT _limit;
    END IF;
  END $$;

  CREATE FUNCTION read_event(_event_id text) RETURNS SETOF events LANGUAGE plpgsql STABLE ${BY_INDEX} AS $$
  BEGIN
    -- Imported doubles are few.
    RETURN QUERY SELECT * FROM events WHERE event_id = _event_id ORDER BY position LIMIT 1;
  END $$;

  CREATE FUNCTION read_records(_from bytea, _after bytea, _end bytea, _limit bigint) RETURNS TABLE (key bytea, value text)
  LANGUAGE plpgsql STABLE ${BY_INDEX} AS $$
  DECLARE now bigint := epoch_milliseconds(clock_timestamp());
  BEGIN
    RETURN QUERY SELECT records.key, records.value FROM records
      WHERE records.key >= _from AND records.key > _after AND records.key < _end AND (until IS NULL OR until > now)
      ORDER BY records.key LIMIT _limit;
  END $$;

  CREATE FUNCTION read_record(_key bytea) RETURNS TABLE (value text) LANGUAGE plpgsql STABLE ${BY_INDEX} AS $$
  BEGIN
    RETURN QUERY SELECT records.value FROM records
      WHERE records.key = _key AND (until IS NULL OR until > epoch_milliseconds(clock_timestamp()));
  END $$;`

/** Milliseconds that a server's clock may be from the database's. */
export const CLOCKS_APART = 2_000

/**
 * Carries out a group of batches (`Group.ts` makes it), each by itself: what one is refused for is a part of the answer. The
 * lock on `head` comes first: what is read after it is what every earlier writer has committed. No two batches of a group
 * have anything to do with each other, so all of them are judged, and written, together.
 *
 * @param weak values of `synchronous_commit` that are not enough
 */
const writes = (weak: string) => `
  CREATE OR REPLACE FUNCTION write_batches(_sent_at bigint, _group jsonb) RETURNS jsonb LANGUAGE plpgsql ${BY_INDEX} SET lock_timeout = '10s' AS $$
  DECLARE
    now bigint := epoch_milliseconds(statement_timestamp());
    before bigint;
    refusals jsonb;
    refused bigint[];
    written bigint := 0;
  BEGIN
    IF abs(_sent_at - now) > ${CLOCKS_APART} THEN
      RAISE EXCEPTION USING ERRCODE = 'LK001', MESSAGE = (_sent_at - now)::text;
    END IF;
    -- What is answered is durable, whatever is the default here.
    IF current_setting('synchronous_commit') IN (${weak}) THEN
      PERFORM set_config('synchronous_commit', 'on', true);
    END IF;
    SELECT position INTO STRICT before FROM head FOR UPDATE;
    now := epoch_milliseconds(clock_timestamp());

    SELECT jsonb_agg(jsonb_build_array(batch, refusal)), array_agg(batch) INTO refusals, refused FROM (
      SELECT DISTINCT ON (batch) batch, refusal FROM (
        SELECT (one ->> 0)::bigint AS batch, 1 AS kind, n, jsonb_build_array('RecordConflict', one ->> 1, value) AS refusal
          FROM jsonb_array_elements(_group -> 'expect') WITH ORDINALITY AS list (one, n)
          LEFT JOIN records ON key = decode(one ->> 1, 'hex') AND (until IS NULL OR until > now)
          WHERE value IS DISTINCT FROM one ->> 2
        UNION ALL
        SELECT (one ->> 0)::bigint, 2, n, jsonb_build_array('EventExists', one ->> 1)
          FROM jsonb_array_elements(_group -> 'ids') WITH ORDINALITY AS list (one, n)
          WHERE EXISTS (SELECT FROM events WHERE event_id = one ->> 1)
        UNION ALL
        SELECT (one ->> 0)::bigint, 3, n, jsonb_build_array('VersionConflict', one ->> 1, one -> 2, actual)
          FROM jsonb_array_elements(_group -> 'ends') WITH ORDINALITY AS list (one, n)
          CROSS JOIN LATERAL (SELECT coalesce(max(version), 0) FROM events WHERE stream = one ->> 1) AS stored (actual)
          WHERE actual <> (one ->> 2)::bigint
        UNION ALL
        SELECT (one ->> 0)::bigint, CASE one -> 1 ->> 0 WHEN 'EventExists' THEN 2 ELSE 3 END, 9e9::bigint, one -> 1
          FROM jsonb_array_elements(_group -> 'own') AS list (one)
      ) AS reasons ORDER BY batch, kind, n
    ) AS first_reasons;

    INSERT INTO events
      SELECT before + row_number() OVER (ORDER BY n), e ->> 1, (e ->> 2)::bigint, e ->> 3, e ->> 4, e ->> 5, e ->> 6, e ->> 7,
        (e ->> 8)::bigint, e ->> 9, e ->> 10, (e ->> 11)::bigint
      FROM jsonb_array_elements(_group -> 'events') WITH ORDINALITY AS list (e, n)
      WHERE refused IS NULL OR (e ->> 0)::bigint <> ALL (refused);
    GET DIAGNOSTICS written = ROW_COUNT;

    IF _group ? 'remove' THEN
      DELETE FROM records WHERE key = ANY (ARRAY(
        SELECT decode(one ->> 1, 'hex') FROM jsonb_array_elements(_group -> 'remove') AS list (one)
        WHERE refused IS NULL OR (one ->> 0)::bigint <> ALL (refused)));
    END IF;
    IF _group ? 'put' THEN
      INSERT INTO records SELECT decode(one ->> 1, 'hex'), one ->> 2, (one ->> 3)::bigint
        FROM jsonb_array_elements(_group -> 'put') AS list (one)
        WHERE refused IS NULL OR (one ->> 0)::bigint <> ALL (refused)
        ON CONFLICT (key) DO UPDATE SET value = excluded.value, until = excluded.until;
      -- Somewhat more than can have come.
      DELETE FROM records WHERE key = ANY (ARRAY(
        SELECT key FROM records WHERE until <= now ORDER BY until LIMIT 2 * jsonb_array_length(_group -> 'put') + 10));
    END IF;

    IF written > 0 THEN
      UPDATE head SET position = before + written;
      PERFORM pg_notify(current_schema(), (before + written)::text);
    END IF;
    RETURN jsonb_build_array(before, coalesce(refusals, '[]'));
  END $$;`

const ROWS = `
  CREATE TABLE read_model_cursor (only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    format bigint NOT NULL, position bigint NOT NULL, event_id text COLLATE "C" NOT NULL) WITH (fillfactor = 20);
  INSERT INTO read_model_cursor (format, position, event_id) VALUES (0, 0, '');
  CREATE TABLE read_model_rows (
    name text COLLATE "C", key text COLLATE "C", value text COLLATE "C" NOT NULL, PRIMARY KEY (name, key));
  -- What a row is listed under may be too long for an index beside its key: its digest is not.
  CREATE TABLE read_model_listings (
    name text COLLATE "C", index text COLLATE "C", under bytea, key text COLLATE "C", PRIMARY KEY (name, index, under, key));

  CREATE FUNCTION read_rows(_name text, _keys text[]) RETURNS TABLE (key text, value text) LANGUAGE plpgsql STABLE ${BY_INDEX} AS $$
  BEGIN
    RETURN QUERY SELECT r.key, r.value FROM read_model_rows AS r WHERE r.name = _name AND r.key = ANY (_keys);
  END $$;

  CREATE FUNCTION read_listed(_name text, _index text, _value text, _after text, _limit bigint) RETURNS TABLE (key text, value text)
  LANGUAGE plpgsql STABLE ${BY_INDEX} AS $$
  BEGIN
    RETURN QUERY SELECT l.key, r.value FROM read_model_listings AS l JOIN read_model_rows AS r ON r.name = l.name AND r.key = l.key
      WHERE l.name = _name AND l.index = _index AND l.under = sha256(convert_to(_value, 'UTF8')) AND l.key > _after
      ORDER BY l.key LIMIT _limit;
  END $$;

  -- What is lost with the power is filled in again, rows and cursor together: nobody waits for the disk.
  CREATE FUNCTION apply_changes(_after jsonb, _cursor jsonb, _put jsonb, _remove jsonb, _list jsonb, _unlist jsonb) RETURNS boolean
  LANGUAGE plpgsql ${BY_INDEX} SET lock_timeout = '10s' AS $$
  BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    UPDATE read_model_cursor
      SET format = (_cursor ->> 0)::bigint, position = (_cursor ->> 1)::bigint, event_id = _cursor ->> 2
      WHERE format = (_after ->> 0)::bigint AND position = (_after ->> 1)::bigint AND event_id = _after ->> 2;
    IF NOT FOUND THEN
      RETURN false;
    END IF;
    DELETE FROM read_model_listings AS l USING jsonb_array_elements(_unlist) AS list (one)
      WHERE l.name = one ->> 0 AND l.index = one ->> 1 AND l.under = sha256(convert_to(one ->> 2, 'UTF8')) AND l.key = one ->> 3;
    DELETE FROM read_model_rows AS r USING jsonb_array_elements(_remove) AS list (one) WHERE r.name = one ->> 0 AND r.key = one ->> 1;
    INSERT INTO read_model_rows SELECT one ->> 0, one ->> 1, one ->> 2 FROM jsonb_array_elements(_put) AS list (one)
      ON CONFLICT (name, key) DO UPDATE SET value = excluded.value;
    INSERT INTO read_model_listings
      SELECT one ->> 0, one ->> 1, sha256(convert_to(one ->> 2, 'UTF8')), one ->> 3 FROM jsonb_array_elements(_list) AS list (one);
    RETURN true;
  END $$;

  CREATE FUNCTION forget_rows() RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
  BEGIN
    UPDATE read_model_cursor SET format = 0, position = 0, event_id = '';
    DELETE FROM read_model_listings;
    DELETE FROM read_model_rows;
  END $$;`

const PRESENCE = `
  -- online is null until a report says; since is its time.
  CREATE TABLE presence (thing text COLLATE "C" PRIMARY KEY, online boolean, since bigint, last_seen bigint NOT NULL);

  CREATE FUNCTION report_presence(_thing text, _online boolean, _at bigint) RETURNS void LANGUAGE plpgsql ${BY_INDEX} AS $$
  BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    INSERT INTO presence AS p VALUES (_thing, _online, CASE WHEN _online IS NOT NULL THEN _at END, _at)
      ON CONFLICT (thing) DO UPDATE SET
        online = CASE WHEN _online IS NOT NULL AND (p.since IS NULL OR (_at, _online) > (p.since, p.online)) THEN _online ELSE p.online END,
        since = CASE WHEN _online IS NOT NULL THEN greatest(_at, p.since) ELSE p.since END,
        last_seen = greatest(_at, p.last_seen);
  END $$;

  CREATE FUNCTION read_presence(_things text[]) RETURNS SETOF presence LANGUAGE plpgsql STABLE ${BY_INDEX} AS $$
  BEGIN
    RETURN QUERY SELECT * FROM presence WHERE thing = ANY (_things);
  END $$;`

const ABSENCE = `
  -- Why a device is gone; empty where that is not known, and of one that is there.
  ALTER TABLE presence ADD COLUMN reason text COLLATE "C" NOT NULL DEFAULT '';

  CREATE FUNCTION report_presence(_thing text, _online boolean, _reason text, _at bigint) RETURNS void LANGUAGE plpgsql ${BY_INDEX} AS $$
  BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    INSERT INTO presence AS p VALUES (_thing, _online, CASE WHEN _online IS NOT NULL THEN _at END, _at, _reason)
      ON CONFLICT (thing) DO UPDATE SET
        online = CASE WHEN _online IS NOT NULL AND (p.since IS NULL OR (_at, _online) > (p.since, p.online)) THEN _online ELSE p.online END,
        reason = CASE WHEN _online IS NOT NULL AND (p.since IS NULL OR (_at, _online, _reason) > (p.since, p.online, p.reason)) THEN _reason ELSE p.reason END,
        since = CASE WHEN _online IS NOT NULL THEN greatest(_at, p.since) ELSE p.since END,
        last_seen = greatest(_at, p.last_seen);
  END $$;

  -- What servers of the version before call: no reason is told of what they report.
  CREATE OR REPLACE FUNCTION report_presence(_thing text, _online boolean, _at bigint) RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
  BEGIN
    PERFORM report_presence(_thing, _online, '', _at);
  END $$;`

const EVENT_BY_ID = `
  -- Ordered by an expression that no index has: by position alone it was looked for in the whole log.
  CREATE OR REPLACE FUNCTION read_event(_event_id text) RETURNS SETOF events LANGUAGE plpgsql STABLE ${BY_INDEX} AS $$
  BEGIN
    RETURN QUERY SELECT * FROM events WHERE event_id = _event_id ORDER BY position + 0 LIMIT 1;
  END $$;`

export const migrations: ReadonlyArray<Migration> = [
  { sql: [EVENTS, READS, writes("'off'"), ROWS, PRESENCE].join("\n"), oldest: 1 },
  { sql: ABSENCE, oldest: 1 },
  { sql: EVENT_BY_ID, oldest: 1 },
  // These wait for no synchronous replica to have it on its disk.
  { sql: writes("'off', 'local', 'remote_write'"), oldest: 1 }
]
