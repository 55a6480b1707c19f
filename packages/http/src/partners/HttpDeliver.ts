/**
 * Posts to the URLs of strangers. A name is resolved once for each connection, refused unless all its addresses are public,
 * and connected to at exactly the addresses that were checked. Nothing is followed, and little is read.
 */
import { isIP, type LookupFunction, type Socket } from "node:net"
import { type Answered, Deliver, type Parcel, type PinKey, retryAfterOf } from "@latchkey/core"
import { Clock, Effect, Layer } from "effect"
import { Agent, buildConnector, type Dispatcher } from "undici"
import manifest from "../../package.json" with { type: "json" }
import { PinSecret } from "../auth/PinSecret.ts"
import { isLoopback } from "../server/isLoopback.ts"
import { LOOPBACK, mayReach, type Networks } from "./Addresses.ts"
import { addressesOf } from "./Names.ts"
import { signatures } from "./Signatures.ts"

/** Where events may be sent to. */
export interface WebhookOptions {
  /** Networks that are not public, and allowed. */
  readonly networks?: Networks
  /** Whether this machine is among them, without TLS too: for development. */
  readonly loopback?: boolean
  /** Other destinations than the web, such as `@latchkey/eventbridge`: each takes the addresses that are its own. */
  readonly destinations?: ReadonlyArray<Layer.Layer<Deliver, never, Deliver>>
  /** The addresses of a name; those of `/etc/hosts` and of the system's name servers unless given. */
  readonly resolve?: (name: string) => Promise<ReadonlyArray<string>>
}

/** Milliseconds. */
const DEADLINE = 15_000
/** How long a connection may take, the name's addresses included: less than the whole, so that it is said what was late. */
const CONNECTED = 10_000
/** How long one address of a name is tried before the next one is. */
const ATTEMPT = 2_000
const MOST_READ = 64 * 1024
const MOST_SHOWN = 1_000
const MOST_HEADERS = 16 * 1024
/** Bytes that a connection takes in for one answer, all told: what is read of it, and as much as comes in one go beside that. */
const MOST_RECEIVED = 256 * 1024
const KEEP_ALIVE = 10_000
const USER_AGENT = `Latchkey/${manifest.version}`

/** The address is none that events may be sent to. */
class AddressRefused extends Error {}

/** More was sent than any answer needs. */
class TooMuch extends Error {}

/** Sends to every destination that there is. */
export const deliverTo = (options: WebhookOptions): Layer.Layer<Deliver, never, PinSecret> => {
  const { destinations = [] } = options
  return destinations.reduce((below, destination) => Layer.provide(destination, below), httpDeliver(options))
}

/** @param options where events may be sent to; to public addresses alone unless it says otherwise */
export const httpDeliver = (options: WebhookOptions = {}): Layer.Layer<Deliver, never, PinSecret> =>
  Layer.effect(
    Deliver,
    Effect.gen(function* () {
      const { sign, secretOf } = signatures(yield* PinSecret)
      const agent = yield* Effect.acquireRelease(
        Effect.sync(() => agentOf(options)),
        (agent) => Effect.promise(() => agent.destroy().catch(() => {}))
      )

      const clock = yield* Clock.Clock
      const send = ({ webhook, id, body, at }: Parcel) =>
        Effect.callback<Answered>((resume) => {
          const begun = performance.now()
          const name = headerSafe(id)
          const seconds = String(Math.floor(at / 1_000))
          const reading = readAnswer(({ wait, ...rest }) => {
            const retryAfter = retryAfterOf(wait, clock.currentTimeMillisUnsafe())
            const durationMs = Math.round(performance.now() - begun)
            resume(Effect.succeed({ ...rest, durationMs, ...(retryAfter !== undefined && { retryAfter }) }))
          })
          agent.dispatch(
            {
              ...targetOf(webhook),
              method: "POST",
              headers: {
                "content-type": "application/json",
                "user-agent": USER_AGENT,
                "webhook-id": name,
                "webhook-timestamp": seconds,
                "webhook-signature": sign(webhook, `${name}.${seconds}.${body}`, at)
              },
              body
            },
            reading.handler
          )
          return Effect.sync(reading.giveUp)
        })

      return Deliver.of({ secretOf, flawOf: (url) => flawOf(url, options), send })
    })
  )

/**
 * The same for `createLatchkey`, which then has webhooks. Their secrets derive from the key for PINs.
 *
 * @example
 * const pinKey = pinKeyOf(process.env.PIN_KEY)
 * const latchkey = await createLatchkey({ store, shadow, pinKey, deliver: webhookDelivery(pinKey) })
 */
export const webhookDelivery = (pinKey: PinKey, options: WebhookOptions = {}): Layer.Layer<Deliver> =>
  Layer.provide(httpDeliver(options), Layer.succeed(PinSecret, pinKey))

/** What is wrong with a URL, as far as that can be told without asking anybody. */
export const flawOf = (text: string, { loopback = false, networks = [] }: WebhookOptions): string | undefined => {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined) return "is not a URL"
  const host = hostOf(url)
  const isOwn = loopback && isLoopback(host)
  if (url.protocol !== "https:" && !(url.protocol === "http:" && isOwn)) return "must begin with https://"
  if (url.username !== "" || url.password !== "") return "must not have a user or password"
  if (url.hash !== "") return "must not have a fragment"
  if (isIP(host) !== 0 && !mayReach(host, allowedBy({ loopback, networks }))) return "is not a public address"
  if (/(^|\.)localhost\.?$/i.test(host) && !isOwn) return "is not a public address"
  return undefined
}

const hostOf = ({ hostname }: URL): string => hostname.replace(/^\[(.*)\]$/, "$1")

const allowedBy = ({ loopback = false, networks = [] }: WebhookOptions): Networks =>
  loopback ? [...networks, ...LOOPBACK] : networks

interface Target {
  readonly origin: string
  readonly path: string
}

/** Worked out once for each webhook. */
const targetOf = (webhook: Pick<Parcel["webhook"], "url">): Target => {
  let target = targets.get(webhook)
  if (target === undefined) {
    const { origin, pathname, search } = new URL(webhook.url)
    target = { origin, path: pathname + search }
    targets.set(webhook, target)
  }
  return target
}
const targets = new WeakMap<object, Target>()

/** Connects to nothing but addresses that were checked, and are those that were checked. */
const agentOf = (options: WebhookOptions): Agent => {
  const allowed = allowedBy(options)
  const resolve = options.resolve ?? ((name: string) => addressesOf(name))
  const checked = (addresses: ReadonlyArray<string>): ReadonlyArray<string> => {
    if (addresses.length === 0 || !addresses.every((one) => mayReach(one, allowed)))
      throw new AddressRefused(NOT_PUBLIC)
    return addresses
  }
  /** Called once for each connection, which then tries the addresses in turn. */
  const lookup: LookupFunction = (name, _, callback) => {
    resolve(name)
      .then(checked)
      .then(
        (addresses) =>
          callback(
            null,
            addresses.map((address) => ({ address, family: isIP(address) }))
          ),
        (error: Error) => callback(error, [])
      )
  }
  const connectTo = buildConnector({
    timeout: CONNECTED,
    allowH2: false,
    autoSelectFamily: true,
    autoSelectFamilyAttemptTimeout: ATTEMPT,
    lookup
  })
  return new Agent({
    connect: (asked, callback) => {
      const hostname = asked.hostname.replace(/^\[(.*)\]$/, "$1")
      // An address in the URL is not looked up, so it is checked here.
      if (isIP(hostname) !== 0 && !mayReach(hostname, allowed)) return callback(new AddressRefused(NOT_PUBLIC), null)
      connectTo({ ...asked, hostname }, (...connected) => {
        if (connected[0] === null) limitAnswers(connected[1])
        callback(...connected)
      })
    },
    pipelining: 1,
    keepAliveTimeout: KEEP_ALIVE,
    keepAliveMaxTimeout: KEEP_ALIVE,
    maxHeaderSize: MOST_HEADERS,
    // The whole of an answer has one deadline: see `readAnswer`.
    headersTimeout: 0,
    bodyTimeout: 0
  })
}

/**
 * Ends a connection on which an answer is too long. Of hints before an answer, and of what may stand beside the bytes of a
 * chunk, there can be any amount, and nobody is told of it.
 */
const limitAnswers = (socket: Socket): void => {
  let [written, begun, received] = [0, 0, 0]
  socket.on("readable", () => {
    // Another request has left: what comes now is its answer.
    if (socket.bytesWritten !== written) {
      written = socket.bytesWritten
      begun = received
    }
    received = socket.bytesRead
    if (received - begun > MOST_RECEIVED) socket.destroy(new TooMuch("The receiver sent more than any answer needs"))
  })
}

/** What was read of an answer, or why there is none. */
type Read = Omit<Answered, "durationMs" | "retryAfter"> & { readonly wait?: string | undefined }

/**
 * Reads the first characters of an answer, once, and by the deadline. What goes on for longer is cut off, and its connection
 * with it.
 */
const readAnswer = (done: (read: Read) => void) => {
  let controller: Dispatcher.DispatchController | undefined
  let answer: Pick<Read, "status" | "wait"> | undefined
  const chunks: Array<Buffer> = []
  let size = 0
  let isOver = false
  const end = (read: Read): void => {
    if (isOver) return
    isOver = true
    clearTimeout(deadline)
    done(read)
  }
  const cut = (read: Read): void => {
    end(read)
    controller?.abort(new Error("Not read to its end"))
  }
  const whole = (): Read => {
    if (size === 0) return { ...answer, response: "" }
    const text = Buffer.concat(chunks).toString("utf8").slice(0, MOST_SHOWN)
    return { ...answer, response: text.toWellFormed().replaceAll("\0", "\ufffd") }
  }
  const late = { error: `No answer within ${DEADLINE / 1_000} seconds`, response: "" }
  const deadline = setTimeout(() => cut(late), DEADLINE)
  const handler: Dispatcher.DispatchHandler = {
    onRequestStart: (given) => {
      controller = given
      if (isOver) given.abort(new Error("Nobody waits for it"))
    },
    onResponseStart: (_, status, headers) => {
      // What comes before an answer is none.
      if (status < 200) return
      const wait = headers["retry-after"]
      answer = { status, ...(wait !== undefined && { wait: String(wait) }) }
    },
    onResponseData: (_, chunk) => {
      chunks.push(chunk)
      size += chunk.length
      if (size > MOST_READ) cut(whole())
    },
    onResponseEnd: () => end(whole()),
    onResponseError: (_, error) => end({ error: reasonOf(error), response: "" })
  }
  return { handler, giveUp: () => cut(late) }
}

/** What may stand in a header; ids that programs have chosen may be anything. */
const headerSafe = (id: string): string => (/^[\x21-\x7e]+$/.test(id) ? id : encodeURIComponent(id))

const reasonOf = (error: unknown): string => {
  if (error instanceof AddressRefused || error instanceof TooMuch) return error.message
  const { code, message } = error as { readonly code?: string; readonly message?: string }
  return WORDS[code ?? ""] ?? `The connection failed (${code ?? message ?? "unknown"})`
}

/** In the same words: strangers learn no names of a private network by asking which exist. */
const NOT_PUBLIC = "The name does not exist, or does not lead to public addresses alone"

const WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "The connection was refused",
  ECONNRESET: "The connection was reset",
  ENOTFOUND: NOT_PUBLIC,
  EAI_AGAIN: "The name cannot be resolved now",
  UND_ERR_CONNECT_TIMEOUT: "No connection in time",
  UND_ERR_SOCKET: "The connection broke off"
}
