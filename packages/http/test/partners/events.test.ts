/** Events to pull and to follow, as a partner does: by cursors alone, over real sockets. */
import { once } from "node:events"
import { Ajv2020 } from "ajv/dist/2020.js"
import { Effect } from "effect"
import { afterAll, beforeAll, expect, it, vi } from "vitest"
import envelope from "../../contract/partner-envelope.schema.json" with { type: "json" }
import * as callers from "../harness/callers.ts"
import { expectProblem } from "../harness/contract.ts"
import { type InProcess, startInProcess } from "../harness/inProcess.ts"
import { createLock, furnishedLock, historyOf, makeShared, shared } from "../harness/locks.ts"
import { callsOf, connectTo } from "../harness/request.ts"

let server: InProcess
beforeAll(async () => void (server = await startInProcess()))
afterAll(() => server.stop())

interface Envelope {
  readonly id: string
  readonly "detail-type": string
  readonly detail: {
    readonly partnerId: string
    readonly version: number
    readonly cursor: string
    readonly data: { readonly type: string; readonly lockId?: number; readonly tempKeyId?: string }
  }
}
interface Page {
  readonly events: ReadonlyArray<Envelope>
  readonly nextCursor: string
  readonly more: boolean
}

const validate = new Ajv2020({ allErrors: true, validateFormats: false, allowUnionTypes: true }).compile(envelope)

const ask = (query: string, headers: callers.Credentials = callers.organization) =>
  callsOf(server.url, headers)("GET", `/events${query}`)
const pull = async (query: string, headers?: callers.Credentials): Promise<Page> => {
  const { status, text } = await ask(query, headers)
  expect(status, text).toBe(200)
  return JSON.parse(text)
}

/** All there is, page by page. */
const pullAll = async (query: string, headers?: callers.Credentials): Promise<ReadonlyArray<Envelope>> => {
  const all: Array<Envelope> = []
  for (let cursor = ""; ; ) {
    const page = await pull(`?${query}${cursor}`, headers)
    all.push(...page.events)
    if (!page.more) return all
    cursor = `&after=${page.nextCursor}`
  }
}

it("are the whole history, in order and once, in the published envelope", async () => {
  const lock = await furnishedLock(server.url)
  await lock.post("OpenLock", { reason: "delivery" })
  const events = await pullAll(`limit=3&lockId=${lock.lockId}`)
  for (const event of events) expect(validate(event) ? [] : validate.errors, JSON.stringify(event)).toEqual([])
  const history = await historyOf(lock)
  expect(events.map(({ detail }) => [detail.version, detail.data.type])).toEqual(
    history.map(({ version, type }) => [version, type])
  )
  expect(events.map(({ detail: { data } }) => data)).toEqual(
    history.map(({ event }) => ({ type: event?.type, ...event?.data }))
  )
  expect(new Set(events.map(({ id }) => id)).size).toBe(events.length)
})

it("of a cursor go on behind it, whichever event it came with", async () => {
  const lock = await furnishedLock(server.url)
  const all = await pullAll(`lockId=${lock.lockId}`)
  for (const [index, { detail }] of all.entries()) {
    const { events } = await pull(`?lockId=${lock.lockId}&after=${detail.cursor}`)
    expect(events).toEqual(all.slice(index + 1))
  }
})

it("are of the organization alone; the operator sees all, or one", async () => {
  const lock = await createLock(server.url)
  const { nextCursor } = await pull("?after=now", callers.otherOrganization)
  const before = await pull("?after=now", callers.superKey)
  await lock.post("OpenLock")
  expect((await pull(`?after=${nextCursor}`, callers.otherOrganization)).events).toEqual([])
  const types = async (query: string) =>
    (await pull(query, callers.superKey)).events.map(({ detail: { data } }) => data.type)
  expect(await types(`?after=${before.nextCursor}`)).toEqual(["LockOpenRequested"])
  expect(await types(`?orgId=${callers.OTHER_ORG}&lockId=${lock.lockId}`)).toEqual([])
  expect(await types(`?orgId=${callers.ORG}&lockId=${lock.lockId}`)).toEqual(["LockCreated", "LockOpenRequested"])
  expectProblem(403, (await ask(`?orgId=${callers.OTHER_ORG}`)).body)
  expectProblem(403, (await ask("", callers.owner)).body)
  expectProblem(401, (await ask("", callers.nobody)).body)
})

it("tell both organizations that a lock has changed hands", async () => {
  const lock = await createLock(server.url)
  await lock.post("SetOrganization", { orgId: callers.OTHER_ORG })
  const [left] = (await pull(`?lockId=${lock.lockId}&types=OrganizationSet`)).events
  const [came] = (await pull(`?lockId=${lock.lockId}&types=OrganizationSet`, callers.otherOrganization)).events
  expect(left?.id).toBe(came?.id)
  expect([left?.detail.partnerId, came?.detail.partnerId]).toEqual([callers.ORG, callers.OTHER_ORG])
})

it("tell of API keys, never of their secrets", async () => {
  const { nextCursor } = await pull("?after=now")
  const { keyId, secret } = await Effect.runPromise(server.apiKeys.create(callers.ORG, { name: "the front desk" }))
  await Effect.runPromise(server.apiKeys.revoke(keyId))
  const { text } = await ask(`?after=${nextCursor}`)
  const { events }: Page = JSON.parse(text)
  expect(events.map(({ detail }) => detail.data)).toMatchObject([
    { type: "ApiKeyCreated", keyId, name: "the front desk" },
    { type: "ApiKeyRevoked", keyId }
  ])
  expect(text).not.toContain(secret)
  expect(text).not.toContain("hash")
})

it("tell of temp keys with several doors by their ids, never their links", async () => {
  const lock = await createLock(server.url)
  const { nextCursor } = await pull("?after=now")
  const { uuid } = await makeShared(server.url, shared(lock.lockId))
  await callsOf(server.url, callers.organization)("DELETE", `/temp-keys/${uuid}`)
  const { text } = await ask(`?after=${nextCursor}`)
  const { events }: Page = JSON.parse(text)
  expect(events.map(({ detail: { data } }) => data.type)).toEqual([
    "SharedTempKeyCreated",
    "SharedTempKeyPinChanged",
    "SharedTempKeyRevoked"
  ])
  expect(new Set(events.map(({ detail }) => detail.data.tempKeyId)).size).toBe(1)
  expect(text).not.toContain(uuid)
})

it.each([
  "?after=nonsense",
  "?after=",
  "?after=zzzzzzz.1",
  "?limit=0",
  "?limit=1001",
  "?limit=ten",
  "?wait=31",
  "?wait=-1",
  "?lockId=0",
  "?types=LockOpenRequestd",
  "?types=",
  "?orgId="
])("%s is refused, and the message says what is wrong", async (query) => {
  const { status, body } = await ask(query)
  expect(status).toBe(400)
  expectProblem(400, body)
  expect(body.details?.[0]?.field.split(".")[0]).toBe(/\w+/.exec(query)?.[0])
  expect((await ask(query.replace("?", "/stream?"))).status).toBe(400)
})

it("of thousands of wrong types are refused in an answer of bounded size", async () => {
  const types = `types=${Array(7_000).fill("x").join()}`
  for (const query of [`?${types}`, `/stream?${types}`])
    expect((await ask(query)).body.details?.length).toBeLessThan(110)
})

it("of a cursor of another organization are refused, and so is one of a time to come", async () => {
  await createLock(server.url)
  const { nextCursor } = await pull("")
  expectProblem(400, (await ask(`?after=${nextCursor}`, callers.otherOrganization)).body)
  expectProblem(400, (await ask(`?after=${nextCursor}`, callers.superKey)).body)
  await using younger = await startInProcess()
  const { status } = await callsOf(younger.url, callers.organization)("GET", `/events?after=${nextCursor}`)
  expect(status).toBe(400)
})

it("are waited for: the first one ends the wait, and nothing is answered when none comes", async () => {
  const lock = await createLock(server.url)
  const { nextCursor } = await pull("?after=now")
  const waiting = pull(`?after=${nextCursor}&wait=20`)
  await callsOf(server.url, callers.otherOrganization)("POST", `/locks/${lock.lockId}/OpenLock`, { body: {} })
  await lock.post("OpenLock")
  expect((await waiting).events.map(({ detail: { data } }) => data.lockId)).toEqual([lock.lockId])
  const empty = await pull(`?after=${(await waiting).nextCursor}&wait=1`)
  expect(empty).toMatchObject({ events: [], more: false })
})

/** What a stream has told so far. */
const follow = async (query: string, headers: Readonly<Record<string, string>> = {}, { url } = server) => {
  const socket = await connectTo(url)
  socket.on("error", () => {})
  const said = { text: "", isClosed: false }
  socket.on("data", (data: Buffer) => (said.text += data.toString()))
  socket.on("close", () => (said.isClosed = true))
  const lines = Object.entries({ Host: "x", ...callers.organization, ...headers }).map(
    ([name, value]) => `${name}: ${value}`
  )
  socket.write(`GET /events/stream${query} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`)
  const told = () =>
    Array.from(
      said.text.matchAll(/id: (\S+)\nevent: (\S+)\ndata: (.*)\n\n/g),
      ([, id = "", event = "", data = ""]) => ({
        id,
        event,
        envelope: JSON.parse(data) as Envelope
      })
    )
  return { socket, said, told }
}

const PATIENCE = { timeout: 60_000 }

it("are streamed as they happen, and a client goes on where it was", async () => {
  const lock = await createLock(server.url)
  const { nextCursor } = await pull("?after=now")
  const { socket, told } = await follow(`?after=${nextCursor}&lockId=${lock.lockId}`)
  for (let n = 0; n < 3; n++) await lock.post("SetOwner", { userId: `user-${n}` })
  await vi.waitUntil(() => told().length === 3, PATIENCE)
  expect(told().map(({ envelope }) => envelope)).toEqual(
    (await pull(`?after=${nextCursor}&lockId=${lock.lockId}`)).events
  )
  expect(told().map(({ id, event }) => [id, event])).toEqual(
    told().map(({ envelope }) => [envelope.detail.cursor, "OwnerSet"])
  )
  socket.destroy()
  const [first, ...rest] = told()
  const again = await follow(`?after=${nextCursor}&lockId=${lock.lockId}`, { "Last-Event-ID": first?.id ?? "" })
  await vi.waitUntil(() => again.told().length === 2, PATIENCE)
  expect(again.told()).toEqual(rest)
  again.socket.destroy()
})

it("are told no more to a key that was revoked", async () => {
  const lock = await createLock(server.url)
  const { keyId, secret } = await Effect.runPromise(server.apiKeys.create(callers.ORG, {}))
  const { said, told } = await follow(`?after=now&lockId=${lock.lockId}`, callers.apiKey(secret))
  await vi.waitUntil(() => said.text.includes("text/event-stream"), PATIENCE)
  await lock.post("OpenLock")
  await vi.waitUntil(() => told().length === 1, PATIENCE)
  await Effect.runPromise(server.apiKeys.revoke(keyId))
  await lock.post("OpenLock")
  await vi.waitUntil(() => said.isClosed || said.text.endsWith("\r\n0\r\n\r\n"), PATIENCE)
  expect(told()).toHaveLength(1)
})

it("do not tell even that it was revoked to the key that was", async () => {
  const { keyId, secret } = await Effect.runPromise(server.apiKeys.create(callers.ORG, {}))
  const { said, told } = await follow("?after=now", callers.apiKey(secret))
  await vi.waitUntil(() => said.text.includes("id: "), PATIENCE)
  await createLock(server.url)
  await vi.waitUntil(() => told().length === 1, PATIENCE)
  await Effect.runPromise(server.apiKeys.revoke(keyId))
  await vi.waitUntil(() => said.isClosed || said.text.endsWith("\r\n0\r\n\r\n"), PATIENCE)
  expect(told().map(({ event }) => event)).toEqual(["LockCreated"])
})

it("end for a key that was revoked, where there is nothing to tell it", async () => {
  await using still = await startInProcess({ timeStandsStill: true })
  const { keyId, secret } = await Effect.runPromise(still.apiKeys.create(callers.ORG, {}))
  const { said } = await follow("?after=now&types=LockRetired", callers.apiKey(secret), still)
  await vi.waitUntil(() => said.text.includes("id: "), PATIENCE)
  await still.pass(60_000)
  expect(said.isClosed || said.text.endsWith("\r\n0\r\n\r\n")).toBe(false)
  await Effect.runPromise(still.apiKeys.revoke(keyId))
  await still.pass(15_000)
  await vi.waitUntil(() => said.isClosed || said.text.endsWith("\r\n0\r\n\r\n"), PATIENCE)
})

it("go on behind `now` for a client that lost the connection before it was told anything", async () => {
  const lock = await createLock(server.url)
  const query = `?after=now&lockId=${lock.lockId}`
  const { socket, said, told } = await follow(query)
  await vi.waitUntil(() => said.text.includes("id: "), PATIENCE)
  socket.destroy()
  await lock.post("SetOwner", { userId: "ann" })
  const [, id = ""] = /^id: (\S+)\n\n/m.exec(said.text) ?? []
  expect(told()).toEqual([])
  const again = await follow(query, { "Last-Event-ID": id })
  await vi.waitUntil(() => again.told().length === 1, PATIENCE)
  expect(again.told()[0]?.event).toBe("OwnerSet")
  again.socket.destroy()
})

it("end with the client", async () => {
  const { socket, said } = await follow("?after=now")
  await vi.waitUntil(() => said.text.includes("200 OK"), PATIENCE)
  socket.destroy()
  await once(socket, "close")
  expect((await pull("?after=now")).events).toEqual([])
})

it("of a client that does not read are held back: it is closed, and goes on where it was", async () => {
  await using slow = await startInProcess({ deadlines: { headers: 5_000, request: 5_000, idle: 1_000 } })
  const lock = await createLock(slow.url)
  // More than the buffers of the system take.
  const MANY = 20_000
  for (let version = 1; version < MANY; version += 1_000) {
    const events = Array.from({ length: Math.min(1_000, MANY - version) }, (_, n) => ({
      eventId: `event-${version + n}`,
      type: "OwnerSet",
      data: { lockId: lock.lockId, uuid: lock.uuid, timestamp: "2026-08-31T09:00:00Z", userId: "x".repeat(200) },
      at: 1,
      orgId: callers.ORG,
      principal: { _tag: "System" as const },
      commandId: `event-${version + n}`
    }))
    const append = [{ streamId: `lock-${lock.lockId}`, expectedVersion: version, events }]
    await Effect.runPromise(slow.store.write({ append }))
  }
  const first = await follow("", {}, slow)
  await vi.waitUntil(() => first.said.text.includes("\ndata: "), PATIENCE)
  first.socket.pause()
  await vi.waitUntil(() => slow.log.some((line) => line.includes("not reading")), PATIENCE)
  const before = first.told()
  expect(before.length).toBeLessThan(MANY)
  first.socket.destroy()
  const again = await follow("", { "Last-Event-ID": before.at(-1)?.id ?? "" }, slow)
  const last = `"version":${MANY},`
  await vi.waitUntil(() => again.said.text.includes(last), PATIENCE)
  await vi.waitUntil(() => before.length + again.told().length === MANY, { ...PATIENCE, interval: 500 })
  const versions = [...before, ...again.told()].map(({ envelope }) => envelope.detail.version)
  expect(versions).toEqual(Array.from({ length: MANY }, (_, n) => n + 1))
  again.socket.destroy()
})
