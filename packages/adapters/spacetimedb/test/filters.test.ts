/** Reading in parts: everything, in order, however it lies in the database. */
import { randomUUID } from "node:crypto"
import { categoryOf, type FeedFilter, type NewEvent } from "@latchkey/core"
import { Effect } from "effect"
import { expect, it } from "vitest"
import { levelOf, rowsAfter } from "../src/module/milestones.ts"
import { connected, newEvents, publish, startHost } from "./fixture.ts"

const host = await startHost()
const run = Effect.runPromise

it("a row of 64 is a milestone, and few rows are looked at for few", () => {
  const names = Array.from({ length: 100_000 }, () => randomUUID())
  const rows = names.map((name, place) => ({ place, level: levelOf(name) }))
  const share = rows.filter(({ level }) => level > 0).length / rows.length
  expect(share).toBeGreaterThan(1 / 80)
  expect(share).toBeLessThan(1 / 50)

  let looked = 0
  const scan = (wanted: number, after: number, to: number | undefined) => {
    const found = rows.filter(({ place, level }) => level === wanted && place > after && place <= (to ?? Infinity))
    looked += found.length
    return found
  }
  for (const [after, wanted] of [
    [-1, 1],
    [50_000, 1],
    [50_000, 500],
    [99_990, 100]
  ] as const) {
    looked = 0
    const found = rowsAfter(after, wanted, scan, ({ place }) => place)
    expect(found.map(({ place }) => place)).toEqual(found.map((_, index) => after + 1 + index))
    expect(found.length).toBeGreaterThan(0)
    expect(looked).toBeLessThan(2_000 + 5 * wanted)
  }
  expect(rowsAfter(99_999, 1, scan, ({ place }) => place)).toEqual([])
})

it("filters let through what they name, in pages of any length", async () => {
  await using client = await connected(await publish(host))
  const { store } = client
  const streams = ["lock-1", "lock-2-x", "locked", "user-1", "rare-1"]
  const organizations = ["", "org-1", "org-2"]
  const events = newEvents(3_000).map((event, index) => ({
    streamId: index % 1_000 === 999 ? "rare-1" : (streams[(index * 7) % 4] ?? ""),
    event: { ...event, orgId: organizations[(index * 5) % 3] ?? "" }
  }))
  const versions = new Map<string, number>()
  const append = events.map(({ streamId, event }) => {
    const expectedVersion = versions.get(streamId) ?? 0
    versions.set(streamId, expectedVersion + 1)
    return { streamId, expectedVersion, events: [event] }
  })
  for (let from = 0; from < append.length; from += 500) {
    await run(store.write({ append: append.slice(from, from + 500) }))
  }
  const matches = ({ category, orgId }: FeedFilter, streamId: string, event: NewEvent) =>
    (category === undefined || categoryOf(streamId) === category) && (orgId === undefined || event.orgId === orgId)
  const filters = ["lock", "locked", "rare", "none", undefined].flatMap((category) =>
    ["", "org-1", "none", undefined].map((orgId) => ({
      ...(category === undefined ? {} : { category }),
      ...(orgId === undefined ? {} : { orgId })
    }))
  )
  for (const filter of filters) {
    const expected = events.flatMap(({ streamId, event }, index) =>
      matches(filter, streamId, event) ? [{ position: index + 1, eventId: event.eventId }] : []
    )
    for (const limit of [7, 100, 10_000]) {
      const found: Array<{ position: number; eventId: string }> = []
      while (true) {
        const page = await run(store.feed(found.at(-1)?.position ?? 0, limit, filter))
        found.push(...page.map(({ position, eventId }) => ({ position, eventId })))
        if (page.length < limit || found.length > expected.length || limit === 7) break
      }
      expect(found).toEqual(limit === 7 ? expected.slice(0, 7) : expected)
    }
  }
})

it("records are listed by code units, in pages of any length", async () => {
  await using client = await connected(await publish(host))
  const { store } = client
  const chars = ["", "a", "b", "\u{7f}", "\u{d7ff}", "\u{e000}", "\u{ffff}", "\u{10000}", "\u{10fffe}", "\u{10ffff}"]
  const keys = chars.flatMap((one) => chars.flatMap((two) => chars.map((three) => `k${one}${two}/${three}`)))
  const unique = [...new Set(keys)].sort()
  await run(store.write({ put: unique.map((key) => ({ key, value: `of ${key}` })) }))
  for (const prefix of ["", "k", "k\u{e000}", "k\u{10ffff}", "k\u{10ffff}\u{10ffff}/", "ka/a", "l"]) {
    const expected = unique.filter((key) => key.startsWith(prefix))
    for (const limit of [50, 1_000]) {
      const found: Array<string> = []
      while (true) {
        const page = await run(store.records(prefix, found.at(-1) ?? "", limit))
        for (const { key, value } of page) expect(value).toBe(`of ${key}`)
        found.push(...page.map(({ key }) => key))
        if (page.length < limit) break
      }
      expect(found).toEqual(expected)
    }
  }
  await run(store.write({ remove: unique.slice(0, 500) }))
  expect((await run(store.records("", "", 1_000))).map(({ key }) => key)).toEqual(unique.slice(500))
})
