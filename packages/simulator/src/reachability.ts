/** What keeps locks from their shadows, told once for all of them, and once more when they are connected again. */
import type { Incident } from "./SimulatedLock.ts"

export interface Reachability {
  /** What to say about this incident, if anything. */
  readonly hear: (incident: Incident) => string | undefined
  /** What keeps locks away at this moment; `undefined` when nothing is known to. */
  readonly problem: () => string | undefined
}

export const reachability = (url: string): Reachability => {
  /** Locks that are kept away, by the reason. */
  const kept = new Map<string, Set<string>>()
  const release = (thing: string) => {
    for (const [reason, things] of kept) if (things.delete(thing) && things.size === 0) kept.delete(reason)
  }
  return {
    hear: (incident) => {
      if (incident._tag === "CutOff") {
        const { thing, reason } = incident
        release(thing)
        const things = kept.get(reason)
        if (things !== undefined) return void things.add(thing)
        kept.set(reason, new Set([thing]))
        return `${reason} Trying again.`
      }
      if (incident._tag !== "Online" || kept.size === 0) return undefined
      release(incident.thing)
      return kept.size === 0 ? `Connected to ${url}.` : undefined
    },
    problem: () => kept.keys().next().value
  }
}
