/**
 * What the module keeps and how it is called, declared once: the module hands in the server's builders, the client the
 * SDK's. Order and types of fields are the wire format, and tables outlive upgrades of the module: add columns at the end,
 * with a default, and never reorder. The engine never changes a type that is nested in a column, so no column has one:
 * what may grow is text, with its format beside it.
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
  const device = {
    lockId: t.u64(),
    lockUuid: t.string(),
    thingName: t.string(),
    serialNumber: t.option(t.string()),
    ownerId: t.option(t.string()),
    orgId: t.option(t.string()),
    keysCount: t.i32(),
    residentCount: t.i32(),
    lastEvent: t.string(),
    lastUpdated: t.f64()
  }
  const Device = t.object("Device", device)
  const OwnedDevice = t.object("OwnedDevice", { ...device, online: t.bool(), lastSeen: t.option(t.f64()) })
  const TempKey = t.object("TempKey", { uuid: t.string(), lockId: t.u64() })

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
      /** How far a read model has come. */
      checkpoints: { name: t.string().primaryKey(), position: t.u64() },
      /** Who may connect, with a token of this issuer for this audience. The owner may allow and dismiss others. */
      writers: {
        identity: t.identity().primaryKey(),
        issuer: t.string(),
        audience: t.string(),
        owner: t.bool()
      },
      /** `owner` is `ownerId`, or empty: an option cannot be indexed. */
      device_state: {
        ...device,
        lockId: t.u64().primaryKey(),
        thingName: t.string().index("btree"),
        owner: t.string().index("btree")
      },
      known_users: { userId: t.string().primaryKey() },
      /** Who was named by events of which organization; `key` is JSON of both. */
      users_of: { key: t.string().primaryKey() },
      /** The organization of a lock that has one. */
      organizations: { lockId: t.u64().primaryKey(), orgId: t.string().index("btree") },
      temp_keys: { uuid: t.string().primaryKey(), lockId: t.u64() },
      /** What was heard of devices; `since` is minus infinity until one has said whether it is there. */
      presence: { thing: t.string().primaryKey(), online: t.bool(), since: t.f64(), lastSeen: t.f64() }
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
      /** Rows of the read model after the events `from + 1 … to` of the feed. */
      apply_rows: {
        from: t.u64(),
        to: t.u64(),
        devices: t.array(Device),
        users: t.array(t.string()),
        tempKeys: t.array(TempKey),
        usersOf: t.array(t.string())
      },
      forget_rows: {},
      report_device: { thing: t.string(), online: t.option(t.bool()), at: t.f64() },
      allow_writer: { identity: t.identity(), issuer: t.string(), audience: t.string() },
      dismiss_writer: { identity: t.identity() }
    },

    /** Reads that take arguments, and one that decides: `settle_write`. */
    procedures: {
      read_stream: {
        params: { stream: t.string(), after: t.u64(), limit: t.u32() },
        returns: EventPage
      },
      read_feed: {
        params: { after: t.u64(), limit: t.u32(), category: t.option(t.string()), orgId: t.option(t.string()) },
        returns: EventPage
      },
      feed_head: { params: {}, returns: t.u64() },
      find_event: { params: { eventId: t.string() }, returns: t.option(StoredEvent) },
      find_record: { params: { key: t.string() }, returns: t.option(t.string()) },
      list_records: {
        params: { prefix: t.string(), after: t.string(), limit: t.u32() },
        returns: t.object("RecordPage", { records: t.array(t.object("Record", record)), more: t.bool() })
      },
      /** The feed's position after this write, or nothing: then it was not carried out, and never will be. */
      settle_write: { params: { id: t.string() }, returns: t.option(t.u64()) },
      /** The checkpoint, and the rows of these locks. */
      device_rows: {
        params: { lockIds: t.array(t.u64()) },
        returns: t.object("DeviceRows", { checkpoint: t.u64(), devices: t.array(Device) })
      },
      owned_devices: {
        params: { ownerId: t.string(), orgId: t.option(t.string()) },
        returns: t.array(OwnedDevice)
      },
      devices: { params: { lockIds: t.array(t.u64()) }, returns: t.array(OwnedDevice) },
      locks_of_organization: { params: { orgId: t.string() }, returns: t.array(t.u64()) },
      lock_of_thing: { params: { thing: t.string() }, returns: t.option(t.u64()) },
      lock_of_temp_key: { params: { uuid: t.string() }, returns: t.option(t.u64()) },
      is_known_user: { params: { userId: t.string() }, returns: t.bool() },
      is_user_of: { params: { key: t.string() }, returns: t.bool() },
      is_online: { params: { thing: t.string() }, returns: t.bool() }
    }
  }
}
