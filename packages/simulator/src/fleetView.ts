/** The fleet on a terminal: one line a lock, as many as fit, and the sum of all. */
import type { Known } from "./Fleet.ts"
import type { Incident } from "./SimulatedLock.ts"

export interface Size {
  readonly columns: number
  readonly rows: number
}

/** `problem` is what keeps locks from connecting. */
export const fleetView = (locks: ReadonlyArray<Known>, { columns, rows }: Size, problem?: string): string => {
  const sum = (of: (lock: Known) => number) => locks.reduce((total, lock) => total + of(lock), 0)
  const online = sum(({ isOnline }) => Number(isOnline))
  const head = [
    `${locks.length} locks, ${online} online`,
    `${sum(({ done }) => done)} done`,
    `${sum(({ failed }) => failed)} failed`,
    `${sum(({ expired }) => expired)} expired`
  ].join(" · ")
  const told = problem === undefined ? [] : wrapped(problem, columns)
  const room = Math.max(1, rows - 3 - told.length)
  // When not all fit, those that do something are of interest.
  const shown = locks.length <= room ? locks : locks.toSorted((a, b) => rank(b) - rank(a)).slice(0, room - 1)
  const more = locks.length - shown.length
  const lines = [head, ...told, "", ...shown.map(line), ...(more > 0 ? [`… and ${more} more`] : [])]
  return lines.map((text) => text.slice(0, columns)).join("\n")
}

const wrapped = (text: string, columns: number): ReadonlyArray<string> =>
  text.match(new RegExp(`.{1,${Math.max(1, columns)}}(?:\\s|$)|.{1,${Math.max(1, columns)}}`, "g")) ?? []

const rank = ({ running, done, failed, expired }: Known): number =>
  (running === undefined ? 0 : 1_000_000) + done + failed + expired

const line = ({ thing, isOnline, battery, running, done, failed, expired, last }: Known): string => {
  const counts = `${done} done${failed > 0 ? `, ${failed} failed` : ""}${expired > 0 ? `, ${expired} expired` : ""}`
  return `${isOnline ? "●" : "○"} ${thing}  ${String(battery).padStart(3)} %  ${running === undefined ? last : `${running} …`}  (${counts})`
}

/** One line for programs and logs; nothing for what is of no use there. */
export const lineOf = (incident: Incident): string | undefined => {
  switch (incident._tag) {
    case "Online":
      return `${incident.thing} online (battery: ${incident.battery} %)`
    case "Offline":
      return `${incident.thing} offline`
    case "Began":
    // It is told for all locks together.
    case "CutOff":
      return undefined
    case "Ended": {
      const { thing, type = "unknown command", commandId, outcome } = incident
      return `${thing} ${type} ${commandId} ${outcome.outcome}${outcome.detail === undefined ? "" : `: ${outcome.detail}`}`
    }
  }
}
