/** The commands of a lock over HTTP: every one that may be asked has a path, and the documentation agrees with the tables. */
import { readFileSync } from "node:fs"
import { type CommandRow, commandTable, type Right, requests } from "@latchkey/core"
import { describe, expect, it } from "vitest"
import { type CommandRoute, commandRoutes } from "../src/api/commandRoutes.ts"

const routes = Object.entries<CommandRoute>(commandRoutes)

/** How the documentation puts who may. Of a lock that is not there yet, `permitCreate` decides. */
const words: Readonly<Record<string, Right>> = {
  "owner, organization": "owner",
  "users for themselves, organizations, super keys": "owner",
  "owner, key holder, organization": "holder",
  organization: "organization",
  "the lock's organization": "organization",
  "the lock's organization; its owner where it has none": "keeper",
  "super key": "operator"
}

/** What the documentation says of each path: who may, and which events follow. */
const documented = readFileSync(new URL("../../../docs/commands.md", import.meta.url), "utf8")
  .split(/^## /m)
  .filter((section) => section.startsWith("Commands"))
  .flatMap((section) => section.split("\n"))
  .flatMap((line) => {
    const [_, paths = "", who = "", events = ""] = line.split("|").map((cell) => cell.trim())
    const named = namesIn(events)
    return namesIn(paths).map((path, index) => ({
      path,
      who: words[who],
      event: named[index],
      others: named.slice(namesIn(paths).length),
      tellsDevice: paths.includes("▸")
    }))
  })

function namesIn(cell: string): ReadonlyArray<string> {
  return Array.from(cell.matchAll(/`([\w-]+)`/g), ([_, name = ""]) => name)
}

describe("the documentation", () => {
  it.each(routes)("says of %s who may, what follows, and whether the device is told", (path, { tag }) => {
    const { who, event, instead, takes, device }: CommandRow = commandTable[tag]
    // Whose thing it takes is another lock's to tell.
    const others = [instead, takes && "ClaimLost"].filter((type) => type !== undefined)
    expect(documented.filter((row) => row.path === path)).toEqual([
      { path, who, event, others, tellsDevice: device !== undefined }
    ])
  })

  it("has no other commands but those for many keys", () => {
    const paths = [...routes.map(([path]) => path), "BulkAddKeys", "remove-inherited-keys"]
    expect(documented.map(({ path }) => path).toSorted()).toEqual(paths.toSorted())
  })
})

describe("the table", () => {
  it("has a route for every request but that for many keys, and that of guests", () => {
    const elsewhere = ["BulkAddKeys", "OpenWithTempKey"]
    expect([...routes.map(([_, { tag }]) => tag), ...elsewhere].toSorted()).toEqual(Object.keys(requests).toSorted())
  })
})
