/** API keys from the command line, and what a running server makes of them. */
import { Option } from "effect"
import { afterAll, describe, expect, it } from "vitest"
import { expiryOf } from "../src/cli/expiry.ts"
import { latchkey, succeed } from "./harness/command.ts"
import { startServer, temporaryFolder } from "./harness/process.ts"

const folder = temporaryFolder()
afterAll(() => folder[Symbol.dispose]())
const environment = { LATCHKEY_DATA: folder.path, PORT: "0" }

const keys = (...args: ReadonlyArray<string>) => latchkey(environment, ["keys", ...args])

const create = async (...args: ReadonlyArray<string>) => {
  const { code, stdout, stderr } = await keys("create", ...args)
  expect(code, stderr).toBe(0)
  const keyId = /Made key (\S+) of/.exec(stderr)?.[1] ?? expect.fail(stderr)
  return { keyId, secret: stdout.trim() }
}

const rowOf = async (keyId: string) =>
  (await succeed(environment, ["keys", "list"]))
    .split("\n")
    .find((line) => line.startsWith(keyId))
    ?.split(/ {2,}/)

describe("latchkey keys", () => {
  it("shows a new key once, alone on stdout; the list never holds it", async () => {
    const { keyId, secret } = await create("--org", "acme", "--name", "front desk")
    expect(secret).toMatch(/^lk_[\w-]{43}$/)
    const list = await succeed(environment, ["keys", "list"])
    expect(list).toContain(keyId)
    expect(list).not.toContain(secret)
    expect(await rowOf(keyId)).toEqual([
      keyId,
      "acme",
      "front desk",
      expect.stringMatching(/^\d{4}-/),
      "-",
      "-",
      "-",
      "-"
    ])
  })

  it("lists one organization alone", async () => {
    const acme = await create("--org", "acme")
    const other = await create("--org", "other")
    const list = await succeed(environment, ["keys", "list", "--org", "other"])
    expect(list).toContain(other.keyId)
    expect(list).not.toContain(acme.keyId)
  })

  it("makes a key for some scopes and some locks, and none for what there is not", async () => {
    const { keyId } = await create("--org", "acme", "--scopes", "open,read", "--locks", "42,43")
    expect((await rowOf(keyId))?.slice(-2)).toEqual(["open,read", "42,43"])
    for (const wrong of [
      ["--scopes", "opn"],
      ["--scopes", "open,"],
      ["--scopes", "open read"],
      ["--scopes", ""],
      ["--locks", "42,x"],
      ["--locks", "0"],
      ["--locks", ""]
    ]) {
      const { code, stdout, stderr } = await keys("create", "--org", "acme", ...wrong)
      expect([wrong, code, stderr.includes(wrong[0] ?? ""), stdout.includes("lk_")]).toEqual([wrong, 1, true, false])
    }
  })

  it("makes a key that ends, and none that has ended", async () => {
    const { keyId } = await create("--org", "acme", "--expires-in", "2031-02-03")
    expect((await rowOf(keyId))?.[4]).toBe("2031-02-03T00:00:00.000Z")
    const { code, stdout, stderr } = await keys("create", "--org", "acme", "--expires-in", "2020-01-01")
    expect(code).toBe(1)
    expect(stderr).toContain("--expires-in")
    expect(stdout).not.toContain("lk_")
  })

  it("refuses an organization that no header or stream could name", async () => {
    expect((await keys("create", "--org", "a b")).code).toBe(1)
    expect((await keys("create", "--org", "a".repeat(243))).code).toBe(1)
    expect((await keys("create")).code).toBe(1)
  })

  it("says in one line that there is no such key", async () => {
    const { code, stdout, stderr } = await keys("revoke", "nobody")
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" })
    expect(stderr).toMatch(/^latchkey: There is no API key nobody\..*\n$/)
  })

  it("opens a running server within a moment, until it is revoked", async () => {
    await using server = await startServer(environment)
    const statusWith = async (secret: string) => {
      const headers = { "x-api-key": secret, "content-type": "application/json" }
      return (await fetch(`${server.url}/locks/1/temp-keys`, { headers })).status
    }
    const { keyId, secret } = await create("--org", "acme")
    await expect.poll(() => statusWith(secret)).not.toBe(401)
    await succeed(environment, ["keys", "revoke", keyId])
    await expect.poll(() => statusWith(secret)).toBe(401)
    expect((await rowOf(keyId))?.[5]).toMatch(/^\d{4}-/)
    expect(await succeed(environment, ["keys", "revoke", keyId])).toContain(keyId)
  })
})

describe("the end of a key", () => {
  const now = Date.parse("2030-01-01T00:00:00Z")

  it.each([
    ["30 days", "2030-01-31T00:00:00.000Z"],
    ["1 hour", "2030-01-01T01:00:00.000Z"],
    ["2031-02-03", "2031-02-03T00:00:00.000Z"],
    ["2031-02-03T04:05:06Z", "2031-02-03T04:05:06.000Z"]
  ])("may be given as %s", (text, instant) => {
    expect(Option.getOrThrow(expiryOf(text, now))).toBe(Date.parse(instant))
  })

  it.each([
    ...["2030-01-01", "2029-12-31", "2031-02-30", "2031-01-01T00:00:00", "soon", "30", "", "0 days", "-1 days"],
    ...["Infinity", "9999999999999 days"]
  ])("may not be given as '%s'", (text) => {
    expect(Option.isNone(expiryOf(text, now))).toBe(true)
  })
})
