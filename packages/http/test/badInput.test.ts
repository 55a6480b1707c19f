/** What no good client sends: always refused with a 4xx that says why, never a 5xx, and nothing has changed. */
import { gzipSync } from "node:zlib"
import { Ajv } from "ajv"
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"
import { OWNER, organization, owner, superKey } from "./harness/callers.ts"
import { commandSchemas, expectProblem, type JsonSchema } from "./harness/contract.ts"
import { type InProcess, startInProcess } from "./harness/inProcess.ts"
import { type FurnishedLock, furnishedLock, newLockId, stateOf } from "./harness/locks.ts"
import { type Answer, type Call, callsOf, connectTo, sendRaw } from "./harness/request.ts"
import { declaredRoutes, goodRequest } from "./harness/routes.ts"

let server: InProcess
let call: Call
let lock: FurnishedLock
let before: string
let other: FurnishedLock
beforeAll(async () => {
  server = await startInProcess()
  call = callsOf(server.url, superKey)
  lock = await furnishedLock(server.url)
  before = await stateOf(lock)
  other = await furnishedLock(server.url)
})
afterAll(() => server.stop())

afterEach(async () => {
  expect(await stateOf(lock)).toBe(before)
  expect(Object.keys(Object.getOwnPropertyDescriptors(Object.prototype))).not.toContain("polluted")
  expect((await call("GET", "/health")).status).toBe(200)
})

const commands = declaredRoutes.filter(({ method }) => method === "POST")

/** Fails unless the answer refuses the request as invalid and names the field. */
const expectInvalid = (answer: Answer, what: string, field?: string) => {
  expect(answer.status, what).toBe(400)
  expectProblem(400, answer.body)
  const fields = answer.body.details?.map((detail) => detail.field) ?? []
  expect(fields, what).not.toEqual([])
  if (field !== undefined)
    expect(
      fields.map((path) => path.split(".")[0]),
      what
    ).toContain(field)
}

const bodies: Readonly<Record<string, string>> = {
  "an open brace": "{",
  "no value": '{"userId":}',
  "a comma too many": '{"userId":"u",}',
  "single quotes": "{'userId':'u'}",
  "two documents": "{}{}",
  "a number as it is not written": '{"index":01}',
  "a bare NUL": "\0",
  "a raw line break in text": '{"userId":"a\nb"}',
  null: "null",
  "a list": "[]",
  "a list of objects": '[{"userId":"u"}]',
  text: '"text"',
  "a number": "1",
  true: "true",
  "a prototype": '{"__proto__":{"polluted":true}}',
  "a prototype that is escaped": '{"\\u005f_proto__":{"polluted":true}}',
  "a constructor's prototype": '{"constructor":{"prototype":{"polluted":true}}}',
  "a nested prototype": '{"keys":[{"uuid":"a","keyUuid":"a","__proto__":{"polluted":true}}]}',
  "a deep nested constructor": '{"a":{"b":[{"constructor":{"prototype":{"polluted":true}}}]}}',
  "a list in lists": "[".repeat(30_000) + "]".repeat(30_000)
}

describe.each(commands)("$name", (route) => {
  const send = (body: unknown, headers: Readonly<Record<string, string>> = {}) => {
    const { path } = goodRequest(route, lock)
    return call("POST", path, { body, headers })
  }
  const good = () => ({ ...(goodRequest(route, lock).body as Readonly<Record<string, unknown>>) })
  const schema = commandSchemas[route.path.split("/").at(-1) ?? ""] ?? {}
  const isPublished = new Ajv({ validateFormats: false, strict: false }).compile(schema)

  it("takes nothing but a JSON object, and none that reaches into prototypes", async () => {
    for (const [what, body] of Object.entries(bodies)) expectInvalid(await send(body), what)
  })

  it("takes nothing but UTF-8", async () => {
    const { path } = goodRequest(route, lock)
    for (const bytes of [
      [0x7b, 0xff, 0x7d],
      [0x22, 0xc3, 0x22],
      [0xff, 0xfe, 0x7b, 0x00, 0x7d, 0x00]
    ]) {
      const response = await fetch(server.url + path, {
        method: "POST",
        headers: { ...superKey, "content-type": "application/json" },
        body: new Uint8Array(bytes)
      })
      expect(response.status).toBe(400)
    }
  })

  it("names every field that is missing", async () => {
    for (const field of schema.required ?? []) {
      const { [field]: _, ...rest } = good()
      expectInvalid(await send(rest), `without ${field}`, field)
    }
  })

  it("names every field that holds what it must not", async () => {
    const values = [
      null,
      0,
      -1,
      1.5,
      1e300,
      2 ** 53,
      true,
      "",
      "x",
      "\0",
      "a\ud800",
      "\udc00",
      "x".repeat(2001),
      [],
      [1],
      [""],
      {},
      [{}]
    ]
    for (const field of Object.keys(schema.properties ?? {})) {
      for (const value of values) {
        const body = { ...good(), [field]: value }
        if (isPublished(body) && !holdsBrokenText(value)) continue
        expectInvalid(await send(body), `${field}: ${JSON.stringify(value).slice(0, 40)}`, field)
      }
      // More levels than a careless printer of what is wrong could climb.
      const deep = "[".repeat(20_000) + "]".repeat(20_000)
      expectInvalid(
        await send(JSON.stringify({ ...good(), [field]: "deep" }).replace('"deep"', deep)),
        `${field}: deep`,
        field
      )
    }
  })

  it("takes no NUL and no half of a surrogate pair in any text, however deep", async () => {
    for (const broken of ["a\0b", "\ud83d", "\udd11x"]) {
      for (const { field, body } of withTextReplaced(good(), schema, broken)) {
        expectInvalid(await send(body), `${JSON.stringify(broken)} in ${field}`, field)
      }
    }
  })

  it("takes nothing but application/json, and not compressed", async () => {
    for (const type of [
      "text/plain",
      "application/x-www-form-urlencoded",
      "multipart/form-data",
      "application/jsonp",
      "json",
      ""
    ]) {
      const { status, body } = await send(good(), { "content-type": type })
      // Where no body is taken, it is none whatever it is called.
      const refused = route.takesBody ? 415 : 400
      expect([type, status]).toEqual([type, refused])
      expectProblem(refused, body)
    }
    const { path } = goodRequest(route, lock)
    const headers = { ...superKey, "content-type": "application/json", "content-encoding": "gzip" }
    const zipped = await fetch(server.url + path, { method: "POST", headers, body: gzipSync(JSON.stringify(good())) })
    expect(zipped.status).toBe(route.takesBody ? 415 : 400)
  })

  it("takes no body over 64 KB, whether its length is announced or not", async () => {
    const large = JSON.stringify({ ...good(), filler: "x".repeat(200_000) })
    const announced = await send(large)
    expectProblem(413, announced.body)
    const { path } = goodRequest(route, lock)
    const chunked = await fetch(server.url + path, {
      method: "POST",
      headers: { ...superKey, "content-type": "application/json" },
      body: new Blob([large]).stream(),
      duplex: "half"
    })
    expect(chunked.status).toBe(413)
  })

  it("takes no lock but one with a positive integer for a number", async () => {
    for (const id of BAD_IDS) {
      const answer = await call("POST", goodRequest(route, lock).path.replace(lock.path, `/locks/${id}`), {
        body: good()
      })
      expectInvalid(answer, id, "id")
    }
  })

  it("takes no idempotency key but 1 to 255 visible ASCII characters", async () => {
    for (const key of ["", "with space", "x".repeat(256), "schl\u00fcssel", "tab\there"]) {
      expectInvalid(await send(good(), { "idempotency-key": key }), key, "idempotency-key")
    }
  })
})

const BAD_IDS = [
  "0",
  "-1",
  "1.5",
  "abc",
  "99999999999999999999",
  "9007199254740993",
  "9007199254740992",
  "%00",
  "1%00",
  "1e3",
  "0x10",
  "+1",
  "%201",
  "01",
  "%2B1",
  "NaN",
  "Infinity",
  "__proto__",
  "1,2",
  "%D9%A1"
]

describe.each(declaredRoutes.filter(({ path }) => path.startsWith("/locks/") && path.split("/").length === 4))(
  "$name",
  (route) => {
    it("refuses addresses that are no UTF-8 or no number at all", async () => {
      for (const id of ["%ff", "%", "%zz", "%ED%A0%80", "", "1".repeat(5000)]) {
        const { path } = goodRequest(route, lock)
        const { status } = await sendRaw(
          server.url,
          `${route.method} ${path.replace(lock.path, `/locks/${id}`)} HTTP/1.1\r\nHost: x\r\nX-API-Key: super-key-which-has-32-bytes-or-more\r\nConnection: close\r\n\r\n`
        )
        expect([id, Math.floor(status / 100)]).toEqual([id, 4])
      }
    })

    if (route.method === "GET") {
      it("takes no lock but one with a positive integer for a number", async () => {
        for (const id of BAD_IDS) {
          const path = goodRequest(route, lock).path.replace(lock.path, `/locks/${id}`)
          expectInvalid(await call("GET", path), id, "id")
        }
      })
    }
  }
)

it("takes no page of the history but one with a number", async () => {
  for (const page of ["0", "-1", "1.5", "abc", "", "%00", "1e2", "99999999999999999999", "1&page=2", "%ff"]) {
    expectInvalid(await call("GET", `${lock.path}/events?page=${page}`), page, "page")
  }
})

it("answers an empty page, however far past the end", async () => {
  const { status, body } = await call("GET", `${lock.path}/events?page=${Number.MAX_SAFE_INTEGER}`)
  expect([status, body.events]).toEqual([200, []])
})

it("takes no instance id but a UUID", async () => {
  for (const id of ["1", "%00", "bulk-", "__proto__"]) {
    expectInvalid(await call("GET", `${lock.path}/BulkAddKeys/${id}`), id, "instanceId")
  }
})

it("takes no user id with NUL or half a surrogate pair", async () => {
  for (const id of ["%00", "a%00b"]) expectInvalid(await call("GET", `/users/${id}/owned-locks`), id, "id")
  for (const id of ["%ff", "%ED%A0%80", "%"]) {
    expect((await call("GET", `/users/${id}/owned-locks`)).status).toBeGreaterThanOrEqual(400)
  }
})

it("says which part of an address is no UTF-8", async () => {
  const answer = await call("GET", "/users/%ff/owned-locks")
  expectInvalid(answer, "%ff", "path")
})

it("finds the locks of users whose ids are long", async () => {
  const userId = "u".repeat(2_000)
  const { status, body } = await call("GET", `/users/${userId}/owned-locks`)
  expect([status, body.errors?.[0]?.code]).toEqual([404, 404])
})

it("answers what is no HTTP in the shape of every error", async () => {
  const unreadable = [
    "NONSENSE / HTTP/1.1\r\nHost: x\r\n\r\n",
    `GET / HTTP/1.1\r\nHost: x\r\nX: ${"y".repeat(20_000)}\r\n\r\n`
  ]
  for (const bytes of unreadable) {
    const { status, text } = await sendRaw(server.url, bytes)
    expect(JSON.parse(text.slice(text.indexOf("{")))).toMatchObject({ success: false, code: status })
  }
})

it("takes bodies of 64 KB to the byte", async () => {
  const bytes = (length: number) => JSON.stringify({ reason: "delivery", x: "y".repeat(length) })
  const rest = 64 * 1024 - bytes(0).length
  const open = async (length: number) => (await call("POST", `${other.path}/OpenLock`, { body: bytes(length) })).status
  expect([await open(rest), await open(rest + 1)]).toEqual([200, 413])
})

it("creates no lock out of a bad body", async () => {
  const lockId = newLockId()
  for (const body of ["{", '{"index":0}', '{"index":1,"uuid":"no uuid"}', '{"__proto__":{}}']) {
    expect((await call("POST", `/locks/${lockId}/CreateLock`, { body })).status).toBe(400)
  }
  expect((await call("GET", `/locks/${lockId}/details`)).status).toBe(404)
})

describe("a list in which everything is wrong", () => {
  const fill = (element: unknown, bytes: number) =>
    Array.from({ length: Math.floor(bytes / (JSON.stringify(element).length + 1)) }, () => element)
  const key = () =>
    commands.flatMap((route) =>
      route.path.endsWith("/create-temp-key") ? [goodRequest(route, lock).body] : []
    )[0] as object
  const requests: Readonly<Record<string, () => readonly [path: string, body: object]>> = {
    "keys of CreateLock": () => [`/locks/${newLockId()}/CreateLock`, { index: 1, uuid: OWNER, keys: fill({}, 60_000) }],
    "keys of BulkAddKeys": () => [`${lock.path}/BulkAddKeys`, { keys: fill(1, 60_000) }],
    "users of a temp key": () => [`${lock.path}/create-temp-key`, { ...key(), allowedUserIds: fill("", 60_000) }],
    "windows of a schedule": () => [
      `${lock.path}/create-temp-key`,
      { ...key(), schedule: { timeZone: "UTC", windows: fill({}, 60_000) } }
    ],
    "days of windows": () => [
      `${lock.path}/create-temp-key`,
      { ...key(), schedule: { timeZone: "UTC", windows: fill({ days: fill(1, 600) }, 60_000) } }
    ],
    "doors of a key, behind a list that nobody asked for": () => [
      "/temp-keys",
      { nobody: fill(1, 1_000), validFrom: 1, doors: fill(1, 60_000) }
    ]
  }

  it.each(Object.entries(requests))("%s: the answer is short", async (what, request) => {
    const [path, body] = request()
    const answer = await call("POST", path, { body })
    expectInvalid(answer, what)
    expect(answer.text.length).toBeLessThan(64 * 1024)
  })

  it("tells the first thing that is wrong, however far from the beginning", async () => {
    const keys: Array<unknown> = Array.from({ length: 450 }, (_, n) => ({ keyUuid: `key-${n}` }))
    keys[440] = {}
    const answer = await call("POST", `${lock.path}/BulkAddKeys`, { body: { keys } })
    expect(answer.body.details?.map(({ field }) => field)).toEqual(["keys.440.keyUuid"])
  })

  it("tells each thing that is wrong with a short one", async () => {
    const keys = Array.from({ length: 90 }, () => ({}))
    const answer = await call("POST", `${lock.path}/BulkAddKeys`, { body: { keys } })
    expect(answer.body.details?.map(({ field }) => field)).toEqual(keys.map((_, n) => `keys.${n}.keyUuid`))
  })
})

it("refuses keys that share a uuid or a slot", async () => {
  const create = (keys: unknown) =>
    call("POST", `/locks/${newLockId()}/CreateLock`, { body: { index: 1, uuid: OWNER, keys } })
  expectInvalid(await create([{ uuid: "a" }, { uuid: "a" }]), "uuid", "keys")
  expectInvalid(
    await create([
      { uuid: "a", indexNumber: 1 },
      { uuid: "b", indexNumber: 1 }
    ]),
    "slot",
    "keys"
  )
})

describe("below HTTP's own rules", () => {
  const head = (...lines: ReadonlyArray<string>) =>
    [`POST /locks/${lock.lockId}/SetOwner HTTP/1.1`, "Host: x", "Connection: close", ...lines, "", ""].join("\r\n")
  const body = '{"userId":"somebody"}'
  const length = `Content-Length: ${body.length}`
  const json = "Content-Type: application/json"
  const key = "X-API-Key: key-of-org-1-which-has-32-bytes-or-more"

  const cases: Readonly<Record<string, () => string>> = {
    "two lengths": () => head(key, json, length, "Content-Length: 5") + body,
    "a length that is none": () => head(key, json, "Content-Length: ten") + body,
    "a length and chunks": () => head(key, json, length, "Transfer-Encoding: chunked") + body,
    "a chunk that is none": () => `${head(key, json, "Transfer-Encoding: chunked")}zz\r\n${body}\r\n0\r\n\r\n`,
    "no host": () => head(key, json, length).replace("Host: x\r\n", "") + body,
    "one length, twice": () => head(key, json, length, length) + body,
    "huge headers": () => head(key, `X-Filler: ${"x".repeat(20_000)}`, json, length) + body,
    "a header with a NUL": () => head(key, "X-Filler: a\0b", json, length) + body,
    "a method that is none": () => head(key, json, length).replace("POST", "PO ST") + body,
    "a method that nobody knows": () => head(key, json, length).replace("POST", "BREW") + body,
    "no request at all": () => "\r\n\x16\x03\x01 hello\r\n\r\n",
    "a header of HTTP/2": () => "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a path that is none": () => head(key, json, length).replace("/locks", "locks") + body
  }
  it.each(Object.entries(cases))("refuses %s", async (_, request) => {
    const { status } = await sendRaw(server.url, request())
    expect(Math.floor(status / 100)).toBe(4)
  })

  it.each([
    ["API keys", [key, key]],
    ["hosts", [key, "Host: x"]],
    ["types", [key, json]],
    ["tokens", Array(2).fill(`Authorization: ${owner["authorization"]}`)],
    ["idempotency keys", [key, "Idempotency-Key: a", "Idempotency-Key: b"]],
    ["encodings", [key, "Content-Encoding: identity", "Content-Encoding: identity"]]
  ])("refuses two %s, also when they are equal", async (_, twice) => {
    const { status, text } = await sendRaw(server.url, head(...twice, json, length) + body)
    expect([status, text]).toEqual([400, expect.stringContaining("was sent more than once")])
  })

  it.each(["gzip, chunked", "gzip", "identity"])("knows no coding %s, and closes", async (coding) => {
    const request = head(key, json, `Transfer-Encoding: ${coding}`).replace("Connection: close\r\n", "")
    expect((await sendRaw(server.url, `${request}0\r\n\r\n`)).status).toBe(501)
  })

  it("does nothing with half of a body", async () => {
    for (const announced of [`Content-Length: ${body.length}`, "Transfer-Encoding: chunked"]) {
      const socket = await connectTo(server.url)
      await new Promise((resolve) => socket.write(head(key, json, announced) + body.slice(0, 10), resolve))
      socket.destroy()
    }
  })

  it("knows no other paths and methods", async () => {
    const requests = [
      ["DELETE", lock.path],
      ["GET", "/"],
      ["GET", "/lock"],
      ["GET", "/../../etc/passwd"],
      ["POST", `${lock.path}/OpenWithTempKey`],
      ["POST", `${lock.path}/__proto__`],
      ["POST", `${lock.path}/constructor`]
    ] as const
    for (const [method, path] of requests) {
      const { status, body } = await call(method, path, { headers: organization })
      expect([method, path, status]).toEqual([method, path, 404])
      expectProblem(404, body)
    }
  })

  it("names the methods of a path that is right", async () => {
    const requests = [
      ["GET", `${lock.path}/SetOwner`, "POST"],
      ["HEAD", `${lock.path}/SetOwner`, "POST"],
      ["PUT", `${lock.path}/SetOwner`, "POST"],
      ["POST", `${lock.path}/details`, "GET, HEAD"],
      ["PUT", `/temp-keys/${lock.tempKeyUuid}`, "GET, HEAD, PATCH, DELETE"],
      ["DELETE", "/docs", "GET, HEAD"]
    ] as const
    for (const [method, path, allow] of requests) {
      const { status, headers } = await call(method, path, { headers: organization })
      expect([method, path, status, headers.get("allow")]).toEqual([method, path, 405, allow])
    }
    expect((await call("HEAD", `${lock.path}/details`, { headers: organization })).status).toBe(200)
  })
})

/** Whether the text, or text inside, is what Unicode or a database cannot keep. */
const holdsBrokenText = (value: unknown): boolean => /\\u0000|\\ud[89a-f]/.test(JSON.stringify(value))

/** The body once for every text in it that the schema knows, with that text replaced. */
const withTextReplaced = (
  body: Readonly<Record<string, unknown>>,
  { properties = {} }: JsonSchema,
  text: string
): ReadonlyArray<{ readonly field: string; readonly body: unknown }> =>
  Object.entries(properties).flatMap(
    ([field, schema]): ReadonlyArray<{ readonly field: string; readonly body: unknown }> => {
      if (schema.type === "string") return [{ field, body: { ...body, [field]: text } }]
      if (schema.type !== "array" || schema.items === undefined) return []
      if (schema.items.type === "string") return [{ field, body: { ...body, [field]: [text] } }]
      return withTextReplaced({ uuid: "a", keyUuid: "a" }, schema.items, text).map((item) => ({
        field,
        body: { ...body, [field]: [item.body] }
      }))
    }
  )
