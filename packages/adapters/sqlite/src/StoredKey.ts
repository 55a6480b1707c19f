/**
 * Keys of records as they are stored. SQLite sorts text by code points, the port by code units: those differ where a
 * character beyond U+FFFF meets one from U+E000 to U+FFFF. The latter are therefore stored behind U+10FFFF.
 */

/** What only a key with such a character holds, or with one that is stored otherwise to make room for them. */
const SELDOM = /[\udbff\ue000-\uffff]/
const HIGH = /[\ue000-\uffff]|[\u{10fffe}\u{10ffff}]/gu
const ESCAPED = /[\u{10fffe}\u{10ffff}](.)/gsu

export const toStoredKey = (key: string): string =>
  SELDOM.test(key) ? key.replace(HIGH, (char) => (char.length === 1 ? "\u{10ffff}" : "\u{10fffe}") + char) : key

export const fromStoredKey = (stored: string): string =>
  SELDOM.test(stored) ? stored.replace(ESCAPED, (_, char) => char) : stored

/** Sorts after every key that starts so, and before all that come after those. */
export const afterAll = (prefix: string): string => `${toStoredKey(prefix)}\u{10ffff}\u{10ffff}`
