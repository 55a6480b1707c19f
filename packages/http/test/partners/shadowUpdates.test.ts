/** Updates of shadows, live, over sockets and with the embedded shadows: to a stream and to a webhook that ask for them. */
import { LocalShadow } from "@latchkey/local-shadow"
import { Ajv2020 } from "ajv/dist/2020.js"
import { Effect, Layer } from "effect"
import { afterAll, beforeAll, expect, it, vi } from "vitest"
import envelope from "../../contract/partner-envelope.schema.json" with { type: "json" }
import * as callers from "../harness/callers.ts"
import { type InProcess, startInProcess } from "../harness/inProcess.ts"
import { createLock } from "../harness/locks.ts"
import { callsOf } from "../harness/request.ts"
import { startReceiver } from "./receiver.ts"

const PATIENCE = { timeout: 60_000, interval: 20 }
const validate = new Ajv2020({ validateFormats: false, allowUnionTypes: true }).compile(envelope)

let server: InProcess
beforeAll(async () => {
  const shadow = Layer.orDie(LocalShadow.layer({ folder: ":memory:" }))
  server = await startInProcess({ shadow, webhooks: { loopback: true } })
})
afterAll(() => server.stop())

/** What a stream says, until it is left. */
const follow = async (query: string, headers: callers.Credentials) => {
  const leaving = new AbortController()
  const response = await fetch(`${server.url}/events/stream?${query}`, { headers, signal: leaving.signal })
  const said = { text: "" }
  const reading = (async () => {
    for await (const chunk of response.body ?? []) said.text += Buffer.from(chunk).toString()
  })().catch(() => {})
  return {
    status: response.status,
    said,
    leave: async () => {
      leaving.abort()
      await reading
    }
  }
}

it("come to those who ask, beside events, and to no other organization", async () => {
  await using receiver = await startReceiver()
  const ask = callsOf(server.url, callers.organization)
  const events = ["Shadow Update"]
  const { text } = await ask("POST", "/webhooks", { body: { url: receiver.url, events } })
  const { id } = JSON.parse(text)
  await vi.waitUntil(async () => JSON.parse((await ask("GET", `/webhooks/${id}`)).text).status === "active", PATIENCE)
  const lock = await createLock(server.url)
  const live = await follow(
    `after=now&types=LockOpenRequested,Shadow%20Update&lockId=${lock.lockId}`,
    callers.organization
  )
  const plain = await follow(`after=now&lockId=${lock.lockId}`, callers.organization)
  const other = await follow("after=now&types=Shadow%20Update", callers.otherOrganization)
  // Who follows hears what comes once it listens: asked again until it does.
  await vi.waitUntil(async () => {
    await lock.post("OpenLock")
    return ["Shadow Update", "LockOpenRequested"].every((type) => live.said.text.includes(type))
  }, PATIENCE)
  const [, update = ""] = /(?:^|\n\n)event: Shadow Update\ndata: (.*)\n\n/.exec(live.said.text) ?? []
  const body = JSON.parse(update)
  expect(validate(body) ? [] : validate.errors).toEqual([])
  expect(body).toMatchObject({
    source: "spk.iot.shadow",
    detail: { partnerId: callers.ORG, thingName: lock.uuid }
  })
  expect(Object.values(JSON.parse(body.detail.desiredState).commands)).toContainEqual(
    expect.objectContaining({ type: "OpenLock" })
  )
  expect(JSON.parse(body.detail.deltaState)).toEqual(JSON.parse(body.detail.desiredState))
  const sent = () => receiver.events().find(({ headers }) => headers["webhook-id"] === body.id)
  await vi.waitUntil(() => sent() !== undefined, PATIENCE)
  expect(sent()?.body).toEqual(body)
  await vi.waitUntil(() => plain.said.text.includes("LockOpenRequested"), PATIENCE)
  expect(plain.said.text + other.said.text).not.toContain("Shadow Update")
  for (const stream of [live, plain, other]) await stream.leave()
  await ask("DELETE", `/webhooks/${id}`)
})

it("are not in the log, so they cannot be pulled; and an API key for some locks is told of those", async () => {
  const ask = callsOf(server.url, callers.organization)
  expect((await ask("GET", "/events?types=Shadow%20Update")).status).toBe(400)
  const [lock, other] = [await createLock(server.url), await createLock(server.url)]
  const limits = { scopes: ["read"] as const, locks: [lock.lockId] }
  const { secret } = await Effect.runPromise(server.apiKeys.create(callers.ORG, { limits }))
  const stream = await follow("after=now&types=Shadow%20Update", callers.apiKey(secret))
  await vi.waitUntil(async () => {
    for (const one of [other, lock]) await one.post("OpenLock")
    return stream.said.text.includes(lock.uuid)
  }, PATIENCE)
  expect(stream.said.text).not.toContain(other.uuid)
  await stream.leave()
})
