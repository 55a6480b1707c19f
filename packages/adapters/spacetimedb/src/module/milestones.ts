/**
 * Ordered reading that costs what it returns. The engine carries a scan of an index out to its end, however little of it
 * is taken; so a scan needs an end that is near. One row of 64 is a milestone of the first level, one of 4,096 of the
 * second, and so on, chosen by a hash of what the row is called: a reader who wants the rows behind some place goes from the
 * next milestone of the highest level down to one of the lowest, and reads up to there.
 */

const BITS = 6
const TOP = 4

/** The level of a row: 0 for most. */
export const levelOf = (name: string): number => {
  let hash = 0x811c9dc5
  for (let at = 0; at < name.length; at++) hash = Math.imul(hash ^ name.charCodeAt(at), 0x01000193)
  // The lowest bits of such a hash are its worst.
  hash ^= hash >>> 15
  let level = 0
  while (level < TOP && (hash & ((1 << BITS) - 1)) === 0) {
    hash >>>= BITS
    level++
  }
  return level
}

/** All rows of a level that lie behind `after`, up to and with `to`; to the end without it. */
export type Scan<Place, Row> = (level: number, after: Place, to: Place | undefined) => Iterable<Row>

/** Rows behind a place, in order and without a gap: about `wanted` of them, none only if there are none. */
export const rowsAfter = <Place, Row>(
  after: Place,
  wanted: number,
  scan: Scan<Place, Row>,
  placeOf: (row: Row) => Place
): Array<Row> => {
  const sorted = (rows: Iterable<Row>) => [...rows].sort((a, b) => (placeOf(a) < placeOf(b) ? -1 : 1))
  let to: Place | undefined
  for (let level = TOP; level > 0; level--) {
    const milestones = sorted(scan(level, after, to))
    const nth = Math.min(Math.floor(wanted / 2 ** (BITS * level)), milestones.length - 1)
    const milestone = milestones[nth]
    if (milestone !== undefined) to = placeOf(milestone)
  }
  const end = to
  return sorted(Array.from({ length: TOP + 1 }, (_, level) => [...scan(level, after, end)]).flat())
}
