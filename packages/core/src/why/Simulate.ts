/**
 * What an update of a temp key would have changed: every use that was ever tried, judged again by the rules of the lock
 * as if the update had held since the key was made. Pure, and without a second copy of the rules.
 */
import { HashMap, Result } from "effect"
import { judgeUse } from "../lock/DecideTempKeys.ts"
import { evolveStored, initial } from "../lock/Evolve.ts"
import { canonical, changed, type TempKeyChanges } from "../lock/TempKey.ts"
import { makeLackOf, type RefusalReason, type RefusedUse, reasonOf } from "../locks/RefusedUses.ts"
import type { StoredEvent } from "../streams/EventStore.ts"
import { useOf } from "./ExplainFacts.ts"

/** The update that is thought of. */
export interface Proposal {
  readonly tempKeyUuid: string
  readonly changes: TempKeyChanges
}

/** A use that was tried. `at` is in epoch milliseconds. */
export interface TriedUse {
  readonly eventId: string
  readonly at: number
  readonly userId: string | undefined
}

/** What an update of a temp key would have changed. */
export interface Simulation {
  /** How many uses there were: accepted ones, and refused ones that were kept. */
  readonly accepted: number
  readonly refused: number
  /** Accepted ones that would have been refused, and why; oldest first. */
  readonly wouldRefuse: ReadonlyArray<TriedUse & { readonly reason: RefusalReason }>
  /** Refused ones that would have been accepted, and why they were refused; oldest first. */
  readonly wouldAccept: ReadonlyArray<TriedUse & { readonly reason: RefusalReason }>
  /** Whether there were so many refused uses on a day that some may not have been kept. */
  readonly mayLackSome: boolean
}

/** Simulates from the whole history of a lock and from the refused uses that were kept of it, both oldest first. */
export const simulate = (
  history: ReadonlyArray<StoredEvent>,
  refused: ReadonlyArray<RefusedUse>,
  proposal: Proposal
): Simulation => {
  const simulation = beginSimulation(proposal)
  refused.forEach(simulation.takeRefused)
  for (const stored of history) simulation.take(stored)
  return simulation.conclude()
}

/** Histories are long: they may be taken one by one, the refused uses first, then the events, and then concluded. */
export const beginSimulation = ({ tempKeyUuid, changes }: Proposal) => {
  const uuid = canonical(tempKeyUuid)
  const lack = makeLackOf(uuid)
  /** By the version of the lock that they rest on, once the first event is taken. */
  const refused: Array<RefusedUse> = []
  const wouldRefuse: Array<Simulation["wouldRefuse"][number]> = []
  const wouldAccept: Array<Simulation["wouldAccept"][number]> = []
  let lock = initial
  let accepted = 0
  let next = 0
  /** Uses that the update would have let count. */
  let usedCount = 0

  /**
   * Why the use would have been refused; `undefined`: it would have been accepted, and counted. Who gives a key no update
   * changes: what was accepted is not refused for that.
   */
  const refusalOf = ({ at, userId }: TriedUse, wasAccepted: boolean): RefusalReason | undefined => {
    if (lock === undefined) return "deleted"
    const tempKeys = HashMap.modify(lock.tempKeys, uuid, (key) => changed({ ...key, usedCount }, changes))
    const judged = judgeUse({ ...lock, tempKeys }, { tempKeyUuid, userId, at })
    const isRefused = Result.isFailure(judged) && !(wasAccepted && judged.failure._tag === "TempKeyWithdrawn")
    if (isRefused) return reasonOf(lock, tempKeyUuid, judged.failure) ?? "deleted"
    usedCount++
    return undefined
  }

  return {
    takeRefused: (use: RefusedUse): void => {
      lack.take(use)
      if (canonical(use.tempKeyUuid) === uuid) refused.push(use)
    },
    take: (stored: StoredEvent): void => {
      if (lock === initial && next === 0) refused.sort((a, b) => a.lockVersion - b.lockVersion)
      const used = useOf(stored)
      if (used !== undefined && canonical(used.tempKeyUuid) === uuid) {
        const use = { eventId: stored.eventId, at: stored.at, userId: used.userId }
        const reason = refusalOf(use, true)
        accepted++
        if (reason !== undefined) wouldRefuse.push({ ...use, reason })
      }
      lock = evolveStored(lock, stored)
      for (; next < refused.length; next++) {
        const { lockVersion, reason, eventId, at, userId } = refused[next] as RefusedUse
        if (lockVersion > stored.version) break
        if (refusalOf({ eventId, at, userId }, false) === undefined) wouldAccept.push({ eventId, at, userId, reason })
      }
    },
    conclude: (): Simulation => ({
      accepted,
      refused: refused.length,
      wouldRefuse,
      wouldAccept,
      mayLackSome: lack.mayLackSome()
    })
  }
}
