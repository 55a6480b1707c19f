/** What pages call a lock, and in which time zone they tell of it: as it was described, to those who may know. */
import { Effect } from "effect"
import { ifAllowed, type Told } from "../ApiCalls.ts"
import { en } from "../texts/en.ts"
import { zoneOr } from "../times.ts"
import type { Visit } from "../Visit.ts"

type Details = Told<"locks", "details">

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

/** Each of them costs a question: so many are named on a page, others have their numbers. */
const MOST_NAMED = 20

/** The same of several, each by its number. */
export const namesOfLocks = Effect.fnUntraced(function* (visit: Visit, lockIds: ReadonlyArray<string>) {
  const names = new Map<string, string>()
  for (const lockId of [...new Set(lockIds)].slice(0, MOST_NAMED)) names.set(lockId, yield* nameOfLock(visit, lockId))
  return (lockId: string): string => names.get(lockId) ?? en.lock.title(lockId)
})
