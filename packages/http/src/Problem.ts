/** The one shape of an error on the wire, and which status each error of the core has there. */
import type {
  AskError,
  AttemptNotFound,
  BulkNotFound,
  ExecuteError,
  OpenError,
  SharedError,
  UserNotFound
} from "@latchkey/core"
import { Context, Schema } from "effect"
import { HttpApiSchema } from "effect/http-api"
import type { TooManyRequests } from "./Quota.ts"

export type ErrorStatus = 400 | 401 | 403 | 404 | 405 | 408 | 409 | 413 | 415 | 422 | 429 | 431 | 500 | 501 | 502 | 503

/** One field of a request that is wrong, and how; `field` is a path such as `keys.0.uuid`. */
export const Detail = Schema.Struct({ field: Schema.String, message: Schema.String })
export type Detail = typeof Detail.Type

/** An error with this status, as the API declares it. */
export const problem = <Status extends ErrorStatus>(status: Status) =>
  Schema.Struct({
    success: Schema.Literal(false),
    /** What kind of error: the same words every time. */
    error: Schema.String,
    /** What happened, and what to do next. */
    message: Schema.String,
    code: Schema.Literal(status),
    details: Schema.optionalKey(Schema.Array(Detail)),
    /** With 502: whether anything was recorded, and what to do. */
    advice: Schema.optionalKey(Schema.String),
    /** Where the published contract has a list of errors. */
    errors: Schema.optionalKey(Schema.Array(Schema.Struct({ code: Schema.Number, message: Schema.String })))
  }).pipe(HttpApiSchema.status(status))

export interface Problem {
  readonly success: false
  readonly error: string
  readonly message: string
  readonly code: ErrorStatus
  readonly details?: ReadonlyArray<Detail>
  readonly advice?: string
  readonly errors?: ReadonlyArray<{ readonly code: number; readonly message: string }>
}

export const makeProblem = (
  code: ErrorStatus,
  error: string,
  message: string,
  details?: ReadonlyArray<Detail>
): Problem => ({ success: false, error, message, code, ...(details === undefined ? {} : { details }) })

export const badRequest = (details: ReadonlyArray<Detail>): Problem =>
  makeProblem(400, "Invalid request", "The request is not valid: see details.", details)

/** On endpoints whose 401 has a name of its own in the contract, whoever is refused. */
export const UnauthorizedError = Context.Reference<string>("@latchkey/http/UnauthorizedError", {
  defaultValue: () => "Unauthorized"
})

/** What a handler may fail with. */
export type ApiError =
  | ExecuteError
  | AskError
  | OpenError
  | SharedError
  | BulkNotFound
  | UserNotFound
  | AttemptNotFound
  | TooManyRequests

const kinds: { readonly [Tag in ApiError["_tag"]]: readonly [ErrorStatus, string] } = {
  AccessDenied: [403, "Access denied"],
  LockNotFound: [404, "Lock not found"],
  KeyExists: [400, "Key already on the lock"],
  SlotTaken: [400, "Slot taken"],
  KeyNotNamed: [400, "No key named"],
  KeyNotFound: [404, "Key not found"],
  UuidUnchanged: [409, "Uuid unchanged"],
  ResidentExists: [400, "Resident already there"],
  ResidentNotFound: [400, "Resident not there"],
  ResidentNotNamed: [400, "No single resident named"],
  TempKeyNotFound: [404, "Temp key not found"],
  TempKeyExists: [400, "Temp key uuid already used"],
  LockFull: [400, "Lock full"],
  TooManyOpenings: [429, "Too many openings"],
  EmptyWindow: [400, "Empty validity window"],
  EmptyWhitelist: [400, "Empty whitelist"],
  TempKeyNotValid: [400, "Temp key not valid"],
  NotOnWhitelist: [400, "Not on the whitelist"],
  LinkNotFound: [404, "Temp key not found"],
  SignInNeeded: [401, "Sign-in needed"],
  SharedCredentialNotFound: [404, "Temp key not found"],
  NoSuchLock: [404, "Lock not found"],
  EmptySharedWindow: [400, "Empty validity window"],
  DoorNotFound: [404, "Door not found"],
  DoorNotNamed: [404, "Door not named"],
  DoorNeedsPin: [403, "PIN needed"],
  DoorWithdrawn: [403, "Door withdrawn"],
  PinRefused: [401, "Invalid PIN"],
  PinLockedOut: [429, "Too many attempts"],
  TooManyRequests: [429, "Too many requests"],
  AttemptNotFound: [404, "Attempt not found"],
  BulkNotFound: [404, "Request not found"],
  UserNotFound: [404, "User not found"],
  ReceiptReused: [422, "Idempotency key reused"],
  DeviceUnreachable: [502, "Failed to update device shadow"],
  LockBusy: [503, "Lock busy"],
  ClockBehind: [503, "Clock behind"],
  CommandExists: [409, "Command already carried out"],
  StoreUnavailable: [503, "Store unavailable"]
}

/** The same problem as the published list of errors has it, beside the usual fields. */
export const withErrorList = (problem: Problem): Problem => ({
  ...problem,
  errors: [{ code: problem.code, message: problem.message }]
})

/** An error of the core on the wire. */
export const problemOf = (error: ApiError): Problem => {
  const [code, kind] = kinds[error._tag]
  switch (error._tag) {
    case "StoreUnavailable":
      // Its message is for the operator, and names files and hosts.
      return makeProblem(
        code,
        kind,
        "The event store does not answer. Try again; with the same Idempotency-Key nothing happens twice."
      )
    case "DeviceUnreachable":
      // The message is published as it is.
      return {
        ...makeProblem(code, kind, error.message),
        advice: error.inDoubt
          ? "The shadow does not say whether it took the command. If it did, the command will be recorded. Try again with the same Idempotency-Key to learn it."
          : "Nothing was recorded; try again when the device is back."
      }
    default: {
      const details = "field" in error ? [{ field: error.field, message: error.message }] : undefined
      return makeProblem(code, kind, error.message, details)
    }
  }
}
