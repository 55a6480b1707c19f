/** The examples are run, each as its reader would run it. */
import { type ChildProcess, execFile, spawn } from "node:child_process"
import { once } from "node:events"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { describe, expect, it } from "vitest"
import { isGenuine } from "./receive-webhooks.ts"

const file = (name: string): string => fileURLToPath(new URL(name, import.meta.url))

describe("the examples", () => {
  it("a receiver tells deliveries that are genuine, and not old, from others", () => {
    // Signed by the package `standardwebhooks`.
    const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    const body = '{"test": 2432232314}'
    const headers = {
      "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
      "webhook-timestamp": "1614265330",
      "webhook-signature": "v1,none v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    }
    const now = 1_614_265_330_000
    expect(isGenuine(secret, headers, body, now)).toBe(true)
    expect(isGenuine(secret, headers, `${body} `, now)).toBe(false)
    expect(isGenuine(secret, headers, body, now + 600_000)).toBe(false)
    expect(isGenuine("whsec_AAAA", headers, body, now)).toBe(false)
    expect(isGenuine(secret, {}, body, now)).toBe(false)
  })

  it("a lock's life ends with a log that tells all of it", async () => {
    const { stdout } = await promisify(execFile)(process.execPath, [file("a-locks-life.ts")])
    expect(stdout.trim().split("\n")).toEqual([
      "refused: The temp key has no uses left (used-up).",
      "the guest's key: used-up",
      "the log: LockCreated, KeyAdded, TempKeyCreated, TempKeyUsed"
    ])
  })

  it("a Hono server lets owners in and keeps strangers out", async () => {
    const server = spawn(process.execPath, [file("embed-in-hono.ts")], {
      env: { ...process.env, PORT: "0" },
      stdio: ["ignore", "pipe", "inherit"]
    })
    const origin = await firstUrlOf(server)
    const post = (action: string, user: string, body: object) =>
      fetch(`${origin}/doors/7/${action}`, {
        method: "POST",
        headers: { authorization: user },
        body: JSON.stringify(body)
      })

    expect((await post("CreateLock", "ann", { index: 1, uuid: "6f1f7a52-6f0e-4b1b-9d27-0c6e2a7f1b11" })).status).toBe(
      200
    )
    expect((await post("OpenLock", "ann", {})).status).toBe(200)
    expect((await post("OpenLock", "eve", {})).status).toBe(403)
    const posing = { principal: { _tag: "Super" }, receipt: "not for a client to give" }
    expect((await post("OpenLock", "eve", posing)).status).toBe(403)
    expect((await post("OpenLock", "ann", posing)).status).toBe(200)
    expect((await post("AddKey", "ann", {})).status).toBe(400)

    expect((await fetch(`${origin}/ready`)).status).toBe(200)
    expect(await (await fetch(`${origin}/locks/7/details`)).json()).toMatchObject({ error: "Unauthorized", code: 401 })

    const exited = once(server, "exit")
    server.kill("SIGTERM")
    expect(await exited).toEqual([0, null])
  })
})

const firstUrlOf = async (server: ChildProcess): Promise<string> => {
  if (server.stdout === null) throw new Error("the server's output is not readable")
  for await (const line of createInterface({ input: server.stdout })) {
    const url = /http:\/\/\S+/.exec(line)?.[0]
    if (url !== undefined) return url
  }
  throw new Error("the server ended before it listened")
}
