/** What `docs/partners.md` tells receivers is what they can rest on; and what an operator sees of it. */
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest"
import { apiKey, organization } from "../harness/callers.ts"
import { latchkey, succeed } from "../harness/command.ts"
import { type InProcess, startInProcess } from "../harness/inProcess.ts"
import { startServer, temporaryFolder } from "../harness/process.ts"
import { callsOf } from "../harness/request.ts"
import { pythonOfDocs } from "./pythonOfDocs.ts"
import { type Received, startReceiver } from "./receiver.ts"

const PATIENCE = { timeout: 60_000, interval: 20 }

const isGenuine = pythonOfDocs("hmac")

let server: InProcess
let secret = ""
let received: Received
beforeAll(async () => {
  server = await startInProcess({ webhooks: { loopback: true } })
  await using receiver = await startReceiver()
  const { text } = await callsOf(server.url, organization)("POST", "/webhooks", { body: { url: receiver.url } })
  ;({ secret } = JSON.parse(text))
  await vi.waitUntil(() => receiver.state.received.length > 0, PATIENCE)
  received = receiver.state.received[0] ?? expect.fail("nothing came")
})
afterAll(() => server.stop())

const inPython = (headers: object, body: string) => isGenuine({ secret, headers, body })

it("the Python of the docs tells what is genuine", async () => {
  expect(await inPython(received.headers, received.text)).toBe("True")
  expect(await inPython(received.headers, `${received.text} `)).toBe("False")
  expect(await inPython({ ...received.headers, "webhook-id": "another" }, received.text)).toBe("False")
})

describe("latchkey webhooks", () => {
  it("lists, disables and enables what a running server delivers to", async () => {
    using folder = temporaryFolder()
    const environment = { LATCHKEY_DATA: folder.path, PORT: "0" }
    await using receiver = await startReceiver()
    await using running = await startServer(environment)
    const key = (await latchkey(environment, ["keys", "create", "--org", "org-1"])).stdout.trim()
    const ask = callsOf(running.url, apiKey(key))
    const { status, text } = await ask("POST", "/webhooks", { body: { url: receiver.url } })
    expect(status, text).toBe(201)
    const { id } = JSON.parse(text)
    const statusOf = async () => JSON.parse((await ask("GET", `/webhooks/${id}`)).text).status
    await vi.waitUntil(async () => (await statusOf()) === "active", PATIENCE)
    const list = await succeed(environment, ["webhooks", "list"])
    expect(list).toContain(receiver.url)
    expect(list).not.toContain("whsec_")
    await succeed(environment, ["webhooks", "disable", "--org", "org-1", id])
    await vi.waitUntil(async () => (await statusOf()) === "disabled", PATIENCE)
    await succeed(environment, ["webhooks", "enable", "--org", "org-1", id])
    await vi.waitUntil(async () => (await statusOf()) === "active", PATIENCE)
    const { code, stderr } = await latchkey(environment, ["webhooks", "enable", "--org", "org-1", "none"])
    expect([code, stderr.includes("org-1 has no webhook none.")]).toEqual([1, true])
  })
})
