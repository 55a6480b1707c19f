/** What the packages promise: lists of names, each documented. A name that goes breaks somebody's program. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { parseSync } from "oxc-parser"
import { describe, expect, it } from "vitest"

const root = fileURLToPath(new URL("..", import.meta.url))
const ENTRIES = {
  core: "packages/core/src/index.ts",
  http: "packages/http/src/index.ts",
  client: "packages/http/src/client.ts"
}

/** Where a name is declared, and as what; `*` is a whole module. */
interface Declaration {
  readonly file: string
  readonly declared: string
}

interface Exported extends Declaration {
  readonly name: string
  readonly isType: boolean
}

const read = (file: string) => {
  const source = readFileSync(join(root, file), "utf8")
  const { module, comments } = parseSync(file, source)
  return { source, module, comments }
}

const exportsOf = (file: string): ReadonlyArray<Exported> =>
  read(file).module.staticExports.flatMap(({ entries }) =>
    entries.map(({ exportName, importName, localName, moduleRequest, isType }) => {
      const name = exportName.name
      if (name === null) throw new Error(`${file} exports all of ${moduleRequest?.value}: name what it exports`)
      const target = moduleRequest === null ? file : join(file, "..", moduleRequest.value)
      return { name, isType, file: target, declared: importName.name ?? localName.name ?? "*" }
    })
  )

/** Whether a doc comment ends right before the declaration, or, of a whole module, begins it. */
const isDocumented = ({ file, declared }: Declaration): boolean => {
  const { source, module, comments } = read(file)
  // Exported once more from where it is declared.
  const from = module.staticExports
    .flatMap(({ entries }) => entries)
    .find(({ exportName, moduleRequest }) => moduleRequest !== null && exportName.name === declared)
  if (from?.moduleRequest) return isDocumented({ file: join(file, "..", from.moduleRequest.value), declared })
  const docs = comments.filter(({ type, value }) => type === "Block" && value.startsWith("*"))
  if (declared === "*") return docs.some(({ start }) => start === 0)
  return docs.some(({ end }) =>
    new RegExp(`^\\s*export (declare )?(abstract )?(const|class|interface|type|function) ${declared}\\b`).test(
      source.slice(end)
    )
  )
}

describe.each(Object.entries(ENTRIES))("the exports of %s", (name, file) => {
  it("are these", async () => {
    const names = exportsOf(file).map(({ name, isType }) => (isType ? `type ${name}` : name))
    expect(new Set(names).size).toBe(names.length)
    await expect(`${names.sort().join("\n")}\n`).toMatchFileSnapshot(`exports/${name}.txt`)
  })

  it("are documented", () => {
    expect(
      exportsOf(file)
        .filter((one) => !isDocumented(one))
        .map(({ name, file }) => `${name} of ${file}`)
    ).toEqual([])
  })
})
