/** SIGTERM: what is under way is finished, nothing else is waited for, and the process ends well. */
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import { describe, it, vi } from "vitest"
import { OWNER } from "./harness/callers.ts"
import { feedIn } from "./harness/dataFolder.ts"
import { createLock, versionsUpTo } from "./harness/locks.ts"
import { configured, type Server, startServer, temporaryFolder } from "./harness/process.ts"
import { type Answer, callsOf, connectTo, readAll } from "./harness/request.ts"

const HELD_SERVER = fileURLToPath(new URL("harness/heldServer.ts", import.meta.url))

/** Asks the server to end; answers how it did, and after how many milliseconds. */
const end = async (server: Server, signal: NodeJS.Signals = "SIGTERM") => {
  const begun = Date.now()
  server.signal(signal)
  return { ...(await server.ended), after: Date.now() - begun }
}

const isListening = ({ url }: Server) =>
  callsOf(url)("GET", "/health").then(
    () => true,
    () => false
  )

/** Milliseconds that a server gives to what is under way: the promise to whatever runs it, so it is measured by a clock. */
const DEADLINE = 10_000
/** For what takes a moment, on a busy machine. */
const SOON = 60_000

describe.concurrent("a server that is told to end", () => {
  it.for(["SIGTERM", "SIGINT"] as const)(
    "by %s, does so at once when idle, with code 0, and frees its port",
    async (signal, { expect }) => {
      using folder = temporaryFolder()
      await using server = await startServer(configured(folder.path))
      await createLock(server.url)
      expect(await end(server, signal)).toEqual({
        code: 0,
        signal: null,
        after: expect.toSatisfy((after: number) => after < DEADLINE)
      })
      expect(await isListening(server)).toBe(false)
      await using next = await startServer({ ...configured(folder.path), PORT: new URL(server.url).port })
      expect(await isListening(next)).toBe(true)
    }
  )

  it("waits for nothing on connections that are idle, silent, or half of a request", async ({ expect }) => {
    using folder = temporaryFolder()
    await using server = await startServer(configured(folder.path))
    const lock = await createLock(server.url)
    const head = `POST ${lock.path}/SetOwner HTTP/1.1\r\nHost: x\r\nX-API-Key: super-key-which-has-32-bytes-or-more\r\nContent-Type: application/json\r\n`
    const beginnings = {
      "nothing at all": "",
      "half a line": "POST /lo",
      "half of the headers": head,
      "half of a body": `${head}Content-Length: 30\r\n\r\n{"userId":`,
      "half of a chunk": `${head}Transfer-Encoding: chunked\r\n\r\n1e\r\n{"userId":`,
      "a body that is too large": `${head}Content-Length: 1000000\r\n\r\n{"userId":`,
      "a body for nobody": `${head.replace("SetOwner", "nothing")}Content-Length: 30\r\n\r\n{`
    }
    const sockets = await Promise.all(
      Object.values(beginnings).map(async (text) => {
        const socket = await connectTo(server.url)
        await new Promise((resolve) => socket.write(text, resolve))
        return socket
      })
    )
    const idle = await connectTo(server.url)
    idle.write("GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
    await once(idle, "data")
    const closed = Promise.all([...sockets, idle].map(readAll))
    const { code, after } = await end(server)
    expect(code).toBe(0)
    expect(after).toBeLessThan(DEADLINE)
    await closed
    expect((await feedIn(folder.path)).map(({ type }) => type)).toEqual(["LockCreated"])
  })

  it("finishes a command whose device takes its time, and takes no new ones", async ({ expect }) => {
    using folder = temporaryFolder()
    await using server = await startServer({ ...configured(folder.path), HOLD_SEND: "1" }, HELD_SERVER)
    const lock = await createLock(server.url)
    const slow = lock.post("OpenLock")
    await vi.waitUntil(() => server.output().includes("Reached send"), { timeout: SOON })
    const ended = end(server)
    await vi.waitUntil(async () => !(await isListening(server)), { timeout: SOON, interval: 5 })
    server.signal("SIGUSR2")
    const { status, body, headers } = await slow
    expect([status, body.version, headers.get("connection")]).toEqual([200, 2, expect.anything()])
    expect((await ended).code).toBe(0)
    expect((await feedIn(folder.path)).map(({ type }) => type)).toEqual(["LockCreated", "LockOpenRequested"])
  })

  it("ends by its deadline, also when a command never does", async ({ expect }) => {
    using folder = temporaryFolder()
    await using server = await startServer({ ...configured(folder.path), HOLD_AT: "committed" }, HELD_SERVER)
    const lock = await createLock(server.url)
    const stuck = lock.post("OpenLock").catch(() => "cut off")
    await vi.waitUntil(() => server.output().includes("Reached committed"), { timeout: SOON })
    const { code, after } = await end(server)
    expect(code).toBe(0)
    expect(after).toBeGreaterThan(DEADLINE - 1_000)
    // What is left to do is little, but a machine may be busy.
    expect(after).toBeLessThan(2 * DEADLINE)
    expect(await stuck).toBe("cut off")
  })

  it("under load answers what it has begun, and what it has answered is kept", async ({ expect }) => {
    using folder = temporaryFolder()
    await using server = await startServer(configured(folder.path))
    const lock = await createLock(server.url)
    const answers: Array<Answer> = []
    const load = versionsUpTo(20).map(async (writer) => {
      for (let n = 0; ; n++) {
        const answer = await lock.post("SetOwner", { userId: `${writer}-${n}` }).catch(() => undefined)
        if (answer === undefined) return
        answers.push(answer)
      }
    })
    await vi.waitUntil(() => answers.length > 200, { timeout: SOON })
    const { code, after } = await end(server)
    expect(code).toBe(0)
    expect(after).toBeLessThan(DEADLINE)
    await Promise.all(load)
    expect(answers.filter(({ status }) => status !== 200)).toEqual([])
    const feed = await feedIn(folder.path)
    for (const { body } of answers)
      expect(feed[(body.version ?? 0) - 1]?.data["userId"]).toBe(body.event?.data["userId"])
    expect(feed.length).toBeGreaterThanOrEqual(answers.length + 1)
    expect(feed.length).toBeLessThanOrEqual(answers.length + 1 + load.length)
  })

  it("leaves a bulk request to the next start", async ({ expect }) => {
    using folder = temporaryFolder()
    const keys = versionsUpTo(20).map((n) => ({ keyUuid: `key-${n}` }))
    await using held = await startServer({ ...configured(folder.path), HOLD_SEND: "7" }, HELD_SERVER)
    const lock = await createLock(held.url)
    const { instanceId } = (await lock.post("BulkAddKeys", { keys })).body
    await vi.waitUntil(() => held.output().includes("Reached send"), { timeout: SOON })
    const ended = end(held)
    await vi.waitUntil(async () => !(await isListening(held)), { timeout: SOON, interval: 5 })
    held.signal("SIGUSR2")
    expect((await ended).code).toBe(0)
    await using next = await startServer(configured(folder.path))
    const call = callsOf(next.url, { "x-api-key": "super-key-which-has-32-bytes-or-more" })
    const progress = async () => (await call("GET", `${lock.path}/BulkAddKeys/${instanceId}`)).body
    await vi.waitUntil(async () => (await progress()).status === "done", { timeout: 60_000 })
    expect(await progress()).toMatchObject({ added: 20, failed: [] })
    expect((await call("POST", `${lock.path}/SetOwner`, { body: { userId: OWNER } })).status).toBe(200)
  })
})
