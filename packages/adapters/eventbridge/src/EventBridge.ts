/**
 * Amazon EventBridge as a place that events are sent to: a webhook whose `url` is the ARN of an event bus. Cursor, order,
 * retries, replays and what is given up are those of every webhook; here is only how one event is put, and what the answer
 * means. Whatever is no event bus goes on to the `Deliver` below.
 */
import { EventBridgeClient, type EventBridgeClientConfig, PutEventsCommand } from "@aws-sdk/client-eventbridge"
import { type Answered, Deliver, type Envelope, type Parcel } from "@latchkey/core"
import { Duration, Effect, Layer } from "effect"

/** An event bus, and whose events may be put on it. */
export interface Bus {
  /** An organization's id; `*` is the operator, who is told of all. */
  readonly orgId: string
  readonly arn: string
}

/** Where events may be put. The server's own credentials put them, so nobody else's word names a bus. */
export interface EventBridgeOptions {
  readonly buses: ReadonlyArray<Bus>
  /** Beside, or instead of, what the environment configures. The region is that of the bus. */
  readonly client?: EventBridgeClientConfig
}

const DEADLINE = Duration.seconds(15)
const MOST_SHOWN = 1_000
const ARN = /^arn:aws[a-z-]*:events:([a-z0-9-]+):\d{12}:event-bus\/[\w./-]{1,256}$/

/**
 * Puts events on event buses, over a `Deliver` for all other addresses.
 *
 * @example
 * ```ts
 * const arn = "arn:aws:events:eu-west-1:123456789012:event-bus/locks"
 * const toBuses = EventBridge.layer({ buses: [{ orgId: "*", arn }] })
 * const { fetch } = await createFetch(latchkey, { publicUrl, webhooks: { destinations: [toBuses] } })
 * ```
 *
 * Throws a `TypeError` for what is not the ARN of an event bus.
 */
export const layer = ({ buses, client = {} }: EventBridgeOptions): Layer.Layer<Deliver, never, Deliver> => {
  const wrong = buses.find(({ arn }) => !ARN.test(arn))
  if (wrong !== undefined) throw new TypeError(`${wrong.arn} is not the ARN of an event bus.`)
  const isAllowed = (url: string, orgId: string) => buses.some((bus) => bus.arn === url && bus.orgId === orgId)

  return Layer.effect(
    Deliver,
    Effect.gen(function* () {
      const others = yield* Deliver
      const clients = yield* Effect.acquireRelease(
        Effect.sync(() => new Map<string, EventBridgeClient>()),
        (clients) => Effect.sync(() => clients.forEach((client) => client.destroy()))
      )
      const clientIn = (region: string): EventBridgeClient => {
        const known = clients.get(region)
        if (known !== undefined) return known
        // What failed is tried again as everything that was not delivered is, and not by the SDK.
        const made = new EventBridgeClient({ ...client, region, maxAttempts: 1 })
        clients.set(region, made)
        return made
      }

      const put = (parcel: Parcel, region: string) =>
        Effect.promise(async (abortSignal): Promise<Outcome> => {
          try {
            const command = new PutEventsCommand({ Entries: [entryOf(parcel)] })
            const { Entries: [entry] = [] } = await clientIn(region).send(command, { abortSignal })
            if (entry?.EventId !== undefined) return { status: 200, response: `EventId ${entry.EventId}` }
            return refused(entry?.ErrorCode ?? "no answer", entry?.ErrorMessage)
          } catch (error) {
            return failed(error)
          }
        })

      return Deliver.of({
        secretOf: others.secretOf,
        flawOf: (url, orgId) => {
          if (!isBus(url)) return others.flawOf(url, orgId)
          return isAllowed(url, orgId) ? undefined : "is not an event bus that this server may put your events on"
        },
        send: Effect.fnUntraced(function* (parcel) {
          const { url, orgId } = parcel.webhook
          if (!isBus(url)) return yield* others.send(parcel)
          if (!isAllowed(url, orgId)) return { error: NOT_ALLOWED, response: "", durationMs: 0 }
          const begun = performance.now()
          const answered = yield* Effect.timeoutOrElse(put(parcel, regionOf(url)), {
            duration: DEADLINE,
            orElse: () =>
              Effect.succeed({ error: `No answer within ${Duration.toSeconds(DEADLINE)} seconds`, response: "" })
          })
          return { ...answered, durationMs: Math.round(performance.now() - begun) }
        })
      })
    })
  )
}

type Outcome = Omit<Answered, "durationMs">

const NOT_ALLOWED = "The operator does not allow this event bus for the organization any more"

const isBus = (url: string): boolean => url.startsWith("arn:")

const regionOf = (arn: string): string => ARN.exec(arn)?.[1] ?? ""

/** EventBridge gives each event an id of its own, in each attempt: that by which receivers deduplicate is in `detail`. */
const entryOf = ({ webhook, id, body, at }: Parcel) => {
  const {
    source,
    "detail-type": type,
    time,
    resources,
    detail,
    ...others
  }: Partial<Envelope> & Challenge = JSON.parse(body)
  return {
    EventBusName: webhook.url,
    Source: source ?? "spk.api",
    DetailType: type ?? others.type,
    Time: new Date(time ?? at),
    Resources: [...(resources ?? [])],
    Detail: JSON.stringify({ ...(detail ?? others), eventId: id })
  }
}

/** What is sent before a webhook is used. */
interface Challenge {
  readonly type?: string
  readonly challenge?: string
}

/** What AWS says of one event: that another attempt at it is refused too, and the next may be taken. */
const ABOUT_THE_EVENT = new Set([
  "InvalidArgument",
  "MalformedDetail",
  "RedactionFailure",
  "RequestEntityTooLargeException",
  "ValidationError",
  "ValidationException"
])

const CREDENTIALS = new Set([
  "CredentialsProviderError",
  "ExpiredToken",
  "ExpiredTokenException",
  "IncompleteSignature",
  "InvalidClientTokenId",
  "InvalidSignatureException",
  "MissingAuthenticationToken",
  "MissingAuthenticationTokenException",
  "SignatureDoesNotMatch",
  "UnrecognizedClientException"
])

/** What AWS answered by a name. Its own words are shown only where they are about the event: others name the operator's role. */
const refused = (code: string, message = ""): Outcome => {
  if (ABOUT_THE_EVENT.has(code)) return { status: 400, response: `${code}: ${message}`.slice(0, MOST_SHOWN) }
  return { error: `${reasonOf(code)} (${code})`, response: "" }
}

const reasonOf = (code: string): string => {
  if (CREDENTIALS.has(code)) return "The server has no AWS credentials that are accepted"
  if (code.startsWith("AccessDenied") || code.startsWith("NotAuthorized"))
    return "The server may not put events on this bus: its AWS role needs events:PutEvents"
  if (code.startsWith("ResourceNotFound")) return "There is no such event bus"
  if (code.startsWith("Throttl") || code.startsWith("TooManyRequests")) return "EventBridge asks to be sent less"
  return "EventBridge did not take the event"
}

const failed = (error: unknown): Outcome => {
  const { name, message, code } = error as { readonly name?: string; readonly message?: string; readonly code?: string }
  // As Node calls what goes wrong on the way.
  if (code !== undefined && /^E[A-Z_]+$/.test(code))
    return { error: `EventBridge cannot be reached (${code})`, response: "" }
  return refused(name ?? "unknown", message)
}
