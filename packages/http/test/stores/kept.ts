/** A store as somebody else would bring it: here SQLite under a variable of its own. */
import { Sqlite } from "@latchkey/sqlite"

export const latchkeyStore = ({ ACME_FOLDER = "" }: Readonly<Record<string, string | undefined>>) =>
  Sqlite.layer({ folder: ACME_FOLDER })
