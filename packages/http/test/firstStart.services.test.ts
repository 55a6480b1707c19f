/** First starts on one empty folder: whatever is made then is made once, and shown once. */
import { type linkSync, readdirSync } from "node:fs"
import { Context, Effect, Layer } from "effect"
import { afterEach, describe, expect, it, vi } from "vitest"
import { PinSecret } from "../src/auth/PinSecret.ts"
import { feedIn } from "./harness/dataFolder.ts"
import { configured, startServer, temporaryFolder } from "./harness/process.ts"

/** Happens once, before the next file is linked. */
let meanwhile = () => {}
vi.mock("node:fs", async (original) => {
  const actual = await original<typeof import("node:fs")>()
  const link: typeof linkSync = (...args) => {
    const first = meanwhile
    meanwhile = () => {}
    first()
    actual.linkSync(...args)
  }
  return { ...actual, linkSync: link }
})
afterEach(() => (meanwhile = () => {}))

const superKeys = (output: string) => [...output.matchAll(/It is shown only once: (lk_\S+)/g)].map(([, key]) => key)

it("several at once make one super key, show it once, and all serve", async () => {
  using folder = temporaryFolder()
  const environment = { LATCHKEY_DATA: folder.path, PORT: "0" }
  const starts = await Promise.all([
    startServer(environment),
    startServer(environment),
    startServer(configured(folder.path))
  ])
  try {
    const [shown = "", ...more] = starts.flatMap((server) => superKeys(server.output()))
    expect(more).toEqual([])
    expect(superKeys(starts[2].output())).toEqual([])
    for (const { url } of starts) {
      const { status } = await fetch(`${url}/locks/1/details`, { headers: { "x-api-key": shown } })
      expect(status).toBe(404)
    }
  } finally {
    await Promise.all(starts.map((server) => server.kill()))
  }
  expect((await feedIn(folder.path)).map(({ type, streamId }) => [type, streamId])).toEqual([
    ["ApiKeyCreated", "organization-*"]
  ])
  expect(readdirSync(folder.path).filter((name) => name.startsWith("pin.key"))).toEqual(["pin.key"])
})

describe("pin.key", () => {
  const keyIn = (folder: string) =>
    Effect.runSync(Effect.scoped(Effect.map(Layer.build(PinSecret.layerInFolder(folder)), Context.get(PinSecret))))

  it("is one for two first starts at once, whoever is quicker", () => {
    using folder = temporaryFolder()
    const ids: Array<string> = []
    // Both have seen that there is none, and made one.
    meanwhile = () => ids.push(keyIn(folder.path).id)
    ids.push(keyIn(folder.path).id)
    expect(ids).toEqual([ids[0], ids[0]])
    expect(keyIn(folder.path).id).toBe(ids[0])
    expect(readdirSync(folder.path)).toEqual(["pin.key"])
  })

  it("is made by the next start when one was killed before it was whole", () => {
    using folder = temporaryFolder()
    meanwhile = () => {
      throw new Error("killed")
    }
    expect(() => keyIn(folder.path)).toThrow("killed")
    expect(readdirSync(folder.path)).not.toContain("pin.key")
    expect(keyIn(folder.path).id).toMatch(/^[0-9a-f]{16}$/)
  })
})
