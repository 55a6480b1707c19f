/** Stored text on a terminal: nothing in it moves the cursor, forges a line or reorders one. */
import { describe, expect, it } from "vitest"
import { table } from "../src/cli/table.ts"
import { visible } from "../src/cli/visible.ts"

describe("text for a terminal", () => {
  it.each([
    ["\x1b[2J\x1b]0;owned\x07", String.raw`\u001b[2J\u001b]0;owned\u0007`],
    ["\x9b31m", String.raw`\u009b31m`],
    ["a\r\nb\tc\0", String.raw`a\u000d\u000ab\u0009c\u0000`],
    ["\u202egnp.exe\u2069", String.raw`\u202egnp.exe\u2069`],
    ["a\u200f\u200e\u061cb\u2028c\u2029", String.raw`a\u200f\u200e\u061cb\u2028c\u2029`],
    ["\x7f", String.raw`\u007f`]
  ])("shows %j as characters", (text, shown) => {
    expect(visible(text)).toBe(shown)
  })

  it("is otherwise as it was", () => {
    for (const text of ["", "Zoë", "Δωμάτιο", "שלום", "👩‍👩‍👧", "a\\u001b", '{"a":1}']) expect(visible(text)).toBe(text)
  })

  it("stays JSON, of the same value", () => {
    const value = { sub: "\x1b\x9b\u202e\u2028" }
    expect(JSON.parse(visible(JSON.stringify(value)))).toEqual(value)
  })

  it("keeps columns of tables where they are", () => {
    const rows = [
      ["\x1b[31mred", "1"],
      ["two\nlines", "2"]
    ]
    expect(table(["NAME", "N"], rows).split("\n")).toEqual([
      "NAME            N",
      String.raw`\u001b[31mred   1`,
      String.raw`two\u000alines  2`
    ])
  })
})
