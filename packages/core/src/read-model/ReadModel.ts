/**
 * Tables derived from the feed, for questions that no single lock can answer. Disposable: `reset` and a replay of the
 * feed give the same rows again. Never asked whether a command is allowed.
 */
import { Context, type Effect, type Option, Schema } from "effect"
import type { StoredEvent } from "../streams/EventStore.ts"
import type { DeviceState } from "./DeviceState.ts"

/** The read model does not answer; commands go on without it. */
export class ReadModelUnavailable extends Schema.TaggedError<ReadModelUnavailable>()("ReadModelUnavailable", {
  message: Schema.String,
  cause: Schema.optionalKey(Schema.Defect())
}) {}

/** A lock as its owner's list shows it. */
export interface OwnedLock extends DeviceState {
  /** Whether the device last reported itself as connected. */
  readonly online: boolean
  /** When it was last heard of, epoch milliseconds; `null` before its first report. */
  readonly lastSeen: number | null
}

export class ReadModel extends Context.Service<
  ReadModel,
  {
    /** Names the adapter in answers: `sqlite`, `memory`, `spacetimedb`, … */
    readonly source: string

    /** Position of the last event applied; 0 when there is none. */
    readonly checkpoint: Effect.Effect<number, ReadModelUnavailable>

    /**
     * Applies consecutive events of the feed together with the new checkpoint, or nothing; answers the checkpoint that
     * then stands. Events at or below the checkpoint are skipped, so a batch may be applied twice; a batch that begins
     * after the next position changes nothing, so nothing is left out. Rows come from the rules in `DeviceState.ts`.
     */
    readonly apply: (events: ReadonlyArray<StoredEvent>) => Effect.Effect<number, ReadModelUnavailable>

    /** Locks of an owner, by lockId; with `orgId`, only those of that organization. */
    readonly devicesOwnedBy: (
      userId: string,
      orgId?: string
    ) => Effect.Effect<ReadonlyArray<OwnedLock>, ReadModelUnavailable>

    /** Which locks an organization has, by lockId. */
    readonly locksOfOrganization: (orgId: string) => Effect.Effect<ReadonlyArray<number>, ReadModelUnavailable>

    /** These of the locks that there are, in any order: one question, however many. */
    readonly devices: (lockIds: ReadonlyArray<number>) => Effect.Effect<ReadonlyArray<OwnedLock>, ReadModelUnavailable>

    readonly lockOfThing: (thing: string) => Effect.Effect<Option.Option<number>, ReadModelUnavailable>

    /** The lock on which a temp key was created; when two locks claim the same uuid, the first. */
    readonly lockOfTempKey: (tempKeyUuid: string) => Effect.Effect<Option.Option<number>, ReadModelUnavailable>

    /**
     * Whether this id was ever an owner, a key holder or a resident; with `orgId`, whether an event of that organization
     * made it one.
     */
    readonly isKnownUser: (userId: string, orgId?: string) => Effect.Effect<boolean, ReadModelUnavailable>

    /**
     * A device was heard of; `online` when it said whether it is there. Reports come duplicated and unordered, and leave
     * the same rows in every order: of two, the one with the newer `at` (epoch milliseconds) counts, and of two at the
     * same time the one that says online, since a device that reconnects is told from its lost connection so.
     */
    readonly reportDevice: (
      thing: string,
      online: boolean | undefined,
      at: number
    ) => Effect.Effect<void, ReadModelUnavailable>

    /** Whether the device last reported itself as connected; one that never did is not. */
    readonly isOnline: (thing: string) => Effect.Effect<boolean, ReadModelUnavailable>

    /** Forgets every row and the checkpoint; presence, which is not in the feed, stays. */
    readonly reset: Effect.Effect<void, ReadModelUnavailable>
  }
>()("@latchkey/core/ReadModel") {}
