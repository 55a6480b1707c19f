/**
 * Shadows in AWS IoT Core, with their versions. The SDK tries again what went wrong on the way; every update rests on a
 * version, so one that is tried twice changes the shadow once. What it says is translated here, for the operator.
 */
import {
  GetThingShadowCommand,
  type IoTDataPlaneClient,
  IoTDataPlaneServiceException,
  UpdateThingShadowCommand
} from "@aws-sdk/client-iot-data-plane"
import { type ShadowChange, ShadowUnavailable, ShadowWriteRefused, type VersionedShadows } from "@latchkey/core"
import { Clock, Effect, Option, Result, Schema } from "effect"

/** Which thing of AWS IoT is whose. Names are 1 to 128 of `a-z A-Z 0-9 : _ -`. */
export interface ThingNames {
  /** The thing of a lock, by the lock's uuid. */
  readonly nameOf: (uuid: string) => string
  /** The uuid of the lock that a thing is; `undefined` for things that are no lock. */
  readonly uuidOf: (name: string) => string | undefined
}

export interface DataPlaneOptions {
  readonly client: IoTDataPlaneClient
  readonly things: ThingNames
  /** A named shadow; the classic one unless given. */
  readonly shadowName?: string | undefined
}

/** Longest that one call may take, its retries included, in milliseconds. */
const CALL_TIMEOUT = 5000
/** Of the time that is left: the one who set the limit hears the answer before it. */
const SHARE = 0.95
/** A shadow that is not there is made, unless others keep deleting it. */
const MAX_MAKINGS = 5

const THING_NAME = /^[a-zA-Z0-9:_-]{1,128}$/

/** As far as it matters here; whatever else a shadow holds stays as it is. */
const Document = Schema.fromJsonString(
  Schema.Struct({
    version: Schema.Int,
    state: Schema.optionalKey(
      Schema.Struct({
        desired: Schema.optionalKey(Schema.Record(Schema.String, Schema.Json)),
        reported: Schema.optionalKey(Schema.Record(Schema.String, Schema.Json))
      })
    )
  })
)
const decodeDocument = Schema.decodeUnknownEffect(Document)

export const dataPlane = ({ client, things, shadowName }: DataPlaneOptions): VersionedShadows => {
  const targetOf = (thing: string) => ({
    thingName: things.nameOf(thing),
    ...(shadowName !== undefined && { shadowName })
  })

  /** The payload of the answer; none when there was no answer in time. Fails with what the SDK throws. */
  const call = Effect.fnUntraced(function* (
    send: (options: { readonly abortSignal: AbortSignal }) => Promise<{ readonly payload?: Uint8Array | undefined }>,
    notAfter: number | undefined
  ) {
    const left = notAfter === undefined ? CALL_TIMEOUT : (notAfter - (yield* Clock.currentTimeMillis)) * SHARE
    return yield* Effect.tryPromise({
      // Aborted when the time is over, or when nobody waits any more: its socket closes.
      try: async (abortSignal) => Buffer.from((await send({ abortSignal })).payload ?? []).toString("utf8"),
      catch: (error) => error
    }).pipe(Effect.timeoutOption(Math.min(left, CALL_TIMEOUT)))
  })

  const unavailable = (thing: string, message: string) => new ShadowUnavailable({ thing, message })
  const noAnswer = (thing: string) => unavailable(thing, `AWS IoT did not answer in time for ${nameIn(thing)}.`)
  const nameIn = (thing: string) => `the thing ${things.nameOf(thing)}`

  const late = (notAfter: number | undefined) =>
    Effect.map(Clock.currentTimeMillis, (now) => notAfter !== undefined && now > notAfter)

  const refused = (reason: ShadowWriteRefused["reason"], message: string, inDoubt = false) =>
    new ShadowWriteRefused({ reason, message, inDoubt })

  const checkName = (thing: string) =>
    THING_NAME.test(things.nameOf(thing))
      ? Effect.void
      : Effect.fail(refused("nowhere", `${things.nameOf(thing)} is not a valid thing name: fix how things are named.`))

  /** `unanswered`: whether any try was sent and not refused, so that it may have been carried out. */
  const explained = (thing: string, error: unknown, unanswered: boolean) => {
    const status = refusalOf(error)
    const message = explain(things.nameOf(thing), status, error)
    // Never sent, as without credentials: as good as a no.
    return status !== undefined || !unanswered
      ? refused(REASONS[status ?? 0] ?? "other", message, unanswered)
      : unavailable(thing, message)
  }

  const update = Effect.fnUntraced(function* (thing: string, request: object, notAfter?: number) {
    yield* checkName(thing)
    if (yield* late(notAfter)) return yield* refused("late", "Too late")
    const payload = Buffer.from(JSON.stringify(request))
    const command = new UpdateThingShadowCommand({ ...targetOf(thing), payload })
    let unanswered = false
    // Inside the SDK's retries: sees every try.
    command.middlewareStack.add(
      (next) => async (args) => {
        try {
          return await next(args)
        } catch (error) {
          unanswered ||= refusalOf(error) === undefined
          throw error
        }
      },
      { step: "deserialize", priority: "high", name: "noteUnanswered" }
    )
    const answer = yield* call((options) => client.send(command, options), notAfter).pipe(
      Effect.mapError((error) => explained(thing, error, unanswered))
    )
    if (Option.isNone(answer)) return yield* noAnswer(thing)
  })

  const read = Effect.fnUntraced(function* (thing: string, notAfter?: number) {
    yield* checkName(thing)
    for (let making = 0; making <= MAX_MAKINGS; making++) {
      if (yield* late(notAfter)) return yield* refused("late", "Too late")
      const command = new GetThingShadowCommand(targetOf(thing))
      const answer = yield* Effect.result(call((options) => client.send(command, options), notAfter))
      if (Result.isSuccess(answer)) {
        if (Option.isNone(answer.success)) return yield* noAnswer(thing)
        const { version, state } = yield* decodeDocument(answer.success.value).pipe(
          Effect.mapError(() => unavailable(thing, `AWS IoT answered with no shadow for ${nameIn(thing)}.`))
        )
        return { version, ...state }
      }
      if (refusalOf(answer.failure) !== 404) return yield* explained(thing, answer.failure, true)
      // A shadow that was deleted goes on at a version that nobody tells: an empty one has a version to rest on.
      yield* update(thing, { state: {} }, notAfter)
    }
    return yield* unavailable(thing, `Others keep deleting the shadow of ${nameIn(thing)}.`)
  })

  const write = (thing: string, version: number, state: ShadowChange, notAfter?: number) =>
    update(thing, { state, version }, notAfter)

  return { read, write }
}

const REASONS: { readonly [status: number]: ShadowWriteRefused["reason"] } = {
  404: "nowhere",
  409: "conflict",
  413: "full"
}

/** A 4xx of AWS is a no: nothing was changed. Anything else may have been carried out. */
const refusalOf = (error: unknown): number | undefined => {
  const status = error instanceof IoTDataPlaneServiceException ? error.$metadata.httpStatusCode : undefined
  return status !== undefined && status >= 400 && status < 500 ? status : undefined
}

/** What an operator can do about it. */
const explain = (name: string, status: number | undefined, error: unknown): string => {
  const said = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
  switch (status) {
    case undefined:
      return `AWS IoT could not be reached for the thing ${name} (${said}). Check endpoint, region, credentials and network.`
    case 401:
    case 403:
      return `AWS IoT denies the shadow of the thing ${name} (${said}). Allow iot:GetThingShadow and iot:UpdateThingShadow.`
    case 404:
      return `AWS IoT knows no thing ${name} (${said}). Register it, or fix how things are named.`
    case 413:
      return `The shadow of the thing ${name} is full (${said}).`
    case 429:
      return `AWS IoT throttles requests for the thing ${name} (${said}). Ask less often, or for a higher quota.`
    default:
      return `AWS IoT refuses the request for the thing ${name} (${said}).`
  }
}
