/** The examples of docs/clients.md run, and print what the page says. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, describe, it } from "vitest"
import { Document } from "./readme/Document.ts"

const page = await Document.open(readFileSync(join(import.meta.dirname, "../docs/clients.md"), "utf8"))
afterAll(() => page.close())

describe("docs/clients.md", () => {
  it("has TypeScript that compiles", () => page.typecheck())

  it.each(page.blocks)("keeps its word in the $language block of line $line", (block) => page.run(block))
})
