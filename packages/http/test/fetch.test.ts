/** The API as a function of web requests answers what the same API on a socket does. */
import { createLatchkey, type EmbeddedLatchkey } from "@latchkey/core"
import { MemoryDeviceShadow, MemoryEventStore, MemoryPresence, MemoryReadModel } from "@latchkey/core/memory"
import { Layer, ManagedRuntime, Scope } from "effect"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { Authenticator } from "../src/auth/Authentication.ts"
import { Jwt } from "../src/auth/Jwt.ts"
import { PinSecret, pinKeyOf } from "../src/auth/PinSecret.ts"
import { apiKeysLayer } from "../src/auth/Secrets.ts"
import { createFetch, type LatchkeyFetch } from "../src/createFetch.ts"
import { listen } from "../src/serve.ts"
import {
  API_KEYS,
  AUDIENCE,
  ISSUER,
  JWT_SECRET,
  OWNER,
  organization,
  PIN_KEY,
  superKey,
  user
} from "./harness/callers.ts"
import { newLockId, newUuid } from "./harness/locks.ts"
import { startReceiver } from "./partners/receiver.ts"

const PUBLIC_URL = "https://keys.example.org"
const jwt = {
  key: { _tag: "Secret", secret: new TextEncoder().encode(JWT_SECRET) },
  issuer: ISSUER,
  audience: AUDIENCE
} as const

const memory = Layer.mergeAll(MemoryEventStore.layer, MemoryReadModel.layer, MemoryPresence.layer)

let latchkey: EmbeddedLatchkey<"throw">
let api: LatchkeyFetch
let url: string
let close: () => Promise<void>

beforeAll(async () => {
  latchkey = await createLatchkey({
    store: memory,
    shadow: MemoryDeviceShadow.layer,
    pinKey: pinKeyOf(PIN_KEY)
  })
  api = await createFetch(latchkey, { publicUrl: PUBLIC_URL, jwt, apiKeys: API_KEYS })
  const runtime = ManagedRuntime.make(
    Layer.mergeAll(
      PinSecret.layerOf(PIN_KEY),
      Authenticator.layer.pipe(Layer.provideMerge(apiKeysLayer(API_KEYS)), Layer.provide(Jwt.layer(jwt)))
    ).pipe(Layer.provideMerge(Layer.succeedContext(latchkey.services)))
  )
  const options = { host: "127.0.0.1", port: 0, publicUrl: PUBLIC_URL }
  const { port } = await runtime.runPromise(Scope.provide(listen(options), runtime.scope))
  url = `http://127.0.0.1:${port}`
  close = () => runtime.dispose()
})

afterAll(async () => {
  await close()
  await api.dispose()
  await latchkey.dispose()
})

interface Sent {
  readonly method?: string
  readonly headers?: Record<string, string>
  readonly body?: string
}

const post = (body: unknown, headers: Record<string, string> = superKey): Sent => ({
  method: "POST",
  headers: { "content-type": "application/json", ...headers },
  body: typeof body === "string" ? body : JSON.stringify(body)
})

/** Headers that belong to a connection, and the length, which `Response` leaves to whoever sends it. */
const OF_TRANSPORT = ["connection", "content-length", "date", "keep-alive", "transfer-encoding"]

const shown = async (response: Response) => ({
  status: response.status,
  headers: Object.fromEntries([...response.headers].filter(([name]) => !OF_TRANSPORT.includes(name))),
  text: await response.text()
})

const overSocket = async (path: string, sent: Sent) =>
  // A socket's client unpacks what is compressed.
  shown(
    await fetch(url + path, {
      redirect: "manual",
      ...sent,
      headers: { "accept-encoding": "identity", ...sent.headers }
    })
  )
const asFunction = async (path: string, sent: Sent) =>
  shown(await api.fetch(new Request(PUBLIC_URL + path, { redirect: "manual", ...sent }), { address: "192.0.2.1" }))

describe("answers as a socket does", () => {
  const lockId = newLockId()
  const lock = `/locks/${lockId}`
  const page = { headers: { accept: "text/html" } }
  const cases: ReadonlyArray<readonly [name: string, path: string, sent: Sent]> = [
    ["a command that changes nothing", `${lock}/CreateLock`, post({ index: 1, uuid: newUuid(), ownerId: OWNER })],
    ["a question", `${lock}/basic-info`, { headers: superKey }],
    ["a user's question", `${lock}/details`, { headers: user(OWNER) }],
    ["HEAD", `${lock}/basic-info`, { method: "HEAD", headers: superKey }],
    ["nobody signed in", `${lock}/details`, {}],
    ["an unknown key", `${lock}/details`, { headers: { "x-api-key": "nobody's" } }],
    ["somebody else", `${lock}/details`, { headers: user("eve") }],
    ["no such lock", "/locks/999999999/details", { headers: superKey }],
    ["no such route", "/nothing", {}],
    ["a wrong method", `${lock}/details`, { method: "DELETE", headers: superKey }],
    ["a path that cannot be read", "/locks/%ff/details", { headers: superKey }],
    ["a bad id", "/locks/none/details", { headers: superKey }],
    ["a bad body", `${lock}/AddKey`, post({ keyIndexNumber: "x" })],
    ["broken JSON", `${lock}/AddKey`, post("{")],
    ["a body of another kind", `${lock}/AddKey`, post("a=b", { ...superKey, "content-type": "text/plain" })],
    ["a body that is too large", `${lock}/AddKey`, post(`"${"x".repeat(70_000)}"`)],
    ["a link that is none, as JSON", "/temp-keys/none", { headers: { accept: "application/json" } }],
    ["a link that is none, as a page", "/temp-keys/none", page],
    ["a redirect", "/temp-keys/none/open", page],
    ["health", "/health", {}],
    ["a style sheet", "/assets/guest.css", { headers: { "accept-encoding": "identity" } }],
    ["a file that is known", "/assets/guest.css", { headers: { "if-none-match": "*" } }],
    ["the API's description", "/openapi.json", { headers: { "accept-encoding": "identity" } }]
  ]

  it.each(cases)("to %s", async (_, path, sent) => {
    const first = await overSocket(path, sent)
    // The first time it may have changed something.
    const [socket, fetched] = [
      path.endsWith("CreateLock") ? await overSocket(path, sent) : first,
      await asFunction(path, sent)
    ]
    expect(fetched).toEqual(socket)
  })
})

it("a request is carried out once, however often it is sent with its Idempotency-Key", async () => {
  const path = `/locks/${newLockId()}/CreateLock`
  const sent = post({ index: 1, uuid: newUuid() }, { ...superKey, "idempotency-key": "once" })
  const first = await asFunction(path, sent)
  const again = await asFunction(path, sent)
  expect([first.status, again.status]).toEqual([201, 201])
  expect(again.text).toBe(first.text)
  expect(again.headers["idempotency-replayed"]).toBe("true")
  expect((await overSocket(path, sent)).text).toBe(first.text)
})

it("a body that breaks off is the client's fault, and nothing is carried out", async () => {
  const body = new ReadableStream({
    start: (controller) => {
      controller.enqueue(new TextEncoder().encode("{"))
      controller.error(new Error("gone"))
    }
  })
  const headers = { ...superKey, "content-type": "application/json" }
  const sent = { method: "POST", headers, body, duplex: "half" as const }
  const response = await api.fetch(new Request(`${PUBLIC_URL}/locks/${newLockId()}/CreateLock`, sent))
  expect(response.status).toBe(400)
  expect(await response.json()).toMatchObject({ details: [{ field: "body" }] })
})

it("secrets that can be guessed, or that two organizations share, are refused", async () => {
  const secret = "x".repeat(32)
  const open = (...apiKeys: typeof API_KEYS) => createFetch(latchkey, { publicUrl: PUBLIC_URL, apiKeys })
  await expect(open({ orgId: "a", secret: secret.slice(1) })).rejects.toThrow("32 bytes")
  await expect(open({ orgId: "a", secret }, { orgId: "*", secret })).rejects.toThrow("none twice")
  expect(() => pinKeyOf(secret.slice(1))).toThrow("32 bytes")
})

it("what no key, device or link could be called is refused", async () => {
  await expect(api.apiKeys.create("")).rejects.toThrow("an organization")
  await expect(api.deviceSecrets.create("a/b#+")).rejects.toThrow("1 to 128")
  for (const publicUrl of ["not a url", "ftp://keys.example.org", "https://keys.example.org/path"])
    await expect(createFetch(latchkey, { publicUrl })).rejects.toThrow("publicUrl must be like")
})

it("once it is disposed of, nothing is begun any more", async () => {
  const other = await createFetch(latchkey, { publicUrl: PUBLIC_URL, apiKeys: API_KEYS })
  const create = () =>
    other.fetch(new Request(`${PUBLIC_URL}/locks/${newLockId()}/CreateLock`, post({ index: 1, uuid: newUuid() })))
  expect((await create()).status).toBe(201)
  await other.dispose()
  const refused = await create()
  expect([refused.status, await refused.json()]).toMatchObject([503, { success: false, code: 503 }])
})

it("links begin with the public URL, and PINs are counted by the address that is told", async () => {
  const lockId = newLockId()
  await asFunction(`/locks/${lockId}/CreateLock`, post({ index: 1, uuid: newUuid(), ownerId: OWNER }))
  const doors = [{ lockId: String(lockId), accessMethod: "code" }]
  const window = { validFrom: "2020-01-01T00:00:00Z", validUntil: "2090-01-01T00:00:00Z" }
  const shared = await asFunction("/temp-keys", post({ ...window, doors }, user(OWNER)))
  expect(JSON.parse(shared.text)).toMatchObject({ url: expect.stringMatching(`^${PUBLIC_URL}/temp-keys/`) })
  const guess = async (address: string) =>
    (
      await api.fetch(new Request(`${PUBLIC_URL}/locks/${lockId}/open-with-pin`, post({ pin: "00000000" }, {})), {
        address
      })
    ).status
  const statuses = new Set<number>()
  for (let guesses = 0; guesses < 10; guesses++) statuses.add(await guess("198.51.100.1"))
  expect([...statuses]).toEqual([401, 429])
  expect(await guess("203.0.113.9")).toBe(401)
})

it("webhooks are sent to where its options allow, and to no other private place", async () => {
  await using receiver = await startReceiver()
  // Of the servers over a store one delivers: another store.
  await using own = await createLatchkey({ store: memory, shadow: MemoryDeviceShadow.layer, pinKey: pinKeyOf(PIN_KEY) })
  await using other = await createFetch(own, {
    publicUrl: PUBLIC_URL,
    apiKeys: API_KEYS,
    webhooks: { loopback: true }
  })
  const make = (fetch: LatchkeyFetch["fetch"]) =>
    fetch(new Request(`${PUBLIC_URL}/webhooks`, post({ url: receiver.url }, organization)))
  const refused = await make(api.fetch)
  expect([refused.status, await refused.json()]).toMatchObject([400, { details: [{ field: "url" }] }])
  const made = await make(other.fetch)
  expect(made.status).toBe(201)
  const { id } = (await made.json()) as { readonly id: string }
  const about = (method: string, path: string) =>
    other.fetch(new Request(`${PUBLIC_URL}/webhooks/${id}${path}`, { method, headers: organization }))
  const status = async () => ((await (await about("GET", "")).json()) as { readonly status: string }).status
  await expect.poll(status).toBe("active")
  expect(await (await about("POST", "/test")).json()).toMatchObject({ delivered: true, status: 200 })
  expect(receiver.events().map(({ body }) => body["detail-type"])).toContain("WebhookTest")
  await about("DELETE", "")
})

it("keys and device secrets are made, listed and revoked", async () => {
  const { keyId, secret } = await api.apiKeys.create("acme", { name: "kiosk" })
  const asked = () => asFunction("/temp-keys", { headers: { "x-api-key": secret } })
  expect((await asked()).status).toBe(200)
  expect(await api.apiKeys.list()).toMatchObject([{ keyId, orgId: "acme", name: "kiosk" }])
  expect(await api.apiKeys.revoke(keyId)).toHaveProperty("revokedAt")
  expect((await asked()).status).toBe(401)

  const device = await api.deviceSecrets.create("thing-1")
  expect(await api.deviceSecrets.isSecretOf("thing-1", device.secret)).toBe(true)
  await api.deviceSecrets.revoke(device.secretId)
  expect(await api.deviceSecrets.isSecretOf("thing-1", device.secret)).toBe(false)
  expect(await api.deviceSecrets.list()).toHaveLength(1)
})
