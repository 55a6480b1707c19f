/**
 * Judges the tarballs of `pack.ts` as their user meets them: the manifests and types by publint and attw, and an empty
 * project that installs them, imports every entry point, starts the server, and serves the API over a store of its own
 * (`outside/`), checked by the strictest of TypeScript 5.9 and 7. What that project installs is the SBOM of the release,
 * `dist/latchkey-<version>.cdx.json`: npm tells of a workspace only a part. Needs the npm registry.
 */
import { execFileSync, spawn } from "node:child_process"
import { once } from "node:events"
import { cpSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { freePort, healthy } from "../test/server.ts"

process.chdir(join(import.meta.dirname, ".."))

const run = (cwd: string, command: string, ...args: ReadonlyArray<string>) => {
  console.log(`$ ${command} ${args.join(" ")}`)
  execFileSync(command, args, { cwd, stdio: "inherit" })
}

const tarballs = globSync("dist/*.tgz").map((path) => resolve(path))
const manifests = globSync("dist/packages/**/package.json", { exclude: (path) => path.endsWith("node_modules") }).map(
  (path) => JSON.parse(readFileSync(path, "utf8"))
)
for (const tarball of tarballs) {
  run(".", "publint", "--strict", tarball)
  run(".", "attw", "--profile", "esm-only", tarball)
}

const folder = mkdtempSync(join(tmpdir(), "latchkey-packages-"))
// npm calls what an SBOM is of after its folder.
const project = join(folder, "latchkey")
const [{ version }] = manifests
try {
  mkdirSync(project)
  const about = { name: "latchkey", version, license: "Apache-2.0", private: true, type: "module" }
  writeFileSync(join(project, "package.json"), JSON.stringify(about))
  run(project, "npm", "install", "--no-audit", "--no-fund", ...tarballs)
  writeBillOfMaterials()
  const entries = manifests.flatMap(({ name, exports }) => Object.keys(exports).map((entry) => join(name, entry)))
  // The test kit, and what SpacetimeDB needs, rest on packages that are installed by who wants them.
  importAll(entries.filter((entry) => !entry.endsWith("/testing") && !entry.startsWith("@latchkey/spacetimedb")))
  run(project, "npx", "--no-install", "latchkey", "--help")
  await serve()
  await embed()
  const optional = manifests.flatMap(({ peerDependencies = {}, peerDependenciesMeta = {} }) =>
    Object.keys(peerDependenciesMeta)
      .filter((peer) => manifests.every(({ name }) => name !== peer))
      .map((name) => `${name}@${peerDependencies[name]}`)
  )
  run(project, "npm", "install", "--no-audit", "--no-fund", ...optional)
  importAll(entries)
} finally {
  rmSync(folder, { recursive: true, force: true })
}

/** Imports the entry points as a program and as a type checker sees them. */
function importAll(entries: ReadonlyArray<string>): void {
  writeFileSync(
    join(project, "entries.ts"),
    entries.map((entry, n) => `import * as entry${n} from ${JSON.stringify(entry)}\n`).join("")
  )
  run(project, "tsc", "--noEmit", "--strict", "--module", "nodenext", "--skipLibCheck", "--types", "", "entries.ts")
  run(project, "node", "entries.ts")
}

/** Where the tarballs lie on this machine, nobody else needs to know. */
function writeBillOfMaterials(): void {
  const bill = execFileSync("npm", ["sbom", "--sbom-format", "cyclonedx"], {
    cwd: project,
    encoding: "utf8",
    maxBuffer: 2 ** 28
  })
  const { components } = JSON.parse(bill)
  const purls = new Set(components.map(({ purl }: { readonly purl: string }) => purl))
  for (const { name } of manifests) {
    if (!purls.has(`pkg:npm/${name.replace("@", "%40")}@${version}`))
      throw new Error(`The SBOM lacks ${name}@${version}`)
  }
  writeFileSync(`dist/latchkey-${version}.cdx.json`, bill.replaceAll(/file:[^"]*\/(?=[^"/]*\.tgz")/g, ""))
}

/** As a program does that has a store of its own. */
async function embed(): Promise<void> {
  cpSync("scripts/outside", project, { recursive: true })
  run(project, "npm", "install", "--no-audit", "--no-fund", "typescript@~5.9.0", "@types/node@24")
  const options = ["--noEmit", "--strict", "--exactOptionalPropertyTypes", "--noUncheckedIndexedAccess"]
  const modules = ["--module", "nodenext", "--target", "esnext", "--allowImportingTsExtensions", "--types", "node"]
  const programs = ["withoutEffect.ts", "withEffect.ts"]
  for (const compiler of [join(project, "node_modules/.bin/tsc"), "tsc"]) {
    run(project, compiler, "--version")
    run(project, compiler, ...options, ...modules, ...programs)
  }
  for (const program of programs) run(project, "node", program)
  await serve({ LATCHKEY_STORE: "./store.ts", ACME_STORE: "ready" })
}

async function serve(environment: Readonly<Record<string, string>> = {}): Promise<void> {
  const port = await freePort()
  const server = spawn(join(project, "node_modules/.bin/latchkey"), ["serve"], {
    cwd: project,
    env: { ...process.env, PORT: String(port), LATCHKEY_SHADOW_PORT: "0", LATCHKEY_MQTT_PORT: "0", ...environment },
    stdio: "inherit"
  })
  const exited = once(server, "exit")
  await healthy(`http://127.0.0.1:${port}`, () => server.exitCode !== null)
  server.kill("SIGTERM")
  const [code] = await exited
  if (code !== 0) throw new Error(`latchkey serve ended with ${code} after SIGTERM`)
}
