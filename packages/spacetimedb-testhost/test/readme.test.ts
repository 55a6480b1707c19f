/** The README shows programs that run: each of its blocks of TypeScript is a file of the example. */
import { readFileSync } from "node:fs"
import { expect, it } from "vitest"

const read = (path: string) => readFileSync(new URL(path, import.meta.url), "utf8")

it("shows the example as it is", () => {
  const blocks = [...read("../README.md").matchAll(/```ts\n(.*?)```/gs)].map(([, code]) => code)
  expect(blocks).toEqual(["module.ts", "bundle.ts", "counter.test.ts"].map((file) => read(`./example/${file}`)))
})
