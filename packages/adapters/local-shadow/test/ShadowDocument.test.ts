/** The rules of AWS IoT shadow documents, as its documentation tells them. */
import { describe, expect, it } from "@effect/vitest"
import { SHADOW_LIMIT } from "@latchkey/core"
import { Result } from "effect"
import { applyUpdate, deltaOf, type LiveShadow, noShadow, type Shadow } from "../src/ShadowDocument.ts"
import { acceptedOf, documentsOf, gotOf } from "../src/ShadowMessage.ts"
import { parseUpdate } from "../src/ShadowRequest.ts"

const NOW = 1_700_000_000

const request = (json: unknown) => Result.getOrThrow(parseUpdate(json))
const change = (shadow: Shadow, json: unknown, now = NOW) => applyUpdate(shadow, request(json), now, SHADOW_LIMIT)
const accept = (shadow: Shadow, json: unknown, now = NOW): LiveShadow => {
  const after = change(shadow, json, now)
  if ("code" in after) throw new Error(after.message)
  return after
}
const shadowWith = (state: unknown, now = NOW) => accept(noShadow, { state }, now)

describe("an update", () => {
  const table: ReadonlyArray<readonly [sentence: string, before: object, update: object, after: object]> = [
    [
      "affects only the fields that it names",
      { desired: { a: 1, b: 2 } },
      { desired: { b: 3 } },
      { desired: { a: 1, b: 3 } }
    ],
    [
      "merges objects, however deep",
      { desired: { lights: { hall: { on: true, hue: 5 } } } },
      { desired: { lights: { hall: { hue: 6 }, attic: { on: false } } } },
      { desired: { lights: { hall: { on: true, hue: 6 }, attic: { on: false } } } }
    ],
    [
      "replaces arrays whole",
      { desired: { colors: ["RED", "GREEN", "BLUE"] } },
      { desired: { colors: ["RED"] } },
      { desired: { colors: ["RED"] } }
    ],
    [
      "replaces a value by an object",
      { desired: { a: 1 } },
      { desired: { a: { b: 2 } } },
      { desired: { a: { b: 2 } } }
    ],
    ["replaces an object by a value", { desired: { a: { b: 2 } } }, { desired: { a: 1 } }, { desired: { a: 1 } }],
    ["deletes what it sets to null", { desired: { a: 1, b: 2 } }, { desired: { a: null } }, { desired: { b: 2 } }],
    [
      "deletes inside of objects, which stay",
      { desired: { a: { b: 1 }, c: 2 } },
      { desired: { a: { b: null } } },
      { desired: { a: {}, c: 2 } }
    ],
    ["deletes whole objects", { desired: { a: { b: 1 }, c: 2 } }, { desired: { a: null } }, { desired: { c: 2 } }],
    [
      "makes no object out of nulls",
      { desired: { a: 1 } },
      { desired: { b: { c: { d: null } } } },
      { desired: { a: 1 } }
    ],
    [
      "replaces a value by an object of nulls: they name nothing, and the object is empty",
      { desired: { a: 1, b: "x", c: true, d: [1], e: [] } },
      { desired: { a: { y: null }, b: { y: null }, c: { y: null }, d: { y: null }, e: { y: null } } },
      { desired: { a: {}, b: {}, c: {}, d: {}, e: {} } }
    ],
    [
      "replaces a value by what of an object is not null",
      { desired: { a: 1, b: [1, 2] } },
      { desired: { a: { x: 1, y: null }, b: { x: { z: 1, y: null }, y: { z: null } } } },
      { desired: { a: { x: 1 }, b: { x: { z: 1 } } } }
    ],
    [
      "replaces a value by an empty object",
      { desired: { a: 1, b: [1] } },
      { desired: { a: {}, b: {} } },
      { desired: { a: {}, b: {} } }
    ],
    [
      "leaves an object as it is when it is given an empty one, or nulls for what it does not have",
      { desired: { a: { b: 1 }, c: { d: 2 } } },
      { desired: { a: {}, c: { y: null } } },
      { desired: { a: { b: 1 }, c: { d: 2 } } }
    ],
    [
      "replaces arrays by arrays whatever is in them, and objects by arrays",
      { desired: { a: [1, { b: 2 }], c: { d: 1 } } },
      { desired: { a: [{ e: 3 }], c: [] } },
      { desired: { a: [{ e: 3 }], c: [] } }
    ],
    [
      "merges the section that it names, and not the other",
      { desired: { a: 1 }, reported: { a: [1] } },
      { reported: { a: { y: null } } },
      { desired: { a: 1 }, reported: { a: {} } }
    ],
    [
      "deletes what is not there, which changes nothing",
      { desired: { a: 1 } },
      { desired: { z: null }, reported: null },
      { desired: { a: 1 } }
    ],
    [
      "keeps false, zero and the empty text: only null deletes",
      { desired: { a: 1, b: 1, c: 1 } },
      { desired: { a: false, b: 0, c: "" } },
      { desired: { a: false, b: 0, c: "" } }
    ],
    [
      "tells attributes apart by case, and takes any name",
      { desired: { a: 1 } },
      { desired: { A: 2, "": 3, "a.b": 4, ä: 5 } },
      { desired: { a: 1, A: 2, "": 3, "a.b": 4, ä: 5 } }
    ],
    [
      "keeps an empty object that it is given",
      { desired: { a: 1 } },
      { desired: { b: {} } },
      { desired: { a: 1, b: {} } }
    ],
    [
      "removes a section that is set to null",
      { desired: { a: 1 }, reported: { a: 2 } },
      { reported: { a: 1 }, desired: null },
      { reported: { a: 1 } }
    ],
    [
      "removes a section that becomes empty",
      { desired: { a: 1 }, reported: { a: 2 } },
      { desired: { a: null } },
      { reported: { a: 2 } }
    ],
    ["changes nothing when it says nothing", { desired: { a: 1 } }, { desired: {} }, { desired: { a: 1 } }],
    [
      "takes inherited names for data",
      {},
      { desired: { constructor: { a: 1 }, toString: 2 } },
      { desired: { constructor: { a: 1 }, toString: 2 } }
    ]
  ]
  it.each(table)("%s", (_, before, update, after) => {
    const shadow = accept(shadowWith(before), { state: update })
    expect(shadow.content.state).toEqual(after)
    expect(shadow.version).toBe(2)
  })

  it("clears both sections with a null state, and keeps the shadow", () => {
    const shadow = accept(shadowWith({ desired: { a: 1 }, reported: { a: 1 } }), { state: null })
    expect(shadow).toEqual({ version: 2, content: { state: {}, metadata: {} } })
  })

  it("counts versions from 1, also when nothing changes", () => {
    const first = shadowWith({ desired: { a: 1 } })
    expect(first.version).toBe(1)
    expect(accept(first, { state: { desired: { a: 1 } } }).version).toBe(2)
    expect(accept(first, { state: {} }).version).toBe(2)
  })

  it("goes on with the versions of a deleted shadow", () => {
    expect(accept({ version: 7, content: undefined }, { state: { desired: { a: 1 } } }).version).toBe(8)
  })

  it("is refused unless the shadow is at the version that it names", () => {
    const shadow = shadowWith({ desired: { a: 1 } })
    expect(accept(shadow, { state: { desired: { a: 2 } }, version: 1 }).version).toBe(2)
    for (const version of [0, 2]) {
      expect(change(shadow, { state: {}, version })).toEqual({ code: 409, message: "Version conflict" })
    }
    expect(change(noShadow, { state: {}, version: 1 })).toMatchObject({ code: 409 })
    expect(change(noShadow, { state: {}, version: 0 })).toMatchObject({ version: 1 })
  })
})

describe("metadata", () => {
  it("has the time of every value, elements of arrays included, in the shape of the state", () => {
    const shadow = shadowWith(
      { desired: { color: "RED", sequence: ["RED", { hue: 1 }], hall: { on: true }, none: {} } },
      5
    )
    expect(shadow.content.metadata).toEqual({
      desired: {
        color: { timestamp: 5 },
        sequence: [{ timestamp: 5 }, { hue: { timestamp: 5 } }],
        hall: { on: { timestamp: 5 } },
        none: {}
      }
    })
  })

  it("keeps the time of what an update does not name, and renews that of what it names", () => {
    const shadow = accept(
      shadowWith({ desired: { a: 1, b: { c: 2, d: 3 } } }, 5),
      { state: { desired: { a: 1, b: { c: 3 } } } },
      9
    )
    expect(shadow.content.metadata).toEqual({
      desired: { a: { timestamp: 9 }, b: { c: { timestamp: 9 }, d: { timestamp: 5 } } }
    })
  })

  it("forgets what is deleted or replaced by something of another shape", () => {
    const before = shadowWith({ desired: { a: 1, b: { c: 2 }, d: { timestamp: 1 }, e: 1 } }, 5)
    const after = accept(before, { state: { desired: { a: null, b: 3, d: { x: 1 }, e: { f: 2 } } } }, 9)
    expect(after.content.metadata).toEqual({
      desired: {
        b: { timestamp: 9 },
        d: { timestamp: { timestamp: 5 }, x: { timestamp: 9 } },
        e: { f: { timestamp: 9 } }
      }
    })
    const emptied = accept(before, { state: { desired: { a: { y: null }, e: { y: null } } } }, 9)
    expect(emptied.content.metadata.desired).toMatchObject({ a: {}, e: {} })
    expect(emptied.content.metadata.desired?.["a"]).toEqual({})
  })
})

describe("the delta", () => {
  const table: ReadonlyArray<readonly [sentence: string, state: object, delta: object | undefined]> = [
    ["has what differs", { desired: { a: 1, b: 2 }, reported: { a: 1, b: 3 } }, { b: 2 }],
    ["has what is not reported", { desired: { a: 1, b: 2 }, reported: { a: 1 } }, { b: 2 }],
    ["has everything while nothing is reported", { desired: { a: { b: 1 } } }, { a: { b: 1 } }],
    ["leaves out what is only reported", { desired: { a: 1 }, reported: { a: 1, b: 2 } }, undefined],
    ["goes into objects", { desired: { a: { b: 1, c: 2 } }, reported: { a: { b: 1, c: 3 } } }, { a: { c: 2 } }],
    ["has arrays whole", { desired: { a: [1, 2] }, reported: { a: [1, 3] } }, { a: [1, 2] }],
    [
      "takes the order of elements to matter, that of attributes not",
      { desired: { a: [{ x: 1, y: 2 }] }, reported: { a: [{ y: 2, x: 1 }] } },
      undefined
    ],
    ["has an object where a value is reported", { desired: { a: { b: 1 } }, reported: { a: 1 } }, { a: { b: 1 } }],
    ["has an empty object where a value is reported", { desired: { a: {} }, reported: { a: 1 } }, { a: {} }],
    ["has a value where an object is reported", { desired: { a: 1 }, reported: { a: { b: 1 } } }, { a: 1 }],
    ["tells 1 from true and from the text", { desired: { a: 1, b: 1 }, reported: { a: true, b: "1" } }, { a: 1, b: 1 }],
    ["is none without a wish", { reported: { a: 1 } }, undefined]
  ]
  it.each(table)("%s", (_, state, delta) => {
    expect(deltaOf(shadowWith(state))?.state).toEqual(delta)
  })

  it("comes with the times of the wish", () => {
    const shadow = accept(
      shadowWith({ desired: { a: { b: 1, c: [1] } } }, 5),
      { state: { reported: { a: { b: 1 } } } },
      9
    )
    expect(deltaOf(shadow)).toEqual({ state: { a: { c: [1] } }, metadata: { a: { c: [{ timestamp: 5 }] } } })
  })
})

describe("the limit", () => {
  const filled = (bytes: number) => "x".repeat(bytes - JSON.stringify({ a: "" }).length)

  it("is 8192 bytes of both sections together, without metadata", () => {
    const half = shadowWith({ desired: { a: filled(4096) } })
    expect(change(half, { state: { reported: { a: filled(4096) } } })).toHaveProperty("version", 2)
    expect(change(half, { state: { reported: { a: filled(4097) } } })).toEqual({
      code: 413,
      message: "The payload exceeds the maximum size allowed"
    })
  })

  it("counts bytes of UTF-8, and not characters", () => {
    expect(change(noShadow, { state: { desired: { a: "ä".repeat(4000) } } })).toHaveProperty("version")
    expect(change(noShadow, { state: { desired: { a: "ä".repeat(4100) } } })).toHaveProperty("code", 413)
  })
})

describe("messages", () => {
  it("say what was accepted: the request, stamped", () => {
    const json = { state: { desired: { a: 1, b: null }, reported: null }, clientToken: "token" }
    expect(acceptedOf(request(json), 3, NOW)).toEqual({
      state: { desired: { a: 1, b: null }, reported: null },
      metadata: { desired: { a: { timestamp: NOW }, b: { timestamp: NOW } }, reported: { timestamp: NOW } },
      version: 3,
      timestamp: NOW,
      clientToken: "token"
    })
  })

  it("show the shadow with its delta", () => {
    expect(gotOf(shadowWith({ desired: { a: 1 }, reported: { a: 2 } }, 5), NOW)).toEqual({
      state: { desired: { a: 1 }, reported: { a: 2 }, delta: { a: 1 } },
      metadata: { desired: { a: { timestamp: 5 } }, reported: { a: { timestamp: 5 } } },
      version: 1,
      timestamp: NOW
    })
  })

  it("show the shadow before and after; before the first update there is none", () => {
    const first = shadowWith({ desired: { a: 1 } })
    const second = accept(first, { state: { desired: { a: 2 } } })
    const update = request({ state: {} })
    expect(documentsOf({ previous: noShadow, current: first }, update, NOW)).not.toHaveProperty("previous")
    expect(documentsOf({ previous: first, current: second }, update, NOW)).toMatchObject({
      previous: { state: { desired: { a: 1 } }, version: 1 },
      current: { state: { desired: { a: 2 } }, version: 2 },
      timestamp: NOW
    })
  })
})
