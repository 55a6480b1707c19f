/** The next release's module is published over data, while clients write: what the engine takes, and what it refuses. */
import { create, publish, sayIfLeftOut } from "@latchkey/spacetimedb-engine"
import { Effect, Fiber } from "effect"
import { describe, expect, it } from "vitest"
import { append, bundle, connected, idsOf, newEvents } from "./fixture.ts"
import { newer, refused, refusedByUs, taken } from "./releases.ts"
import { startServer } from "./server.ts"

// A server that SPACETIMEDB_URI names may ask for more than a word before it throws clients out.
const uri = process.env["SPACETIMEDB_URI"] ? undefined : await startServer()
sayIfLeftOut("upgrades on SpacetimeDB's engine", uri !== undefined)

/** Events that are there before the upgrade. */
const EVENTS = 1_000

/** A database with some events, whose client goes on writing. */
const furnished = async (address: string) => {
  const place = await create(address, bundle)
  const client = await connected({ ...place, deadline: "20 seconds" })
  await Effect.runPromise(append(client, "a", 0, newEvents(EVENTS)))
  return { place, client, [Symbol.asyncDispose]: () => client[Symbol.asyncDispose]() }
}

const run = Effect.runPromise

/** Writes under load, one after the other. */
const WRITES = 40

const longestPause = (instants: ReadonlyArray<number>): number =>
  Math.round(Math.max(...instants.slice(1).map((instant, index) => instant - (instants[index] ?? 0))))

describe.skipIf(uri === undefined)("the next release's module", () => {
  it.each(Object.entries({ ...taken, "another version": newer }))(
    "is published with %s, under load",
    async (what, module) => {
      await using database = await furnished(uri ?? "")
      const { place, client } = database
      const written: Array<string> = []
      const answered: Array<number> = []
      const writing = Effect.runFork(
        Effect.forEach(
          Array.from({ length: WRITES }, (_, version) => ({ version, events: newEvents(1) })),
          ({ version, events }) =>
            // A write that a broken connection took along was not carried out, and says so.
            Effect.retry(append(client, "b", version, events), {
              while: ({ _tag }) => _tag === "StoreUnavailable"
            }).pipe(
              Effect.tap(() =>
                Effect.sync(() => {
                  written.push(...events.map(({ eventId }) => eventId))
                  answered.push(performance.now())
                })
              )
            ),
          { discard: true }
        )
      )
      await expect.poll(() => written.length).toBeGreaterThan(4)
      // Where a table gets a column, those who are connected are thrown out.
      let started = performance.now()
      const first = await publish(place, module)
      if (!first.ok) {
        expect(first.text).toMatch(/disconnect|break/i)
        started = performance.now()
        expect(await publish(place, module, true)).toMatchObject({ status: 200 })
      }
      const published = Math.round(performance.now() - started)
      await run(Fiber.join(writing))
      const ids = await idsOf(client)
      expect(ids).toHaveLength(EVENTS + WRITES)
      expect(ids.slice(EVENTS)).toEqual(written)
      process.stderr.write(
        `Published over ${ids.length} events with ${what}: in ${published} ms, in which the writer was held up for ${longestPause(answered)} ms at most.\n`
      )
    }
  )

  it.each(Object.entries(refused))("is refused with %s, and everything stays as it was", async (_, module) => {
    await using database = await furnished(uri ?? "")
    const { place, client } = database
    const before = await idsOf(client)
    expect(await publish(place, module, true)).toMatchObject({ ok: false })
    await run(append(client, "a", EVENTS, newEvents(1)))
    expect((await idsOf(client)).slice(0, EVENTS)).toEqual(before)
  })

  it.each(Object.entries(refusedByUs))("would be taken with %s: our own test refuses it", async (_, module) => {
    const place = await create(uri ?? "", bundle)
    expect(await publish(place, module, true)).toMatchObject({ status: 200 })
  })
})
