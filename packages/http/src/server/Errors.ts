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
import { type ErrorStatus, type ErrorWord, kinds } from "../api/errorWords.ts"
import { makeProblem, type Problem } from "../api/Problem.ts"
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

/** Every error that a handler may fail with is among them. */
const kindOf: { readonly [Tag in ApiError["_tag"]]: readonly [ErrorStatus, ErrorWord] } = kinds

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
  const [code, kind] = kindOf[error._tag]
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
      return { ...makeProblem(401, "Unauthorized", failure.message), error: unauthorized }
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
