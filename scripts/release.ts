/**
 * `npm run release -- https://github.com/owner/name`: all that a release is, in `dist/release`: the checked tarballs, an
 * SBOM and checksums. Publishes nothing, and says how to: npm signs provenance only where it runs in the repository's own CI.
 */
import { execFileSync } from "node:child_process"
import { createHash } from "node:crypto"
import { cpSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { basename, join } from "node:path"

process.chdir(join(import.meta.dirname, ".."))

interface Manifest {
  readonly name: string
  readonly version: string
  readonly dependencies?: Readonly<Record<string, string>>
  readonly peerDependencies?: Readonly<Record<string, string>>
}

/** What must be true of a release, and is not. */
const refuse = (reason: string): never => {
  console.error(`Not released: ${reason}`)
  process.exit(1)
}

const [repository = ""] = process.argv.slice(2)
if (!/^https:\/\/[^\s/]+\/[^\s/]+\/[^\s/]+$/.test(repository) || repository.endsWith(".git")) {
  refuse("name the repository that it is built from: npm run release -- https://github.com/owner/name")
}
if (git("status", "--porcelain") !== "") refuse("there are changes that are not committed.")

const manifests: ReadonlyArray<Manifest> = globSync([
  "packages/*/package.json",
  "packages/adapters/*/package.json"
]).map((path) => JSON.parse(readFileSync(path, "utf8")))
const names = new Set(manifests.map(({ name }) => name))
const [{ version } = refuse("there are no packages.")] = manifests
for (const manifest of manifests) {
  if (manifest.version !== version) refuse(`${manifest.name} is ${manifest.version}, and others are ${version}.`)
  for (const [name, range] of Object.entries({ ...manifest.dependencies, ...manifest.peerDependencies })) {
    if (names.has(name) && range !== `^${version}`)
      refuse(`${manifest.name} asks for ${name} ${range}, not ^${version}.`)
  }
}
if (!readFileSync("CHANGELOG.md", "utf8").split("\n").includes(`## ${version}`)) {
  refuse(`CHANGELOG.md has no section "## ${version}".`)
}

execFileSync("npm", ["run", "pack:check", "--silent"], {
  stdio: "inherit",
  env: { ...process.env, REPOSITORY: repository }
})

const release = "dist/release"
rmSync(release, { recursive: true, force: true })
mkdirSync(release)
const files = globSync(["dist/*.tgz", "dist/*.cdx.json"]).sort()
for (const file of files) cpSync(file, join(release, basename(file)))
const sums = files.map(
  (file) => `${createHash("sha256").update(readFileSync(file)).digest("hex")}  ${basename(file)}\n`
)
writeFileSync(join(release, "SHA256SUMS"), sums.join(""))

console.log(
  [
    "",
    `${release} holds ${version}, of commit ${git("rev-parse", "HEAD")}; check it with: sha256sum -c SHA256SUMS`,
    `To publish, in a CI job of ${repository} that may write id-tokens, in this order:`,
    ...inOrder(manifests).map(
      ({ name }) => `  npm publish ./${release}/${name.replace("@", "").replace("/", "-")}-${version}.tgz`
    ),
    `Then: git tag v${version} && git push origin v${version}`
  ].join("\n")
)

/** What others depend on first. */
function inOrder(all: ReadonlyArray<Manifest>): ReadonlyArray<Manifest> {
  const done = new Set<Manifest>()
  const take = (manifest: Manifest): void => {
    if (done.has(manifest)) return
    for (const other of all) if (manifest.dependencies?.[other.name] !== undefined) take(other)
    done.add(manifest)
  }
  for (const manifest of all) take(manifest)
  return [...done]
}

function git(...args: ReadonlyArray<string>): string {
  return execFileSync("git", args, { encoding: "utf8" }).trim()
}
