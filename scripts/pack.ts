/**
 * Builds every public package and packs it into `dist/*.tgz`. In the repository `exports` and `bin` name `src`, which
 * runs unbuilt; the published package.json names `dist`, and the repository at `REPOSITORY`, if that is set.
 */
import { execFileSync } from "node:child_process"
import { cpSync, existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"

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
for (const folder of folders) pack(folder)

function pack(folder: string): void {
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
  execFileSync("npm", ["pack", "--silent", "--pack-destination", "dist", `./${staged}`], { stdio: "inherit" })
}

function built(path: string, extension: string): string {
  return path.replace(/^\.\/src\/(.*)\.ts$/, `./dist/$1${extension}`)
}

function mapValues<A>(record: Record<string, string>, f: (value: string) => A): Record<string, A> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, f(value)]))
}
