/** What can be said of the documentation without running it; `docs.services.test.ts` runs it. */
import { globSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { llms } from "../scripts/llms.ts"
import { blocksOf } from "./readme/blocks.ts"

const root = join(import.meta.dirname, "..")
const read = (file: string) => readFileSync(join(root, file), "utf8")
const pages = ["README.md", ...globSync("docs/*.md", { cwd: root }).toSorted()]

it("llms.txt is what `node scripts/llms.ts` makes of the documentation", () => expect(read("llms.txt")).toBe(llms()))

it("the index of the README, and so llms.txt, names every page", () => {
  expect(pages.slice(1).filter((page) => !read("llms.txt").includes(`](${page})`))).toEqual([])
})

describe("the blocks of code", () => {
  // Python is run by packages/http/test/partners.
  it.each(pages)("of %s say how they are run; `text` is shown only", (page) => {
    expect(blocksOf(read(page)).filter(({ language }) => !/^(console|sh|ts|json|python|text)$/.test(language))).toEqual(
      []
    )
  })

  it.each(pages)("of %s that are JSON are JSON", (page) => {
    for (const { language, text } of blocksOf(read(page))) if (language === "json") JSON.parse(text)
  })
})
