/** `LATCHKEY_SHADOW=aws`: one server's devices are the shadows that another one serves, through the AWS SDK. And events on EventBridge. */
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { text } from "node:stream/consumers"
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest"
import { type Credentials, organization, superKey } from "./harness/callers.ts"
import { createLock, historyOf } from "./harness/locks.ts"
import {
  configured,
  type Environment,
  runToEnd,
  type Server,
  shadowsOf,
  startServer,
  temporaryFolder
} from "./harness/process.ts"
import { callsOf } from "./harness/request.ts"

const AWS = {
  LATCHKEY_SHADOW: "aws",
  AWS_REGION: "eu-west-1",
  AWS_ACCESS_KEY_ID: "AKID",
  AWS_SECRET_ACCESS_KEY: "secret-of-32-bytes-or-more-in-aws",
  AWS_MAX_ATTEMPTS: "1"
}

const QUEUE = "http://127.0.0.1:9/queue"

describe("a server with its devices in AWS IoT", () => {
  it("sends commands to named shadows of prefixed things, signed, and answers 502 once AWS is gone", async () => {
    using folder = temporaryFolder()
    using otherFolder = temporaryFolder()
    const keys = { LATCHKEY_SHADOW_KEYS: `AKID:${AWS.AWS_SECRET_ACCESS_KEY}`, LATCHKEY_SHADOW_PORT: "0" }
    await using aws = await startServer({ ...configured(otherFolder.path), ...keys })
    const names = { LATCHKEY_AWS_THING_PREFIX: "latchkey-", LATCHKEY_AWS_SHADOW_NAME: "lock" }
    await using server = await startServer({
      ...configured(folder.path),
      ...AWS,
      ...names,
      AWS_ENDPOINT_URL_IOT_DATA_PLANE: shadowsOf(aws)
    })
    expect(server.output()).toMatch(/LATCHKEY_AWS_REPORTS_QUEUE/)
    const lock = await createLock(server.url)
    expect((await lock.post("AddKey", { keyUuid: "one" })).status).toBe(200)
    expect((await lock.post("OpenLock")).status).toBe(200)
    const told = (await historyOf(lock)).map(({ type }) => type)
    expect(told).toEqual(["LockCreated", "KeyAdded", "LockOpenRequested"])
    await aws.kill()
    const refused = await lock.post("OpenLock")
    expect([refused.status, refused.body.error]).toEqual([502, "Failed to update device shadow"])
    expect(refused.text).not.toMatch(/ECONNREFUSED|AWS/)
    expect((await historyOf(lock)).map(({ type }) => type)).toEqual(told)
    expect(server.output()).toMatch(/could not be reached.*ECONNREFUSED/)
  })

  it("starts only where AWS can be used", async () => {
    using folder = temporaryFolder()
    const bad: ReadonlyArray<readonly [variable: string, environment: Environment]> = [
      ["AWS_REGION", { AWS_REGION: "" }],
      ["LATCHKEY_AWS_SHADOW_NAME", { LATCHKEY_AWS_SHADOW_NAME: "no name" }],
      ["LATCHKEY_AWS_THING_PREFIX", { LATCHKEY_AWS_THING_PREFIX: "a/b" }],
      ["LATCHKEY_AWS_REPORTS_QUEUE", { LATCHKEY_AWS_REPORTS_QUEUE: "reports" }],
      ["LATCHKEY_AWS_UPDATES_QUEUE", { LATCHKEY_AWS_REPORTS_QUEUE: QUEUE, LATCHKEY_AWS_UPDATES_QUEUE: QUEUE }]
    ]
    for (const [variable, environment] of bad) {
      const { code, output } = await runToEnd({ ...configured(folder.path), ...AWS, HOME: folder.path, ...environment })
      expect([code, output.trimEnd().split("\n")]).toEqual([1, [expect.stringContaining(variable)]])
    }
  })
})

it("a server puts events on the event buses that its operator names, and on no other", async () => {
  using folder = temporaryFolder()
  const put: Array<string> = []
  await using aws = createServer(async (request, response) => {
    put.push(...JSON.parse(await text(request)).Entries.map(({ DetailType }: { DetailType: string }) => DetailType))
    response.writeHead(200, { "content-type": "application/x-amz-json-1.1" })
    response.end(JSON.stringify({ FailedEntryCount: 0, Entries: [{ EventId: "1" }] }))
  })
  await new Promise<void>((resolve) => aws.listen(0, "127.0.0.1", resolve))
  const bus = "arn:aws:events:eu-west-1:123456789012:event-bus/locks"
  await using server = await startServer({
    ...configured(folder.path),
    ...AWS,
    LATCHKEY_SHADOW: "local",
    LATCHKEY_EVENTBRIDGE_BUSES: `*:${bus}`,
    AWS_ENDPOINT_URL_EVENTBRIDGE: `http://127.0.0.1:${(aws.address() as AddressInfo).port}`
  })
  const make = (as: Credentials) => callsOf(server.url, as)("POST", "/webhooks", { body: { url: bus } })
  expect((await make(organization)).status).toBe(400)
  expect((await make(superKey)).status).toBe(201)
  await createLock(server.url)
  await expect.poll(() => put).toEqual(["WebhookVerification", "LockCreated"])
})

describe("an AWS endpoint that hangs", () => {
  const folders = [temporaryFolder(), temporaryFolder()] as const
  const hanging = new Set<string>()
  let held = 0
  let aws: Server
  let server: Server
  // Between the two: what concerns a thing that hangs is never answered.
  const proxy = createServer(async (request, response) => {
    const body = await text(request)
    if ([...hanging].some((uuid) => request.url?.includes(uuid))) return void held++
    const { method = "" } = request
    const answered = await fetch(shadowsOf(aws) + request.url, { method, ...(method === "POST" && { body }) })
    response.writeHead(answered.status, Object.fromEntries(answered.headers))
    response.end(await answered.text())
  })
  beforeAll(async () => {
    aws = await startServer({ ...configured(folders[0].path), LATCHKEY_SHADOW_PORT: "0" })
    await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve))
    const endpoint = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`
    server = await startServer({
      ...configured(folders[1].path),
      ...AWS,
      AWS_ENDPOINT_URL_IOT_DATA_PLANE: endpoint
    })
  })
  afterAll(async () => {
    await server[Symbol.asyncDispose]()
    await aws[Symbol.asyncDispose]()
    proxy.closeAllConnections()
    for (const folder of folders) folder[Symbol.dispose]()
  })

  it("makes its locks answer 502 in time, keeps no sockets, and holds up no other lock", async () => {
    const healthy = await createLock(server.url)
    const stuck = await Promise.all(Array.from({ length: 20 }, () => createLock(server.url)))
    for (const { uuid } of stuck) hanging.add(uuid)
    // AWS never answers: to have an answer at all is to have it in time. Then they ask again, so that some always hang.
    let isEnough = false
    const asking = stuck.map(async (lock) => {
      do expect((await lock.post("OpenLock")).status).toBe(502)
      while (!isEnough)
    })
    await vi.waitUntil(() => held >= stuck.length, { timeout: 60_000 })
    for (let n = 0; n < 10; n++) expect((await healthy.post("OpenLock")).status).toBe(200)
    isEnough = true
    await Promise.all(asking)
    const connections = () => new Promise((resolve) => proxy.getConnections((_, count) => resolve(count)))
    await expect.poll(connections, { timeout: 60_000 }).toBeLessThanOrEqual(2)
    // Nothing was in doubt, so they work as soon as AWS answers.
    hanging.clear()
    for (const lock of stuck) expect((await lock.post("OpenLock")).status).toBe(200)
    for (const lock of stuck) expect(await historyOf(lock)).toHaveLength(2)
  })
})
