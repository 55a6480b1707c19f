/** The index of decisions names each of them once, by its own title. */
import { globSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { expect, it } from "vitest"

const folder = fileURLToPath(new URL("../docs/decisions", import.meta.url))

it("the index of decisions has a row for each, with its title and its status", () => {
  const index = readFileSync(join(folder, "README.md"), "utf8")
  const rows = [...index.matchAll(/^\| \[(\d{4})\]\((\S+)\) (.+) \| (.+) \|$/gm)].map(
    ([, number, file, title, status]) => ({ number, file, title, hasStatus: status !== "" })
  )
  const decisions = globSync("0*.md", { cwd: folder }).map((file) => ({
    number: file.slice(0, 4),
    file,
    title: /^# (.+)$/m.exec(readFileSync(join(folder, file), "utf8"))?.[1],
    hasStatus: true
  }))
  const byNumber = (a: { readonly number: string | undefined }, b: typeof a) =>
    (a.number ?? "").localeCompare(b.number ?? "")
  expect(rows.toSorted(byNumber)).toEqual(decisions.toSorted(byNumber))
})
