/** What a request says and nobody understands: refused wherever dropping it would let in more than was meant. */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { superKey } from "./harness/callers.ts"
import { closedBodies, expectProblem, publishedEndpoints } from "./harness/contract.ts"
import { inPlace } from "./harness/description.ts"
import { type InProcess, startInProcess } from "./harness/inProcess.ts"
import { type FurnishedLock, furnishedLock, newUuid, shared, stateOf, tempKey } from "./harness/locks.ts"
import { type Call, callsOf } from "./harness/request.ts"
import { type DeclaredRoute, everyRoute, goodRequest } from "./harness/routes.ts"

let server: InProcess
let call: Call
beforeAll(async () => {
  server = await startInProcess()
  // Guests are shown pages, unless they ask for JSON.
  call = callsOf(server.url, { ...superKey, accept: "application/json" })
})
afterAll(() => server.stop())

// biome-ignore lint/suspicious/noExplicitAny: what is read of it is looked at by the tests.
const description = async (): Promise<any> => inPlace(JSON.parse((await call("GET", "/openapi.json")).text))

interface Described {
  readonly type?: string
  readonly properties?: Readonly<Record<string, Described>>
  readonly items?: Described
  readonly anyOf?: ReadonlyArray<Described>
  readonly additionalProperties?: unknown
}

/** Where objects are in a body, and what is said of each; `undefined` where nothing is described. */
const objectsIn = (
  value: unknown,
  schema: Described | undefined,
  path: ReadonlyArray<string | number> = []
): ReadonlyArray<{ readonly path: ReadonlyArray<string | number>; readonly schema: Described | undefined }> => {
  if (Array.isArray(value)) return value.flatMap((item, n) => objectsIn(item, schema?.items, [...path, n]))
  if (typeof value !== "object" || value === null) return []
  const described = schema?.anyOf?.find(({ type }) => type === "object") ?? schema
  return [
    { path, schema: described },
    ...Object.entries(value).flatMap(([name, inside]) =>
      objectsIn(inside, described?.properties?.[name], [...path, name])
    )
  ]
}

/** The body with one more member at a place. */
const withMember = (value: unknown, path: ReadonlyArray<string | number>, name: string): unknown => {
  const [step, ...rest] = path
  if (step === undefined) return { ...(value as object), [name]: 1 }
  if (Array.isArray(value)) return value.map((item, n) => (n === step ? withMember(item, rest, name) : item))
  const members = Object.entries(value as object)
  return Object.fromEntries(members.map(([key, item]) => [key, key === step ? withMember(item, rest, name) : item]))
}

const schedule = { timeZone: "UTC", windows: [{ days: ["monday"], from: "09:00", to: "11:00" }] }

/** Bodies with more inside than a good one needs. */
const rich: Readonly<Record<string, (lock: FurnishedLock) => { readonly [name: string]: unknown }>> = {
  "POST /locks/{id}/CreateLock": ({ uuid }) => ({ index: 1, uuid, keys: [{ uuid: "a" }, { uuid: "b" }] }),
  "POST /locks/{id}/create-temp-key": () => tempKey({ schedule }),
  "POST /locks/{id}/update-temp-key": ({ tempKeyUuid }) => ({ tempKeyUuid, schedule })
}

const withBody = everyRoute.filter(({ method }) => method === "POST" || method === "PATCH")

describe.each(everyRoute.filter(({ method }) => method !== "GET"))("$name", (route: DeclaredRoute) => {
  it("refuses what it does not know exactly where its description says so, and does nothing then", async () => {
    const document = await description()
    const described = document.paths[route.name.split(" ")[1] ?? ""][route.method.toLowerCase()].requestBody
    const schema: Described | undefined = described?.content["application/json"].schema
    const lock = await furnishedLock(server.url)
    const good = goodRequest(route, lock)
    const body = rich[route.name]?.(lock) ?? good.body ?? {}
    for (const { path, schema: place } of objectsIn(body, schema)) {
      const before = await stateOf(lock)
      const answer = await call(route.method, good.path, { body: withMember(body, path, "notKnownToAnyone") })
      const isRefused = described === undefined || place?.additionalProperties === false
      const field = [...path, "notKnownToAnyone"].join(".")
      expect([field, answer.status === 400], answer.text).toEqual([field, isRefused])
      if (!isRefused) continue
      expectProblem(400, answer.body)
      expect(answer.body.details?.map((detail) => detail.field)).toEqual([field])
      expect(await stateOf(lock)).toBe(before)
    }
  })
})

const withoutBody = everyRoute.filter(({ method, takesBody }) => method !== "GET" && !takesBody)

describe.each(withoutBody)("$name takes no body, and", (route) => {
  it("says so of any that says something, and does nothing then", async () => {
    const lock = await furnishedLock(server.url)
    const before = await stateOf(lock)
    const { path } = goodRequest(route, lock)
    const noBody = "This path takes no body. Leave it out; nothing was done"
    for (const [body, field] of [
      ['{"lockId":7}', "lockId"],
      ["null", "body"],
      ["[1]", "body"],
      ["5", "body"],
      ["{", "body"]
    ] as const) {
      const answer = await call(route.method, path, { body })
      expect([body, answer.status, answer.body.details]).toEqual([body, 400, [{ field, message: noBody }]])
      expectProblem(400, answer.body)
    }
    const text = await call(route.method, path, { body: "all of them", headers: { "content-type": "text/plain" } })
    expect([text.status, text.body.details]).toEqual([400, [{ field: "body", message: noBody }]])
    expect(await stateOf(lock)).toBe(before)
    const { status } = await call(route.method, path, { body: "{}" })
    expect([200, 202, 404]).toContain(status)
  })
})

it("of the published bodies, those are closed that the additions to the contract name, and all that are ours alone", async () => {
  const { paths } = await description()
  const isClosed = ({ name, method }: DeclaredRoute) => {
    const body: { readonly content: Readonly<Record<string, { readonly schema: Described }>> } | undefined =
      paths[name.split(" ")[1] ?? ""][method.toLowerCase()].requestBody
    return Object.values(body?.content ?? {}).every(({ schema }) => schema.additionalProperties === false)
  }
  const isPublished = ({ name }: DeclaredRoute) => publishedEndpoints.includes(name)
  const names = withBody
    .filter(isPublished)
    .filter(isClosed)
    .map(({ name }) => name)
  expect(names.sort()).toEqual([...closedBodies].sort())
  expect(withBody.filter((route) => !isPublished(route) && !isClosed(route))).toEqual([])
})

it("no answer is described as closed", async () => {
  const document = await description()
  for (const route of everyRoute) {
    const { responses } = document.paths[route.name.split(" ")[1] ?? ""][route.method.toLowerCase()]
    expect(JSON.stringify(responses)).not.toContain('"additionalProperties":false')
  }
})

describe("a restriction that is misspelt", () => {
  const refusal = async (path: string, body: unknown) => {
    const { status, body: answer } = await call("POST", path, { body })
    return [status, answer.details]
  }
  const did = (field: string, meant: string) => [400, [{ field, message: `Not known here. Did you mean ${meant}?` }]]

  it("is not dropped: the refusal says what it may have been meant to be", async () => {
    const lock = await furnishedLock(server.url)
    const { path, lockId, tempKeyUuid } = lock
    const before = await stateOf(lock)
    const create = (more: Readonly<Record<string, unknown>>) => refusal(`${path}/create-temp-key`, tempKey(more))
    expect(await create({ max_uses: 1 })).toEqual(did("max_uses", "maxUses"))
    expect(await create({ MaxUses: 1 })).toEqual(did("MaxUses", "maxUses"))
    expect(await create({ allowedUsers: [newUuid()] })).toEqual(did("allowedUsers", "allowedUserIds"))
    expect(await create({ schedules: schedule })).toEqual(did("schedules", "schedule"))
    expect(await create({ schedule: { ...schedule, timezone: "UTC" } })).toEqual(did("schedule.timezone", "timeZone"))
    const [window] = schedule.windows
    expect(await create({ schedule: { ...schedule, windows: [{ ...window, untl: "09:30", To: "10:00" }] } })).toEqual([
      400,
      [
        { field: "schedule.windows.0.untl", message: expect.any(String) },
        { field: "schedule.windows.0.To", message: "Not known here. Did you mean to?" }
      ]
    ])
    expect(await refusal(`${path}/update-temp-key`, { tempKeyUuid, valid_until: "2026-01-02T00:00:00Z" })).toEqual(
      did("valid_until", "validUntil")
    )
    expect(
      await refusal("/temp-keys", shared(lockId, { doors: [{ lockId: String(lockId), accessmethod: "code" }] }))
    ).toEqual(did("doors.0.accessmethod", "accessMethod"))
    expect(await refusal(`${path}/AddKey`, { keyUuid: "new", userID: "u" })).toEqual(did("userID", "userId"))
    expect(await refusal(`${path}/BulkAddKeys`, { keys: [{ keyUuid: "new", userID: "u" }] })).toEqual(
      did("keys.0.userID", "userId")
    )
    expect(await refusal(`${path}/SetOwner`, { userId: "u", until: "2026" })).toEqual(did("until", "userId"))
    expect(await stateOf(lock)).toBe(before)
  })

  it("and one that is named twice is not dropped either: what counts would be the last", async () => {
    const { path, tempKeyUuid } = await furnishedLock(server.url)
    const twice = (value: string) => `{"tempKeyUuid":"${tempKeyUuid}","maxUses":1,"maxUses":${value}}`
    for (const value of ["null", "1"]) {
      const { status, body } = await call("POST", `${path}/update-temp-key`, { body: twice(value) })
      expect([status, body.details]).toEqual([
        400,
        [{ field: "body", message: "must name each member of an object once" }]
      ])
    }
    const nested = `{"keys":[{"keyUuid":"a:\\"b"},{"keyUuid":"c","userId":"d","userId":"e"}]}`
    expect((await call("POST", `${path}/BulkAddKeys`, { body: nested })).status).toBe(400)
    const fine = `{"keys":[{"keyUuid":"a:\\"b: {\\\\"},{"keyUuid":"c","userId":"d"}]}`
    expect((await call("POST", `${path}/BulkAddKeys`, { body: fine })).status).toBe(200)
  })

  it("of the list of temp keys is not dropped either", async () => {
    const { lockId } = await furnishedLock(server.url)
    const { status, body } = await call("GET", `/temp-keys?lockid=${lockId}`)
    expect([status, body.details]).toEqual(did("lockid", "lockId"))
  })

  it("costs little to refuse, however much there is of it", async () => {
    const { path } = await furnishedLock(server.url)
    const many = Object.fromEntries(Array.from({ length: 5_000 }, (_, n) => [`u${n}`, 1]))
    const answer = await call("POST", `${path}/SetOwner`, { body: { userId: "u", ...many } })
    expect([answer.status, answer.body.details?.length]).toEqual([400, 1])
    const keys = Array.from({ length: 90 }, (_, n) => ({ keyUuid: `key-${n}`, a: 1, b: 1, c: 1, d: 1, e: 1, f: 1 }))
    const nested = await call("POST", `${path}/BulkAddKeys`, { body: { keys } })
    expect([nested.status, nested.text.length < 64 * 1024]).toEqual([400, true])
  })
})
