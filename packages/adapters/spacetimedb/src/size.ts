/** SpacetimeDB ends a connection that sends more than 32 MiB at once, and with it everything else that is under way there. */

/** Bytes of text in one write. */
const LARGEST = 30_000_000

export const TOO_LARGE = `One write to SpacetimeDB holds at most ${LARGEST} bytes of text: write it in parts.`

export const isTooLarge = (...texts: ReadonlyArray<ReadonlyArray<string>>): boolean => {
  let size = 0
  for (const some of texts) for (const text of some) size += Buffer.byteLength(text)
  return size > LARGEST
}
