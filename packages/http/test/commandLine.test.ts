/** What a wrong command line is told: one sentence for each fault, which names the option and says what is right. */
import { randomUUID } from "node:crypto"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Deliver, Feed, PartnerFeed, Webhooks } from "@latchkey/core"
import { MemoryEventStore, MemoryPresence, MemoryReadModel } from "@latchkey/core/memory"
import { ConfigProvider, Console, Effect, Layer, Option } from "effect"
import { Command } from "effect/cli"
import { expect, it } from "vitest"
import { devices } from "../src/cli/devices.ts"
import { explain } from "../src/cli/explain.ts"
import { keys } from "../src/cli/keys.ts"
import { AsJson } from "../src/cli/output.ts"
import { pageOf } from "../src/cli/page.ts"
import { projections } from "../src/cli/projections.ts"
import { sentences } from "../src/cli/Refusal.ts"
import { simulate } from "../src/cli/simulate.ts"
import { tokens } from "../src/cli/tokens.ts"
import { webhooks } from "../src/cli/webhooks.ts"

/** One store, over which the commands run one after the other as processes do. */
const store = Effect.runSync(
  Effect.scoped(Layer.build(Layer.mergeAll(MemoryEventStore.layer, MemoryReadModel.layer, MemoryPresence.layer)))
)
const layer = () => Layer.succeedContext(store)
const adapters = { open: layer, fill: layer, read: layer }
const latchkey = Command.make("latchkey").pipe(
  Command.withSubcommands([
    keys(adapters),
    devices(adapters),
    tokens,
    webhooks(adapters),
    explain(adapters),
    projections(adapters),
    simulate
  ]),
  Command.withGlobalFlags([AsJson])
)

const env = { LATCHKEY_JWT_SECRET: "a secret for tests, of 32 bytes at least" }

/** Runs a command: what it printed, a line each, and why it failed. */
const run = async (...args: ReadonlyArray<string>) => {
  const stdout: Array<string> = []
  const stderr: Array<string> = []
  const failure = await Command.runWith(latchkey, { version: "1" })(args).pipe(
    Effect.flip,
    Effect.option,
    Effect.provide(
      Layer.mergeAll(sentences, NodeServices.layer, ConfigProvider.layer(ConfigProvider.fromEnv({ env })))
    ),
    Effect.provideService(Console.Console, {
      ...globalThis.console,
      error: (line: string) => stderr.push(line),
      log: (line: string) => stdout.push(line)
    }),
    Effect.runPromise
  )
  return { stdout, stderr, failure: Option.getOrUndefined(failure)?.message }
}

/** Runs a command that fails: what it says on stderr, and that it says nothing else. */
const refused = async (...args: ReadonlyArray<string>) => {
  const { stdout, stderr, failure } = await run(...args)
  expect(stdout).toEqual([])
  return stderr.length === 0 ? [failure] : stderr
}

/** Runs a command with `--json`: the one document that it prints, and nothing else. */
const json = async (...args: ReadonlyArray<string>) => {
  const { stdout, stderr, failure } = await run(...args, "--json")
  expect([stderr, failure]).toEqual([[], undefined])
  expect(stdout).toHaveLength(1)
  return JSON.parse(stdout[0] ?? "")
}

it.each([
  [
    "unlock",
    '"unlock": "latchkey" has no such command. Its commands are keys, devices, tokens, webhooks, explain, projections, and simulate.'
  ],
  ["keys lst", '"lst": "latchkey keys" has no such command. Did you mean list?'],
  ["keys list --limt 5", '--limt: "latchkey keys list" has no such option. Did you mean --limit?'],
  ["keys list more", '"more": "latchkey keys list" takes no such argument.'],
  ["keys list --limit 0", '--limit: expected a number from 1 to 1000, not "0".'],
  ["keys list --limit ten", '--limit: expected a whole number, not "ten".'],
  ["keys list --org a --org b", "--org is given 2 times: give it once."],
  [
    "keys create",
    "--org is missing. The organization that gets the key; * creates a super key, which may do everything."
  ],
  [
    "keys create --org",
    "--org needs a value. The organization that gets the key; * creates a super key, which may do everything."
  ],
  ["keys create --org a:b", '--org: expected an organization: no spaces, no colon, not "a:b".'],
  ["keys create --org a --scopes all", '--scopes: expected some of open,read,keys,temp-keys,admin, not "all".'],
  ["keys revoke", "<keyId> is missing. The id of the key, as shown by the list."],
  ["devices list --after x", '--after: expected a whole number, not "x".'],
  ["explain --lock 0 --user ann", '--lock: expected the number of a lock, 1 or more, not "0".'],
  ["explain --lock 1 --temp-key x", '--temp-key: expected a UUID, not "x".'],
  ["explain --lock 1 --pin-attempt first", '--pin-attempt: expected last, not "first".'],
  ["explain --lock 1 --user a --at noon", '--at: expected a UTC date-time such as 2026-08-31T09:00:00Z, not "noon".'],
  ["simulate --faults all", '--faults: expected none, some, or many, not "all".'],
  ["simulate --create=maybe", '--create: expected true or false, not "maybe".'],
  ["simulate --locks 20000", '--locks: expected a value between 1 and 10000, not "20000".']
])("latchkey %s", async (line, sentence) => {
  const [told, ...more] = await refused(...line.split(" "))
  expect(told).toBe(`latchkey: ${sentence}`)
  expect(more).toEqual([expect.stringMatching(/^See: latchkey[ a-z]* --help$/)])
})

it.each([
  [
    "",
    "Say what to explain: one of --temp-key, --key, --pin-of, --pin-attempt, --attempt and --event, or a --user alone."
  ],
  ["--key a --event b", "--event does not go with --key: explain one at a time."],
  [
    "--pin-attempt last --user a",
    "--user does not go with --pin-attempt: it comes with --temp-key or --key, or alone."
  ],
  ["--event b --at 2026-01-01T00:00:00Z", "--at does not go with --event, which says by itself when it was."]
])("latchkey explain --lock 1 %s", async (line, sentence) => {
  expect(await refused("explain", "--lock", "1", ...line.split(" ").filter(Boolean))).toEqual([sentence])
})

it("shows what was typed as text: it moves no cursor and forges no line", async () => {
  const [told] = await refused("keys", "create", "--org", "a b\n\u001b[2J")
  expect(told).toContain(String.raw`not "a b\u000a\u001b[2J"`)
})

it("goes through a list page by page, to its end, and knows no page after what is not in it", async () => {
  const all = ["a", "b", "c", "d", "e"]
  const page = (after?: string) => pageOf(all, (one) => one, 2, after)
  expect(await Effect.runPromise(page())).toEqual({ rows: ["a", "b"], next: "b" })
  expect(await Effect.runPromise(page("b"))).toEqual({ rows: ["c", "d"], next: "d" })
  expect(await Effect.runPromise(page("d"))).toEqual({ rows: ["e"], next: undefined })
  expect((await Effect.runPromise(Effect.flip(page("x")))).message).toContain('"x"')
})

it("prints JSON where it is asked for: what was made with its secret, lists with where they go on", async () => {
  const key = await json("keys", "create", "--org", "acme", "--name", "front desk\u202e")
  expect(key).toEqual({ id: expect.any(String), orgId: "acme", key: expect.stringMatching(/^lk_/) })
  const other = await json("keys", "create", "--org", "acme")
  const first = await json("keys", "list", "--limit", "1")
  expect(first).toEqual({
    apiKeys: [expect.objectContaining({ id: key.id, name: "front desk\u202e" })],
    nextCursor: key.id
  })
  const second = await json("keys", "list", "--limit", "1", "--after", first.nextCursor)
  expect(second).toEqual({ apiKeys: [expect.objectContaining({ id: other.id, revokedAt: null })], nextCursor: null })
  expect((await json("keys", "revoke", key.id)).revokedAt).toMatch(/Z$/)
  expect((await json("keys", "list", "--org", "nobody")).apiKeys).toEqual([])

  const { id, secret } = await json("devices", "create", "thing-1")
  await json("devices", "create", "thing-2", "--org", "acme")
  expect(secret).toMatch(/^ld_/)
  const { secrets, nextCursor } = await json("devices", "list", "--limit", "1")
  expect(secrets).toEqual([expect.objectContaining({ id, thing: "thing-1", orgId: null, revokedAt: null })])
  expect((await json("devices", "list", "--after", nextCursor)).secrets).toEqual([
    expect.objectContaining({ thing: "thing-2", orgId: "acme" })
  ])
  expect((await json("devices", "revoke", id)).revokedAt).toMatch(/Z$/)
  expect(await json("devices", "conflicts")).toEqual({ conflicts: [], nextCursor: null })
  expect(await json("webhooks", "list")).toEqual({ webhooks: [], nextCursor: null })
  expect(await json("tokens", "create", "--user", "ann")).toEqual({
    token: expect.stringMatching(/^eyJ/),
    userId: "ann",
    expiresAt: expect.stringMatching(/Z$/)
  })
  expect(await json("projections", "rebuild")).toEqual({ events: expect.any(Number) })
})

it("lists webhooks in pages, and disables and enables one", async () => {
  const deliver = Layer.succeed(Deliver, {
    send: () => Effect.succeed({ status: 200, response: "", durationMs: 0 }),
    flawOf: () => undefined,
    secretOf: () => "whsec_none"
  })
  const ids = await Effect.gen(function* () {
    const { create } = yield* Webhooks
    const made = []
    for (const org of ["acme", "beta"]) {
      const by = {
        commandId: randomUUID(),
        at: Date.parse("2026-01-01T00:00:00Z"),
        principal: { _tag: "Super" } as const
      }
      made.push((yield* create(org, { url: "https://hooks.example.org/" }, by)).shown.webhook.id)
    }
    return made
  }).pipe(
    Effect.provide(
      Webhooks.layer.pipe(
        Layer.provide(deliver),
        Layer.provide(PartnerFeed.layer),
        Layer.provide(Feed.layer),
        Layer.provide(layer())
      )
    ),
    Effect.runPromise
  )
  const { stdout } = await run("webhooks", "list")
  expect(stdout.join("\n").split("\n")).toEqual([
    expect.stringMatching(/^ID .* WHY$/),
    ...ids.map((id) => expect.stringMatching(`^${id} `))
  ])
  const first = await json("webhooks", "list", "--limit", "1")
  expect(first).toEqual({ webhooks: [expect.objectContaining({ id: ids[0], orgId: "acme" })], nextCursor: ids[0] })
  expect((await json("webhooks", "list", "--after", first.nextCursor)).webhooks).toHaveLength(1)
  expect((await json("webhooks", "disable", "--org", "acme", ids[0] ?? "")).status).toBe("disabled")
  expect((await json("webhooks", "enable", "--org", "acme", ids[0] ?? "")).status).not.toBe("disabled")
  expect(await refused("webhooks", "enable", "--org", "beta", ids[0] ?? "")).toEqual([
    `beta has no webhook ${ids[0]}. "latchkey webhooks list" shows them.`
  ])
})

it("prints a table for people, and beside it where the list goes on", async () => {
  await run("devices", "create", "thing-3")
  const { stdout, stderr } = await run("devices", "list", "--limit", "1")
  const [heading, row, ...others] = stdout.join("\n").split("\n")
  expect([heading, others]).toEqual([expect.stringMatching(/^ID +THING/), []])
  expect(row).toMatch(/ thing-\d /)
  expect(stderr).toEqual([expect.stringMatching(/^There are more: --after \d+$/)])
})
