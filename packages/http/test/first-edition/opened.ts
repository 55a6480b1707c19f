/** A recording that a server has opened: when all that was under way in it is settled, and what its devices see. */
import { superKey } from "../harness/callers.ts"
import type { Server } from "../harness/process.ts"
import { callsOf } from "../harness/request.ts"

interface Opened {
  readonly version: number
  readonly recentOutcomes: ReadonlyArray<unknown>
  readonly locks: ReadonlyArray<{ readonly lockUuid: string; readonly lastEvent: string }>
}

/**
 * Locks 12 and 14 have what their shadows held, lock 16 has all keys of its bulk request, lock 6 has what its device
 * answered while no server was there, and the read model has seen it all.
 */
export const isSettled = async (url: string): Promise<boolean> => {
  const get = async (path: string): Promise<Opened> => JSON.parse((await callsOf(url, superKey)("GET", path)).text)
  const versions = await Promise.all([12, 14, 16].map(async (lock) => (await get(`/locks/${lock}/details`)).version))
  const { recentOutcomes } = await get("/locks/6/details")
  const { locks } = await get("/users/owner-1/owned-locks")
  return (
    versions.join() === "3,2,4" &&
    recentOutcomes.length === 1 &&
    locks.some(({ lastEvent }) => lastEvent === "CommandOutcomeReported")
  )
}

/** The shadow documents, as devices read them over HTTP. */
export const shadowsIn = async (
  server: Server,
  things: ReadonlyArray<string>
): Promise<Readonly<Record<string, unknown>>> => {
  const base = /Device shadows are served on (http:\S+)/.exec(server.output())?.[1] ?? ""
  const documents = things.map(async (thing) => {
    const { text } = await callsOf(base)("GET", `/things/${thing}/shadow`)
    return [thing, JSON.parse(text).state] as const
  })
  return Object.fromEntries(await Promise.all(documents))
}
