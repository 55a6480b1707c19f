/** The pages of `docs/` tell the truth: what they run, runs, and prints what they say. One server a page, where one is started. */
import { globSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, describe, it } from "vitest"
import { blocksOf } from "./readme/blocks.ts"
import { Document } from "./readme/Document.ts"

const root = join(import.meta.dirname, "..")
const pages = globSync("docs/*.md", { cwd: root })
  .toSorted()
  .map((page) => ({ page, text: readFileSync(join(root, page), "utf8") }))
  .filter(({ text }) => blocksOf(text).some(({ language }) => /^(console|sh|ts)$/.test(language)))

it("the TypeScript of all pages compiles", async () => {
  const document = await Document.open(pages.map(({ text }) => text).join("\n"))
  try {
    await document.typecheck()
  } finally {
    await document.close()
  }
})

describe.each(pages)("$page", ({ text }) => {
  let document: Document
  beforeAll(async () => {
    document = await Document.open(text)
  })
  afterAll(() => document.close())

  it.each(blocksOf(text).filter(({ language }) => /^(console|sh|ts)$/.test(language)))(
    "keeps its word in the $language block of line $line",
    (block) => document.run(block)
  )
})
