/**
 * Which way imports go: `adapters -> core`, `http -> core`, and only `http/src/main.ts` names adapters.
 * Read from the parsed modules, not from their text.
 */
import { globSync, readFileSync } from "node:fs"
import { dirname, join, relative } from "node:path"
import { fileURLToPath } from "node:url"
import { parseSync } from "oxc-parser"
import { describe, expect, it } from "vitest"

const root = fileURLToPath(new URL("..", import.meta.url))

/** What an adapter may import beside core, effect and Node itself: its driver. A new adapter is listed here. */
const DRIVERS: Record<string, ReadonlyArray<string>> = {
  "packages/adapters/aws-iot": ["@aws-sdk/client-iot-data-plane", "@aws-sdk/client-sqs"],
  "packages/adapters/eventbridge": ["@aws-sdk/client-eventbridge"],
  "packages/adapters/local-shadow": ["aedes", "mqtt"],
  "packages/adapters/postgres": ["pg"],
  "packages/adapters/spacetimedb": ["rolldown", "spacetimedb"],
  "packages/adapters/sqlite": []
}
/** The adapters that another one's tests may run against. */
const COUNTERPARTS: Record<string, ReadonlyArray<string>> = {
  "packages/adapters/aws-iot": ["packages/adapters/local-shadow"]
}
const MAIN = "packages/http/src/main.ts"
/** Which modules import what they are told at run time: a store that an operator names, or that is to be killed, and broken copies. */
const COMPUTED = [
  "packages/http/src/cli/storePackage.ts",
  "packages/core/src/testing/killSuite.ts",
  "packages/core/src/testing/kill-suite/writer.ts",
  "packages/core/src/testing/kill-suite/closer.ts",
  "packages/core/kit/memory.ts"
]
const BROWSER_ENTRIES = ["packages/http/src/api/Api.ts", "packages/http/src/client.ts"]

/** The folders and files of a package's source, each of which may import those below it, types too. */
const ORDER: Record<string, ReadonlyArray<string>> = {
  "packages/core": [
    "index.ts",
    "latchkey",
    "testing",
    "memory",
    "why",
    "partners",
    "guest",
    "temp-key",
    "locks",
    "read-model",
    "lock",
    "device",
    "access",
    "streams",
    "values"
  ],
  "packages/http": [
    "latchkey.ts",
    "main.ts",
    "cli",
    "index.ts",
    "createFetch.ts",
    "LatchkeyStore.ts",
    "serve.ts",
    "client.ts",
    "client",
    "operations",
    "console",
    "locks",
    "temp-keys",
    "api-keys",
    "guests",
    "why",
    "partners",
    "pages",
    "server",
    "auth",
    "api"
  ]
}

interface Import {
  readonly file: string
  /** As written; `undefined` when it is computed at run time. */
  readonly specifier: string | undefined
  /** The file in this repository that is meant, if one is. */
  readonly target: string | undefined
  /** Erased before the program runs. */
  readonly typeOnly: boolean
  /** Loaded only when the program comes to it. */
  readonly dynamic: boolean
}

const workspaces: ReadonlyArray<string> = globSync(JSON.parse(read("package.json")).workspaces, { cwd: root })
const names = new Map(
  workspaces.map((workspace) => [JSON.parse(read(join(workspace, "package.json"))).name, workspace])
)
const adapters = workspaces.filter((workspace) => workspace.startsWith("packages/adapters/"))
const files = globSync("{packages,tools,examples,bench,test,scripts}/**/*.ts", {
  cwd: root,
  exclude: (name) => ["node_modules", "dist"].includes(name)
})
const imports = files.flatMap(importsOf)
const fromSource = (workspace: string) => imports.filter(({ file }) => file.startsWith(`${workspace}/src/`))

describe("imports", () => {
  it("are written out, but for what is only known at run time", () => {
    expect(show(imports.filter(({ file, specifier }) => specifier === undefined && !COMPUTED.includes(file)))).toEqual(
      []
    )
  })

  it("of core are effect alone; its testing entry also brings the test libraries", () => {
    const isTesting = (path: string | undefined) => path?.startsWith("packages/core/src/testing/") ?? false
    const allowed = (file: string) => ["effect", ...(isTesting(file) ? ["@effect/vitest", "vitest", "fast-check"] : [])]
    /** It starts processes, and kills them. */
    const isOfKilling = ({ file, specifier }: Import) =>
      /^packages\/core\/src\/testing\/kill-?suite/i.test(file) && (specifier?.startsWith("node:") ?? true)
    expect(
      show(
        fromSource("packages/core").filter((one) => {
          const { file, specifier, target } = one
          if (target !== undefined) return isTesting(target) && !isTesting(file)
          return !allowed(file).includes(packageOf(specifier)) && !isOfKilling(one)
        })
      )
    ).toEqual([])
  })

  it.each(adapters)("of %s are core, effect and its driver, never another adapter", (adapter) => {
    const allowed = ["effect", "@latchkey/core", ...(DRIVERS[adapter] ?? expect.fail(`Name the driver of ${adapter}`))]
    const isAllowed = (specifier = "") =>
      specifier !== "@latchkey/core/testing" &&
      (allowed.includes(packageOf(specifier)) || specifier.startsWith("node:"))
    expect(
      show(fromSource(adapter).filter(({ target, specifier }) => ownerOf(target) !== adapter && !isAllowed(specifier)))
    ).toEqual([])
    const tests = imports.filter(({ file }) => file.startsWith(`${adapter}/test/`))
    const mayMeet = [adapter, ...(COUNTERPARTS[adapter] ?? [])]
    expect(
      show(tests.filter(({ target }) => adapters.includes(ownerOf(target)) && !mayMeet.includes(ownerOf(target))))
    ).toEqual([])
  })

  it("of the simulator are effect and its MQTT client: what a lock does is not borrowed from the backend", () => {
    const allowed = ["effect", "mqtt"]
    const outside = fromSource("packages/simulator").filter(({ specifier }) => !specifier?.startsWith("."))
    expect(show(outside.filter(({ specifier }) => !allowed.includes(packageOf(specifier))))).toEqual([])
  })

  it("of the SpacetimeDB test host know nothing of Latchkey", () => {
    const host = "packages/spacetimedb-testhost"
    const foreign = imports.filter(
      ({ file, target }) => file.startsWith(`${host}/`) && ![".", host].includes(ownerOf(target))
    )
    expect(show(foreign)).toEqual([])
  })

  it("name adapters in http/src/main.ts alone", () => {
    expect(
      show(
        fromSource("packages/http").filter(
          ({ file, specifier, target }) =>
            (file !== MAIN && adapters.includes(ownerOf(target))) || specifier === "@latchkey/core/testing"
        )
      )
    ).toEqual([])
  })

  it.each(Object.entries(ORDER))("of the folders of %s go downwards", (workspace, order) => {
    const placeOf = (path: string) => order.indexOf(path.slice(`${workspace}/src/`.length).split("/")[0] ?? "")
    const own = fromSource(workspace)
    expect([...new Set(own.map(({ file }) => file))].filter((file) => placeOf(file) === -1)).toEqual([])
    expect(
      show(own.filter(({ file, target }) => target?.startsWith(`${workspace}/src/`) && placeOf(target) < placeOf(file)))
    ).toEqual([])
  })

  it("never lead back to where they began, types neither", () => {
    const targets = new Map<string, Set<string>>()
    for (const { file, target } of imports.filter(({ file }) => file.includes("/src/"))) {
      const known = targets.get(file) ?? new Set()
      targets.set(file, target === undefined ? known : known.add(target))
    }
    const cycles: Array<string> = []
    const done = new Set<string>()
    const visit = (file: string, path: ReadonlyArray<string>): void => {
      if (path.includes(file)) return void cycles.push([...path.slice(path.indexOf(file)), file].join(" -> "))
      if (done.has(file)) return
      for (const target of targets.get(file) ?? []) visit(target, [...path, file])
      done.add(file)
    }
    for (const file of targets.keys()) visit(file, [])
    expect(cycles).toEqual([])
  })

  it.each(BROWSER_ENTRIES)("of %s can be followed by a browser", (entry) => {
    expect(show(outsideOf(entry).filter(({ specifier }) => packageOf(specifier) !== "effect"))).toEqual([])
  })

  it("of main.ts bring what serves HTTP, signs tokens or simulates locks only to the command that needs it", () => {
    const heavy = ["effect/http", "effect/http-api", "node:http", "node:https", "undici", "jose", "cli-progress"]
    const isHeavy = ({ specifier = "", file }: Import) =>
      heavy.includes(specifier) || ["packages/simulator", "packages/adapters/local-shadow"].includes(ownerOf(file))
    expect(show(outsideOf(MAIN, ({ dynamic }) => !dynamic).filter(isHeavy))).toEqual([])
  })

  it("never reach into examples or bench", () => {
    const isLeaf = (path: string | undefined) => ["examples", "bench"].includes(ownerOf(path))
    expect(show(imports.filter(({ file, target }) => isLeaf(target) && ownerOf(target) !== ownerOf(file)))).toEqual([])
  })

  it("enter another package by its exports, not by a path", () => {
    expect(
      show(
        imports.filter(
          // JSON is data, such as the published contract, and no module.
          ({ file, specifier, target }) =>
            specifier?.startsWith(".") && !specifier.endsWith(".json") && ownerOf(target) !== ownerOf(file)
        )
      )
    ).toEqual([])
  })
})

/** What a program that begins there takes from elsewhere than the files of this repository, also by way of them. */
function outsideOf(entry: string, follow: (one: Import) => boolean = () => true): ReadonlyArray<Import> {
  const seen = new Set<string>()
  const visit = (file: string): ReadonlyArray<Import> => {
    if (seen.has(file)) return []
    seen.add(file)
    return importsOf(file)
      .filter((one) => !one.typeOnly && follow(one))
      .flatMap((one) => (one.target === undefined ? [one] : visit(one.target)))
  }
  return visit(entry)
}

function importsOf(file: string): ReadonlyArray<Import> {
  const source = read(file)
  const { module, errors } = parseSync(file, source)
  if (errors.length > 0) throw new Error(`${file}: ${errors[0]?.message}`)
  const found = (specifier: string | undefined, typeOnly: boolean, dynamic = false): Import => ({
    file,
    specifier,
    target: specifier === undefined ? undefined : targetOf(file, specifier),
    typeOnly,
    dynamic
  })
  return [
    ...module.staticImports.map(({ moduleRequest, entries }) =>
      found(moduleRequest.value, entries.length > 0 && entries.every(({ isType }) => isType))
    ),
    ...module.staticExports.flatMap(({ entries }) =>
      entries.flatMap(({ moduleRequest, isType }) => (moduleRequest ? [found(moduleRequest.value, isType)] : []))
    ),
    ...module.dynamicImports.map(({ moduleRequest: { start, end } }) =>
      found(/^["'](.*)["']$/.exec(source.slice(start, end))?.[1], false, true)
    )
  ]
}

function targetOf(file: string, specifier: string): string | undefined {
  if (specifier.startsWith(".")) return join(dirname(file), specifier)
  const workspace = names.get(packageOf(specifier))
  if (workspace === undefined) return undefined
  const { exports = {} } = JSON.parse(read(join(workspace, "package.json")))
  const entry = exports[`.${specifier.slice(packageOf(specifier).length)}`]
  return join(workspace, entry ?? "package.json")
}

/** The workspace that a file belongs to; the repository itself is `.`. */
function ownerOf(path: string | undefined): string {
  return workspaces.find((workspace) => path?.startsWith(`${workspace}/`)) ?? "."
}

function packageOf(specifier = ""): string {
  return specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/")
}

function read(file: string): string {
  return readFileSync(join(root, file), "utf8")
}

function show(violations: ReadonlyArray<Import>): ReadonlyArray<string> {
  return violations.map(({ file, specifier }) => `${relative("", file)} imports ${specifier ?? "a computed path"}`)
}
