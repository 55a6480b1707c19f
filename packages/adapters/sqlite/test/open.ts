/** Opens a folder, for processes that are killed. */
import { Sqlite } from "@latchkey/sqlite"

export const open = (folder: string) => Sqlite.layer({ folder })
