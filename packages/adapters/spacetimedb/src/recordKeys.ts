/**
 * Keys of records as the database keeps them. It sorts text by code points, the port by UTF-16 code units, in which all
 * that is above U+FFFF comes before U+E000: so what comes after it gets the last code point of all in front.
 */

const LAST = "\u{10ffff}"

export const toKept = (key: string): string =>
  key.replace(/[\ue000-\uffff]|\u{10ffff}/gu, (char) => LAST + (char === LAST ? "\u0001" : char))

export const fromKept = (kept: string): string =>
  kept.replace(/\u{10ffff}(.)/gsu, (_, char: string) => (char === "\u0001" ? LAST : char))
