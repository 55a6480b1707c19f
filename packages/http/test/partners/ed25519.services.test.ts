/**
 * Signatures by ed25519, which the packages `standardwebhooks` and `svix` lack, by another implementation: OpenSSL as
 * Python's `cryptography` has it, in the function of the docs. `scripts/install-services` brings it.
 */
import { existsSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { afterAll, beforeAll, expect, it, vi } from "vitest"
import { organization } from "../harness/callers.ts"
import { type InProcess, startInProcess } from "../harness/inProcess.ts"
import { callsOf } from "../harness/request.ts"
import { pythonOfDocs } from "./pythonOfDocs.ts"
import { startReceiver } from "./receiver.ts"

const PATIENCE = { timeout: 60_000, interval: 20 }
const INSTALLED = fileURLToPath(new URL("../../../../.services/bin/python3", import.meta.url))
const isGenuine = pythonOfDocs("ed25519", existsSync(INSTALLED) ? INSTALLED : "python3")

let server: InProcess
beforeAll(async () => void (server = await startInProcess({ webhooks: { loopback: true } })))
afterAll(() => server.stop())

it("the Python of the docs tells what is genuine, also while two keys sign", async () => {
  await using receiver = await startReceiver()
  const call = callsOf(server.url, organization)
  const made = await call("POST", "/webhooks", { body: { url: receiver.url, signature: "ed25519" } })
  const { id, secret } = JSON.parse(made.text)
  expect(secret).toMatch(/^whpk_/)
  await vi.waitUntil(() => receiver.state.received.length > 0, PATIENCE)
  const [{ headers, text } = expect.fail("nothing came")] = receiver.state.received
  expect(await isGenuine({ secret, headers, body: text })).toBe("True")
  expect(await isGenuine({ secret, headers, body: `${text} ` })).toBe("False")
  expect(await isGenuine({ secret, headers: { ...headers, "webhook-timestamp": "1" }, body: text })).toBe("False")

  const rotated = JSON.parse((await call("POST", `/webhooks/${id}/rotate-secret`)).text)
  expect(await isGenuine({ secret: rotated.secret, headers, body: text })).toBe("False")
  await call("POST", `/webhooks/${id}/test`)
  const both = receiver.events().at(-1) ?? expect.fail("no test came")
  for (const key of [secret, rotated.secret])
    expect(await isGenuine({ secret: key, headers: both.headers, body: both.text })).toBe("True")
})
