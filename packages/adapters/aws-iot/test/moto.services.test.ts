/**
 * moto is another implementation of the same APIs, part of which its authors check against AWS. It is put the cases that
 * the local service answers; where it answers otherwise, the case says what, and why. And the adapter works with it.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync } from "node:fs"
import { createServer } from "node:net"
import { setTimeout as sleep } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import { IoTDataPlaneClient } from "@aws-sdk/client-iot-data-plane"
import { CreateQueueCommand, GetQueueAttributesCommand, SendMessageCommand, SQSClient } from "@aws-sdk/client-sqs"
import { AwsIot } from "@latchkey/aws-iot"
import { type DeviceCommand, DeviceShadow } from "@latchkey/core"
import { Effect, Stream } from "effect"
import { afterAll, beforeAll, expect, it } from "vitest"
import { clientOf } from "./aws.ts"
import { answerTo, REST_CASES } from "./restCases.ts"

/** Where `scripts/install-services` puts it. */
const INSTALLED = fileURLToPath(new URL("../../../../.services/bin/moto_server", import.meta.url))
const COMMAND = process.env["MOTO_SERVER"] ?? (existsSync(INSTALLED) ? INSTALLED : "moto_server")
const LATER = 253_402_300_799_999

let moto: ChildProcess
let endpoint: string
let client: IoTDataPlaneClient

beforeAll(async () => {
  const port = await freePort()
  endpoint = `http://127.0.0.1:${port}`
  moto = spawn(COMMAND, ["-H", "127.0.0.1", "-p", String(port)], { stdio: "ignore" })
  const failed = once(moto, "error").then(() => {
    throw new Error(
      `These tests need moto: run scripts/install-services, or name its moto_server by MOTO_SERVER (${COMMAND} is not there).`
    )
  })
  await Promise.race([failed, listening()])
  client = new IoTDataPlaneClient(clientOf(endpoint))
})

afterAll(async () => {
  client?.destroy()
  if (moto?.pid === undefined) return
  moto.kill()
  if (moto.exitCode === null && moto.signalCode === null) await once(moto, "exit")
})

it.each(REST_CASES)("moto, too, sees that $title", async ({ title, steps, moto: otherwise }) => {
  const thing = title.replace(/\W+/g, "-").slice(0, 100)
  await register(thing)
  for (const [number, [step, answer]] of steps.entries()) {
    const expected = otherwise?.answers[number] ?? answer
    expect([number, step, await answerTo(client, thing, step)], otherwise?.why).toEqual([number, step, expected])
  }
})

const addKey = (commandId: string): DeviceCommand => ({
  _tag: "AddKey",
  commandId,
  seq: 1,
  issuedAt: 0,
  keyUuid: "key"
})

it("the adapter sends, finds and settles commands on moto, some at once", async () => {
  await register("adapter")
  const ids = ["one", "two", "three"]
  await Effect.gen(function* () {
    const device = yield* DeviceShadow
    expect(yield* device.find("adapter", "one", 1)).toBe(false)
    yield* Effect.forEach(ids, (id) => device.send("adapter", addKey(id), LATER), { concurrency: "unbounded" })
    for (const id of ids) expect(yield* device.find("adapter", id, 1)).toBe(true)
    for (const id of ids) yield* device.settle("adapter", id)
    for (const id of ids) expect(yield* device.find("adapter", id, 1)).toBe(false)
    expect(yield* Effect.flip(device.send("stranger", addKey("one"), LATER))).toMatchObject({
      _tag: "ShadowRejected",
      message: expect.stringContaining("knows no thing stranger")
    })
  }).pipe(Effect.provide(AwsIot.layer({ dataPlane: clientOf(endpoint) })), Effect.runPromise)
})

it("the adapter hears of devices through moto's SQS, and leaves nothing in the queue", async () => {
  await register("reporter")
  const sqs = new SQSClient(clientOf(endpoint))
  const attributes = { VisibilityTimeout: "1" }
  const { QueueUrl = "" } = await sqs.send(new CreateQueueCommand({ QueueName: "reports", Attributes: attributes }))
  const bodies = [
    { clientId: "reporter", timestamp: 5, eventType: "connected" },
    { thingName: "reporter", reported: { commands: { one: { outcome: "done", at: 6 } } }, at: 7 }
  ]
  for (const body of bodies) await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: JSON.stringify(body) }))
  await Effect.gen(function* () {
    const device = yield* DeviceShadow
    const heard: Array<unknown> = []
    yield* device.reports.pipe(
      Stream.runForEach((report) => {
        heard.push(report)
        return report._tag === "CommandOutcome" ? device.settle(report.thing, report.commandId) : Effect.void
      }),
      Effect.forkScoped
    )
    const left = async () => {
      const names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"] as const
      const { Attributes = {} } = await sqs.send(
        new GetQueueAttributesCommand({ QueueUrl, AttributeNames: [...names] })
      )
      return names.map((name) => Attributes[name])
    }
    yield* Effect.promise(() => expect.poll(left, { timeout: 60_000 }).toEqual(["0", "0"]))
    expect(heard).toEqual(
      expect.arrayContaining([
        { _tag: "Presence", thing: "reporter", online: true, at: 5 },
        { _tag: "CommandOutcome", thing: "reporter", commandId: "one", outcome: "done", at: 6 }
      ])
    )
  }).pipe(
    Effect.scoped,
    Effect.provide(AwsIot.layer({ dataPlane: clientOf(endpoint), sqs: clientOf(endpoint), reportsQueue: QueueUrl })),
    Effect.runPromise
  )
  sqs.destroy()
})

/** Unlike AWS, moto has shadows of registered things alone. */
const register = async (thing: string) => {
  const authorization = `AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260102/eu-west-1/iot/aws4_request, SignedHeaders=host, Signature=0`
  const { ok } = await fetch(`${endpoint}/things/${thing}`, { method: "POST", headers: { authorization }, body: "{}" })
  expect(ok).toBe(true)
}

const listening = async () => {
  for (const deadline = Date.now() + 60_000; Date.now() < deadline; await sleep(50)) {
    const answers = await fetch(`${endpoint}/moto-api/`).then(
      () => true,
      () => false
    )
    if (answers) return
  }
  throw new Error(`moto does not answer on ${endpoint}`)
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
