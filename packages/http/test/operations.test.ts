/** What operators see: health, readiness, metrics, the API's own description, and logs; never a secret. */
import { Validator } from "@seriousme/openapi-schema-validator"
import { Effect } from "effect"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import manifest from "../package.json" with { type: "json" }
import * as callers from "./harness/callers.ts"
import { INSIDE, type InProcess, startInProcess } from "./harness/inProcess.ts"
import { furnishedLock, lockAt, newUuid, tempKey } from "./harness/locks.ts"
import { type Answer, type Call, callsOf } from "./harness/request.ts"
import { declaredRoutes, everyRoute, goodRequest } from "./harness/routes.ts"

let server: InProcess
let call: Call
beforeAll(async () => {
  server = await startInProcess()
  call = callsOf(server.url)
})
afterAll(() => server.stop())

const secrets = [...callers.API_KEYS.map(({ secret }) => secret), callers.JWT_SECRET]
const signIns = [callers.owner, callers.stranger].map(({ authorization = "" }) => authorization.slice("Bearer ".length))

it("GET /health says that the process runs, and GET /ready whether its store answers", async () => {
  expect((await call("GET", "/health")).status).toBe(200)
  expect((await call("GET", "/ready")).status).toBe(200)
  server.faults.store = "down"
  try {
    expect((await call("GET", "/health")).status).toBe(200)
    const notReady = await call("GET", "/ready")
    expect(notReady.status).toBe(503)
    expect(notReady.text).not.toContain(INSIDE)
  } finally {
    server.faults.store = "ok"
  }
  expect((await call("GET", "/ready")).status).toBe(200)
})

it("answers probes that add a query, and those that ask for the head alone", async () => {
  for (const path of ["/health", "/ready", "/metrics", "/openapi.json", "/docs"]) {
    expect((await call("GET", `${path}?probe=made-up`)).status).toBe(200)
    expect(await call("HEAD", path)).toMatchObject({ status: 200, text: "" })
    const refused = await call("POST", path, { body: {} })
    expect([refused.status, refused.headers.get("allow")]).toEqual([405, "GET, HEAD"])
  }
})

describe("GET /metrics", () => {
  it("counts answers by method, route and status, and times them", async () => {
    const lock = await furnishedLock(server.url)
    const opened = /^http_requests_total\{[^}]*route="\/locks\/:id\/OpenLock"[^}]*status="200"[^}]*\} (\d+)/m
    const count = async () => Number(opened.exec((await call("GET", "/metrics")).text)?.[1] ?? 0)
    const before = await count()
    for (let n = 0; n < 3; n++) await lock.post("OpenLock")
    expect(await count()).toBe(before + 3)
    const { headers, text } = await call("GET", "/metrics")
    expect(headers.get("content-type")).toMatch(/^text\/plain; version=0\.0\.4/)
    expect(text).toMatch(/^http_request_duration_seconds_bucket\{[^}]*le="\+Inf"[^}]*\} \d+$/m)
    // Every line is a comment or a sample.
    for (const line of text.trim().split("\n")) expect(line).toMatch(/^(#.*|[a-z_]+(\{.*\})? [-+0-9.eInfNa]+)$/)
  })

  it("names no lock, no uuid, no secret and no address that somebody made up", async () => {
    const lock = await furnishedLock(server.url)
    const far = lockAt(server.url, 987_654_321)
    await far.post("CreateLock", { index: 1, uuid: far.uuid })
    for (const route of declaredRoutes) {
      const { path, body } = goodRequest(route, { ...lock, ...far, tempKeyUuid: lock.tempKeyUuid })
      for (const headers of [callers.nobody, callers.stranger, callers.superKey]) {
        await call(route.method, path, { headers, ...(body === undefined ? {} : { body }) })
      }
    }
    await call("GET", `/made-up/${newUuid()}`)
    await call("GET", `/temp-keys/${lock.tempKeyUuid}`)
    const { text } = await call("GET", "/metrics")
    for (const secret of [
      ...secrets,
      ...signIns,
      "987654321",
      lock.tempKeyUuid,
      lock.uuid,
      callers.OWNER,
      "made-up",
      "org-1"
    ]) {
      expect(text).not.toContain(secret)
    }
    expect(text).not.toMatch(/[0-9a-f]{8}-[0-9a-f]{4}-/)
  })
})

describe("GET /openapi.json", () => {
  interface OpenApi {
    readonly openapi: string
    readonly info: { readonly version: string }
    readonly paths: Readonly<
      Record<
        string,
        Readonly<Record<string, { readonly responses: object; readonly security?: ReadonlyArray<object> }>>
      >
    >
  }
  const described = async (): Promise<OpenApi> => JSON.parse((await call("GET", "/openapi.json")).text)

  it("is a valid OpenAPI 3.1 document", async () => {
    const validator = new Validator()
    const { valid, errors } = await validator.validate({ ...(await described()) })
    expect(valid ? [] : errors).toEqual([])
    expect(validator.version).toBe("3.1")
  })

  it("has the version of the package", async () => {
    expect((await described()).info.version).toBe(manifest.version)
  })

  /** What anybody may ask who has a link or a PIN. */
  const GUESTS =
    /^(GET|POST) \/(temp-keys\/\{uuid\}(\/(doors\/\{doorId\}\/)?(open|sign-in|confirmation))?|locks\/\{id\}\/open-with-pin|pin)$/

  /** What is answered before a route is asked, or to anyone who is signed in. */
  const ANYWHERE = [405, 408, 429, 431, 501]

  it("lists every route with every status that it answers, and how to sign in", async () => {
    const { paths } = await described()
    const ofGuests = everyRoute.map(({ name }) => name).filter((name) => GUESTS.test(name))
    for (const { method, name, statuses } of everyRoute) {
      const operation = paths[name.slice(method.length + 1)]?.[method.toLowerCase()]
      expect(
        Object.keys(operation?.responses ?? {})
          .map(Number)
          .sort(),
        name
      ).toEqual([...new Set([...statuses, ...ANYWHERE])].sort())
      const signIn = ofGuests.includes(name) ? [] : [{ apiKey: [] }, { bearer: [] }]
      expect(operation?.security, name).toEqual(signIn)
    }
    expect(Object.values(paths).flatMap((path) => Object.keys(path))).toHaveLength(everyRoute.length)
  })
})

it("GET /docs is a page that reads the description", async () => {
  const { status, headers, text } = await call("GET", "/docs")
  expect(status).toBe(200)
  expect(headers.get("content-type")).toContain("text/html")
  expect(text).toContain("Latchkey")
  expect(text).toContain("/locks/{id}/OpenLock")
})

it("GET / leads a browser to the console, and says what this is where there is none", async () => {
  const browser = { headers: { accept: "text/html,*/*;q=0.8" } }
  const led = await call("GET", "/", browser)
  expect([led.status, led.headers.get("location")]).toEqual([303, "/console"])
  for (const docs of [true, false]) {
    const plain = await startInProcess({ console: false, docs })
    try {
      const { status, headers, text } = await callsOf(plain.url)("GET", "/", browser)
      expect([status, headers.get("content-type")]).toEqual([200, "text/html; charset=utf-8"])
      expect(text).toContain("This is the API of a smart-lock service.")
      expect([text.includes('href="/docs"'), (await callsOf(plain.url)("GET", "/docs")).status]).toEqual(
        docs ? [true, 200] : [false, 404]
      )
      expect((await callsOf(plain.url)("GET", "/")).status).toBe(404)
    } finally {
      await plain.stop()
    }
  }
})

it("GET /favicon.ico leads to the picture that pages have", async () => {
  const { status, headers } = await call("GET", "/favicon.ico")
  expect(status).toBe(302)
  const icon = await call("GET", headers.get("location") ?? "")
  expect([icon.status, icon.headers.get("content-type")]).toEqual([200, "image/svg+xml"])
})

describe("when something fails", () => {
  /** Every route, with everything that it carries, while the store or the shadow does not do its work. */
  const failEverywhere = async (running: InProcess): Promise<ReadonlyArray<Answer>> => {
    const lock = await furnishedLock(running.url)
    const { secret } = await Effect.runPromise(running.apiKeys.create(callers.ORG, {}))
    secrets.push(secret, lock.tempKeyUuid)
    const guestUuid = newUuid()
    secrets.push(guestUuid)
    const answers: Array<Answer> = []
    const askAll = async () => {
      for (const headers of [
        callers.organization,
        callers.owner,
        callers.superKey,
        callers.apiKey(secret),
        callers.apiKey(`${secret}x`)
      ]) {
        for (const route of declaredRoutes) {
          const { path, body } = goodRequest(route, lock)
          const sent = body === undefined ? {} : { body }
          answers.push(
            await callsOf(running.url, { ...headers, "idempotency-key": newUuid() })(route.method, path, sent)
          )
        }
        const body = tempKey({ tempKeyUuid: guestUuid })
        answers.push(await callsOf(running.url, headers)("POST", `${lock.path}/create-temp-key`, { body }))
        answers.push(await callsOf(running.url, headers)("GET", `/temp-keys/${guestUuid}`))
      }
    }
    await Effect.runPromise(running.shadow.setMode("reject"))
    await askAll()
    running.faults.store = "down"
    running.faults.readModel = "down"
    await askAll()
    running.faults.store = "defect"
    running.faults.readModel = "defect"
    await askAll()
    return answers
  }

  it("the operator learns what, the caller only that; and no log holds a secret", async () => {
    await using running = await startInProcess()
    const answers = await failEverywhere(running)
    expect(answers.map(({ status }) => status)).toEqual(expect.arrayContaining([500, 502, 503]))
    for (const { status, text } of answers.filter(({ status }) => status >= 500)) {
      expect(text).not.toContain(INSIDE)
      expect(text, String(status)).not.toMatch(/\bat .*\.[jt]s|node_modules|Error:/)
    }
    const log = running.log.join("\n")
    expect(log).toContain(INSIDE)
    for (const secret of [...secrets, ...signIns]) expect(log).not.toContain(secret)
  })
})
