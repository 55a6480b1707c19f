/** The one shape of an error on the wire. */
import { Context, Schema } from "effect"
import { HttpApiSchema } from "effect/http-api"
import type { ErrorStatus, ErrorWord } from "./errorWords.ts"

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
    /** With 412: the version of the lock. */
    version: Schema.optionalKey(Schema.Int),
    /** With 502: whether anything was recorded, and what to do. */
    advice: Schema.optionalKey(Schema.String),
    /** Where the published contract has a list of errors. */
    errors: Schema.optionalKey(Schema.Array(Schema.Struct({ code: Schema.Int, message: Schema.String })))
  }).pipe(HttpApiSchema.status(status))

/** An error as it is answered. */
export interface Problem {
  readonly success: false
  readonly error: string
  readonly message: string
  readonly code: ErrorStatus
  readonly details?: ReadonlyArray<Detail>
  readonly version?: number
  readonly advice?: string
  readonly errors?: ReadonlyArray<{ readonly code: number; readonly message: string }>
}

export const makeProblem = (
  code: ErrorStatus,
  error: ErrorWord,
  message: string,
  details?: ReadonlyArray<Detail>
): Problem => ({ success: false, error, message, code, ...(details === undefined ? {} : { details }) })

export const badRequest = (details: ReadonlyArray<Detail>): Problem =>
  makeProblem(400, "Invalid request", "The request is not valid: see details.", details)

/** On endpoints whose 401 has a name of its own in the contract, no matter who is refused. */
export const UnauthorizedError = Context.Reference<ErrorWord>("@latchkey/http/UnauthorizedError", {
  defaultValue: () => "Unauthorized"
})

/** The same problem as the published list of errors has it, beside the usual fields. */
export const withErrorList = (problem: Problem): Problem => ({
  ...problem,
  errors: [{ code: problem.code, message: problem.message }]
})
