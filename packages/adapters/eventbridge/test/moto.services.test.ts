/** The whole way to an event bus, as moto has it: what happens to a lock arrives in the queue that a rule of the bus feeds. */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync } from "node:fs"
import { createServer } from "node:net"
import { setTimeout as sleep } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import {
  CreateEventBusCommand,
  EventBridgeClient,
  PutRuleCommand,
  PutTargetsCommand
} from "@aws-sdk/client-eventbridge"
import { CreateQueueCommand, DeleteMessageCommand, ReceiveMessageCommand, SQSClient } from "@aws-sdk/client-sqs"
import { Deliver, Dispatcher, type Envelope, Latchkey, Locks, PartnerFeed, Webhooks } from "@latchkey/core"
import { MemoryDeviceShadow, MemoryEventStore, MemoryPresence, MemoryReadModel } from "@latchkey/core/memory"
import { EventBridge } from "@latchkey/eventbridge"
import { Context, Effect, Layer } from "effect"
import { afterAll, beforeAll, expect, it } from "vitest"

/** Where `scripts/install-services` puts it. */
const INSTALLED = fileURLToPath(new URL("../../../../.services/bin/moto_server", import.meta.url))
const COMMAND = process.env["MOTO_SERVER"] ?? (existsSync(INSTALLED) ? INSTALLED : "moto_server")
const ACCOUNT = "123456789012"
const BUS = `arn:aws:events:eu-west-1:${ACCOUNT}:event-bus/locks`

let moto: ChildProcess
let client: {
  readonly endpoint: string
  readonly region: string
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string }
}

beforeAll(async () => {
  const port = await freePort()
  const credentials = { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "secret" }
  client = { endpoint: `http://127.0.0.1:${port}`, region: "eu-west-1", credentials }
  moto = spawn(COMMAND, ["-H", "127.0.0.1", "-p", String(port)], { stdio: "ignore" })
  const failed = once(moto, "error").then(() => {
    throw new Error(`These tests need moto: run scripts/install-services (${COMMAND} is not there).`)
  })
  await Promise.race([failed, listening()])
})
afterAll(async () => {
  if (moto?.pid === undefined) return
  moto.kill()
  if (moto.exitCode === null && moto.signalCode === null) await once(moto, "exit")
})

/** A queue with everything that is put on the bus. */
const queueOf = async () => {
  const buses = new EventBridgeClient(client)
  const sqs = new SQSClient(client)
  await buses.send(new CreateEventBusCommand({ Name: "locks" }))
  const { QueueUrl = "" } = await sqs.send(new CreateQueueCommand({ QueueName: "locks" }))
  const EventPattern = JSON.stringify({ source: ["spk.api"] })
  await buses.send(new PutRuleCommand({ Name: "all", EventBusName: "locks", EventPattern }))
  const Arn = `arn:aws:sqs:eu-west-1:${ACCOUNT}:locks`
  await buses.send(new PutTargetsCommand({ Rule: "all", EventBusName: "locks", Targets: [{ Id: "queue", Arn }] }))
  const arrived: Array<Arrived> = []
  const receive = async () => {
    const { Messages = [] } = await sqs.send(new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10 }))
    for (const { Body = "", ReceiptHandle } of Messages) {
      arrived.push(JSON.parse(Body))
      await sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }))
    }
    return arrived
  }
  return { receive, end: () => [buses, sqs].forEach((one) => one.destroy()) }
}
type Arrived = Omit<Envelope, "detail"> & { readonly detail: Envelope["detail"] & { readonly eventId: string } }

const nowhere = Layer.succeed(Deliver, {
  send: () => Effect.succeed({ error: "nowhere", response: "", durationMs: 0 }),
  flawOf: () => "leads nowhere",
  secretOf: () => ""
})
const memory = Layer.mergeAll(
  MemoryEventStore.layer,
  MemoryReadModel.layer,
  MemoryPresence.layer,
  MemoryDeviceShadow.layer
)

it("a lock's events arrive on the bus, as they are pulled, and say by which id to deduplicate", async () => {
  const queue = await queueOf()
  const toBuses = EventBridge.layer({ buses: [{ orgId: "*", arn: BUS }], client })
  const latchkey = Dispatcher.layer.pipe(
    Layer.provideMerge(Webhooks.layer),
    Layer.provide(Layer.provide(toBuses, nowhere)),
    Layer.provideMerge(Layer.provideMerge(Latchkey.workers, Latchkey.layer())),
    Layer.provide(memory)
  )
  await Effect.gen(function* () {
    const services = yield* Layer.build(latchkey)
    const webhooks = Context.get(services, Webhooks)
    const by = (commandId: string) => ({ commandId, at: 1_788_166_800_000, principal: { _tag: "Super" } as const })
    const { shown } = yield* webhooks.create("*", { url: BUS }, by("webhook"))
    const { execute } = Context.get(services, Locks)
    yield* execute({
      _tag: "CreateLock",
      index: 1,
      uuid: "0b0e8400-e29b-41d4-a716-446655440000",
      lockId: 7,
      ...by("1")
    })
    for (const userId of ["ada", "ben", "cem"]) yield* execute({ _tag: "SetOwner", userId, lockId: 7, ...by(userId) })
    yield* Effect.promise(() => expect.poll(queue.receive, { timeout: 60_000 }).toHaveLength(5))
    const [challenge, ...events] = yield* Effect.promise(queue.receive)
    expect(challenge).toMatchObject({ "detail-type": "WebhookVerification" })
    const { told } = yield* Context.get(services, PartnerFeed).page("*", 0, 100)
    expect(events.map(({ "detail-type": type, source, detail }) => [source, type, detail.eventId])).toEqual(
      told.map(({ id, data }) => ["spk.api", data.type, id])
    )
    expect(events.map(({ detail }) => [detail.version, detail.data])).toEqual(
      told.map(({ version, data }) => [version, data])
    )
    expect(yield* webhooks.get("*", shown.webhook.id)).toMatchObject({ webhook: { status: "active" }, lag: 0 })
    // It is the operator's: no organization names it.
    const refused = yield* webhooks.create("acme", { url: BUS }, by("another")).pipe(Effect.flip)
    expect(refused).toMatchObject({ _tag: "UrlRefused" })
  }).pipe(Effect.scoped, Effect.runPromise)
  queue.end()
})

const listening = async () => {
  for (const deadline = Date.now() + 60_000; Date.now() < deadline; await sleep(50)) {
    const answers = await fetch(`${client.endpoint}/moto-api/`).then(
      () => true,
      () => false
    )
    if (answers) return
  }
  throw new Error(`moto does not answer on ${client.endpoint}`)
}

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, "127.0.0.1")
  await once(server, "listening")
  const address = server.address()
  server.close()
  await once(server, "close")
  if (address === null || typeof address === "string") throw new Error("The probe for a free port has no port")
  return address.port
}
