/**
 * Text as it is searched for: without accents, case and punctuation, found by how it begins, from any of its words on. It
 * is written in digits, which every store sorts alike, so that what begins alike stands together. Pure.
 */

/** Characters of a phrase that are told apart by their order. */
const LONGEST = 32

/** The words of a text, with a space between them. */
export const wordsOf = (text: string): string =>
  text
    .normalize("NFKD")
    .toLowerCase()
    .replaceAll(/\p{M}+/gu, "")
    .split(/[^\p{L}\p{N}]+/u)
    .filter((word) => word !== "")
    .join(" ")

/** How a text goes on from each of its words, so many at most. */
export const phrasesOf = (text: string, most: number): ReadonlyArray<string> => {
  const words = wordsOf(text)
    .split(" ")
    .slice(0, most + LONGEST)
  return words.slice(0, most).flatMap((word, n) => (word === "" ? [] : [words.slice(n).join(" ")]))
}

const PLAIN = " 0123456789abcdefghijklmnopqrstuvwxyz"

/** The beginning of words in digits: what begins as they do, begins as these do. */
export const digitsOf = (words: string): string =>
  Array.from(words)
    .slice(0, LONGEST)
    .map((character) => {
      const place = PLAIN.indexOf(character)
      return place === -1
        ? `99${String(character.codePointAt(0)).padStart(7, "0")}`
        : String(place + 1).padStart(2, "0")
    })
    .join("")

/** Before every character. */
export const END = "00"

/** Words in whose order 2 comes before 10. */
export const inNumberOrder = (words: string): string =>
  words.replaceAll(/[0-9]+/g, (digits) => `${Math.min(digits.length, 9)}${digits}`)
