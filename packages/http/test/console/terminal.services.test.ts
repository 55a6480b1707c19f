/** The API calls that pages of the console show, pasted into a terminal: each does what the page does. */
import { execFile } from "node:child_process"
import { isDeepStrictEqual, promisify } from "node:util"
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest"
import { API_KEYS, OWNER, organization, token } from "../harness/callers.ts"
import { type InProcess, startInProcess } from "../harness/inProcess.ts"
import { createLock } from "../harness/locks.ts"
import { callsOf } from "../harness/request.ts"
import { type Hotel, openHotel } from "./hotel.ts"
import { type Operator, signIn, wordsOf } from "./operator.ts"

let server: InProcess
let hotel: Hotel
let operator: Operator
const [{ secret = "" } = {}] = API_KEYS
beforeAll(async () => {
  server = await startInProcess({ webhooks: { loopback: true } })
  hotel = await openHotel(server)
  operator = await signIn(server.url, secret)
})
afterAll(async () => {
  await hotel?.[Symbol.asyncDispose]()
  await server?.stop()
})

const ENTITIES: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', "#39": "'" }

/** The lines that a page shows, as a browser copies them. */
const linesOf = ({ text }: { readonly text: string }): ReadonlyArray<string> =>
  Array.from(text.matchAll(/<pre tabindex="0"><code>(curl [^<]*)<\/code><\/pre>/g), ([, line = ""]) =>
    line.replace(/&(amp|lt|gt|quot|#39);/g, (_, name: string) => ENTITIES[name] ?? "")
  )

const PATIENCE = { timeout: 60_000, interval: 20 }

const shell = promisify(execFile)
/** Pastes a line into a shell that knows the key, and reads what it prints. */
const paste = async (line: string, environment: Readonly<Record<string, string>> = { KEY: secret }) => {
  const { stdout } = await shell("sh", ["-c", line], { env: { PATH: process.env["PATH"], ...environment } })
  return JSON.parse(stdout)
}

/** Without what every answer has anew: when it was given. */
const lasting = (answer: object) => ({ ...answer, timestamp: undefined, at: undefined })

describe("what a page has asked", () => {
  it("a terminal is answered as well, for every page", async () => {
    const asked = new Set<string>()
    for (const path of hotel.paths) {
      for (const line of linesOf(await operator.get(path))) if (!/ -X (POST|DELETE|PATCH) /.test(line)) asked.add(line)
    }
    expect(asked.size).toBeGreaterThan(10)
    for (const line of asked) {
      const [, path = ""] = new RegExp(`'${server.url}([^']*)'$`).exec(line) ?? []
      const ask = async () => JSON.parse((await callsOf(server.url, organization)("GET", path)).text)
      // What is delivered meanwhile may come between the two.
      await vi.waitUntil(async () => isDeepStrictEqual(lasting(await paste(line)), lasting(await ask())), PATIENCE)
    }
  })

  it("with a user's token too", async () => {
    const lock = await createLock(server.url)
    await lock.post("SetOwner", { userId: OWNER })
    const own = token({ sub: OWNER })
    const lines = linesOf(await (await signIn(server.url, own)).get("/console/locks"))
    expect(lines).toHaveLength(1)
    for (const line of lines) {
      const { locks } = await paste(line, { TOKEN: own })
      expect(locks.map(({ lockId }: { lockId: number }) => lockId)).toContain(lock.lockId)
    }
  })
})

/** What a shell might take for something else. */
const NAME = `O'Neil "suite" \`id\` $KEY $(id) \\ & ; | > 🗝`

describe("what a page has done", () => {
  it("a terminal does again, with every word as it was given", async () => {
    const lock = await createLock(server.url)
    const described = async () => JSON.parse((await lock.get("details")).text).description
    const fields = { name: NAME, timeZone: "Europe/Athens", address: "", contact: "", instructions: "" }
    const [line = ""] = linesOf(await operator.act(`/console/locks/${lock.lockId}/describe-lock`, fields))
    await lock.post("describe-lock", { name: null })
    // As a request of its own: under the key of the form it would be the one that the page has made.
    expect((await paste(line.replace(/-H 'idempotency-key: [^']*' /, ""))).success).toBe(true)
    expect(await described()).toEqual({ name: NAME, timeZone: "Europe/Athens" })
  })

  it("is done once, by the page and by the terminal together", async () => {
    const lock = await createLock(server.url)
    const shown = linesOf(await operator.act(`/console/locks/${lock.lockId}/open`, { reason: "concierge" }))
    const opened = () => lock.get("events?types=LockOpenRequested")
    const [line = ""] = shown
    expect(line).toContain("idempotency-key")
    expect((await paste(line)).success).toBe(true)
    expect((await opened()).body.events).toHaveLength(1)
  })
})

describe("what a page would do", () => {
  it("a terminal does: open a door, make an API key, share a key, change it, and end it", async () => {
    const lock = await createLock(server.url)
    const wouldOf = async (path: string) => {
      const line = linesOf(await operator.get(path)).at(-1) ?? ""
      expect([path, line]).toEqual([path, expect.stringMatching(/ -X (POST|DELETE|PATCH) /)])
      return paste(line)
    }
    expect((await wouldOf(`/console/locks/${lock.lockId}/open`)).event.type).toBe("LockOpenRequested")
    expect((await wouldOf("/console/api-keys/new")).scopes).toEqual(["read"])
    const terms = "step=who&zone=UTC&from=2030-01-01T10:00&until=2030-02-01T10:00&days0=friday&from0=22:00&to0=02:00"
    const key = await wouldOf(`/console/temp-keys/new?doors=${lock.lockId}&${terms}`)
    expect(key.schedule.windows).toEqual([{ days: ["friday"], from: "22:00", to: "02:00" }])
    const page = `/console/temp-keys/${key.id}`
    expect((await wouldOf(`${page}/suspend`)).suspended).toBe(true)
    expect((await wouldOf(`${page}/resume`)).suspended).toBe(false)
    expect((await wouldOf(`${page}/change`)).id).toBe(key.id)
    expect((await wouldOf(`${page}/new-link`)).url).not.toBe(key.url)
    expect((await wouldOf(`${page}/end`)).success).toBe(true)
    expect(wordsOf(await operator.get(page))).toContain("was deleted")
  })
})
