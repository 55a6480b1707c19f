import { expect, it } from "vitest"
import { Document } from "./Document.ts"

const run = async (...lines: ReadonlyArray<string>): Promise<void> => {
  const document = await Document.open(lines.join("\n"))
  try {
    await document.typecheck()
    for (const block of document.blocks) await document.run(block)
  } finally {
    await document.close()
  }
}

it("runs commands in one session and compares what they print", () =>
  run(
    "```sh",
    "NAME=door",
    "```",
    "```console",
    "$ echo $NAME",
    "door",
    "$ echo 'a",
    "b' \\",
    "  c",
    "a",
    "b c",
    "```"
  ))

it("fails when the output differs", async () => {
  await expect(run("```console", "$ echo door", "gate", "```")).rejects.toThrow("gate")
})

it("fails when a command fails", async () => {
  await expect(run("```sh", "test -e nothing", "```")).rejects.toThrow("test -e nothing")
})

it("fails on a language that nobody runs", async () => {
  await expect(run("```rust", "```")).rejects.toThrow('Line 1: nobody runs "rust" blocks')
})

it("fails on a block without end", async () => {
  await expect(run("```sh", "true")).rejects.toThrow("The code block of line 1 does not end")
})

it("compares JSON as written over many lines", () =>
  run("```console", `$ echo '{"a":[1,2]}'`, "{", '  "a": [', "    1, 2", "  ]", "}", "```"))

it("takes the real id for the written one in later commands", () =>
  run(
    "```console",
    "$ cat /proc/sys/kernel/random/uuid > id; cat id",
    "0b8a9c1e-0000-4000-8000-000000000001",
    "$ grep -c 0b8a9c1e-0000-4000-8000-000000000001 id",
    "1",
    "```"
  ))

it("fails when one written id stands for two", async () => {
  const twice = ["$ cat /proc/sys/kernel/random/uuid", "0b8a9c1e-0000-4000-8000-000000000001"]
  await expect(run("```console", ...twice, ...twice, "```")).rejects.toThrow("0b8a9c1e")
})

it("expects a value back as a command named it", async () => {
  const instant = (said: string) =>
    run("```console", `$ date -u -d 2030-01-01T00:00:00Z +${said}`, "2030-01-01T00:00:00Z", "```")
  await instant("%FT%TZ")
  await expect(instant("2031-01-01T%TZ")).rejects.toThrow("2030-01-01")
})

it("typechecks TypeScript, runs it, and compares the text after it", async () => {
  const program = (value: string, printed: string) =>
    run(
      "```ts",
      `import { Schema } from "effect"`,
      `const n: number = ${value}`,
      "console.log(n, typeof Schema)",
      "```",
      "",
      "```text",
      printed,
      "```"
    )
  await program("7", "7 object")
  await expect(program("7", "8 object")).rejects.toThrow("8 object")
  await expect(program('"7"', "7 object")).rejects.toThrow("not assignable")
})

it("leaves npm's own commands to CI, but not ones that do not exist", async () => {
  await run("```sh", "npm ci", "npm test", "npm run lint", "```")
  await expect(run("```sh", "npm run nothing", "```")).rejects.toThrow("npm run nothing")
})
