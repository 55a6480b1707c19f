/** Files in the folder of the data that are not for their owner alone: anyone who reads them can find PINs and open doors. */
import { readdirSync, statSync } from "node:fs"
import { join } from "node:path"

/** Keys and databases, with what belongs to them. */
const SECRET = /\.(key|db)([.-].*)?$/
const FOR_OTHERS = 0o077

/** One line with the command that mends it; `undefined` when all is well. */
export const exposedFiles = (folder: string): string | undefined => {
  // Windows has no such modes.
  if (process.platform === "win32") return undefined
  const exposed = namesIn(folder)
    .filter((name) => SECRET.test(name))
    .map((name) => join(folder, name))
    .filter((path) => {
      const stat = statSync(path, { throwIfNoEntry: false })
      return stat?.isFile() === true && (stat.mode & FOR_OTHERS) !== 0
    })
  if (exposed.length === 0) return undefined
  return `Other users of this machine can read or change Latchkey's secrets. Fix it: chmod 600 ${exposed.map(quoted).join(" ")}`
}

/** A server that keeps nothing has no folder. */
const namesIn = (folder: string): ReadonlyArray<string> => {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

/** As a shell takes it. */
const quoted = (path: string): string =>
  /^[\w./:@%+-]+$/.test(path) && !path.startsWith("-") ? path : `'${path.replaceAll("'", `'\\''`)}'`
