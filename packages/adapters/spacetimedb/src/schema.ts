/**
 * What the module keeps and how it is called, declared once: the module hands in the server's builders, the client the
 * SDK's. Order and types of fields are the wire format, and tables outlive upgrades of the module: add at the end, with
 * a default, and never reorder.
 *
 * Times are epoch milliseconds. Versions and positions count from 1. `data` and `principal` are JSON.
 */
import type { t as Types } from "spacetimedb"

export const declare = (t: typeof Types) => {
  const event = {
    eventId: t.string(),
    type: t.string(),
    data: t.string(),
    at: t.f64(),
    orgId: t.string(),
    principal: t.string(),
    commandId: t.string(),
    acceptedAt: t.option(t.f64())
  }
  const NewEvent = t.object("NewEvent", event)
  const StoredEvent = t.object("StoredEvent", { position: t.u64(), stream: t.string(), version: t.u32(), ...event })
  const EventPage = t.object("EventPage", {
    events: t.array(StoredEvent),
    /** How far the page has looked: a position, or a version of the stream. */
    reached: t.u64(),
    /** Whether there may be more behind it. */
    more: t.bool()
  })
  const Receipt = t.object("Receipt", { id: t.string(), fingerprint: t.string() })
  const reservation = {
    commandId: t.string(),
    stream: t.string(),
    thing: t.string(),
    deadline: t.f64(),
    released: t.bool(),
    attempt: t.u32()
  }
  const receipt = {
    id: t.string(),
    fingerprint: t.string(),
    stream: t.string(),
    firstVersion: t.u32(),
    version: t.u32()
  }
  const snapshot = { stream: t.string(), version: t.u32(), state: t.string() }
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
  const append = {
    stream: t.string(),
    expected: t.u32(),
    events: t.array(NewEvent),
    receipt: t.option(Receipt)
  }
  /** Of the receipt; kept for ever if there is none. In rows it is 0 then: an option cannot be indexed. */
  const expiresAt = t.option(t.f64())

  return {
    rows: {
      /** Where the feed stands, and the version that its newest event has in its stream. */
      head: { id: t.u8().primaryKey(), position: t.u64(), version: t.u32() },
      events: { position: t.u64().index("btree"), stream: t.string(), version: t.u32(), ...event },
      /** `reservedBy` is the command that holds the stream, or empty; a stream that is only reserved has version 0. */
      stream_heads: { stream: t.string().primaryKey(), version: t.u32(), reservedBy: t.string() },
      reservations: {
        ...reservation,
        commandId: t.string().primaryKey(),
        events: t.array(NewEvent),
        receipt: t.option(Receipt),
        attempt: t.u32().default(1),
        /** Of the receipt. */
        expiresAt: t.u64().default(0n)
      },
      /** Ids of events that are prepared: nobody else may use them. */
      prepared_ids: { eventId: t.string().primaryKey() },
      /** How commands ended; `position` is 0 for one that was discarded. `settledAt` is in microseconds. */
      settlements: {
        commandId: t.string().primaryKey(),
        thing: t.string(),
        version: t.u32(),
        position: t.u64(),
        settledAt: t.u64().index("btree"),
        attempt: t.u32().default(1)
      },
      receipts: { ...receipt, id: t.string().primaryKey(), expiresAt: t.u64().default(0n).index("btree") },
      snapshots: { ...snapshot, stream: t.string().primaryKey() },
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
      append: { ...append, mayPass: t.bool(), expiresAt },
      prepare: { ...append, commandId: t.string(), attempt: t.u32(), thing: t.string(), deadline: t.f64(), expiresAt },
      commit: { commandId: t.string(), attempt: t.option(t.u32()), thing: t.string(), at: t.f64() },
      discard: { commandId: t.string(), attempt: t.u32() },
      release: { commandId: t.string(), attempt: t.u32() },
      save_snapshot: snapshot,
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

    /** Reads that take arguments. */
    procedures: {
      read_stream: {
        params: { stream: t.string(), after: t.u32(), limit: t.u32() },
        returns: EventPage
      },
      read_feed: {
        params: { after: t.u64(), limit: t.u32(), prefix: t.string() },
        returns: EventPage
      },
      feed_head: { params: {}, returns: t.u64() },
      list_streams: {
        params: { prefix: t.string(), after: t.string(), limit: t.u32() },
        returns: t.array(t.string())
      },
      unsettled: { params: {}, returns: t.array(t.object("Reservation", reservation)) },
      find_event: { params: { eventId: t.string() }, returns: t.option(StoredEvent) },
      find_receipt: {
        params: { id: t.string() },
        returns: t.option(t.object("StoredReceipt", { ...receipt, expiresAt: t.u64() }))
      },
      find_snapshot: { params: { stream: t.string() }, returns: t.option(t.object("Snapshot", snapshot)) },
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
