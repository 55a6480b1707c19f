/**
 * What the module keeps and how it is called, declared once: the module hands in the server's builders, the client the
 * SDK's. Order and types of fields are the wire format, and tables outlive upgrades of the module.
 *
 * What the next release may do: a table more, an index more or less, and a column more, at the end and with a default. What
 * the engine refuses over data: a column less, elsewhere, without a default or of another type, and other unique columns.
 * It never changes a type that is nested in a column, so no column has one: what may grow is text, with its format beside
 * it. Functions are added, with one more in `VERSION`; parameters and answers never change, since older clients call them.
 * `test/releases.test.ts` holds all of it. A type has no name of a table: the engine would take it for that of its rows.
 *
 * Times are epoch milliseconds. Versions and positions count from 1.
 */
import type { t as Types } from "spacetimedb"

export const declare = (t: typeof Types) => {
  /** `text` is the rest of the event as JSON, and only the client reads it. */
  const event = { eventId: t.string(), orgId: t.string(), text: t.string() }
  const StoredEvent = t.object("StoredEvent", {
    position: t.u64(),
    stream: t.string(),
    version: t.u64(),
    format: t.u8(),
    ...event
  })
  const EventPage = t.object("EventPage", {
    events: t.array(StoredEvent),
    /** Whether there may be more behind the last of them. */
    more: t.bool()
  })
  const record = { key: t.string(), value: t.string() }
  /** How far a read model has come. */
  const cursor = { format: t.u32(), position: t.u64(), eventId: t.string() }
  const Cursor = t.object("Cursor", cursor)
  /** A row of the read model: `name` is its table and its key. */
  const row = { name: t.string(), value: t.string() }
  const Row = t.object("Row", row)
  /** That a row is found by its key in a list: those of one value of an index of its table. */
  const listing = { list: t.string(), key: t.string() }
  const Listing = t.object("Listing", listing)
  const heard = { thing: t.string(), online: t.bool(), since: t.f64(), lastSeen: t.f64() }
  /** Why a device is gone; empty where that is not known, and of one that is there. */
  const reason = t.string()

  return {
    rows: {
      /** Where the feed stands. */
      head: { id: t.u8().primaryKey(), position: t.u64() },
      /** What an event is found by. `level` is its place among the milestones, see `milestones.ts`. */
      events: {
        position: t.u64().index("btree"),
        stream: t.string(),
        version: t.u64(),
        eventId: t.string().index("btree"),
        orgId: t.string(),
        category: t.string(),
        level: t.u8()
      },
      /** What an event says, apart, so that a search reads none of it. */
      event_texts: { position: t.u64().primaryKey(), format: t.u8(), text: t.string() },
      streams: { stream: t.string().primaryKey(), version: t.u64() },
      /** `until` is 0 for what is kept forever: an option cannot be indexed. */
      records: { ...record, key: t.string().primaryKey(), until: t.u64().index("btree") },
      /** The keys of all records, to be listed in order. */
      record_keys: { key: t.string(), level: t.u8() },
      /** Batches that were carried out, or given up by who asked for them, while somebody may still ask which. */
      writes: { id: t.string().primaryKey(), carriedOut: t.bool(), position: t.u64(), until: t.u64().index("btree") },
      /** Up to which time everything has been deleted that was kept until then. */
      sweeps: { id: t.u8().primaryKey(), time: t.u64() },
      /** Who may connect, with a token of this issuer for this audience. The owner may allow and dismiss others. */
      writers: {
        identity: t.identity().primaryKey(),
        issuer: t.string(),
        audience: t.string(),
        owner: t.bool()
      },
      /** Where the read model stands; without a row, nowhere. */
      cursors: { id: t.u8().primaryKey(), ...cursor },
      rows: { ...row, name: t.string().primaryKey() },
      listings: { ...listing, level: t.u8() },
      /** What was heard of devices; `since` is minus infinity until one has said whether it is there. */
      presence: { ...heard, thing: t.string().primaryKey(), reason: reason.default("") }
    },

    /** Writes: each one transaction. Nothing is answered but a refusal; the caller's head row tells the rest. */
    reducers: {
      /** `id` is this attempt's own: under it, `settle_write` tells what became of it. */
      write: {
        id: t.string(),
        expect: t.array(t.object("Expectation", { key: t.string(), value: t.option(t.string()) })),
        append: t.array(
          t.object("Append", {
            stream: t.string(),
            expected: t.f64(),
            events: t.array(t.object("NewEvent", event))
          })
        ),
        put: t.array(t.object("Put", { ...record, until: t.option(t.f64()) })),
        remove: t.array(t.string()),
        imported: t.bool(),
        format: t.u8()
      },
      /** What a piece of the feed changes in the read model, which stands at `after`. `id` as in `write`. */
      apply_rows: {
        id: t.string(),
        after: Cursor,
        cursor: Cursor,
        put: t.array(Row),
        remove: t.array(t.string()),
        list: t.array(Listing),
        unlist: t.array(Listing)
      },
      forget_rows: {},
      /** Of clients that know no reasons. */
      report_device: { thing: t.string(), online: t.option(t.bool()), at: t.f64() },
      report_presence: { thing: t.string(), online: t.option(t.bool()), reason, at: t.f64() },
      allow_writer: { identity: t.identity(), issuer: t.string(), audience: t.string() },
      dismiss_writer: { identity: t.identity() }
    },

    /** Reads that take arguments, and one that decides: `settle_write`. */
    procedures: {
      /** Asked before anything else: see `moduleVersion.ts`. */
      module_version: {
        params: {},
        returns: t.object("ModuleVersion", { version: t.u32(), oldestClient: t.u32() })
      },
      read_stream: {
        params: { stream: t.string(), after: t.u64(), most: t.u32() },
        returns: EventPage
      },
      read_feed: {
        params: { after: t.u64(), most: t.u32(), category: t.option(t.string()), orgId: t.option(t.string()) },
        returns: EventPage
      },
      feed_head: { params: {}, returns: t.u64() },
      find_event: { params: { eventId: t.string() }, returns: t.option(StoredEvent) },
      find_record: { params: { key: t.string() }, returns: t.option(t.string()) },
      list_records: {
        params: { prefix: t.string(), after: t.string(), most: t.u32() },
        returns: t.object("RecordPage", { records: t.array(t.object("Record", record)), more: t.bool() })
      },
      /** The feed's position after this write, or nothing: then it was not carried out, and never will be. */
      settle_write: { params: { id: t.string() }, returns: t.option(t.u64()) },
      /** Where the read model stands. */
      read_cursor: { params: {}, returns: t.option(Cursor) },
      /** Those of the rows that there are, of the first `looked` of these names. */
      get_rows: {
        params: { names: t.array(t.string()) },
        returns: t.object("KnownRows", { rows: t.array(Row), looked: t.u32() })
      },
      /** Rows whose keys are in a list, by key; `prefix` and key make a row's name. */
      find_rows: {
        params: { prefix: t.string(), list: t.string(), after: t.string(), most: t.u32() },
        returns: t.object("RowPage", { rows: t.array(Row), more: t.bool() })
      },
      /** The same, for clients that know no reasons. */
      heard_of: { params: { things: t.array(t.string()) }, returns: t.array(t.object("Heard", heard)) },
      /** What is known of these of the things. */
      presence_of: {
        params: { things: t.array(t.string()) },
        returns: t.array(t.object("HeardWhy", { ...heard, reason }))
      }
    }
  }
}
