/** One event put, and what each answer of AWS means; by a server that answers as AWS does, in the protocol of its SDK. */
import { createServer, type IncomingMessage, type Server } from "node:http"
import type { AddressInfo } from "node:net"
import { type Answered, Deliver, type Parcel } from "@latchkey/core"
import { EventBridge } from "@latchkey/eventbridge"
import { Effect, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import { afterAll, afterEach, beforeAll, expect, it } from "vitest"

const ARN = "arn:aws:events:eu-west-1:123456789012:event-bus/locks"
const OTHER = "arn:aws:events:eu-west-1:123456789012:event-bus/others"
const SECRET = "the-secret-of-the-server"
const ROLE = "arn:aws:sts::123456789012:assumed-role/inside/i-1"

type Answer = readonly [status: number, body: object, type?: string]
const taken: Answer = [200, { FailedEntryCount: 0, Entries: [{ EventId: "0198" }] }]

let server: Server
let answer: Answer | undefined = taken
let received: Array<{ readonly headers: IncomingMessage["headers"]; readonly entries: ReadonlyArray<Entry> }> = []
interface Entry {
  readonly Detail: string
  readonly [field: string]: unknown
}

beforeAll(async () => {
  server = createServer((request, response) => {
    const chunks: Array<Buffer> = []
    request.on("data", (chunk: Buffer) => chunks.push(chunk))
    request.on("end", () => {
      received.push({ headers: request.headers, entries: JSON.parse(Buffer.concat(chunks).toString()).Entries })
      if (answer === undefined) return
      const [status, body, type] = answer
      response.writeHead(status, {
        "content-type": "application/x-amz-json-1.1",
        ...(type && { "x-amzn-errortype": type })
      })
      response.end(JSON.stringify(body))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
})
afterEach(() => {
  received = []
  answer = taken
})
afterAll(() => {
  server.closeAllConnections()
  server.close()
})

const envelope = {
  id: "event-1",
  source: "spk.api",
  "detail-type": "OwnerSet",
  time: "2026-08-31T09:00:00.000Z",
  region: "local",
  account: "000000000000",
  version: "0",
  resources: [],
  detail: {
    partnerId: "acme",
    aggregateType: "lock",
    aggregateId: "u",
    version: 3,
    timestamp: 1,
    cursor: "1.a",
    data: { type: "OwnerSet", lockId: 7 }
  }
}
const parcel = (url = ARN, orgId = "acme"): Parcel => ({
  webhook: { id: "1", orgId, url, signature: "hmac", secrets: [] },
  id: "event-1",
  body: JSON.stringify(envelope),
  at: 1_788_166_800_000
})

const below = Layer.succeed(Deliver, {
  send: ({ webhook }) => Effect.succeed({ status: 299, response: webhook.url, durationMs: 0 }),
  flawOf: (url) => (url.startsWith("https://") ? undefined : "must be https"),
  secretOf: () => "below"
})
const port = () => (server.address() as AddressInfo).port
const run = <A>(effect: Effect.Effect<A, never, Deliver>, client: object = {}): Promise<A> => {
  const toBuses = EventBridge.layer({
    buses: [
      { orgId: "acme", arn: ARN },
      { orgId: "*", arn: OTHER }
    ],
    client: {
      endpoint: `http://127.0.0.1:${port()}`,
      credentials: { accessKeyId: "AKIDEXAMPLE", secretAccessKey: SECRET },
      ...client
    }
  })
  return Effect.runPromise(Effect.scoped(Effect.provide(effect, Layer.provide(toBuses, below))))
}
const sendTo = (one: Parcel) => Effect.flatMap(Deliver, ({ send }) => send(one))
const send = (one = parcel(), client?: object): Promise<Answered> => run(sendTo(one), client)

it("puts the event as one entry, which says by which id to deduplicate", async () => {
  expect(await send()).toMatchObject({ status: 200, response: "EventId 0198" })
  const [{ headers, entries } = expect.fail("nothing came")] = received
  expect(headers["x-amz-target"]).toBe("AWSEvents.PutEvents")
  expect(headers.authorization).toContain("/eu-west-1/events/aws4_request")
  expect(entries).toHaveLength(1)
  const [{ Detail, ...entry } = expect.fail("no entry")] = entries
  expect(entry).toEqual({
    EventBusName: ARN,
    Source: "spk.api",
    DetailType: "OwnerSet",
    Time: 1_788_166_800,
    Resources: []
  })
  expect(JSON.parse(Detail)).toEqual({ ...envelope.detail, eventId: "event-1" })
})

it("puts the challenge too: what takes it may be sent to", async () => {
  const body = JSON.stringify({ type: "WebhookVerification", challenge: "c" })
  expect(await send({ ...parcel(), body })).toMatchObject({ status: 200 })
  expect(received[0]?.entries).toMatchObject([
    {
      Source: "spk.api",
      DetailType: "WebhookVerification",
      Detail: '{"type":"WebhookVerification","challenge":"c","eventId":"event-1"}'
    }
  ])
})

const entry = (ErrorCode: string, ErrorMessage = "what AWS says"): Answer => [
  200,
  { FailedEntryCount: 1, Entries: [{ ErrorCode, ErrorMessage }] }
]

it.each(["InvalidArgument", "MalformedDetail"])(
  "an entry that is %s is about the event: refused, in AWS's words",
  async (code) => {
    answer = entry(code)
    expect(await send()).toMatchObject({ status: 400, response: `${code}: what AWS says` })
  }
)

it("so is one that is too large", async () => {
  const message = "Total size of the entries in the request is over the limit."
  answer = [400, { __type: "ValidationException", message }, "ValidationException"]
  expect(await send()).toMatchObject({ status: 400, response: `ValidationException: ${message}` })
})

it.each([
  ["ThrottlingException", "EventBridge asks to be sent less (ThrottlingException)"],
  ["InternalFailure", "EventBridge did not take the event (InternalFailure)"],
  [
    "AccessDeniedException",
    "The server may not put events on this bus: its AWS role needs events:PutEvents (AccessDeniedException)"
  ],
  ["UnheardOf", "EventBridge did not take the event (UnheardOf)"]
])("%s is about no event, as an entry and as an answer: it failed, and is tried again", async (code, error) => {
  const message = `User: ${ROLE} is not authorized`
  for (const one of [entry(code, message), [400, { __type: code, message }, code] as const]) {
    answer = one
    const answered = await send()
    expect(answered).toMatchObject({ error, response: "" })
    expect(answered.status).toBeUndefined()
  }
  // The SDK tries nothing again by itself.
  expect(received).toHaveLength(2)
})

it("what is wrong with credentials is said plainly, and shows none", async () => {
  const error = "The server has no AWS credentials that are accepted"
  for (const code of ["UnrecognizedClientException", "ExpiredTokenException", "InvalidSignatureException"]) {
    answer = [400, { __type: code, message: `The token ${SECRET} of ${ROLE}` }, code]
    expect(await send()).toMatchObject({ error: `${error} (${code})`, response: "" })
  }
  const none = Object.assign(new Error(`Could not load ${SECRET}`), { name: "CredentialsProviderError" })
  expect(await send(parcel(), { credentials: () => Promise.reject(none) })).toMatchObject({
    error: `${error} (CredentialsProviderError)`,
    response: ""
  })
})

it("an AWS that is away, or answers nothing, is tried again", async () => {
  expect(await send(parcel(), { endpoint: "http://127.0.0.1:1" })).toMatchObject({
    error: "EventBridge cannot be reached (ECONNREFUSED)"
  })
  answer = undefined
  const answered = await run(
    Effect.gen(function* () {
      const sending = yield* Effect.forkChild(sendTo(parcel()))
      yield* Effect.promise(() => expect.poll(() => received.length).toBe(1))
      yield* TestClock.adjust("15 seconds")
      return yield* Fiber.join(sending)
    }).pipe(Effect.provide(TestClock.layer()))
  )
  expect(answered).toMatchObject({ error: "No answer within 15 seconds" })
})

it("an answer without an entry delivers nothing", async () => {
  answer = [200, { FailedEntryCount: 0, Entries: [] }]
  expect((await send()).status).toBeUndefined()
})

it("only buses that the operator names are put on, each by the organization it is for", async () => {
  const flaws = await run(
    Effect.map(Deliver, ({ flawOf }) => [
      flawOf(ARN, "acme"),
      flawOf(OTHER, "*"),
      flawOf(ARN, "*"),
      flawOf(ARN, "others"),
      flawOf(OTHER, "acme"),
      flawOf("arn:aws:s3:::bucket", "acme")
    ])
  )
  expect(flaws).toEqual([
    undefined,
    undefined,
    ...Array.from({ length: 4 }, () => expect.stringContaining("is not an event bus that"))
  ])
  expect(await send(parcel(OTHER))).toMatchObject({ error: expect.stringContaining("does not allow") })
  expect(received).toEqual([])
  for (const arn of ["locks", "arn:aws:s3:::bucket", "arn:aws:events:eu-west-1:1:event-bus/locks"])
    expect(() => EventBridge.layer({ buses: [{ orgId: "*", arn }] })).toThrow("is not the ARN of an event bus")
})

it("every other address is somebody else's", async () => {
  expect(await send(parcel("https://partner.example/"))).toMatchObject({
    status: 299,
    response: "https://partner.example/"
  })
  const others = await run(
    Effect.map(Deliver, ({ flawOf, secretOf }) => [
      flawOf("https://partner.example/", "acme"),
      flawOf("ftp://x/", "acme"),
      secretOf({ id: "1", signature: "hmac" }, 1)
    ])
  )
  expect(others).toEqual([undefined, "must be https", "below"])
})
