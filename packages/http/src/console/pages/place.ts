/** What pages call a lock, and in which time zone they tell of it: as it was described, to those who may know. */
import { Effect } from "effect"
import { ifAllowed, pathWith, type Told } from "../ApiCalls.ts"
import { en } from "../texts/en.ts"
import { zoneOr } from "../times.ts"
import type { Visit } from "../Visit.ts"

type Details = Told<"locks", "details">
type Locks = Told<"lists", "locks">

/** A former owner sees the history of their own time, and nothing of what is now: no details. */
export const detailsOf = ({ api }: Visit, lockId: string) =>
  ifAllowed(api.ask<Details>({ method: "GET", path: `/locks/${encodeURIComponent(lockId)}/details` }))

/** Without a description a lock is called by its number, and has the time zone of the browser. */
export const placeIn = (details: Details | undefined, lockId: string, { zone }: Visit) => ({
  name: details?.description.name ?? en.lock.title(lockId),
  zone: zoneOr(details?.description.timeZone, zone)
})

/** What a lock is called, in a sentence or a title. */
export const nameOfLock = (visit: Visit, lockId: string) =>
  Effect.map(detailsOf(visit, lockId), (details) => placeIn(details, lockId, visit).name)

/** As many as the API tells of at once: others have their numbers. */
const MOST_NAMED = 100

/** The same of several, each by its number. */
export const namesOfLocks = Effect.fnUntraced(function* (visit: Visit, lockIds: ReadonlyArray<string>) {
  const ids = [...new Set(lockIds)].filter((id) => /^[1-9]\d{0,14}$/.test(id)).slice(0, MOST_NAMED)
  const path = pathWith("/locks", { ids: ids.join(","), limit: MOST_NAMED })
  const found = ids.length === 0 ? undefined : yield* ifAllowed(visit.api.ask<Locks>({ method: "GET", path }))
  const names = new Map(found?.locks.map(({ lockId, name }) => [String(lockId), name]))
  return (lockId: string): string => names.get(lockId) ?? en.lock.title(lockId)
})
