/** Why a call of the client has no answer. */
import type { ErrorStatus, ErrorWord } from "../api/errorWords.ts"
import type { Detail, Problem } from "../api/Problem.ts"

/**
 * The server has refused: nothing was done, unless `code` is 500 or more. `message` says what to do next.
 *
 * @example
 * try {
 *   await latchkey.openLock({ params: { id: 42 } })
 * } catch (error) {
 *   if (error instanceof LatchkeyError && error.error === "Lock not found") return undefined
 *   throw error
 * }
 */
export class LatchkeyError extends Error {
  override readonly name = "LatchkeyError"
  /** The status. */
  readonly code: ErrorStatus
  /** What kind of refusal: the same words every time. Later servers may have others. */
  readonly error: ErrorWord
  /** The fields that are wrong. */
  readonly details: ReadonlyArray<Detail>
  /** With 412: the present version. */
  readonly version: number | undefined
  /** With 502: whether anything was recorded, and what to do. */
  readonly advice: string | undefined
  /** With 429, and some 503: seconds to wait before asking again. */
  readonly retryAfter: number | undefined

  constructor({ message, code, error, details = [], version, advice }: Problem, retryAfter?: number) {
    super(message)
    this.code = code
    // Whatever the server says: what is listed is what this version knows.
    this.error = error as ErrorWord
    this.details = details
    this.version = version
    this.advice = advice
    this.retryAfter = retryAfter
  }
}

/** Nobody has answered, as often as it was tried: `cause` says why. Whether a command was carried out is not known. */
export class NoAnswer extends Error {
  override readonly name = "NoAnswer"
}

/** What has answered is not Latchkey, or one that says what this client does not know: `cause` is what it said. */
export class UnexpectedAnswer extends Error {
  override readonly name = "UnexpectedAnswer"
  /** Of what is not a success. */
  readonly status: number | undefined
  /** Seconds to wait before asking again, where a proxy says so. */
  readonly retryAfter: number | undefined

  constructor(cause: unknown, status?: number, retryAfter?: number) {
    super(`The server gave an answer${status === undefined ? "" : ` (${status})`} that the API does not describe.`, {
      cause
    })
    this.status = status
    this.retryAfter = retryAfter
  }
}

/** How a call fails. */
export type Failure = LatchkeyError | NoAnswer | UnexpectedAnswer
