/** The next release's module is published over data, while clients write: what the engine takes, and what it refuses. */
import { create, publish } from "@latchkey/spacetimedb-engine"
import { Effect, Fiber } from "effect"
import { describe, expect, it } from "vitest"
import { append, bundle, connected, idsOf, newEvents } from "./fixture.ts"
import { newer, refused, refusedByUs, taken } from "./releases.ts"
import { sayIfLeftOut, startServer } from "./server.ts"

// A server that SPACETIMEDB_URI names may ask for more than a word before it throws clients out.
const uri = process.env["SPACETIMEDB_URI"] ? undefined : await startServer()
sayIfLeftOut("upgrades on SpacetimeDB's engine", uri !== undefined)

/** A database with some events, whose client goes on writing. */
const furnished = async (address: string) => {
  const place = await create(address, bundle)
  const client = await connected({ ...place, deadline: "20 seconds" })
  await Effect.runPromise(append(client, "a", 0, newEvents(3)))
  return { place, client, [Symbol.asyncDispose]: () => client[Symbol.asyncDispose]() }
}

const run = Effect.runPromise

describe.skipIf(uri === undefined)("the next release's module", () => {
  it.each(Object.entries({ ...taken, "another version": newer }))(
    "is published with %s, under load",
    async (_, module) => {
      await using database = await furnished(uri ?? "")
      const { place, client } = database
      const written: Array<string> = []
      const writing = Effect.runFork(
        Effect.forEach(
          Array.from({ length: 40 }, (_, version) => ({ version, events: newEvents(1) })),
          ({ version, events }) =>
            // A write that a broken connection took along was not carried out, and says so.
            Effect.retry(append(client, "b", version, events), {
              while: ({ _tag }) => _tag === "StoreUnavailable"
            }).pipe(Effect.tap(() => Effect.sync(() => written.push(...events.map(({ eventId }) => eventId))))),
          { discard: true }
        )
      )
      await expect.poll(() => written.length).toBeGreaterThan(4)
      // Where a table gets a column, those who are connected are thrown out.
      const first = await publish(place, module)
      if (!first.ok) {
        expect(first.text).toMatch(/disconnect|break/i)
        expect(await publish(place, module, true)).toMatchObject({ status: 200 })
      }
      await run(Fiber.join(writing))
      const ids = await idsOf(client)
      expect(ids).toHaveLength(3 + 40)
      expect(ids.slice(3)).toEqual(written)
    }
  )

  it.each(Object.entries(refused))("is refused with %s, and everything stays as it was", async (_, module) => {
    await using database = await furnished(uri ?? "")
    const { place, client } = database
    const before = await idsOf(client)
    expect(await publish(place, module, true)).toMatchObject({ ok: false })
    await run(append(client, "a", 3, newEvents(1)))
    expect((await idsOf(client)).slice(0, 3)).toEqual(before)
  })

  it.each(Object.entries(refusedByUs))("would be taken with %s: our own test refuses it", async (_, module) => {
    const place = await create(uri ?? "", bundle)
    expect(await publish(place, module, true)).toMatchObject({ status: 200 })
  })
})
