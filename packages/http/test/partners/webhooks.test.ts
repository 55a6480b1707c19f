/** Webhooks as a partner uses them: made over HTTP, and met by a receiver on a socket. */
import { createPublicKey, verify } from "node:crypto"
import { Webhook as StandardWebhook } from "standardwebhooks"
import { Webhook as SvixWebhook } from "svix"
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest"
import * as callers from "../harness/callers.ts"
import { expectProblem } from "../harness/contract.ts"
import { type InProcess, startInProcess } from "../harness/inProcess.ts"
import { createLock } from "../harness/locks.ts"
import { callsOf } from "../harness/request.ts"
import { type Received, startReceiver } from "./receiver.ts"

let server: InProcess
beforeAll(async () => void (server = await startInProcess({ webhooks: { loopback: true } })))
afterAll(() => server.stop())

const PATIENCE = { timeout: 60_000, interval: 20 }

// biome-ignore lint/suspicious/noExplicitAny: each test checks what it rests on
type Body = any
const ask = async (
  method: string,
  path: string,
  body?: unknown,
  headers: callers.Credentials = callers.organization
) => {
  const answer = await callsOf(server.url, headers)(method, path, body === undefined ? {} : { body })
  return { status: answer.status, body: JSON.parse(answer.text) as Body }
}

/** A webhook that has answered its challenge. */
const active = async (url: string, more: object = {}): Promise<Body> => {
  const { status, body } = await ask("POST", "/webhooks", { url, ...more })
  expect(status, JSON.stringify(body)).toBe(201)
  expect(body.status).toBe("pending")
  await vi.waitUntil(async () => (await ask("GET", `/webhooks/${body.id}`)).body.status === "active", PATIENCE)
  return body
}

const versionsOf = (events: ReadonlyArray<Received>, lockId: number) =>
  events.filter(({ body }) => body.detail.data.lockId === lockId).map(({ body }) => body.detail.version)

it("a webhook is told of every event of its organization, in order, in the envelope that is pulled", async () => {
  await using receiver = await startReceiver()
  const { id } = await active(receiver.url)
  const lock = await createLock(server.url)
  for (let n = 0; n < 10; n++) await lock.post("SetOwner", { userId: `user-${n}` })
  await vi.waitUntil(() => receiver.events().length === 11, PATIENCE)
  expect(versionsOf(receiver.events(), lock.lockId)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11])
  const pulled = await ask("GET", `/events?lockId=${lock.lockId}`)
  expect(receiver.events().map(({ body }) => body)).toEqual(pulled.body.events)
  const [{ headers, body } = expect.fail("nothing came")] = receiver.events()
  expect(headers).toMatchObject({ "webhook-id": body.id, "content-type": "application/json" })
  expect(headers["user-agent"]).toMatch(/^Latchkey\/\d/)
  await vi.waitUntil(async () => (await ask("GET", `/webhooks/${id}`)).body.lag === 0, PATIENCE)
  expect((await ask("DELETE", `/webhooks/${id}`)).body).toEqual({ success: true })
  await lock.post("OpenLock")
  expect((await ask("GET", `/webhooks/${id}`)).status).toBe(404)
  expect(receiver.events()).toHaveLength(11)
})

describe("signatures", () => {
  it("are checked by other people's libraries, and of what was changed on the way refused", async () => {
    await using receiver = await startReceiver()
    const { id, secret } = await active(receiver.url)
    expect(secret).toMatch(/^whsec_/)
    expect(Buffer.from(secret.slice(6), "base64")).toHaveLength(32)
    await createLock(server.url)
    await vi.waitUntil(() => receiver.events().length > 0, PATIENCE)
    for (const { text, headers } of receiver.state.received) {
      for (const library of [new StandardWebhook(secret), new SvixWebhook(secret)]) {
        library.verify(text, headers as Record<string, string>)
        expect(() => library.verify(`${text} `, headers as Record<string, string>)).toThrow()
      }
    }
    await ask("DELETE", `/webhooks/${id}`)
  })

  it("by ed25519 are checked with the public key", async () => {
    await using receiver = await startReceiver()
    const { id, secret } = await active(receiver.url, { signature: "ed25519" })
    const der = Buffer.concat([Buffer.from("302a300506032b6570032100", "hex"), Buffer.from(secret.slice(5), "base64")])
    const key = createPublicKey({ key: der, format: "der", type: "spki" })
    const [challenge = expect.fail("no challenge")] = receiver.state.received
    const { "webhook-id": name, "webhook-timestamp": at, "webhook-signature": signature = "" } = challenge.headers
    expect(signature).toMatch(/^v1a,/)
    const signed = Buffer.from(`${name}.${at}.${challenge.text}`)
    expect(verify(null, signed, key, Buffer.from(String(signature).slice(4), "base64"))).toBe(true)
    await ask("DELETE", `/webhooks/${id}`)
  })

  it("are also with every secret that was promised to sign, when it was rotated again and again, up to five", async () => {
    await using receiver = await startReceiver()
    const { id, secret } = await active(receiver.url)
    const secrets = [secret]
    for (let n = 0; n < 5; n++) secrets.push((await ask("POST", `/webhooks/${id}/rotate-secret`)).body.secret)
    await createLock(server.url)
    await vi.waitUntil(() => receiver.events().length > 0, PATIENCE)
    const [{ text, headers } = expect.fail("nothing came")] = receiver.events()
    expect(String(headers["webhook-signature"]).split(" ")).toHaveLength(5)
    for (const one of secrets.slice(1)) new StandardWebhook(one).verify(text, headers as Record<string, string>)
    await ask("DELETE", `/webhooks/${id}`)
  })

  it("are two for a day when the secret was rotated", async () => {
    await using receiver = await startReceiver()
    const { id, secret } = await active(receiver.url)
    const rotated = await ask("POST", `/webhooks/${id}/rotate-secret`)
    expect(rotated.status).toBe(200)
    expect(rotated.body.secret).not.toBe(secret)
    expect(Date.parse(rotated.body.previousUntil) - Date.now()).toBeGreaterThan(23 * 3_600_000)
    await createLock(server.url)
    await vi.waitUntil(() => receiver.events().length > 0, PATIENCE)
    const [{ text, headers } = expect.fail("nothing came")] = receiver.events()
    expect(String(headers["webhook-signature"]).split(" ")).toHaveLength(2)
    for (const one of [secret, rotated.body.secret])
      new StandardWebhook(one).verify(text, headers as Record<string, string>)
    await ask("DELETE", `/webhooks/${id}`)
  })
})

it("a webhook whose receiver does not answer the challenge needs attention until it does", async () => {
  const silent = await startReceiver()
  await silent.stop()
  await using second = await startReceiver()
  const { status, body } = await ask("POST", "/webhooks", { url: silent.url })
  expect(status).toBe(201)
  const needing = async (): Promise<ReadonlyArray<Body>> =>
    (await ask("GET", "/attention?kind=webhook-failing")).body.items.filter((item: Body) => item.webhookId === body.id)
  await vi.waitUntil(async () => (await needing()).length === 1, PATIENCE)
  const since = expect.any(String)
  const advice = expect.stringContaining("does not answer the challenge")
  expect(await needing()).toEqual([{ kind: "webhook-failing", since, webhookId: body.id, url: silent.url, advice }])
  expect((await ask("PATCH", `/webhooks/${body.id}`, { url: second.url })).status).toBe(200)
  expect(await needing()).toEqual([])
  await vi.waitUntil(async () => (await ask("GET", `/webhooks/${body.id}`)).body.status === "active", PATIENCE)
  expect(await needing()).toEqual([])
  await ask("DELETE", `/webhooks/${body.id}`)
})

it("filters let through what they name, and thin payloads name nobody", async () => {
  await using receiver = await startReceiver()
  const lock = await createLock(server.url)
  const other = await createLock(server.url)
  const { id } = await active(receiver.url, { events: ["OwnerSet"], lockIds: [lock.lockId], payload: "thin" })
  await other.post("SetOwner", { userId: "ada" })
  await lock.post("OpenLock")
  await lock.post("SetOwner", { userId: "ada" })
  await vi.waitUntil(() => receiver.events().length > 0, PATIENCE)
  expect(receiver.events().map(({ body }) => body.detail.data)).toEqual([
    { type: "OwnerSet", lockId: lock.lockId, uuid: lock.uuid, timestamp: expect.any(String) }
  ])
  await ask("DELETE", `/webhooks/${id}`)
})

it("an event that is refused holds nobody up, is listed, and can be sent again", async () => {
  await using receiver = await startReceiver(({ body }) => (body["detail-type"] === "LockOpenRequested" ? 400 : 200))
  const { id } = await active(receiver.url)
  const lock = await createLock(server.url)
  await lock.post("OpenLock")
  await lock.post("SetOwner", { userId: "ada" })
  await vi.waitUntil(() => receiver.events().length === 3, PATIENCE)
  expect(versionsOf(receiver.events(), lock.lockId)).toEqual([1, 2, 3])
  const list = async (outcome: string) =>
    (await ask("GET", `/webhooks/${id}/deliveries?outcome=${outcome}`)).body.deliveries
  await vi.waitUntil(async () => (await list("delivered")).length === 2, PATIENCE)
  const [given] = await list("given-up")
  expect(given).toMatchObject({ type: "LockOpenRequested", lockId: lock.lockId, attempt: 1, status: 400 })
  receiver.state.answer = () => 200
  expect((await ask("POST", `/webhooks/${id}/deliveries/${given.eventId}/retry`)).status).toBe(202)
  await vi.waitUntil(async () => (await list("given-up")).length === 0, PATIENCE)
  expect(receiver.events().at(-1)?.headers["webhook-id"]).toBe(given.eventId)
  await ask("DELETE", `/webhooks/${id}`)
})

it("disabled, nothing is lost: enabled, it goes on where it was", async () => {
  await using receiver = await startReceiver()
  const { id } = await active(receiver.url)
  expect((await ask("POST", `/webhooks/${id}/disable`)).body).toMatchObject({ status: "disabled" })
  const lock = await createLock(server.url)
  for (let n = 0; n < 300; n++) await lock.post("SetOwner", { userId: `user-${n}` })
  expect((await ask("GET", `/webhooks/${id}`)).body.lag).toBeGreaterThanOrEqual(301)
  expect(receiver.events()).toEqual([])
  expect((await ask("POST", `/webhooks/${id}/enable`)).body).toMatchObject({ status: "active" })
  await vi.waitUntil(() => receiver.events().length >= 302, PATIENCE)
  expect(versionsOf(receiver.events(), lock.lockId)).toEqual(Array.from({ length: 301 }, (_, n) => n + 1))
  const disabled = receiver.events().find(({ body }) => body["detail-type"] === "WebhookDisabled")
  expect(disabled?.body.detail.data).toMatchObject({ webhookId: id, reason: "Disabled by request." })
  await ask("DELETE", `/webhooks/${id}`)
})

it("410 disables at once", async () => {
  await using receiver = await startReceiver(() => 410)
  const { id } = await active(receiver.url)
  await createLock(server.url)
  await vi.waitUntil(async () => (await ask("GET", `/webhooks/${id}`)).body.status === "disabled", PATIENCE)
  expect((await ask("GET", `/webhooks/${id}`)).body.statusReason).toContain("410")
  await ask("DELETE", `/webhooks/${id}`)
})

it("429 with Retry-After is waited for, and everything comes afterwards, in order", async () => {
  let refusals = 0
  await using receiver = await startReceiver((_, response) => {
    if (++refusals > 2) return 200
    response.writeHead(429, { "retry-after": "1" }).end()
    return undefined
  })
  const { id } = await active(receiver.url)
  const lock = await createLock(server.url)
  for (let n = 0; n < 3; n++) await lock.post("SetOwner", { userId: `user-${n}` })
  await vi.waitUntil(async () => (await ask("GET", `/webhooks/${id}`)).body.lag === 0, PATIENCE)
  const delivered = receiver.events().slice(2)
  expect(versionsOf(delivered, lock.lockId)).toEqual([1, 2, 3, 4])
  const { deliveries } = (await ask("GET", `/webhooks/${id}/deliveries?outcome=failed`)).body
  expect(deliveries.map(({ status }: { status: number }) => status)).toEqual([429, 429])
  await ask("DELETE", `/webhooks/${id}`)
})

it("a receiver that moves, breaks off or never stops is told again, and nothing of it is followed", async () => {
  await using receiver = await startReceiver((_, response) => {
    const tried = receiver.events().length
    if (tried === 1) response.writeHead(301, { location: `${receiver.url}/elsewhere` }).end()
    else if (tried === 2) response.writeHead(200, { "content-length": "9" }).write("half", () => response.destroy())
    else response.writeHead(200).write("x".repeat(100_000))
    return undefined
  })
  const { id } = await active(receiver.url)
  await createLock(server.url)
  for (const tried of [1, 2]) {
    await vi.waitUntil(() => receiver.events().length === tried, PATIENCE)
    // Enabled, it is due at once.
    const attempts = async () => (await ask("GET", `/webhooks/${id}/deliveries?outcome=failed`)).body.deliveries.length
    await vi.waitUntil(async () => (await attempts()) === tried, PATIENCE)
    await ask("POST", `/webhooks/${id}/enable`)
  }
  // More than is read has come: delivered.
  await vi.waitUntil(async () => (await ask("GET", `/webhooks/${id}`)).body.lag === 0, PATIENCE)
  expect(receiver.events().map(({ path }) => path)).toEqual(["/", "/", "/"])
  expect(new Set(receiver.events().map(({ headers }) => headers["webhook-id"])).size).toBe(1)
  await ask("DELETE", `/webhooks/${id}`)
})

it("a replay sends once more what was, with the same ids, in order", async () => {
  await using receiver = await startReceiver()
  const lock = await createLock(server.url)
  const { id } = await active(receiver.url, { lockIds: [lock.lockId], after: "now" })
  for (let n = 0; n < 5; n++) await lock.post("SetOwner", { userId: `user-${n}` })
  await vi.waitUntil(() => receiver.events().length === 5, PATIENCE)
  const pulled = (await ask("GET", `/events?lockId=${lock.lockId}`)).body.events
  const range = { after: pulled[1].detail.cursor, until: pulled[3].detail.cursor }
  expect((await ask("POST", `/webhooks/${id}/replay`, range)).status).toBe(202)
  await vi.waitUntil(() => receiver.events().length === 7, PATIENCE)
  expect(
    receiver
      .events()
      .slice(5)
      .map(({ body }) => body)
  ).toEqual(pulled.slice(2, 4))
  const since = new Date(Date.now() - 60_000).toISOString()
  expect((await ask("POST", `/webhooks/${id}/replay`, { since })).status).toBe(202)
  await vi.waitUntil(() => receiver.events().length === 13, PATIENCE)
  expect(
    receiver
      .events()
      .slice(7)
      .map(({ body }) => body)
  ).toEqual(pulled)
  await ask("DELETE", `/webhooks/${id}`)
})

it("a test says what the receiver answered", async () => {
  await using receiver = await startReceiver((_, response) => void response.writeHead(418).end("short and stout"))
  const { id } = await active(receiver.url)
  expect((await ask("POST", `/webhooks/${id}/test`)).body).toMatchObject({
    delivered: false,
    status: 418,
    response: "short and stout"
  })
  expect(receiver.events().at(-1)?.body["detail-type"]).toBe("WebhookTest")
  await ask("DELETE", `/webhooks/${id}`)
})

it("another URL is verified anew, and nothing is lost", async () => {
  await using first = await startReceiver()
  await using second = await startReceiver()
  const { id } = await active(first.url)
  const changed = await ask("PATCH", `/webhooks/${id}`, { url: second.url, description: "the second" })
  expect(changed.body).toMatchObject({ url: second.url, status: "pending", description: "the second" })
  const lock = await createLock(server.url)
  await vi.waitUntil(() => second.events().length > 0, PATIENCE)
  expect(second.state.received[0]?.body.type).toBe("WebhookVerification")
  expect(versionsOf(second.events(), lock.lockId)).toEqual([1])
  await ask("DELETE", `/webhooks/${id}`)
})

it("as many as there may be are made at the same moment", async () => {
  const made = await Promise.all(
    Array.from({ length: 20 }, (_, n) =>
      ask("POST", "/webhooks", { url: `https://example.org/${n}` }, callers.otherOrganization)
    )
  )
  expect(made.map(({ status }) => status)).toEqual(Array(20).fill(201))
  for (const { body } of made) await ask("DELETE", `/webhooks/${body.id}`, undefined, callers.otherOrganization)
})

describe("what is refused", () => {
  it.each([
    [{ url: "http://example.org/" }, "url"],
    [{ url: "https://user:secret@example.org/" }, "url"],
    [{ url: "https://10.0.0.1/" }, "url"],
    [{ url: "https://[::ffff:169.254.169.254]/" }, "url"],
    [{ url: "ftp://example.org/" }, "url"],
    [{ url: "nonsense" }, "url"],
    [{ url: "https://example.org/", events: [] }, "events"],
    [{ url: "https://example.org/", events: ["LockOpend"] }, "events.0"],
    [{ url: "https://example.org/", lockIds: [0] }, "lockIds.0"],
    [{ url: "https://example.org/", description: "x".repeat(201) }, "description"],
    [{ url: "https://example.org/", after: "nonsense" }, "after"],
    [{ url: "https://example.org/", event: ["OwnerSet"] }, "event"]
  ])("%j", async (body, field) => {
    const answer = await ask("POST", "/webhooks", body)
    expectProblem(400, answer.body)
    expect(answer.body.details[0].field).toBe(field)
  })

  it("those of others, and users", async () => {
    await using receiver = await startReceiver()
    const { id } = await active(receiver.url)
    for (const [method, path, body] of [
      ["GET", "", undefined],
      ["PATCH", "", {}],
      ["DELETE", "", undefined],
      ["POST", "/test", {}],
      ["POST", "/rotate-secret", {}],
      ["GET", "/deliveries", undefined]
    ] as const) {
      expectProblem(404, (await ask(method, `/webhooks/${id}${path}`, body, callers.otherOrganization)).body)
      expectProblem(403, (await ask(method, `/webhooks/${id}${path}`, body, callers.owner)).body)
    }
    expect((await ask("GET", `/webhooks/${id}?orgId=${callers.ORG}`, undefined, callers.superKey)).status).toBe(200)
    await ask("DELETE", `/webhooks/${id}`)
  })

  it("more than twenty of an organization", async () => {
    const make = () => ask("POST", "/webhooks", { url: "https://partner.invalid/" }, callers.otherOrganization)
    for (let n = 0; n < 20; n++) expect((await make()).status).toBe(201)
    expectProblem(400, (await make()).body)
  })
})

it("a request that is repeated with its key makes one webhook, with the same secret", async () => {
  const call = callsOf(server.url, { ...callers.organization, "idempotency-key": "one-webhook" })
  const body = { url: "https://partner.invalid/hook" }
  const [first, second] = [await call("POST", "/webhooks", { body }), await call("POST", "/webhooks", { body })]
  expect(JSON.parse(second.text)).toMatchObject({
    id: JSON.parse(first.text).id,
    secret: JSON.parse(first.text).secret
  })
  expect(second.headers.get("idempotency-replayed")).toBe("true")
  await ask("DELETE", `/webhooks/${JSON.parse(first.text).id}`)
})
