/** `latchkey serve` does not start on a SpacetimeDB that it cannot use, and says in one line what is to be mended. */
import { once } from "node:events"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { create, newToken, type Place, sayIfLeftOut } from "@latchkey/spacetimedb-engine"
import { TestHost } from "@latchkey/spacetimedb-testhost"
import { describe, expect, it, onTestFinished } from "vitest"
import { configured, runToEnd, startServer, temporaryFolder } from "../harness/process.ts"
import {
  asStore,
  engine,
  module,
  publishTo,
  startEngine,
  startSpacetime,
  useSpacetime
} from "../harness/spacetimedb.ts"

/** The module as another release's would be. */
const release = (version: number, oldestClient: number): string => {
  const place = /version: 1,(\s+)oldestClient: 1/g
  expect(module.match(place)).toHaveLength(1)
  return module.replace(place, `version: ${version},$1oldestClient: ${oldestClient}`)
}

/** As modules were before they told their version. */
const withoutVersion = (): string => {
  const place = /(list_records, )module_version, /g
  expect(module.match(place)).toHaveLength(1)
  return module.replace(place, "$1")
}

/** Something at an address that answers every request with this, or nothing. */
const another = async (status?: number, text = ""): Promise<string> => {
  const server = createServer((_, response) => {
    if (status !== undefined) response.writeHead(status).end(text)
  }).listen(0, "127.0.0.1")
  onTestFinished(() => void server.close())
  await once(server, "listening")
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** A token that says what this one says, until long ago. */
const expired = (token: string): string => {
  const [head, claims = "", signature] = token.split(".")
  const said = JSON.parse(Buffer.from(claims, "base64url").toString())
  return [head, Buffer.from(JSON.stringify({ ...said, exp: 1_000_000_000 })).toString("base64url"), signature].join(".")
}

type Variable = "URI" | "DATABASE" | "TOKEN"

/** What is wrong; which variable the line names; what it says. */
const cases: ReadonlyArray<
  readonly [what: string, Variable, says: RegExp, (place: Place) => Partial<Place> | Promise<Partial<Place>>]
> = [
  ["nothing listens at the address", "URI", /cannot be reached/, () => ({ uri: "http://127.0.0.1:1" })],
  ["something else is at the address", "URI", /SpacetimeDB/, async () => ({ uri: await another(404) })],
  ["nothing answers at the address", "URI", /did not answer within 5000 ms/, async () => ({ uri: await another() })],
  ["a page is at the address", "URI", /SpacetimeDB/, async () => ({ uri: await another(200, "<!doctype html>") })],
  ["something broken is there", "URI", /SpacetimeDB/, async () => ({ uri: await another(502, "Bad Gateway") })],
  [
    "there is no such database",
    "DATABASE",
    /no database nobody .* publish the module there/,
    () => ({ database: "nobody" })
  ],
  ["the token is a stranger's", "TOKEN", /refuses this token/, async ({ uri }) => ({ token: await newToken(uri) })],
  ["the token is none", "TOKEN", /does not accept the token/, () => ({ token: "no.token.atall" })],
  ["the token was changed", "TOKEN", /does not accept the token/, ({ token }) => ({ token: expired(token) })],
  [
    "the token is of another server",
    "TOKEN",
    /does not accept the token/,
    async () => {
      await using host = await TestHost.start()
      return { token: await newToken(host.uri) }
    }
  ],
  ["there is no token", "TOKEN", /set it to the token of an allowed writer/, () => ({ token: "" })],
  [
    "the module is older",
    "DATABASE",
    /older release.* update the module: publish/,
    ({ uri }) => publishTo({ uri }, release(0, 0))
  ],
  [
    "the module does not tell its version",
    "DATABASE",
    /older release.* update the module: publish/,
    ({ uri }) => publishTo({ uri }, withoutVersion())
  ],
  [
    "the module is newer, and serves this release no more",
    "DATABASE",
    /newer release.* update the server/,
    ({ uri }) => publishTo({ uri }, release(2, 2))
  ]
]

const tests = async () => {
  const spacetime = await startSpacetime()

  it.each(cases)("%s: it names %s", async (_, variable, says, change) => {
    using folder = temporaryFolder()
    const place = await publishTo(spacetime)
    const changed = { ...place, ...(await change(place)) }
    const { code, output } = await runToEnd({ ...configured(folder.path), ...asStore(changed) })
    expect(output).toMatch(says)
    expect(output.trimEnd().split("\n")).toEqual([
      expect.stringMatching(`^latchkey: LATCHKEY_SPACETIMEDB_${variable}: `)
    ])
    for (const { token } of [place, changed]) if (token !== "") expect(output).not.toContain(token)
    expect(code).toBe(1)
  })

  it("it starts on a module that is newer and serves this release", async () => {
    using folder = temporaryFolder()
    const place = await create(spacetime.uri, release(2, 1))
    await using server = await startServer({ ...configured(folder.path), ...asStore(place) })
    expect((await fetch(`${server.url}/ready`)).status).toBe(200)
  })
}

describe("on the host of tests", tests)

sayIfLeftOut("what `latchkey serve` says of SpacetimeDB's engine", engine !== undefined)
const binary = engine
if (binary !== undefined) {
  describe("on the engine", async () => {
    useSpacetime(() => startEngine(binary))
    await tests()
  })
}
