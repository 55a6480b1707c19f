/** A new command of a lock is a row of a table, and touches few files. */
import { globSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { type CommandRow, commandTable } from "@latchkey/core"
import { expect, it } from "vitest"

const root = fileURLToPath(new URL("..", import.meta.url))
const rows = Object.entries<CommandRow>(commandTable)

it("a command is named in at most eight files", () => {
  // The one that changes a lock's hardware stands for all: nothing else that the API offers goes through it.
  const [tag = ""] = rows.find(([_, { event }]) => event === "LockUuidChanged") ?? []
  const name = new RegExp(`\\b${tag}\\b`)
  const naming = globSync("{packages,docs,test,examples}/**/*.*", {
    cwd: root,
    exclude: (file) => ["node_modules", "dist", ".stryker-tmp"].includes(file)
  }).filter((file) => name.test(readFileSync(join(root, file), "utf8")))
  expect(naming.length).toBeGreaterThan(0)
  expect(naming.toSorted().slice(8)).toEqual([])
})

it("an event is either carried out by a device, always by the same command, or by none", () => {
  const devices = new Map<string, Set<string | undefined>>()
  for (const [_, { event, device }] of rows) {
    if (event !== undefined) devices.set(event, (devices.get(event) ?? new Set()).add(device))
  }
  expect(Array.from(devices).filter(([_, types]) => types.size > 1)).toEqual([])
})
