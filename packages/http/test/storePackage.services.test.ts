/** `LATCHKEY_STORE=<package>`: a store that somebody else wrote is one for every command, or is refused in one line. */
import { mkdirSync, readdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll, describe, expect, it, vi } from "vitest"
import { makeDevices } from "./campaign/devices.ts"
import { superKey } from "./harness/callers.ts"
import { latchkey, succeed } from "./harness/command.ts"
import { createLock, lockAt } from "./harness/locks.ts"
import { brokerOf, configured, startServer, temporaryFolder } from "./harness/process.ts"
import { callsOf } from "./harness/request.ts"

const kept = fileURLToPath(new URL("stores/kept.ts", import.meta.url))
const folder = temporaryFolder()
afterAll(() => folder[Symbol.dispose]())

/** A package that is installed in the folder, with this source. */
const install = (name: string, source: string, file = "index.js"): void => {
  const at = join(folder.path, "node_modules", name)
  mkdirSync(at, { recursive: true })
  writeFileSync(join(at, "package.json"), JSON.stringify({ name, type: "module", exports: { import: `./${file}` } }))
  writeFileSync(join(at, file), source)
}

const effect = new URL(import.meta.resolve("effect")).href

it("serves, and works for the other commands, over its store", async () => {
  install("@acme/store", `export { latchkeyStore } from ${JSON.stringify(kept)}`)
  const data = join(folder.path, "data")
  const environment = {
    ...configured(data),
    LATCHKEY_STORE: "@acme/store",
    ACME_FOLDER: join(folder.path, "acme"),
    LATCHKEY_ACME_FLAVOUR: "mild"
  }
  const run = (...args: ReadonlyArray<string>) => succeed(environment, args, "", folder.path)
  const made = await latchkey(environment, ["keys", "create", "--org", "acme", "--name", "kiosk"], "", folder.path)
  expect(made.stderr).toMatch(/^Made key [^\n]*\n$/)
  expect(await run("keys", "list")).toContain("kiosk")
  {
    const store = join(folder.path, "a store.mjs")
    writeFileSync(store, `export { latchkeyStore } from ${JSON.stringify(kept)}`)
    await using server = await startServer({ ...environment, LATCHKEY_STORE: store })
    const lock = await createLock(server.url)
    const { status } = await callsOf(server.url, superKey)("GET", `${lock.path}/details`)
    expect(status).toBe(200)
    expect(server.output()).toContain(`store: ${store}`)
  }
  expect(await run("projections", "rebuild")).toContain("2")
  expect(await run("events", "export")).toContain("LockCreated")
  expect(readdirSync(environment.ACME_FOLDER)).toContain("latchkey.db")
  const { stderr } = await latchkey(environment, ["backup", join(folder.path, "copy")], "", folder.path)
  expect(stderr).toMatch(/^latchkey: LATCHKEY_STORE: this command copies a data folder.*\n$/)
}, 180_000)

it("keeps the shadows of devices too: servers need no folder in common", async () => {
  const environment = (data: string) => ({
    ...configured(join(folder.path, data)),
    LATCHKEY_STORE: kept,
    ACME_FOLDER: join(folder.path, "shared"),
    LATCHKEY_PIN_KEY: "a-key-for-pins-of-thirty-two-bytes",
    LATCHKEY_MQTT_PORT: "0"
  })
  await using first = await startServer(environment("one"))
  await using second = await startServer(environment("other"))
  const devices = makeDevices(1, () => [brokerOf(first)])
  try {
    const { lockId, uuid } = await createLock(first.url)
    devices.add(uuid)
    expect((await lockAt(second.url, lockId).post("OpenLock")).status).toBe(200)
    await vi.waitUntil(() => devices.outcomes(uuid).size === 1, { timeout: 60_000, interval: 50 })
  } finally {
    devices.stop()
  }
}, 180_000)

describe("is refused in one line", () => {
  install("acme-typed", "export const latchkeyStore = () => {}", "index.ts")
  const refused: ReadonlyArray<readonly [why: string, store: string, source: string | undefined, said: RegExp]> = [
    ["it is not installed", "acme-none", undefined, /acme-none is not installed here: npm install acme-none,/],
    [
      "a part of it is asked for",
      "@acme/none/mysql",
      undefined,
      /mysql is not installed here: npm install @acme\/none,/
    ],
    ["its path leads nowhere", "./none.js", undefined, /there is no module \.\/none\.js/],
    ...["none.ts", "none.mjs", "stores/none.ts"].map(
      (path) =>
        [
          `its path is ${path}`,
          path,
          undefined,
          new RegExp(`${path} is not installed here: a path begins with \\./, as in \\./${path},`)
        ] as const
    ),
    [
      "it is a package in TypeScript",
      "acme-typed",
      undefined,
      /acme-typed cannot be loaded \(Stripping types .*\): build it to JavaScript/
    ],
    [
      "it cannot be loaded",
      "acme-broken",
      `throw new Error("out of\\nink")`,
      /acme-broken cannot be loaded \(out of ink\)/
    ],
    [
      "something that it needs is not there",
      "acme-needy",
      `import "acme-pen"`,
      /acme-needy cannot be loaded \(Cannot find package 'acme-pen'/
    ],
    ["it exports something else", "acme-other", `export const store = 1`, /does not export a function latchkeyStore/],
    ["what it exports is no function", "acme-object", `export const latchkeyStore = {}`, /does not export a function/],
    [
      "it throws",
      "acme-throws",
      `export const latchkeyStore = () => { throw new Error("set ACME_URL") }`,
      /acme-throws cannot open its store \(set ACME_URL\)/
    ],
    ["it returns nothing", "acme-nothing", `export const latchkeyStore = () => {}`, /did not return an Effect Layer/],
    [
      "its layer fails",
      "acme-fails",
      `import { Effect, Layer } from ${JSON.stringify(effect)}
export const latchkeyStore = async () => Layer.effectDiscard(Effect.fail({ message: "no paper" }))`,
      /acme-fails cannot open its store \(no paper\)/
    ],
    [
      "its layer has no store in it",
      "acme-empty",
      `import { Layer } from ${JSON.stringify(effect)}
export const latchkeyStore = () => Layer.empty`,
      /the Layer of acme-empty has no EventStore/
    ]
  ]
  it.concurrent.each(refused)("when %s", async (_, store, source, said) => {
    if (source !== undefined) install(store, source)
    const environment = { ...configured(folder.path), LATCHKEY_STORE: store }
    const { code, stdout, stderr } = await latchkey(environment, ["keys", "list"], "", folder.path)
    expect([code, stdout, stderr]).toEqual([1, "", expect.stringMatching(/^latchkey: LATCHKEY_STORE: [^\n]*\n$/)])
    expect(stderr).toMatch(said)
  })
})
