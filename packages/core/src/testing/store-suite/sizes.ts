/** How much at once: as much as the port says, and as much as is asked for. */
import { expect } from "@effect/vitest"
import { categoryOf, type NewEvent } from "../../streams/EventStore.ts"
import { append, asStored, casesOf, idsOf, keysOf, refuses, upTo, valueOf } from "./fixture.ts"

const check = casesOf("a batch")

export const sizeCases = [
  check("holds a thousand events and a thousand records", function* ({ store, start, name, events }) {
    const [a, b] = [name("a-1"), name("b-1")]
    const [left, right] = [events(1), events(999)]
    const keys = Array.from({ length: 1_000 }, (_, index) => name(`k/${String(index).padStart(4, "0")}`))
    yield* store.write({
      expect: keys.map((key) => ({ key, value: undefined })),
      append: [
        { streamId: a, expectedVersion: 0, events: left },
        { streamId: b, expectedVersion: 0, events: right }
      ],
      put: keys.map((key) => ({ key, value: key }))
    })
    expect(idsOf(yield* store.feed(start, 1_000))).toEqual(idsOf([...left, ...right]))
    expect(yield* store.records(name("k/"), "", 1_000)).toEqual(keys.map((key) => ({ key, value: key })))
    yield* store.write({ remove: keys, expect: keys.map((key) => ({ key, value: key })) })
    expect(yield* keysOf(store, name("k/"))).toEqual([])
  }),

  check("is one of many: as much is read at once as is asked for", function* ({ store, start, name, events }) {
    const keys = Array.from({ length: 1_000 }, (_, index) => name(`k/${String(index).padStart(4, "0")}`))
    for (const [index, part] of [0, 1, 2].entries()) {
      yield* store.write({
        ...append(name("a-1"), events(1_000), index * 1_000),
        put: keys.map((key) => ({ key: `${key}/${part}`, value: "1" }))
      })
    }
    expect((yield* store.read(name("a-1"), 0, 3_001)).map(({ version }) => version)).toEqual(upTo(3_000))
    for (const filter of [undefined, { category: name("a") }, { category: name("a"), orgId: "org-1" }]) {
      const positions = (yield* store.feed(start, 3_001, filter)).map(({ position }) => position - start)
      expect(positions).toEqual(upTo(3_000))
    }
    expect(yield* keysOf(store, name("k/"), "", 3_001)).toHaveLength(3_000)
  }),

  check("holds events, values and keys as long as they may be", function* ({ store, start, name, event }) {
    const MOST = 16 * 1_024 * 1_024
    const long = (text: string, length: number) => text.repeat(Math.ceil(length / text.length)).slice(0, length)
    const streamId = long(`${name("a-1")}${"ä".repeat(120)}`, 255)
    const [one, two] = [`${long(name("🔑"), 1_023)}1`, `${long(name("🔑"), 1_023)}2`].map((key) =>
      key.toWellFormed()
    ) as [string, string]
    // As JSON, `{"text":""}` is eleven characters more than the text.
    const large = event({ data: { text: "x".repeat(MOST - 11) } })
    const value = "y".repeat(MOST)
    yield* store.write(append(streamId, [large]))
    const sibling = `${streamId.slice(0, -1)}x`
    yield* store.write(append(sibling, [event()]))
    expect(yield* store.read(sibling, 0, 10)).toHaveLength(1)
    const [stored] = yield* store.read(streamId, 0, 10)
    expect(JSON.stringify(stored?.data) === JSON.stringify(large.data)).toBe(true)
    yield* store.write({
      put: [
        { key: one, value },
        { key: two, value: "2" }
      ]
    })
    expect((yield* valueOf(store, one)) === value).toBe(true)
    expect(yield* valueOf(store, two)).toBe("2")
    yield* store.write({ expect: [{ key: one, value }], remove: [one] })
    const unicode = event({ data: { text: "🔑".repeat(262_144) } })
    yield* store.write(append(streamId, [unicode], 1))
    expect(
      (yield* store.read(streamId, 1, 10)).map(({ data }) => JSON.stringify(data) === JSON.stringify(unicode.data))
    ).toEqual([true])
    expect(yield* store.head).toBe(start + 3)
  }),

  check("holds ids as long as they may be, and tells them apart by their last character", function* (fixture) {
    const { store, another, start, name, event } = fixture
    /** So many code points: four bytes each, as far as somebody may choose them. */
    const long = (text: string, chosen: number, more = "") => {
      const own = Array.from(name(text))
      return own.join("") + "🔑".repeat(chosen - own.length - more.length) + more
    }
    // What core appends to the id of a command, and more than it may.
    const idOf = (last: string) => `${long("e", 255)}-lost-9007199254740991${"0".repeat(22)}${last}`
    const [one, two] = ["1", "2"].map((last) =>
      event({ eventId: idOf(last), commandId: idOf(last), orgId: long("o", 255, last), type: "T".repeat(64) })
    ) as [NewEvent, NewEvent]
    const [a, b] = [name("a-1"), name("b-1")]
    yield* store.write(append(a, [one]))
    yield* store.write(append(b, [two]))
    const both = [...asStored([one], a, start + 1), ...asStored([two], b, start + 2)]
    for (const opener of [store, yield* another]) {
      for (const stored of both) {
        const { eventId, orgId, streamId } = stored
        expect(yield* opener.event(eventId)).toMatchObject({ _tag: "Some", value: stored })
        expect(yield* opener.feed(start, 10, { orgId })).toEqual([stored])
        expect(yield* opener.feed(start, 10, { orgId, category: categoryOf(streamId) })).toEqual([stored])
        yield* refuses(opener, append(name("c-1"), [event({ eventId })]), { _tag: "EventExists", eventId })
      }
      // A device, or a guest, may ask for more than there can be.
      expect((yield* opener.event(idOf("x".repeat(1_000))))._tag).toBe("None")
      expect(yield* opener.feed(start, 10, { orgId: long("o", 255, "1").repeat(4) })).toEqual([])
    }
  })
]
