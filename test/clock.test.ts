/**
 * Tests wait for a condition, never for a time, and none depends on chance that it does not print. Read from the parsed
 * sources of all tests and of what they share; `ALLOWED` has the exceptions, each with its reason.
 */
import { globSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { type CallExpression, type Node, parseSync, visitorKeys } from "oxc-parser"
import { expect, it } from "vitest"

const root = fileURLToPath(new URL("..", import.meta.url))

const ALLOWED: { readonly [file: string]: string } = {
  "packages/adapters/aws-iot/test/FakeQueue.ts sleeps": "looks for messages until there are some, or the poll is over",
  "packages/adapters/local-shadow/test/deviceLimits.test.ts measures": "a budget refills while the test tries it",
  "packages/adapters/spacetimedb/test/upgrade.services.test.ts measures":
    "prints how long an upgrade took, and judges nothing by it",
  "packages/core/test/Backoff.test.ts sleeps": "something lasts so long, by the clock of the test",
  "packages/core/test/Dispatcher.test.ts sleeps": "a receiver takes so long, by the clock of the test",
  "packages/core/test/Feed.test.ts sleeps": "something lasts so long, by the clock of the test",
  "packages/core/test/ShadowUpdates.test.ts sleeps": "a receiver takes so long, by the clock of the test",
  "packages/http/test/campaign/clients.ts sleeps": "pauses as clients do, each of a length drawn from the printed seed",
  "packages/http/test/campaign/operator.ts sleeps": "asks a server that is away not as fast as it can",
  "packages/http/test/campaign/round.ts sleeps":
    "a round that takes too long ends before its limit, and says where it stands",
  "packages/http/test/campaign/servers.ts sleeps": "faults come, last and pass at times drawn from the printed seed",
  "packages/http/test/claims/racer.ts sleeps": "wakes shortly before the instant at which all processes begin",
  "packages/http/test/first-edition/record.ts sleeps": "asks until a condition holds",
  "packages/http/test/harness/cutListening.ts sleeps": "sessions are ended for as long as the test goes on",
  "packages/http/test/harness/deviceLoad.ts sleeps": "asks a server that is away not as fast as it can",
  "packages/http/test/harness/postgresOnDisk.ts sleeps":
    "a database that ends at once is not started again as fast as it can",
  "packages/http/test/partners/addresses.test.ts measures": "that a delivery is not given up before its deadline",
  "packages/http/test/partners/kills.services.test.ts measures":
    "prints how long deliveries paused, and judges nothing by it",
  "packages/http/test/partners/kills.services.test.ts sleeps":
    "load and kills come at times drawn from the printed seed",
  "packages/http/test/partners/notingReceiver.ts sleeps": "a receiver takes so long, drawn from the printed seed",
  "packages/http/test/postgres/broker.services.test.ts measures":
    "the time in which another server has the turn is promised",
  "packages/http/test/postgres/broker.services.test.ts sleeps":
    "that a lock is never offline is looked at for some seconds",
  "packages/http/test/postgres/revocation.services.test.ts measures": "the time in which a key is refused is promised",
  "packages/http/test/postgres/revocation.services.test.ts sleeps": "a key is tried for as long as it may be good",
  "packages/http/test/postgres/servers.chaos.test.ts sleeps": "a disk is full for a time drawn from the printed seed",
  "packages/http/test/shutdown.services.test.ts measures":
    "a process that is told to end has ten seconds, by a real clock",
  "packages/http/test/uses/spend.ts sleeps": "guests pause, and kills come, at times drawn from the printed seed",
  "packages/spacetimedb-testhost/test/fixture/module.ts depends on chance": "shows that a module has no such chance"
}

const SLEEPS = ["setTimeout", "sleep", "Effect.sleep", "Effect.delay", "page.waitForTimeout"]
const CLOCKS = ["Date.now", "performance.now", "process.hrtime"]
const WAITS = ["vi.waitUntil", "vi.waitFor"]

const files = globSync("{packages,examples,test}/**/*.ts", {
  cwd: root,
  exclude: (name) => ["node_modules", "dist"].includes(name)
}).filter((file) => /(^|\/)test\/|\.test\.ts$|\/src\/testing\//.test(file))

const nameOf = (node: Node): string => {
  if (node.type === "Identifier") return node.name
  return node.type === "MemberExpression" ? `${nameOf(node.object)}.${nameOf(node.property)}` : ""
}

const childrenOf = (node: Node): ReadonlyArray<Node> =>
  (visitorKeys[node.type] ?? []).flatMap((key) => {
    const child: unknown = Reflect.get(node, key)
    return (Array.isArray(child) ? child : [child]).filter(isNode)
  })

const isNode = (value: unknown): value is Node => typeof value === "object" && value !== null && "type" in value

/** A pause between two looks at a condition: all that `while` does, or what `for` does in the end. */
const pauseOf = (node: Node): Node | undefined => {
  if (node.type === "WhileStatement") return node.body
  return node.type === "ForStatement" && node.test !== null ? (node.update ?? undefined) : undefined
}

const fault = (node: CallExpression): string | undefined => {
  const name = nameOf(node.callee)
  if (SLEEPS.includes(name)) return "sleeps"
  if (name === "Math.random") return "depends on chance"
  // Without a limit of its own it gives up after a second.
  if (WAITS.includes(name) && node.arguments.length < 2) return "has no patience"
  return undefined
}

const faultsIn = (node: Node): ReadonlyArray<string> => {
  const pause = pauseOf(node)
  const within = childrenOf(node)
    .filter((child) => child !== pause || child.type === "BlockStatement")
    .flatMap(faultsIn)
  if (node.type === "CallExpression") return [...within, fault(node) ?? []].flat()
  const isElapsed =
    node.type === "BinaryExpression" &&
    node.operator === "-" &&
    node.left.type === "CallExpression" &&
    CLOCKS.includes(nameOf(node.left.callee)) &&
    node.right.type === "Identifier"
  return isElapsed ? [...within, "measures"] : within
}

it("no test waits for a time, measures one, or draws lots in secret", () => {
  const found = new Set(
    files.flatMap((file) =>
      faultsIn(parseSync(file, readFileSync(join(root, file), "utf8")).program).map((fault) => `${file} ${fault}`)
    )
  )
  expect([...found].toSorted()).toEqual(Object.keys(ALLOWED).toSorted())
})
