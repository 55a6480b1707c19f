/** Links in the Markdown of this repository lead somewhere: to a file or folder that is kept, and to a heading in it. */
import { execFileSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { dirname, join, normalize } from "node:path"
import GitHubSlugger from "github-slugger"
import { describe, expect, it } from "vitest"
import { blocksOf } from "./readme/blocks.ts"

const root = join(import.meta.dirname, "..")
const files = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard"], {
  cwd: root,
  encoding: "utf8"
})
  .split("\n")
  .filter((file) => file !== "")
const kept = new Set(files.flatMap((file) => [file, ...foldersOf(file)]))
const pages = files.filter((file) => file.endsWith(".md") || file === "llms.txt")

function foldersOf(file: string): ReadonlyArray<string> {
  const folder = dirname(file)
  return folder === "." ? ["."] : [folder, ...foldersOf(folder)]
}

/** Without blocks of code. */
const proseOf = (text: string): string => {
  const lines = text.split("\n")
  for (const block of blocksOf(text)) {
    const length = block.text === "" ? 0 : block.text.split("\n").length
    lines.fill("", block.line - 1, block.line + length + 1)
  }
  return lines.join("\n")
}

const linksIn = (text: string): ReadonlyArray<string> =>
  Array.from(
    proseOf(text)
      .replaceAll(/`[^`\n]*`/g, "``")
      .matchAll(/\]\(([^)\s]+)\)/g),
    ([, target = ""]) => target
  )

const anchorsIn = (text: string): ReadonlySet<string> => {
  const slugger = new GitHubSlugger()
  const headings = proseOf(text).matchAll(/^#{1,6} (.+)$/gm)
  return new Set(Array.from(headings, ([, heading = ""]) => slugger.slug(textOf(heading))))
}
const textOf = (markdown: string): string => markdown.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1").replaceAll("`", "")

const whatIsWrong = (page: string, link: string): string | undefined => {
  if (/^[a-z]+:/.test(link)) return URL.canParse(link) ? undefined : "not a URL"
  const [path = "", anchor] = link.split("#")
  const file = path === "" ? page : normalize(join(dirname(page), path)).replace(/\/$/, "")
  if (!kept.has(file)) return `no ${file}`
  if (anchor === undefined) return undefined
  return anchorsIn(readFileSync(join(root, file), "utf8")).has(anchor) ? undefined : `no heading #${anchor} in ${file}`
}

describe("links", () => {
  it.each(pages)("of %s lead somewhere", (page) => {
    const links = linksIn(readFileSync(join(root, page), "utf8"))
    expect(links.flatMap((link) => whatIsWrong(page, link) ?? [])).toEqual([])
  })

  it("are checked: what is not there is found", () => {
    expect(linksIn("[a](b.md#c) `[d](e)`\n```\n[f](g)\n```\n![h](i.png)")).toEqual(["b.md#c", "i.png"])
    expect(whatIsWrong("docs/why.md", "nothing.md")).toBe("no docs/nothing.md")
    expect(whatIsWrong("docs/why.md", "#nothing")).toBe("no heading #nothing in docs/why.md")
    expect(whatIsWrong("docs/why.md", "../README.md#start")).toBeUndefined()
    expect(whatIsWrong("docs/why.md", "decisions")).toBeUndefined()
  })
})
