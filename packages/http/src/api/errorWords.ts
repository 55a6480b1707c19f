/** What `error` of a refusal may say: the same words every time for the same kind, so that clients can tell kinds apart. */

/** Statuses of errors. */
export type ErrorStatus =
  | 400
  | 401
  | 403
  | 404
  | 405
  | 408
  | 409
  | 412
  | 413
  | 415
  | 422
  | 429
  | 431
  | 500
  | 501
  | 502
  | 503

/** Of what the core refuses, by the name of its error there. */
export const kinds = {
  AccessDenied: [403, "Access denied"],
  LockNotFound: [404, "Lock not found"],
  KeyExists: [400, "Key already on the lock"],
  SlotTaken: [400, "Slot taken"],
  NoSuchSlot: [400, "No such slot"],
  KeyNotNamed: [400, "No key named"],
  KeyNotFound: [404, "Key not found"],
  UuidUnchanged: [409, "Uuid unchanged"],
  LockRetired: [409, "Lock retired"],
  DeviceLost: [409, "No device"],
  DeviceInUse: [409, "Device in use"],
  DeviceDisputed: [409, "Device in dispute"],
  ResidentExists: [400, "Resident already there"],
  ResidentNotFound: [400, "Resident not there"],
  ResidentNotNamed: [400, "No single resident named"],
  TempKeyNotFound: [404, "Temp key not found"],
  TempKeyExists: [400, "Temp key uuid already used"],
  LockFull: [400, "Lock full"],
  VersionMoved: [412, "Version moved"],
  TooManyOpenings: [429, "Too many openings"],
  EmptyWindow: [400, "Empty validity window"],
  EmptyWhitelist: [400, "Empty whitelist"],
  TempKeyNotValid: [400, "Temp key not valid"],
  TempKeyWithdrawn: [403, "Temp key withdrawn"],
  NotOnWhitelist: [400, "Not on the whitelist"],
  LinkNotFound: [404, "Temp key not found"],
  SignInNeeded: [401, "Sign-in needed"],
  SharedCredentialNotFound: [404, "Temp key not found"],
  CursorUnknown: [400, "Unknown cursor"],
  NoSuchLock: [404, "Lock not found"],
  EmptySharedWindow: [400, "Empty validity window"],
  NobodyAllowed: [400, "Empty whitelist"],
  DoorCount: [400, "Too many or no doors"],
  LinkTaken: [400, "Temp key uuid already used"],
  NoPin: [400, "No PIN"],
  OwnDoorOnly: [400, "Not a key to several doors"],
  KeyEnded: [409, "Temp key deleted"],
  KeyMoved: [412, "Version moved"],
  DoorNotFound: [404, "Door not found"],
  DoorNotNamed: [404, "Door not named"],
  DoorNeedsPin: [403, "PIN needed"],
  DoorWithdrawn: [403, "Door withdrawn"],
  PinRefused: [401, "Invalid PIN"],
  PinLockedOut: [429, "Too many attempts"],
  TooManyRequests: [429, "Too many requests"],
  InvalidCursor: [400, "Invalid cursor"],
  WebhookNotFound: [404, "Webhook not found"],
  DeliveryNotFound: [404, "Delivery not found"],
  UrlRefused: [400, "URL refused"],
  TooManyWebhooks: [400, "Too many webhooks"],
  TooManyReplays: [429, "Too many replays"],
  AttemptNotFound: [404, "Attempt not found"],
  CommandNotFound: [404, "Command not found"],
  ApiKeyNotFound: [404, "API key not found"],
  ApiKeysChanged: [503, "API keys busy"],
  TooManyApiKeys: [400, "Too many API keys"],
  BulkNotFound: [404, "Request not found"],
  UserNotFound: [404, "User not found"],
  ReadModelUnavailable: [503, "Read model unavailable"],
  ReceiptReused: [422, "Idempotency key reused"],
  DeviceUnreachable: [502, "Failed to update device shadow"],
  LockBusy: [503, "Lock busy"],
  ClockBehind: [503, "Clock behind"],
  CountMoved: [503, "Temp key busy"],
  CommandExists: [409, "Command already carried out"],
  StoreUnavailable: [503, "Store unavailable"]
} as const

/** The words of every error of the API. New ones may come; those that are here stay. */
export type ErrorWord =
  | (typeof kinds)[keyof typeof kinds][1]
  // What is refused before anybody looks at the lock.
  | "Invalid request"
  | "Unauthorized"
  | "Sign-in unavailable"
  | "Not found"
  | "Method not allowed"
  | "Request timeout"
  | "Body too large"
  | "Unsupported media type"
  | "Headers too large"
  | "Internal error"
  | "Not implemented"
  | "Shutting down"
