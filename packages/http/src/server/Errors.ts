/** Which status and words each error of a handler has on the wire. */
import type {
  ApiKeyNotFound,
  ApiKeysChanged,
  AskError,
  AttemptNotFound,
  BulkNotFound,
  CommandNotFound,
  CursorUnknown,
  ExecuteError,
  InvalidCursor,
  OpenError,
  ReadModelUnavailable,
  SharedError,
  TooManyApiKeys,
  UserNotFound,
  WebhookFailure
} from "@latchkey/core"
import { Data } from "effect"
import { type ErrorStatus, makeProblem, type Problem } from "../api/Problem.ts"
import type { SignInError } from "../auth/Authentication.ts"
import { type Answer, withHeaders } from "./Answer.ts"
import { tagOf } from "./Conditions.ts"
import type { TooManyRequests } from "./Quota.ts"

/** What a handler may fail with. */
export type ApiError =
  | ExecuteError
  | AskError
  | OpenError
  | SharedError
  | ApiKeyNotFound
  | ApiKeysChanged
  | TooManyApiKeys
  | BulkNotFound
  | CommandNotFound
  | CursorUnknown
  | UserNotFound
  | ReadModelUnavailable
  | AttemptNotFound
  | TooManyRequests
  | InvalidCursor
  | WebhookFailure

const kinds: { readonly [Tag in ApiError["_tag"]]: readonly [ErrorStatus, string] } = {
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
}

/** What errors say instead of their message, where the next step is a path, a header or a page. */
const messageOf = (error: ApiError): string => {
  switch (error._tag) {
    case "KeyNotFound":
      return `Lock ${error.lockId} has no such key. GET /locks/${error.lockId}/details lists its keys.`
    case "ApiKeyNotFound":
      return "Your organization has no such API key. GET /api-keys lists them."
    case "ResidentNotFound":
      return `Lock ${error.lockId} has no such resident. GET /locks/${error.lockId}/residents lists them; name one by userId.`
    case "VersionMoved":
      return error.version === 0
        ? `There is no lock ${error.lockId}, so If-Match names no version of it. Nothing was done; leave If-Match out to create it.`
        : `Lock ${error.lockId} is at version ${error.version}, which If-Match does not name. Nothing was changed; look at its details again, and decide anew.`
    case "KeyMoved":
      return `This temp key is at version ${error.version}, which If-Match does not name. Nothing was changed; look at it again, and decide anew.`
    case "TempKeyNotFound":
      return `Lock ${error.lockId} has no such temp key. GET /locks/${error.lockId}/temp-keys lists them.`
    case "ReceiptReused":
      return "This idempotency key was used for another request. Use a new key for a new request."
    case "SignInNeeded":
      return "This temp key is for named users: sign in as one of them, with Authorization: Bearer and a user's token."
    case "DoorNotNamed":
      return "This temp key opens doors that have numbers. Open one with /doors/{doorId}/open; the page of the key lists them."
    default:
      return error.message
  }
}

/** An error of the core on the wire. */
export const problemOf = (error: ApiError): Problem => {
  const [code, kind] = kinds[error._tag]
  const message = messageOf(error)
  switch (error._tag) {
    case "StoreUnavailable":
      // Its message is for the operator, and names files and hosts.
      return makeProblem(
        code,
        kind,
        "The event store does not answer. Try again; with the same Idempotency-Key nothing happens twice."
      )
    case "ReadModelUnavailable":
      return makeProblem(code, kind, "It cannot be told right now which locks this is about. Try again in a moment.")
    case "VersionMoved":
    case "KeyMoved":
      return { ...makeProblem(code, kind, message), version: error.version }
    case "DeviceUnreachable":
      // The message is published as it is.
      return {
        ...makeProblem(code, kind, error.message),
        advice: error.inDoubt
          ? "The shadow does not say whether it took the command. If it did, the command will be recorded. Try again with the same Idempotency-Key to learn it."
          : "Nothing was recorded; try again when the device is back."
      }
    default: {
      const details = "field" in error ? [{ field: error.field, message }] : undefined
      return makeProblem(code, kind, message, details)
    }
  }
}

/** The request was refused before its handler. */
export class Refused extends Data.TaggedError("Refused")<{ readonly problem: Problem }> {}

/** Why a request has no success. */
export type Failure = ApiError | Refused | SignInError

/** What went wrong, in words for the caller: of a defect (`undefined`) nothing is told. */
export const problemOfFailure = (failure: Failure | undefined, unauthorized: string): Problem => {
  if (failure === undefined) return internal
  switch (failure._tag) {
    case "Refused":
      return failure.problem
    case "Unauthenticated":
    case "TokenRefused":
      return makeProblem(401, unauthorized, failure.message)
    case "KeysUnavailable":
      return makeProblem(503, "Sign-in unavailable", "Tokens cannot be checked right now. Try again in a moment.")
    default:
      return problemOf(failure)
  }
}

/** Something in the program is broken. */
export const internal = makeProblem(
  500,
  "Internal error",
  "Something went wrong on our side. It has been logged; try again."
)

/** With when to ask again, or which version to decide on, where that is known. */
export const withNextStep = (answer: Answer, failure: Failure | undefined): Answer => {
  if (failure === undefined) return answer
  if ("retryAfter" in failure) return withHeaders(answer, { "retry-after": String(failure.retryAfter) })
  return failure._tag === "VersionMoved" || failure._tag === "KeyMoved"
    ? withHeaders(answer, { etag: tagOf(failure.version) })
    : answer
}
