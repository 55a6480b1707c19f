/** Feeds for the read model suite, and what a read model says about them. */
import { Effect, Random } from "effect"
import { lockOfStream, streamOfLock } from "../../lock/Lock.ts"
import { type LockEvent, toStored } from "../../lock/LockEvent.ts"
import type { ReadModel } from "../../read-model/ReadModel.ts"
import type { StoredEvent } from "../../streams/EventStore.ts"
import { millisOf } from "../../values/Text.ts"

/** The instant of every event that the suite makes. */
const TIME = "2026-01-01T00:00:00.000Z"

/** The fields that every event has about its lock. */
export const about = (lockId: number) => ({ lockId, uuid: `thing-${lockId}`, timestamp: TIME })

type Created = Extract<LockEvent, { readonly _tag: "LockCreated" }>
export const created = (lockId: number, fields: Partial<Created> = {}): Created => ({
  _tag: "LockCreated",
  ...about(lockId),
  ...fields
})

/** The fields that every event has about a temp key. */
export const aboutTempKey = (lockId: number, tempKeyUuid: string) => ({
  tempKeyUuid,
  lockId,
  lockUuid: `thing-${lockId}`,
  timestamp: TIME
})

export const tempKeyCreated = (lockId: number, tempKeyUuid: string): LockEvent => ({
  _tag: "TempKeyCreated",
  ...aboutTempKey(lockId, tempKeyUuid),
  accessMode: "public",
  allowedUserIds: [],
  validFrom: TIME,
  validUntil: TIME,
  maxUses: null,
  createdBy: "somebody"
})

/** The events as a feed from its beginning, a second apart. */
export const feedOf = (...events: ReadonlyArray<LockEvent>): ReadonlyArray<StoredEvent> => {
  const versions = new Map<number, number>()
  const organizations = new Map<number, string>()
  return events.map((event, index) => {
    const { lockId } = event
    if ((event._tag === "LockCreated" || event._tag === "OrganizationSet") && event.orgId !== undefined)
      organizations.set(lockId, event.orgId)
    const version = (versions.get(lockId) ?? 0) + 1
    versions.set(lockId, version)
    return {
      eventId: `event-${index + 1}`,
      ...toStored(event),
      streamId: streamOfLock(lockId),
      version,
      position: index + 1,
      at: millisOf(TIME) + index * 1_000,
      orgId: organizations.get(lockId) ?? "",
      principal: { _tag: "System" },
      commandId: `command-${index + 1}`
    }
  })
}

/** A name that no earlier run over the same database has used: presence outlives `reset`. */
export const newThing = Effect.map(Random.nextInt, (random) => `thing-${random}`)

/** Everything that the read model says about what occurs in a feed. */
export const rowsOf = Effect.fnUntraced(function* (model: ReadModel["Service"], feed: ReadonlyArray<StoredEvent>) {
  const texts = new Set(feed.flatMap(({ data }) => Object.values(data).filter((value) => typeof value === "string")))
  const organizations = new Set(feed.map(({ orgId }) => orgId))
  const lockIds = new Set(feed.flatMap(({ streamId }) => lockOfStream(streamId) ?? []))
  const rows = yield* Effect.forEach(texts, (text) =>
    Effect.all([
      model.devicesOwnedBy(text),
      model.isKnownUser(text),
      Effect.forEach(organizations, (orgId) => model.isKnownUser(text, orgId)),
      model.locksOfOrganization(text),
      model.lockOfThing(text),
      model.lockOfTempKey(text)
    ])
  )
  return {
    checkpoint: yield* model.checkpoint,
    devices: (yield* model.devices([...lockIds])).toSorted((a, b) => a.lockId - b.lockId),
    rows: Object.fromEntries([...texts].map((text, index) => [text, rows[index]]))
  }
})
