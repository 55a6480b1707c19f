/** The README tells the truth: every code block in it runs, and prints what it says. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, describe, it } from "vitest"
import { Document } from "./readme/Document.ts"

const readme = await Document.open(readFileSync(join(import.meta.dirname, "../README.md"), "utf8"))
afterAll(() => readme.close())

describe("README.md", () => {
  it("has TypeScript that compiles", () => readme.typecheck())

  it.each(readme.blocks)("keeps its word in the $language block of line $line", (block) => readme.run(block))
})
