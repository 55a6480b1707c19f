/** What happened at a lock, in words: events and refusals together, what belongs to one opening in one line. */
import type { Told } from "./ApiCalls.ts"
import { type EventWords, en } from "./texts/en.ts"

export type HistoryEvent = Told<"locks", "events">["events"][number]
export type RefusedAttempt = Told<"why", "attempts">["attempts"][number]

/** How a line looks: something opened, was refused or went wrong, waits, or is just so. */
export type Tone = "good" | "bad" | "warn" | "calm"

export interface Line {
  /** Names it for `explain`. */
  readonly id: string
  readonly at: string
  readonly tone: Tone
  readonly what: string
  readonly who: string
  /** With what it was opened. */
  readonly via: string
  /** What became of it, or why it was refused. */
  readonly outcome: string
  /** The temp key it is about. */
  readonly tempKeyId: string | undefined
}

/** What ids are called where that is known. */
export interface Names {
  readonly users: ReadonlyMap<string, string>
  readonly tempKeys: ReadonlyMap<string, string>
  /** Until when the lock may still do what it has not answered, by the ids of commands; instants, or the end of time. */
  readonly pending: ReadonlyMap<string, string>
  /** The instant at which it is told. */
  readonly now: string
}

/** Newest first. */
export const linesOf = (
  events: ReadonlyArray<HistoryEvent>,
  attempts: ReadonlyArray<RefusedAttempt>,
  names: Names
): ReadonlyArray<Line> => {
  const outcomes = new Map<string, Data>()
  for (const event of events) {
    if (event.type === "CommandOutcomeReported") outcomes.set(text(dataOf(event)["commandId"]), dataOf(event))
  }
  const openings = new Set(events.filter(isOpening).map(({ eventId }) => commandOf(eventId)))
  const happened = events.flatMap((event): ReadonlyArray<Line> => {
    const data = dataOf(event)
    // It is told in the line of its opening.
    if (event.type === "CommandOutcomeReported" && openings.has(text(data["commandId"]))) return []
    if (event.type === "TempKeyUsed" && openings.has(commandOf(event.eventId))) return []
    return [lineOf(event, data, outcomes.get(commandOf(event.eventId)), names)]
  })
  const refused = attempts.map((attempt) => refusalOf(attempt, names))
  return [...happened, ...refused].sort((a, b) => (a.at < b.at ? 1 : a.at > b.at ? -1 : 0))
}

const lineOf = (event: HistoryEvent, data: Data, outcome: Data | undefined, names: Names): Line => {
  const { type, eventId, timestamp, principal, via, tempKeyId } = event
  const base = {
    id: eventId,
    at: timestamp,
    who: type === "OpenedAtDoor" ? userOf(data["userId"], names) : whoOf(principal, names),
    via: via === undefined ? "" : en.timeline.via[via],
    tempKeyId
  }
  const about = en.timeline.events[type as keyof typeof en.timeline.events]
  const what = about === undefined ? type : typeof about === "function" ? about(wordsOf(data, tempKeyId, names)) : about
  const isSent = type === "LockOpenRequested" || type === "LockDeviceRequested"
  if (isSent) {
    const told = outcomeOf(outcome, (names.pending.get(commandOf(eventId)) ?? "") > names.now)
    return { ...base, what, ...told }
  }
  if (type === "CommandOutcomeReported") return { ...base, what, ...outcomeOf(data, false) }
  return { ...base, what, outcome: "", tone: TONES[type] ?? "calm" }
}

const outcomeOf = (outcome: Data | undefined, isPending: boolean): Pick<Line, "outcome" | "tone"> => {
  if (outcome === undefined)
    return isPending
      ? { outcome: en.timeline.outcomes.pending, tone: "warn" }
      : { outcome: en.timeline.outcomes.silent, tone: "bad" }
  const said = text(outcome["outcome"])
  const detail = text(outcome["detail"])
  const words =
    said === "done"
      ? en.timeline.outcomes.done
      : said === "expired"
        ? en.timeline.outcomes.expired
        : en.timeline.outcomes.failed
  return {
    outcome: detail === "" ? words : `${words} ${en.timeline.saying(detail)}`,
    tone: said === "done" ? "good" : "bad"
  }
}

const refusalOf = (attempt: RefusedAttempt, names: Names): Line => ({
  id: attempt.attemptId,
  at: attempt.at,
  tone: "bad",
  what: en.timeline.refused[attempt.what](
    attempt.command ?? "",
    attempt.tempKeyId === undefined ? undefined : nameOf(attempt.tempKeyId, names.tempKeys)
  ),
  who: attempt.userId === undefined ? whoOf(attempt.principal, names) : userOf(attempt.userId, names),
  via: "",
  outcome: en.timeline.reasons[attempt.reason] ?? attempt.reason,
  tempKeyId: attempt.tempKeyId
})

type Data = Readonly<Record<string, unknown>>
const dataOf = ({ event }: HistoryEvent): Data => Object(event?.data)
const isOpening = ({ type }: HistoryEvent) => type === "LockOpenRequested" || type === "LockDeviceRequested"
/** Events are called by the command that they come of, and a number. */
const commandOf = (eventId: string): string => eventId.replace(/-\d+$/, "")
const text = (value: unknown): string => (typeof value === "string" || typeof value === "number" ? String(value) : "")

const whoOf = ({ type, userId, orgId }: HistoryEvent["principal"], names: Names): string => {
  const by = en.timeline.principals[type as keyof typeof en.timeline.principals] ?? type
  if (type === "User") return userOf(userId, names)
  return [type === "Organization" ? (orgId ?? by) : by, ...(userId === undefined ? [] : [userOf(userId, names)])].join(
    ", "
  )
}
const userOf = (userId: unknown, names: Names): string => {
  const id = text(userId)
  return id === "" ? en.timeline.somebody : nameOf(id, names.users)
}

/** What somebody called it, or its id, of which so much is shown as tells it from others. */
export const nameOf = (id: string, names: ReadonlyMap<string, string>): string => names.get(id) ?? shortId(id)
export const shortId = (id: string): string => (id.length > 13 ? `${id.slice(0, 4)}…${id.slice(-6)}` : id)

const wordsOf = (data: Data, tempKeyId: string | undefined, names: Names): EventWords => ({
  key: shortId(text(data["keyUuid"])),
  user: data["userId"] === undefined || data["userId"] === "" ? "" : nameOf(text(data["userId"]), names.users),
  tempKey: tempKeyId === undefined ? "" : nameOf(tempKeyId, names.tempKeys),
  data: (field) => text(data[field])
})

const TONES: Readonly<Record<string, Tone>> = {
  OpenedAtDoor: "good",
  TempKeyUsed: "good",
  KeyNeedsAttention: "bad",
  BatteryLow: "warn",
  BoltJammed: "bad",
  DoorForced: "bad",
  DoorLeftOpen: "warn",
  OpeningsMissed: "warn",
  ClaimLost: "bad",
  TempKeyUseReturned: "warn"
}
