/** What programs, adapters and the HTTP API use of Latchkey's core, by concept. What is not here is free to change. */

// Embedding: everything at once, as Promises or as a layer. `createLatchkey` has an example.
export {
  createLatchkey,
  type AskedBy,
  type CommandInput,
  type EmbeddedLatchkey,
  type EnteredPin,
  type ErrorStyle,
  type GuestLinks,
  InvalidCommand,
  type LatchkeyServices,
  type LockDetails,
  type NewSharedKey,
  type Outcome,
  type SharedKeys
} from "./latchkey/createLatchkey.ts"
export * as Latchkey from "./latchkey/Latchkey.ts"

// Words: who asks, text, instants and schedules.
export { Principal } from "./values/Principal.ts"
export { Instant, instantOf, millisOf, Text, UuidText } from "./values/Text.ts"
export { Schedule } from "./values/Schedule.ts"

// Locks: what one is, what is asked of it, what happens to it, and what is refused. Pure.
export { Key, Lock, LockId, lockOfStream, Resident, streamOfLock, tempKeysOf } from "./lock/Lock.ts"
export { CommandContext, commandOf, type LockCommand, LockRequest, type Said } from "./lock/LockCommand.ts"
export {
  type CommandRow,
  commandTable,
  eventsAskedFor,
  type LockCommandType,
  requests,
  type Right
} from "./lock/LockCommands.ts"
export { BOUNDS } from "./lock/RequestFields.ts"
export { fromStored, LockEvent, type LockEventType, openedVia, toStored, toWire, wireEvent } from "./lock/LockEvent.ts"
export {
  LockNotFound,
  AccessDenied,
  KeyExists,
  SlotTaken,
  KeyNotNamed,
  KeyNotFound,
  UuidUnchanged,
  ResidentExists,
  ResidentNotFound,
  ResidentNotNamed,
  TempKeyNotFound,
  TempKeyExists,
  EmptyWindow,
  EmptyWhitelist,
  TempKeyNotValid,
  NotOnWhitelist,
  ClockBehind,
  LockFull,
  TooManyOpenings,
  type LockRefused
} from "./lock/LockError.ts"
export { decide, evolve, evolveStored, initial } from "./lock/LockAggregate.ts"
export { permit, permitCreate } from "./lock/AccessPolicy.ts"

// What was sent to the hardware, and what became of it.
export { CommandOutcome, DeviceCommand, SHADOW_LIMIT, toDocument } from "./device/DeviceCommand.ts"
export { AnsweredCommand, SentCommand } from "./lock/SentCommand.ts"
export { answeredIn } from "./lock/DeviceEvents.ts"

// Temp keys of a lock, and those with doors at several; their PINs; who may cause how much.
export { AccessMode, canonical, MaxUses, nextChangeAt, statusAt, TempKey, TempKeyStatus } from "./lock/TempKey.ts"
export type { TempKeyNow } from "./locks/TempKeyNow.ts"
export { AccessMethod, Credentials, ShareRequest, summaryOf } from "./temp-key/SharedCredential.ts"
export {
  SharedCredentialNotFound,
  NoSuchLock,
  EmptySharedWindow,
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
export { type AskError, type HistoryPage, LockQueries, type OwnedLocks, UserNotFound } from "./locks/LockQueries.ts"
export { SNAPSHOT_EVERY } from "./locks/LockRepository.ts"
export { BulkAddKeys, BulkNotFound, type BulkProgress, type StartError } from "./locks/BulkAddKeys.ts"
export { type Shared, SharedCredentials, type ShareError } from "./temp-key/SharedCredentials.ts"
export { type OpenDoorError, type OpenedDoor, SharedDoors } from "./temp-key/SharedDoors.ts"
export { PinGuard } from "./temp-key/PinGuard.ts"
export { GuestOpenings } from "./temp-key/GuestOpenings.ts"
export { DeviceReports } from "./locks/DeviceReports.ts"
export type { GuestDoor, GuestKey } from "./guest/GuestKey.ts"
export { LinkNotFound, type Opened, type OpenError, SignInNeeded, TempKeyLinks } from "./guest/TempKeyLinks.ts"

// Why a lock opens, or does not, and what a change would have changed.
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
  OPERATOR,
  OrganizationEvent
} from "./access/ApiKeys.ts"
export { type DeviceSecret, DeviceSecretNotFound, DeviceSecrets, DeviceSecretsChanged } from "./access/DeviceSecrets.ts"
export { Secrets } from "./access/Secrets.ts"

// The port of the log, and what reads and writes it.
export {
  type Append,
  type Batch,
  categoryOf,
  EventExists,
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
export { beginImport, endImport, refusePart } from "./streams/Import.ts"
export { importFeed } from "./latchkey/importFeed.ts"
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
export { type Heard, heard, Presence, type PresenceReport, PresenceUnavailable } from "./device/Presence.ts"
export type { OwnedLock } from "./locks/Presence.ts"

// The port of the device shadow.
export { type DeviceReport, DeviceShadow, ShadowRejected, ShadowUnavailable } from "./device/DeviceShadow.ts"
export {
  commandsInShadows,
  outcomesIn,
  type ShadowChange,
  ShadowWriteRefused,
  stateIn,
  type VersionedShadow,
  type VersionedShadows
} from "./locks/CommandsInShadow.ts"
