/** Web pages of other origins: which may ask, what they may read, and that no cookie is ever theirs to use. */
import { createLatchkey } from "@latchkey/core"
import { MemoryDeviceShadow, MemoryEventStore, MemoryPresence, MemoryReadModel } from "@latchkey/core/memory"
import { Layer } from "effect"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { createFetch } from "../src/createFetch.ts"
import { API_KEYS, superKey } from "./harness/callers.ts"
import { startInProcess } from "./harness/inProcess.ts"

const APP = "https://app.example.org"
const OTHER = "https://evil.example.org"

type Ask = (path: string, sent?: RequestInit) => Promise<Response>

const onSocket = async (corsOrigins?: ReadonlyArray<string>) => {
  const server = await startInProcess(corsOrigins === undefined ? {} : { corsOrigins })
  return { ask: ((path, sent) => fetch(server.url + path, sent)) as Ask, stop: server.stop }
}

const inProgram = async (corsOrigins?: ReadonlyArray<string>) => {
  const store = Layer.mergeAll(MemoryEventStore.layer, MemoryReadModel.layer, MemoryPresence.layer)
  const latchkey = await createLatchkey({ store, shadow: MemoryDeviceShadow.layer })
  const publicUrl = "https://keys.example.org"
  const api = await createFetch(latchkey, { publicUrl, apiKeys: API_KEYS, ...(corsOrigins && { corsOrigins }) })
  const stop = async () => {
    await api.dispose()
    await latchkey.dispose()
  }
  return { ask: ((path, sent) => api.fetch(new Request(publicUrl + path, sent))) as Ask, stop }
}

const preflight = (origin: string, method = "POST"): RequestInit => ({
  method: "OPTIONS",
  headers: { origin, "access-control-request-method": method, "access-control-request-headers": "x-api-key" }
})

const corsOf = ({ headers }: Response) =>
  Object.fromEntries(Array.from(headers).filter(([name]) => name.startsWith("access-control-")))

describe.each([
  ["on a socket", onSocket],
  ["as a function", inProgram]
])("%s", (_, start) => {
  let ask: Ask
  let stop: () => Promise<void>
  beforeAll(async () => void ({ ask, stop } = await start([APP, "http://localhost:5173"])))
  afterAll(() => stop())

  it("lets a page of a named origin read answers, and the headers that clients need", async () => {
    for (const origin of [APP, "http://localhost:5173"]) {
      const answer = await ask("/locks", { headers: { origin, ...superKey } })
      expect(answer.status).toBe(200)
      expect(corsOf(answer)).toEqual({
        "access-control-allow-origin": origin,
        "access-control-expose-headers": "Allow, ETag, Idempotency-Replayed, Location, Retry-After"
      })
      expect(answer.headers.get("vary")).toBe("Origin")
    }
  })

  it("lets it read refusals too, whoever makes them", async () => {
    const refusals = [
      ask("/locks", { headers: { origin: APP } }),
      ask("/nowhere", { headers: { origin: APP } }),
      ask("/locks", { method: "DELETE", headers: { origin: APP } }),
      ask("/locks/1/OpenLock", { method: "POST", body: "{".repeat(70_000), headers: { origin: APP, ...superKey } })
    ]
    const answers = await Promise.all(refusals)
    expect(answers.map(({ status }) => status)).toEqual([401, 404, 405, 413])
    for (const answer of answers) expect(answer.headers.get("access-control-allow-origin")).toBe(APP)
  })

  it("answers a preflight with every method and header of the API", async () => {
    const answer = await ask("/locks/1/OpenLock", preflight(APP))
    expect(answer.status).toBe(204)
    expect(await answer.text()).toBe("")
    expect(corsOf(answer)).toMatchObject({
      "access-control-allow-origin": APP,
      "access-control-allow-methods": "HEAD, GET, POST, PUT, PATCH, DELETE",
      "access-control-max-age": "7200"
    })
    const headers = answer.headers.get("access-control-allow-headers")?.toLowerCase().split(", ")
    for (const name of [
      "authorization",
      "content-type",
      "idempotency-key",
      "if-match",
      "last-event-id",
      "x-api-key",
      "b3",
      "traceparent"
    ])
      expect(headers).toContain(name)
  })

  it("tells other origins nothing, and caches that the origin matters", async () => {
    for (const origin of [
      OTHER,
      "null",
      `${APP}:8443`,
      "https://app.example.org.evil.example",
      "HTTPS://APP.EXAMPLE.ORG"
    ]) {
      const answer = await ask("/locks", { headers: { origin, ...superKey } })
      expect([answer.status, corsOf(answer), answer.headers.get("vary")], origin).toEqual([200, {}, "Origin"])
      const refused = await ask("/locks", preflight(origin, "GET"))
      expect([refused.status, corsOf(refused)], origin).toEqual([405, {}])
    }
    const nobody = await ask("/locks", { headers: superKey })
    expect([corsOf(nobody), nobody.headers.get("vary")]).toEqual([{}, "Origin"])
    const file = await ask("/openapi.json", { headers: { origin: APP } })
    expect(file.headers.get("vary")).toBe("Accept-Encoding, Origin")
  })

  it("never lets cookies count, and the console be used", async () => {
    for (const path of ["/locks", "/console", "/console/sign-in", "/console/locks", "/console/style.css"]) {
      for (const sent of [{ headers: { origin: APP } }, preflight(APP)]) {
        const answer = await ask(path, { ...sent, redirect: "manual" })
        expect(answer.headers.get("access-control-allow-credentials"), path).toBeNull()
        if (path !== "/locks") expect(corsOf(answer), path).toEqual({})
      }
    }
  })
})

it.each([
  ["on a socket", onSocket],
  ["as a function", inProgram]
])("%s, says nothing to any page unless origins are named", async (_, start) => {
  const { ask, stop } = await start()
  try {
    const answer = await ask("/locks", { headers: { origin: APP, ...superKey } })
    expect([answer.status, corsOf(answer), answer.headers.get("vary")]).toEqual([200, {}, null])
    expect((await ask("/locks", preflight(APP))).status).toBe(405)
  } finally {
    await stop()
  }
})

it("is refused where an origin is none", async () => {
  for (const origin of ["*", "app.example.org", "https://app.example.org/", "https://a.example,https://b.example"])
    await expect(inProgram([origin])).rejects.toThrow("corsOrigins must be origins like")
})
