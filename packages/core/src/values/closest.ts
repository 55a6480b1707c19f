/** Names that were probably meant: how far two are from each other, and which of several is nearest. */

/** How many letters to put in, take out or exchange to make one name of the other. */
export const distance = (one: string, other: string): number => {
  const letters = Array.from(other)
  let row = [0, ...letters.map((_, index) => index + 1)]
  for (const [index, letter] of Array.from(one).entries()) {
    const above = row
    row = [index + 1]
    for (const [column, opposite] of letters.entries()) {
      const exchanged = (above[column] ?? 0) + (letter === opposite ? 0 : 1)
      row.push(Math.min(exchanged, (above[column + 1] ?? 0) + 1, (row[column] ?? 0) + 1))
    }
  }
  return row[letters.length] ?? 0
}

/** A name may be as long as a request: so much of it is looked at. */
const LONGEST = 64
/** `max_uses` is `maxUses` in the habit of another language. */
const plain = (name: string) =>
  name
    .slice(0, LONGEST)
    .replaceAll(/[^a-z0-9]/gi, "")
    .toLowerCase()

/**
 * The nearest of some names, however either is capitalised and hyphenated; of several that are as near, the first.
 *
 * @example
 * ```ts
 * closest("max_uses", ["maxUses", "accessMode"]) // "maxUses"
 * ```
 */
export const closest = (name: string, known: ReadonlyArray<string>): string | undefined => {
  const far = known.map((other) => distance(plain(name), plain(other)))
  return known[far.indexOf(Math.min(...far))]
}
