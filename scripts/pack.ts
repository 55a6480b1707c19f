/**
 * Builds every public package and packs it into `dist/*.tgz`. In the repository `exports` and `bin` name `src`, which
 * runs unbuilt; the published package.json names `dist`, and the repository at `REPOSITORY`, if that is set: links to what
 * is not in the package then lead there. Prints how to install the tarballs.
 */
import { execFileSync } from "node:child_process"
import { cpSync, existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join, normalize, resolve } from "node:path"

process.chdir(join(import.meta.dirname, ".."))

const repository = process.env["REPOSITORY"]
const folders = globSync([
  "packages/core",
  "packages/adapters/*",
  "packages/spacetimedb-testhost",
  "packages/simulator",
  "packages/http"
])
for (const folder of ["dist", ...folders.map((folder) => join(folder, "dist"))])
  rmSync(folder, { recursive: true, force: true })
execFileSync("tsc", ["-b", ...folders], { stdio: "inherit" })
const packed = new Map(folders.map(pack))
// Alone, a tarball asks the registry for the others.
const wanted = new Set(["@latchkey/core", "@latchkey/http"])
for (const name of wanted) {
  for (const needed of packed.get(name)?.needs ?? []) if (packed.has(needed)) wanted.add(needed)
}
console.log(`npm install ${[...wanted].map((name) => resolve("dist", packed.get(name)?.tarball ?? "")).join(" ")}`)

function pack(folder: string) {
  const { scripts, devDependencies, exports, bin, ...manifest } = JSON.parse(
    readFileSync(join(folder, "package.json"), "utf8")
  )
  const staged = join("dist", folder)
  mkdirSync(staged, { recursive: true })
  for (const name of ["src", "dist", "docs", "README.md"]) {
    if (existsSync(join(folder, name))) cpSync(join(folder, name), join(staged, name), { recursive: true })
  }
  // What the source reads at run time, such as a page, lies beside the built modules too.
  cpSync(join(folder, "src"), join(staged, "dist"), { recursive: true, filter: (path) => !path.endsWith(".ts") })
  cpSync("LICENSE", join(staged, "LICENSE"))
  const published = {
    ...manifest,
    ...(repository && { repository: { type: "git", url: `git+${repository}.git`, directory: folder } }),
    ...(bin && { bin: mapValues(bin, (path) => built(path, ".js")) }),
    exports: mapValues(exports, (path) => ({ types: built(path, ".d.ts"), default: built(path, ".js") })),
    files: ["dist", "src", "docs", "!**/.tsbuildinfo"]
  }
  writeFileSync(join(staged, "package.json"), `${JSON.stringify(published, null, 2)}\n`)
  for (const page of globSync(["README.md", "docs/**/*.md"], { cwd: staged })) {
    const path = join(staged, page)
    writeFileSync(path, withLinksOut(readFileSync(path, "utf8"), folder, page))
  }
  const tarball = execFileSync("npm", ["pack", "--silent", "--pack-destination", "dist", `./${staged}`], {
    encoding: "utf8"
  }).trim()
  console.log(tarball)
  return [String(manifest.name), { tarball, needs: Object.keys(manifest.dependencies ?? {}) }] as const
}

/** Links of a page that lead out of its package, as links into the repository. */
function withLinksOut(text: string, folder: string, page: string): string {
  return text.replaceAll(/\]\((\.[^)\s]*)\)/g, (link, target: string) => {
    const path = normalize(join(folder, page, "..", target))
    return repository && !path.startsWith(`${folder}/`) ? `](${repository}/blob/HEAD/${path})` : link
  })
}

function built(path: string, extension: string): string {
  return path.replace(/^\.\/src\/(.*)\.ts$/, `./dist/$1${extension}`)
}

function mapValues<A>(record: Record<string, string>, f: (value: string) => A): Record<string, A> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, f(value)]))
}
