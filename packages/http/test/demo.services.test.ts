/** The demo as a newcomer meets it: started, a door opened by a guest's link, ended by Ctrl-C. */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { expect, it, vi } from "vitest"
import { latchkey } from "./harness/command.ts"
import { inherited, MAIN, temporaryFolder } from "./harness/process.ts"

const A_YEAR = 364 * 24 * 60 * 60_000

it("opens a door by its link, tells the webhook, prints what the README says, and leaves nothing behind", {
  timeout: 120_000
}, async () => {
  using folder = temporaryFolder()
  const child = spawn(process.execPath, [MAIN, "demo"], {
    env: { ...inherited(), NODE_NO_WARNINGS: "1", TMPDIR: folder.path, PORT: "0", LATCHKEY_MQTT_PORT: "0" }
  })
  try {
    let output = ""
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (output += chunk))
    const said = (text: string) =>
      vi.waitUntil(() => output.includes(text) || (child.exitCode !== null && expect.fail(output)), { timeout: 60_000 })
    await said("Ctrl-C ends the demo.\n")
    expect(skeleton(output.slice(0, output.indexOf("Ctrl-C")))).toBe(skeleton(inReadme()))

    const links = output.match(/http:\S+\/temp-keys\/\S+/g) ?? []
    expect(links).toHaveLength(3)
    const opened = await fetch(`${links[0]}/open`, { method: "POST", headers: { accept: "application/json" } })
    expect([opened.status, await opened.json()]).toEqual([200, expect.objectContaining({ success: true })])
    await said("lock: Harbour House, front door: OpenLock done\n")
    await said("webhook: Harbour House, front door: LockOpenRequested\n")

    const [key = ""] = /lk_\S+/.exec(output) ?? []
    const [token = ""] = /eyJ\S+/.exec(output) ?? []
    const url = new URL(links[0] ?? "").origin
    const ask = async (path: string, headers: Record<string, string>) =>
      JSON.parse(await (await fetch(url + path, { headers })).text())
    const { events } = await ask("/events?limit=1000", { "x-api-key": key })
    expect(events).toHaveLength(1000)
    const { iat } = JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString())
    expect(iat * 1000 - Date.parse(events[0].time)).toBeGreaterThan(A_YEAR)
    const { totalCount } = await ask("/users/ann/owned-locks", { authorization: `Bearer ${token}` })
    expect(totalCount).toBe(12)

    child.kill("SIGINT")
    expect(await once(child, "close")).toEqual([0, null])
    expect(readdirSync(folder.path)).toEqual([])
  } finally {
    child.kill("SIGKILL")
  }
})

it("tells a program everything as JSON, a line each", async () => {
  const child = spawn(process.execPath, [MAIN, "demo", "--json"], {
    env: { ...inherited(), NODE_NO_WARNINGS: "1", PORT: "0", LATCHKEY_MQTT_PORT: "0" }
  })
  try {
    let output = ""
    child.stdout.on("data", (chunk) => (output += chunk))
    const lines = () =>
      output
        .split("\n")
        .slice(0, -1)
        .map((line) => JSON.parse(line))
    const told = (type: string) =>
      vi.waitUntil(
        () => lines().find((line) => line.type === type) ?? (child.exitCode !== null && expect.fail(output)),
        {
          timeout: 60_000
        }
      )
    const { url, guests, apiKey, token } = await told("demo")
    expect([guests.length, apiKey, token]).toEqual([3, expect.stringMatching(/^lk_/), expect.stringMatching(/^eyJ/)])
    expect((await told("listening")).url).toBe(url)
    expect((await told("devices")).url).toMatch(/^mqtt:/)
    expect((await fetch(`${guests[0].url}/open`, { method: "POST" })).status).toBeLessThan(400)
    expect(await told("lock")).toEqual({
      type: "lock",
      lock: "Harbour House, front door",
      command: "OpenLock",
      outcome: "done"
    })
    await told("webhook")
  } finally {
    child.kill("SIGINT")
    await once(child, "close")
  }
})

it("does not mix with what is in a folder already", async () => {
  using folder = temporaryFolder()
  writeFileSync(join(folder.path, "mine"), "")
  const { code, stderr } = await latchkey({}, ["demo", "--folder", folder.path])
  expect([code, stderr]).toEqual([1, expect.stringContaining(`--folder ${folder.path}: it is not empty`)])
  expect(readdirSync(folder.path)).toEqual(["mine"])
  for (const none of [join(folder.path, "mine"), "/proc/none"]) {
    const { code, stderr } = await latchkey({}, ["demo", "--folder", none])
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(`^latchkey: --folder ${none}: a folder is needed there .*\n$`)
    ])
  }
})

/** What the README shows of it, to its last line. */
const inReadme = (): string => {
  const readme = readFileSync(join(import.meta.dirname, "../../../README.md"), "utf8")
  return /^\$ npm run demo\n(.*?)^Ctrl-C/ms.exec(readme)?.[1] ?? expect.fail("The README has no demo.")
}

/** Without what is different every time. */
const skeleton = (text: string): string =>
  text
    .replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, "<uuid>")
    .replace(/127\.0\.0\.1:\d+/g, "<address>")
    .replace(/data: \S+\)/g, "data: <folder>)")
    .replace(/lk_\S+/g, "<key>")
    .replace(/eyJ\S+/g, "<token>")
    .trim()
