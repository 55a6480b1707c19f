/** Clients and modules of different releases, and what the next release's module may be. */
import { readFileSync } from "node:fs"
import { EventStore } from "@latchkey/core"
import { Spacetime } from "@latchkey/spacetimedb"
import { Effect } from "effect"
import { describe, expect, it } from "vitest"
import { VERSION } from "../src/moduleVersion.ts"
import { type Definition, definitionOf, type RawDefinition, refusedChanges } from "./definition.ts"
import { append, bundle, connected, newEvents, publish, startHost } from "./fixture.ts"
import { muchNewer, newer, older, refused, refusedByUs, release, taken, withoutVersion } from "./releases.ts"

const host = await startHost()

describe("a client", () => {
  const refusalOf = async (module: string) => {
    const open = Effect.provide(EventStore, Spacetime.layer(await publish(host, module)))
    return Effect.runPromise(Effect.flip(open))
  }

  it("is told to publish the module that it needs, when an older one is there", async () => {
    for (const module of [older, withoutVersion]) {
      expect(await refusalOf(module)).toMatchObject({
        _tag: "CannotConnect",
        option: "database",
        message: expect.stringMatching(/has the module of an older release.*update the module: publish/)
      })
    }
  })

  it("works with a newer module that serves it", async () => {
    await using client = await connected(await publish(host, newer))
    expect(await Effect.runPromise(append(client, "a", 0, newEvents(1)))).toEqual({ position: 1 })
  })

  it("is told to be updated, when a newer module no longer serves it", async () => {
    expect(await refusalOf(muchNewer)).toMatchObject({
      option: "database",
      message: expect.stringMatching(/of a newer release.*update the server/)
    })
  })
})

describe("the next release's module", () => {
  const definitionIn = async (module: string, version = VERSION): Promise<Definition> => {
    const { uri, database } = await publish(host, module)
    const raw: unknown = await (await fetch(`${uri}/v1/database/${database}/schema?version=10`)).json()
    return definitionOf(raw as RawDefinition, version)
  }
  /** What this edition's module was first. */
  const released: Definition = JSON.parse(readFileSync(new URL("released.json", import.meta.url), "utf8"))

  it("can be published over the data of the first, and serves its clients", async () => {
    expect(refusedChanges(released, await definitionIn(bundle))).toEqual([])
  })

  it.each(Object.entries(taken))("may have %s", async (_, module) => {
    expect(refusedChanges(await definitionIn(bundle), await definitionIn(module))).toEqual([])
  })

  it.each(Object.entries({ ...refused, ...refusedByUs }))("may not have %s", async (_, module) => {
    expect(refusedChanges(await definitionIn(bundle), await definitionIn(module))).not.toEqual([])
  })

  it("names no type as it names a table: the engine refuses that", async () => {
    await expect(publish(host, release([/t\.object\("KnownRows"/, 't.object("Rows"']))).rejects.toThrow(
      "name `Rows` is used for multiple types"
    )
  })

  it("says with VERSION that there is a function more", async () => {
    const { functions, ...rest } = await definitionIn(bundle)
    const next = { ...rest, functions: { ...functions, more: "()" } }
    expect(refusedChanges({ ...rest, functions }, next)).toEqual(["a function is new, and VERSION is not"])
    expect(refusedChanges({ ...rest, functions }, { ...next, version: VERSION + 1 })).toEqual([])
  })
})
