/** What pages are made of: words of strangers stay words, and every door of a key has a control of its own. */
import type { GuestDoor, GuestKey } from "@latchkey/core"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { makePages } from "../../src/guests/GuestPage.ts"
import { readerOf } from "../../src/guests/Reader.ts"
import { html } from "../../src/pages/Html.ts"

const uuid = "3f8e1c9a-5b2d-4e7f-8a6b-9c0d1e2f3a4b"
const ticket = "AAAAAAAAAAAAAAAAAAAAAA"
const at = (time: string) => Date.parse(`2026-08-31T${time}Z`)
type Known = Exclude<GuestKey, { readonly status: "deleted" }>
const key: Known = {
  status: "valid",
  admission: "admitted",
  validFrom: at("09:00"),
  validUntil: at("17:00"),
  nextChangeAt: at("17:00"),
  usesLeft: null,
  doors: [{ opensBy: "link", online: true }]
}
const pageOf = (given: Partial<Known>): string =>
  String(makePages(undefined).key(200, readerOf({}, at("10:00")), { uuid, ticket, key: { ...key, ...given } }).body)

describe("a value in a template", () => {
  it("is text, whatever is in it: in the text of a page and in its attributes", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), fc.constantFrom("<", ">", '"', "'", "&"), (text, special) => {
        const { markup } = html`<p title="${text + special}">${text + special}</p>`
        const [, attribute = "", content = ""] = /^<p title="([^"]*)">([\s\S]*)<\/p>$/.exec(markup) ?? []
        for (const escaped of [attribute, content]) {
          expect(escaped).not.toMatch(/[<>"']|&(?!amp;|lt;|gt;|quot;|#39;)/)
          const back = escaped.replace(/&(amp|lt|gt|quot|#39);/g, (_, name: string) => BACK[name] ?? "")
          expect(back).toBe(text + special)
        }
      })
    )
  })

  it("reads as it is written: overrides of its direction are left out, words of either direction stay", () => {
    const label = "Gate\u202e \u2066etaG\u2069\u202a\u202b\u202d\u2067\u2068\u202c דלת\u200f"
    expect(html`<p title="${label}">${label}</p>`.markup).toBe('<p title="Gate etaG דלת\u200f">Gate etaG דלת\u200f</p>')
    expect(pageOf({ doors: [{ id: 1, label, opensBy: "link", online: true }] })).not.toMatch(
      /[\u202a-\u202e\u2066-\u2069]/
    )
  })

  it("that is not there leaves nothing", () => {
    expect(html`<p>${undefined}${false}${[]}${0}${[html`<b></b>`]}</p>`.markup).toBe("<p>0<b></b></p>")
  })
})

const BACK: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', "#39": "'" }

describe("a key with several doors", () => {
  const doors: ReadonlyArray<GuestDoor> = [
    { id: 1, label: `<script>alert("1")</script>`, opensBy: "link", online: true },
    { id: 2, opensBy: "link", online: false },
    { id: 3, label: "Safe", opensBy: "pin", online: true }
  ]

  it("has a form for each that the link opens, under its name, and says which takes the PIN", () => {
    const page = pageOf({ doors })
    expect([...page.matchAll(/action="([^"]*)"/g)].map(([, action]) => action)).toEqual([
      `/temp-keys/${uuid}/doors/1/open`,
      `/temp-keys/${uuid}/doors/2/open`
    ])
    expect([...page.matchAll(/<h2[^>]*>(.*)<\/h2>/g)].map(([, name]) => name)).toEqual([
      "&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;",
      "Door 2",
      "Safe"
    ])
    expect(page.match(/not connected right now/g)).toHaveLength(1)
    expect(page.match(/opens with your PIN/g)).toHaveLength(1)
  })

  it("has none when it does not open", () => {
    for (const status of ["expired", "used-up", "not-yet-valid"] as const) {
      expect(pageOf({ doors, status })).not.toContain("<form")
    }
  })
})

describe("when a key works", () => {
  const timesIn = (page: string) => [...page.matchAll(/datetime="[^T]*T([^:]*:..)/g)].map(([, time]) => time)

  it.each([
    ["until its end", { status: "valid" }, ["17:00"]],
    ["until the window of its schedule closes", { status: "valid", nextChangeAt: at("11:00") }, ["11:00"]],
    ["from its beginning to its end", { status: "not-yet-valid", nextChangeAt: at("09:00") }, ["09:00", "17:00"]],
    ["from its next window on", { status: "not-yet-valid", nextChangeAt: at("14:00") }, ["14:00"]],
    ["no more, if no window is left", { status: "not-yet-valid", nextChangeAt: at("17:00") }, []],
    ["until it ended", { status: "expired", nextChangeAt: undefined }, ["17:00"]]
  ] as const)("is said: %s", (_, given, times) => {
    expect(timesIn(pageOf(given))).toEqual(times)
  })
})
