/** What programs, adapters and the HTTP API use of Latchkey's core, by concept. What is not here is free to change. */

// Embedding: everything at once, as Promises or as a layer. `createLatchkey` has an example.
export { createLatchkey } from "./latchkey/createLatchkey.ts"
export {
  type AskedBy,
  type BasicInfo,
  type ChangedBy,
  type CommandInput,
  type EmbeddedApiKeys,
  type EmbeddedLatchkey,
  type EmbeddedWebhooks,
  type EnteredPin,
  type ErrorStyle,
  type GuestLinks,
  InvalidCommand,
  type LatchkeyServices,
  type LockDetails,
  type NewSharedKey,
  type Outcome,
  type Subscribed,
  type SharedKeys
} from "./latchkey/Embedded.ts"
export * as Latchkey from "./latchkey/Latchkey.ts"
export { type ApiKeyRefused, ApiKeyRequest, managedApiKeys } from "./latchkey/ManagedApiKeys.ts"

// Words: who asks, text, instants and schedules.
export { closedDecoder, issuesOf, type RequestIssue } from "./values/Closed.ts"
export { closest, distance } from "./values/closest.ts"
export { Limits, SCOPES, Scope } from "./values/Limits.ts"
export { limitsOf, Principal, recorded, type ShownPrincipal, withoutKey } from "./values/Principal.ts"
export { DateTime, Instant, instantOf, millisOf, Text, UuidText } from "./values/Text.ts"
export { type DayHours, openingsIn, Schedule, weekHours } from "./values/Schedule.ts"

// Locks: what one is, what is asked of it, what happens to it, and what is refused. Pure.
export { Giver, type Hands } from "./lock/Giver.ts"
export { HeldKey, Key, Lock, LockId, lockOfStream, Resident, streamOfLock, tempKeysOf } from "./lock/Lock.ts"
export { CommandContext, commandOf, type LockCommand, LockRequest, Millis, type Said } from "./lock/LockCommand.ts"
export {
  type CommandRow,
  commandTable,
  eventsAskedFor,
  type LockCommandType,
  requests,
  type Right,
  rowOf
} from "./lock/LockCommands.ts"
export { BOUNDS } from "./lock/RequestFields.ts"
export {
  eventTypes,
  fromStored,
  LockEvent,
  type LockEventType,
  OpenedVia,
  openedVia,
  toStored,
  toWire,
  wireEvent
} from "./lock/LockEvent.ts"
export {
  LockNotFound,
  AccessDenied,
  KeyExists,
  NoSuchSlot,
  SlotTaken,
  KeyNotNamed,
  KeyNotFound,
  UuidUnchanged,
  LockRetired,
  DeviceLost,
  DeviceInUse,
  DeviceDisputed,
  ResidentExists,
  ResidentNotFound,
  ResidentNotNamed,
  TempKeyNotFound,
  TempKeyExists,
  EmptyWindow,
  EmptyWhitelist,
  TempKeyNotValid,
  TempKeyWithdrawn,
  NotOnWhitelist,
  ClockBehind,
  LockFull,
  VersionMoved,
  TooManyOpenings,
  type ClaimRefused,
  type LockRefused
} from "./lock/LockError.ts"
export { decide } from "./lock/Decide.ts"
export { evolve, evolveStored, initial } from "./lock/Evolve.ts"
export { hardwareOf, inheritedIn } from "./lock/DecideKeys.ts"
export { type HardwareKey, HardwareStatus, hardwareStatus } from "./lock/Hardware.ts"
export { type ExposedKey, exposureOf, type LeftKey, leftBehind } from "./lock/Exposure.ts"
export { LockDescription } from "./lock/LockDescription.ts"
export { descriptionOf } from "./lock/ShownDescription.ts"
export { permit, permitApiKey, permitApiKeys, permitCreate, seesLinks, stands } from "./lock/AccessPolicy.ts"

// What was sent to the hardware, and what became of it.
export { CommandOutcome, DeviceCommand, SHADOW_LIMIT, toDocument } from "./device/DeviceCommand.ts"
export { SeenState } from "./lock/Seen.ts"
export { AnsweredCommand, SentCommand } from "./lock/SentCommand.ts"
export { answeredIn } from "./lock/DeviceEvents.ts"

// Temp keys of a lock, and those with doors at several; their PINs; who may cause how much.
export { AccessMode, canonical, MaxUses, nextChangeAt, statusAt, TempKey, TempKeyStatus } from "./lock/TempKey.ts"
export type { TempKeyNow } from "./locks/TempKeyNow.ts"
export { LockSearch } from "./temp-key/LockSearch.ts"
export { AccessMethod, ChangeRequest, Credentials, ShareRequest, summaryOf } from "./temp-key/SharedCredential.ts"
export {
  SharedCredentialNotFound,
  NoSuchLock,
  EmptySharedWindow,
  KeyMoved,
  DoorNotFound,
  DoorNotNamed,
  DoorNeedsPin,
  DoorWithdrawn,
  PinRefused,
  PinLockedOut,
  type SharedError
} from "./temp-key/SharedCredentialError.ts"
export type { PinKey } from "./temp-key/Pins.ts"
export {
  type Accounts,
  type Budget,
  budget,
  note,
  secondsUntil,
  spend,
  spent,
  steadily,
  UNLIMITED
} from "./temp-key/Budget.ts"
export { BUDGETS, type Budgets, CurrentBudgets } from "./temp-key/Budgets.ts"

// The services over the ports.
export {
  DeviceUnreachable,
  type Executed,
  type ExecuteError,
  LockBusy,
  Locks,
  type LocksOptions
} from "./locks/Locks.ts"
export type { AuditRow } from "./locks/Audit.ts"
export type { HistoryEvent, HistoryPage } from "./locks/History.ts"
export { historyFields, historyFlaw, HistoryQuery } from "./locks/HistoryQuery.ts"
export { type AskError, LockQueries, type OwnedLocks, type UserKeysPage, UserNotFound } from "./locks/LockQueries.ts"
export { SNAPSHOT_EVERY } from "./locks/LockRepository.ts"
export { type Dispute, disputesIn } from "./locks/Claims.ts"
export { BulkAddKeys, BulkNotFound, type BulkProgress, type StartError } from "./locks/BulkAddKeys.ts"
export { tempKeysFields } from "./locks/TempKeysQuery.ts"
export { UserKeysQuery, userKeysFields } from "./locks/UserKeysQuery.ts"
export { type ListedLock, type LockAttention, LockLists, type LocksPage } from "./locks/LockLists.ts"
export { LocksQuery, locksFields, locksFlaw } from "./locks/LocksQuery.ts"
export { ATTENTION, type AttentionKind, BATTERIES } from "./read-model/LockConditions.ts"
export { KeyRemovals, type RemovalError, type RemovedKeys } from "./locks/KeyRemovals.ts"
export {
  type Changed,
  type ChangeError,
  type Shared,
  SharedCredentials,
  type ShareError
} from "./temp-key/SharedCredentials.ts"
export { type OpenDoorError, type OpenedDoor, SharedDoors } from "./temp-key/SharedDoors.ts"
export { type ManagedKey, type ManageError, TempKeys } from "./temp-key/TempKeys.ts"
export { CursorUnknown, MOST_LISTED, type TempKeyPage, type TempKeyQuery } from "./temp-key/TempKeyPages.ts"
export { type DoorView, type TempKeyView, viewOfOwn, viewOfShared } from "./temp-key/TempKeyView.ts"
export { isWeakLink, NewLink } from "./lock/Link.ts"
export { PinGuard } from "./temp-key/PinGuard.ts"
export { GuestOpenings } from "./temp-key/GuestOpenings.ts"
export { CommandNotFound, CommandOutcomes, type CommandStatus } from "./locks/CommandOutcomes.ts"
export { DeviceReports } from "./locks/DeviceReports.ts"
export { Brand, type BrandContext, type BrandError, BrandRequest, Brands, brandFrom } from "./guest/Brands.ts"
export type { GuestDoor, GuestKey } from "./guest/GuestKey.ts"
export { LinkNotFound, type Opened, type OpenError, SignInNeeded, TempKeyLinks } from "./guest/TempKeyLinks.ts"

// Why a lock opens, or does not, what was refused, and what a change would have changed.
export { attemptsFields, type AttemptsPage, AttemptsQuery, type RefusedAttempt } from "./why/Attempts.ts"
export { type Explanation, type Fact, Rule, type Subject } from "./why/Explanation.ts"
export {
  AttemptNotFound,
  Explanations,
  explainFromLog,
  type ExplainRequest,
  type UpdateTempKey
} from "./why/Explanations.ts"
export type { Simulation } from "./why/Simulate.ts"
export { RefusalReason } from "./locks/RefusedUses.ts"

// Who may ask: API keys of organizations, and the secrets with which devices sign in.
export {
  type ApiKey,
  ApiKeyNotFound,
  ApiKeys,
  ApiKeysChanged,
  type AskedForKeys,
  type NewApiKey,
  TooManyApiKeys,
  OPERATOR,
  OrganizationEvent
} from "./access/ApiKeys.ts"
export { type DeviceSecret, DeviceSecretNotFound, DeviceSecrets, DeviceSecretsChanged } from "./access/DeviceSecrets.ts"
export { Secrets } from "./access/Secrets.ts"
export type { ClaimPolicy } from "./access/Claims.ts"

// Partners: what they are told of, and how it looks.
export { cursorOf, InvalidCursor, positionOf } from "./partners/Cursor.ts"
export { CurrentOrigin, type Envelope, envelopeOf, type Origin } from "./partners/Envelope.ts"
export {
  AttentionQuery,
  attending,
  attentionFields,
  attentionFlaw,
  type NeedsAttention,
  type Overview
} from "./partners/Attention.ts"
export { PartnerFeed, type ToldFilter, type ToldPage } from "./partners/PartnerFeed.ts"
export { SHADOW_UPDATE, type ShadowEnvelope, ShadowUpdates } from "./partners/ShadowUpdates.ts"
export { type EventsPage, EventsQuery, LiveType, telling, tellingFields } from "./partners/Telling.ts"
export { tenantOf } from "./partners/Tenant.ts"
export { Attempt } from "./partners/Attempts.ts"
export { Deliver, type Parcel } from "./partners/Deliver.ts"
export { type Answered, retryAfterOf } from "./partners/Delivery.ts"
export { Dispatcher } from "./partners/Dispatcher.ts"
export { type Webhook, WebhookChanges, WebhookRequest } from "./partners/Webhook.ts"
export {
  DeliveryNotFound,
  TooManyReplays,
  TooManyWebhooks,
  UrlRefused,
  WebhookNotFound
} from "./partners/WebhookError.ts"
export {
  type Replay,
  type ShownWebhook,
  WEBHOOK_ATTENTION,
  type WebhookAttention,
  type WebhookContext,
  type WebhookFailure,
  Webhooks
} from "./partners/Webhooks.ts"
export type { Subscription } from "./partners/Subscriber.ts"
export { type AggregateType, thinned, type Told, toldOf, toldTypes, withoutLink } from "./partners/Told.ts"

// The port of the log, and what reads and writes it.
export {
  type Append,
  type Batch,
  categoryOf,
  EventExists,
  EventNames,
  EventStore,
  type Expectation,
  type FeedFilter,
  type NewEvent,
  type Put,
  RecordConflict,
  type StoredEvent,
  type StoredRecord,
  StoreUnavailable,
  VersionConflict,
  type WriteError,
  type Written
} from "./streams/EventStore.ts"
export { putRecord } from "./streams/Records.ts"
export { CommandExists, type Settlement } from "./streams/Reservations.ts"
export { OnReplay, Receipt, ReceiptReused, RequestReceipt } from "./streams/Receipts.ts"
export { Feed } from "./streams/Feed.ts"
export { byOne, heldLeases, type Lease, type LeaseHolder } from "./streams/Lease.ts"
export { holdsPart, refusePart } from "./streams/Import.ts"
export { beginImport, endImport, importFeed, isImportable } from "./latchkey/importFeed.ts"
export { keepGoing } from "./streams/Backoff.ts"
export { logSeldom } from "./streams/SeldomLog.ts"

// The port of the read model, and what core keeps there.
export {
  type Changes,
  type Cursor,
  type FoundRow,
  type Listing,
  nowhere,
  ReadModel,
  ReadModelUnavailable,
  type Row,
  type RowKey,
  sameCursor
} from "./read-model/ReadModel.ts"
export { type Lookups, lookups } from "./read-model/Lookups.ts"
export type { DeviceState } from "./read-model/LockTables.ts"
export { Projector, rebuild } from "./read-model/Projector.ts"

// The port of presence: which devices are connected.
export {
  AbsenceReason,
  absenceReasonOf,
  type Heard,
  heard,
  Presence,
  type PresenceReport,
  PresenceUnavailable
} from "./device/Presence.ts"
export { absenceSaid } from "./device/Lifecycle.ts"
export type { Connection, OwnedLock } from "./locks/Presence.ts"
export type { PresenceChange } from "./locks/PresenceChanges.ts"

// The port of the device shadow.
export {
  type DeviceReport,
  DeviceShadow,
  ShadowRejected,
  ShadowUnavailable,
  type ShadowUpdate
} from "./device/DeviceShadow.ts"
export {
  commandsInShadows,
  openingsHeld,
  outcomesIn,
  type ShadowChange,
  ShadowWriteRefused,
  stateIn,
  type VersionedShadow,
  type VersionedShadows
} from "./locks/CommandsInShadow.ts"
