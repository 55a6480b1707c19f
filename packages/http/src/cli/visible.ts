/**
 * Stored text as a terminal may show it. Anyone who signs in or names a thing writes it: escape sequences in it would move
 * the cursor or set the clipboard, line ends would forge lines, and marks of writing direction would reorder them.
 */

const UNSEEN = /[\p{Cc}\p{Bidi_Control}\u2028\u2029]/gu

/** One line in which such characters are seen, as JSON writes them: `\u001b`. */
export const visible = (text: string): string =>
  text.replace(UNSEEN, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`)
