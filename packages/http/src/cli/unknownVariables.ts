/** Environment variables that look like Latchkey's and are none of them: most are misspelt, and their defaults apply. */
import { closest, distance } from "@latchkey/core"
import { Effect } from "effect"
import { declaredVariables } from "./Config.ts"
import { storeNamed } from "./ConfigValues.ts"

const PREFIX = "LATCHKEY_"
/** So many letters that are wrong, missing or too many make a name another one's misspelling. */
const SLIPS = 2

/**
 * One line about each of the names that is not known, with the nearest that is. Values are left out: some are secret.
 *
 * @param others whether another package reads variables too: then only those that are all but ours are meant as ours
 */
export const unknownVariables = (names: ReadonlyArray<string>, others = false): ReadonlyArray<string> => {
  const known = declaredVariables().map(({ name }) => name)
  /** `LATCHKEY_PORT` is a misspelling too. */
  const spelt = new Map(known.map((name) => [name.startsWith(PREFIX) ? name : `${PREFIX}${name}`, name]))
  return names.flatMap((name) => {
    const asOurs = name.toUpperCase()
    // To compare each variable of the system with each of ours takes as long as much of a start.
    if (distance(asOurs.slice(0, PREFIX.length), PREFIX) > 2 * SLIPS) return []
    const nearest = closest(asOurs, [...spelt.keys()]) ?? ""
    const isMeant = (asOurs.startsWith(PREFIX) && !others) || distance(asOurs, nearest) <= SLIPS
    return known.includes(name) || !isMeant
      ? []
      : [`${name} is not a Latchkey variable and has no effect. Did you mean ${spelt.get(nearest)}?`]
  })
}

/** Says so in the log. Not refused: Kubernetes, for one, sets variables such as `LATCHKEY_SERVICE_HOST` by itself. */
export const warnOfUnknownVariables = Effect.suspend(() =>
  Effect.forEach(
    unknownVariables(Object.keys(process.env), typeof storeNamed(process.env["LATCHKEY_STORE"] ?? "") === "object"),
    (line) => Effect.logWarning(line),
    { discard: true }
  )
)
