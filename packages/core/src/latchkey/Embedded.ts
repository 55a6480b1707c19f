/** What Latchkey is to programs without Effect: its types alone. `createLatchkey` makes one. */
import { type Context, type Effect, type Layer, Schema } from "effect"
import type { ApiKey } from "../access/ApiKeys.ts"
import type { DeviceShadow } from "../device/DeviceShadow.ts"
import type { Brand, BrandError, BrandRequest } from "../guest/Brands.ts"
import type { GuestKey } from "../guest/GuestKey.ts"
import type { LinkNotFound, OpenError, Opened } from "../guest/TempKeyLinks.ts"
import type { ExposedKey } from "../lock/Exposure.ts"
import type { HeldKey, Lock } from "../lock/Lock.ts"
import type { CommandContext, LockRequest } from "../lock/LockCommand.ts"
import type { LockDescription } from "../lock/LockDescription.ts"
import type { AccessDenied, DeviceDisputed, LockRefused, TempKeyNotValid } from "../lock/LockError.ts"
import type { AuditRow } from "../locks/Audit.ts"
import type { BulkNotFound, BulkProgress, StartError } from "../locks/BulkAddKeys.ts"
import type { CommandNotFound, CommandStatus } from "../locks/CommandOutcomes.ts"
import type { HistoryPage } from "../locks/History.ts"
import type { HistoryQuery } from "../locks/HistoryQuery.ts"
import type { RemovalError, RemovedKeys } from "../locks/KeyRemovals.ts"
import type { LocksPage } from "../locks/LockLists.ts"
import type { AskError, OwnedLocks, UserKeysPage, UserNotFound } from "../locks/LockQueries.ts"
import type { Executed, ExecuteError } from "../locks/Locks.ts"
import type { LocksQuery } from "../locks/LocksQuery.ts"
import type { Connection } from "../locks/Presence.ts"
import type { PresenceChange } from "../locks/PresenceChanges.ts"
import type { TempKeyNow } from "../locks/TempKeyNow.ts"
import type { UserKeysQuery } from "../locks/UserKeysQuery.ts"
import type { Attempt } from "../partners/Attempts.ts"
import type { AttentionQuery, NeedsAttention, Overview } from "../partners/Attention.ts"
import type { InvalidCursor } from "../partners/Cursor.ts"
import type { Answered } from "../partners/Delivery.ts"
import type { Envelope } from "../partners/Envelope.ts"
import type { Subscription } from "../partners/Subscriber.ts"
import type { EventsPage, EventsQuery } from "../partners/Telling.ts"
import type { WebhookChanges, WebhookRequest } from "../partners/Webhook.ts"
import type { Replay, ShownWebhook, WebhookFailure } from "../partners/Webhooks.ts"
import type { ReadModel, ReadModelUnavailable } from "../read-model/ReadModel.ts"
import type { EventStore, StoredEvent, StoreUnavailable } from "../streams/EventStore.ts"
import type { PinKey } from "../temp-key/Pins.ts"
import type { ChangeRequest, ShareRequest } from "../temp-key/SharedCredential.ts"
import type { NoSuchLock, SharedError } from "../temp-key/SharedCredentialError.ts"
import type { Shared, ShareError } from "../temp-key/SharedCredentials.ts"
import type { OpenDoorError, OpenedDoor } from "../temp-key/SharedDoors.ts"
import type { CursorUnknown, TempKeyPage, TempKeyQuery } from "../temp-key/TempKeyPages.ts"
import type { ManagedKey, ManageError } from "../temp-key/TempKeys.ts"
import type { Principal } from "../values/Principal.ts"
import type { AttemptsPage, AttemptsQuery } from "../why/Attempts.ts"
import type { Explanation } from "../why/Explanation.ts"
import type { AttemptNotFound, ExplainRequest, UpdateTempKey } from "../why/Explanations.ts"
import type { Simulation } from "../why/Simulate.ts"
import type { layer } from "./Latchkey.ts"
import type { ApiKeyRefused, ApiKeyRequest } from "./ManagedApiKeys.ts"

/** Not a valid command or question: `message` says which field is wrong, and how. */
export class InvalidCommand extends Schema.TaggedError<InvalidCommand>()("InvalidCommand", {
  message: Schema.String
}) {}

/** A command as plain data: its tag and fields, the lock, an id and a time of the caller's choosing, and who asks. */
export type CommandInput = (typeof CommandContext)["Encoded"] & (typeof LockRequest)["Encoded"]

/** How failures of the domain reach the caller: as rejections, or as values beside the answers. */
export type ErrorStyle = "throw" | "return"
/** An answer, or the failure in its place. */
export type Outcome<A, E> = { readonly ok: true; readonly value: A } | { readonly ok: false; readonly error: E }
export type Answer<Style extends ErrorStyle, A, E> = Promise<Style extends "return" ? Outcome<A, E> : A>
/** Runs what was asked, and answers in that style. */
export type Answering<Style extends ErrorStyle> = <A, E>(effect: Effect.Effect<A, E>) => Answer<Style, A, E>

/** Who asks, when and under which id: a command without its lock. */
export type AskedBy = Omit<(typeof CommandContext)["Encoded"], "lockId" | "ifVersion">

/** The same of a change of a temp key: with `ifVersion`, only if it still has that version. */
export type ChangedBy = AskedBy & Pick<(typeof CommandContext)["Encoded"], "ifVersion">

/** A temp key for one or more doors. Its `uuid` is its link, so it must be beyond guessing: `crypto.randomUUID()`. */
export type NewSharedKey = AskedBy & (typeof ShareRequest)["Encoded"] & { readonly uuid: string }

/** A PIN at a lock; `networks` tell strangers apart, the narrowest first, and `apiKey` names the keypad's key, if it has one. */
export interface EnteredPin extends AskedBy {
  readonly lockId: number
  readonly pin: string
  readonly networks: ReadonlyArray<string>
  readonly apiKey?: string
}

/**
 * Temp keys of both kinds, those of a lock's own and those with doors at one or more locks, and their PINs. A key is named
 * by its id, or by its link.
 */
export interface SharedKeys<Style extends ErrorStyle> {
  /** Makes one. Its PIN, if a door takes one, is in the answer and nowhere else. */
  readonly create: (
    key: NewSharedKey
  ) => Answer<Style, Shared & { readonly pin: string | null }, ShareError | InvalidCommand>
  /** Temp keys of both kinds that the principal may manage, a page at a time; with `lockId`, those of that lock. */
  readonly list: (
    principal: Principal,
    now: number,
    query?: TempKeyQuery
  ) => Answer<Style, TempKeyPage, AskError | NoSuchLock | CursorUnknown | InvalidCommand>
  /** Changes what is named, and nothing else: link and PIN stay. `null` takes a limit, a schedule or a description away. */
  readonly change: (
    name: string,
    changes: (typeof ChangeRequest)["Encoded"],
    by: ChangedBy
  ) => Answer<Style, ManagedKey, ManageError | InvalidCommand>
  /** Lets it open nothing until it is resumed. */
  readonly suspend: (name: string, by: ChangedBy) => Answer<Style, ManagedKey, ManageError | InvalidCommand>
  readonly resume: (name: string, by: ChangedBy) => Answer<Style, ManagedKey, ManageError | InvalidCommand>
  /** Gives it another link, which must be beyond guessing; the one before opens nothing any more. */
  readonly newLink: (
    name: string,
    link: string,
    by: ChangedBy
  ) => Answer<Style, ManagedKey, ManageError | InvalidCommand>
  /** Gives it another PIN, which is in the answer and nowhere else; the one before opens nothing any more. */
  readonly reissuePin: (name: string, by: ChangedBy) => Answer<Style, ManagedKey, ManageError | InvalidCommand>
  /** Ends one. Ending it once more changes nothing. */
  readonly revoke: (name: string, by: ChangedBy) => Answer<Style, void, ManageError | InvalidCommand>
  /** Opens one of its doors: the link is the permission. */
  readonly openDoor: (
    uuid: string,
    doorId: number,
    by: AskedBy
  ) => Answer<Style, OpenedDoor, OpenDoorError | SharedError | TempKeyNotValid | InvalidCommand>
  /** Opens a lock by PIN. One that opens nothing is refused the same way whatever the reason, and counts. */
  readonly openByPin: (pin: EnteredPin) => Answer<Style, OpenedDoor, OpenDoorError | SharedError | InvalidCommand>
  /** When a door was opened, epoch milliseconds; `version` is that of the opening. */
  readonly openedAt: (
    uuid: string,
    doorId: number,
    version: number
  ) => Answer<Style, number | undefined, StoreUnavailable | InvalidCommand>
}

/** What anyone with the link of a temp key sees and does, whether the key is on one lock or has several doors. */
export interface GuestLinks<Style extends ErrorStyle> {
  /** The key at an instant, epoch milliseconds; `userId` is the signed-in user, if any. */
  readonly view: (
    tempKeyUuid: string,
    now: number,
    userId?: string
  ) => Answer<Style, GuestKey, LinkNotFound | StoreUnavailable | InvalidCommand>
  /** Uses the key and tells its door to open: both or neither. */
  readonly open: (
    tempKeyUuid: string,
    by: AskedBy & { readonly userId?: string }
  ) => Answer<Style, Opened, OpenError | InvalidCommand>
  /** When it was used, epoch milliseconds; `version` is that of the use. */
  readonly usedAt: (
    tempKeyUuid: string,
    version: number
  ) => Answer<Style, number | undefined, LinkNotFound | StoreUnavailable | InvalidCommand>
  /** What became of an opening, by its version; of a key to several doors, at which door. `undefined`: there is none. */
  readonly outcome: (
    tempKeyUuid: string,
    version: number,
    doorId?: number
  ) => Answer<Style, CommandStatus | undefined, LinkNotFound | StoreUnavailable | InvalidCommand>
}

/** API keys of organizations, managed with one of them, or by the operator. Needs `secrets`. */
export interface EmbeddedApiKeys<Style extends ErrorStyle> {
  /** Ended ones too, oldest first; super keys name the organization. */
  readonly list: (
    principal: Principal,
    orgId?: string
  ) => Answer<Style, ReadonlyArray<ApiKey>, ApiKeyRefused | InvalidCommand>
  /** Makes one; its secret is in the answer and nowhere else. */
  readonly create: (
    request: (typeof ApiKeyRequest)["Encoded"],
    by: AskedBy
  ) => Answer<Style, { readonly key: ApiKey; readonly secret: string | undefined }, ApiKeyRefused | InvalidCommand>
  /** Revoking it once more changes nothing. */
  readonly revoke: (keyId: string, by: AskedBy) => Answer<Style, ApiKey, ApiKeyRefused | InvalidCommand>
  /** Who presents this key now (epoch milliseconds), as the principal of what they ask; `undefined`: nobody. */
  readonly principalOf: (
    secret: string,
    now: number
  ) => Answer<Style, Principal | undefined, StoreUnavailable | InvalidCommand>
}

/** What guests' pages of an organization show; super keys name the organization. */
export interface EmbeddedBrand<Style extends ErrorStyle> {
  readonly get: (
    principal: Principal,
    orgId?: string
  ) => Answer<Style, Brand | undefined, AccessDenied | StoreUnavailable | InvalidCommand>
  /** Sets all of it. */
  readonly set: (
    request: (typeof BrandRequest)["Encoded"],
    by: AskedBy,
    orgId?: string
  ) => Answer<Style, Brand, BrandError | InvalidCommand>
  readonly remove: (by: AskedBy, orgId?: string) => Answer<Style, void, BrandError | InvalidCommand>
}

export type Hooked<Style extends ErrorStyle, A> = Answer<Style, A, WebhookFailure | AccessDenied | InvalidCommand>

/** Webhooks of organizations; super keys name one, or mean the operator's own. Needs `deliver`. */
export interface EmbeddedWebhooks<Style extends ErrorStyle> {
  /** Makes one; its secret is in this answer, in that of `rotateSecret`, and nowhere else. */
  readonly create: (
    request: (typeof WebhookRequest)["Encoded"],
    by: AskedBy,
    orgId?: string
  ) => Hooked<Style, { readonly shown: ShownWebhook; readonly secret: string }>
  readonly list: (principal: Principal, orgId?: string) => Hooked<Style, ReadonlyArray<ShownWebhook>>
  readonly get: (principal: Principal, id: string, orgId?: string) => Hooked<Style, ShownWebhook>
  readonly change: (
    id: string,
    changes: (typeof WebhookChanges)["Encoded"],
    by: AskedBy,
    orgId?: string
  ) => Hooked<Style, ShownWebhook>
  readonly remove: (id: string, by: AskedBy, orgId?: string) => Hooked<Style, void>
  readonly rotateSecret: (
    id: string,
    by: AskedBy,
    orgId?: string
  ) => Hooked<Style, { readonly secret: string; readonly previousUntil: number }>
  readonly enable: (id: string, by: AskedBy, orgId?: string) => Hooked<Style, ShownWebhook>
  readonly disable: (id: string, reason: string, by: AskedBy, orgId?: string) => Hooked<Style, ShownWebhook>
  /** Sends an event of type `WebhookTest` now. */
  readonly test: (id: string, by: AskedBy, orgId?: string) => Hooked<Style, Answered & { readonly delivered: boolean }>
  /** Sends again what happened since a cursor or an instant; answers the id of the replay. */
  readonly replay: (id: string, replay: Replay, by: AskedBy, orgId?: string) => Hooked<Style, string>
  /** Attempts, newest first, 100 at most; `before` is the number of one. */
  readonly deliveries: (
    principal: Principal,
    id: string,
    query?: { readonly outcome?: Attempt["outcome"]; readonly before?: number },
    orgId?: string
  ) => Hooked<Style, ReadonlyArray<Attempt>>
  /** Sends one event again; answers the id of the replay. */
  readonly retry: (id: string, eventId: string, by: AskedBy, orgId?: string) => Hooked<Style, string>
  /** An event that was given up is not to be sent any more. */
  readonly dismiss: (principal: Principal, id: string, eventId: string, orgId?: string) => Hooked<Style, void>
}

/** A lock as it is now; its temp keys are asked for with `tempKeys`. */
export type LockDetails = Omit<Lock, "tempKeys" | "deletedTempKeys" | "owners" | "organizations" | "keys" | "said"> & {
  /** What those who have the lock have said of it. */
  readonly description: LockDescription
  /** `inherited`: its giver may no longer give it, since the lock has changed hands. */
  readonly keys: ReadonlyArray<HeldKey & { readonly inherited?: true }>
  /** Whether its device is connected, since when, and why not; `undefined` while nobody can tell. */
  readonly presence: Connection | undefined
}

/** What key holders may know of a lock, too. */
export type BasicInfo = Pick<Lock, "lockId" | "uuid" | "version" | "serialNumber" | "ownerId" | "orgId">

/** Latchkey for programs without Effect; `Style` says how failures reach them. */
export interface EmbeddedLatchkey<Style extends ErrorStyle> extends AsyncDisposable {
  /**
   * Carries out a command; see `Locks.execute`. BulkAddKeys goes to `bulkAddKeys`. With `ifVersion: [details.version]` it
   * is carried out only if the lock has not changed since: otherwise it is refused with `VersionMoved`.
   */
  readonly execute: (command: CommandInput) => Answer<Style, Executed, ExecuteError | InvalidCommand>
  /** Begins to add many keys; answers the id to ask `bulkProgress` with: the command id, a UUID of version 7. */
  readonly bulkAddKeys: (command: CommandInput) => Answer<Style, string, StartError | InvalidCommand>
  readonly bulkProgress: (
    principal: Principal,
    lockId: number,
    instanceId: string
  ) => Answer<Style, BulkProgress, AskError | BulkNotFound | InvalidCommand>
  /** A page of the principal's locks at `now`, epoch milliseconds; see `LocksQuery`. */
  readonly locks: (
    principal: Principal,
    now: number,
    query?: LocksQuery
  ) => Answer<Style, LocksPage, AccessDenied | ReadModelUnavailable | StoreUnavailable | InvalidCommand>
  /** A page of what needs somebody at `now`, epoch milliseconds, of the principal's locks and webhooks. */
  readonly attention: (
    principal: Principal,
    now: number,
    query?: AttentionQuery
  ) => Answer<Style, NeedsAttention, AccessDenied | ReadModelUnavailable | StoreUnavailable | InvalidCommand>
  /** How many locks the principal has at `now`, and how many need somebody for what. */
  readonly overview: (
    principal: Principal,
    now: number
  ) => Answer<Style, Overview, AccessDenied | ReadModelUnavailable | StoreUnavailable | InvalidCommand>
  /** A page of the keys that a user holds, by lock. */
  readonly userKeys: (
    principal: Principal,
    userId: string,
    query?: UserKeysQuery
  ) => Answer<Style, UserKeysPage, AccessDenied | ReadModelUnavailable | StoreUnavailable | InvalidCommand>
  /** Removes all keys that a user holds; see `KeyRemovals`. */
  readonly removeUserKeys: (
    userId: string,
    by: AskedBy
  ) => Answer<
    Style,
    { readonly locks: ReadonlyArray<RemovedKeys>; readonly more: boolean },
    RemovalError | ReadModelUnavailable | InvalidCommand
  >
  /** Removes the keys that the lock has from those who had it before; see `KeyRemovals`. */
  readonly removeInheritedKeys: (
    lockId: number,
    by: AskedBy
  ) => Answer<Style, RemovedKeys, RemovalError | InvalidCommand>
  readonly lock: (principal: Principal, lockId: number) => Answer<Style, LockDetails, AskError | InvalidCommand>
  readonly basicInfo: (principal: Principal, lockId: number) => Answer<Style, BasicInfo, AskError | InvalidCommand>
  /** What became of a command; while it is pending, waits so many seconds for the lock to answer. */
  readonly command: (
    principal: Principal,
    lockId: number,
    commandId: string,
    wait?: number
  ) => Answer<Style, CommandStatus, AskError | CommandNotFound | InvalidCommand>
  /** Temp keys with their status at `now`, epoch milliseconds, and when it next changes. */
  readonly tempKeys: (
    principal: Principal,
    lockId: number,
    now: number
  ) => Answer<Style, ReadonlyArray<TempKeyNow>, AskError | InvalidCommand>
  /** The keys for which its hardware may still open, though it should not; see `exposureOf`. */
  readonly exposure: (
    principal: Principal,
    lockId: number
  ) => Answer<Style, ReadonlyArray<ExposedKey>, AskError | InvalidCommand>
  /** When its device was there and when it was gone: the newest hundred changes, newest first. */
  readonly presenceChanges: (
    principal: Principal,
    lockId: number
  ) => Answer<Style, ReadonlyArray<PresenceChange>, AskError | InvalidCommand>
  /** Whether, and why, the lock opens, or opened; see `explain`. */
  readonly explain: (
    principal: Principal,
    lockId: number,
    request: ExplainRequest
  ) => Answer<Style, Explanation, AskError | AttemptNotFound | InvalidCommand>
  /** What an update of a temp key would have changed; see `simulate`. */
  readonly simulate: (
    principal: Principal,
    lockId: number,
    update: UpdateTempKey
  ) => Answer<Style, Simulation, AskError | LockRefused | DeviceDisputed | InvalidCommand>
  /** A page of the lock's history, of its first hundred events unless the query says otherwise. */
  readonly history: (
    principal: Principal,
    lockId: number,
    query?: HistoryQuery
  ) => Answer<Style, HistoryPage, AskError | InvalidCommand>
  /** Every version of the lock after one, as far as it is the principal's time: one row each, none left out. */
  readonly audit: (principal: Principal, lockId: number, after?: number) => AsyncIterable<AuditRow>
  /** What was refused at the lock by `now`, epoch milliseconds, newest first. */
  readonly attempts: (
    principal: Principal,
    lockId: number,
    now: number,
    query?: AttemptsQuery
  ) => Answer<Style, AttemptsPage, AskError | InvalidCommand>
  readonly ownedLocks: (
    principal: Principal,
    userId: string
  ) => Answer<Style, OwnedLocks, AccessDenied | UserNotFound | InvalidCommand>
  readonly sharedKeys: SharedKeys<Style>
  readonly guests: GuestLinks<Style>
  readonly brand: EmbeddedBrand<Style>
  readonly apiKeys: EmbeddedApiKeys<Style>
  readonly webhooks: EmbeddedWebhooks<Style>
  /** A page of an organization's events as partners are told of them; super keys may ask for all. */
  readonly events: (
    principal: Principal,
    query?: (typeof EventsQuery)["Encoded"]
  ) => Answer<Style, EventsPage, AccessDenied | InvalidCursor | StoreUnavailable | InvalidCommand>
  /**
   * Every event after a position, in the order of the log, and then what comes, until the loop is left or everything is
   * disposed of. Position 0 is before all; keep the last one that you have handled, and go on from there. Throws
   * `StoreUnavailable` when the store does not answer, and `InvalidCommand` when that is not a position.
   */
  readonly subscribe: {
    (after: number): AsyncIterable<StoredEvent>
    /**
     * Tells `handle` of events as partners are told, in order and at least once each, from a cursor that is kept under
     * `name`: after a restart it goes on there, and of several processes one is told. One that `handle` rejects comes
     * again, and nothing after it, until it is handled. Needs workers.
     */
    (subscription: Subscription, handle: (event: Envelope) => unknown): Promise<Subscribed>
  }
  /** The services themselves, for programs and packages with Effect: `createFetch` of `@latchkey/http` takes them. */
  readonly services: Context.Context<LatchkeyServices>
  /** The key for PINs that was given. */
  readonly pinKey: PinKey | undefined
  /** Finishes what is under way and closes the adapters. */
  readonly dispose: () => Promise<void>
}

/** Somebody who is told of events, until it is stopped. */
export interface Subscribed extends AsyncDisposable {
  /** What is being handled then comes again under the same name. */
  readonly stop: () => Promise<void>
}

/** Everything of Latchkey, and its ports. */
export type LatchkeyServices = Layer.Success<ReturnType<typeof layer>> | EventStore | ReadModel | DeviceShadow
