/**
 * What becomes of deliveries, as rules: which are sent when, what an answer means, what is given up, and when a webhook ends.
 * Pure: instants and jitter come in. Events are in order within their stream, and streams wait for nobody but themselves.
 */
import { HashMap } from "effect"
import type { Webhook } from "./Webhook.ts"

const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

/** After how long what has failed is tried again, in milliseconds. */
export const RETRIES: ReadonlyArray<number> = [
  5 * SECOND,
  5 * MINUTE,
  30 * MINUTE,
  2 * HOUR,
  5 * HOUR,
  10 * HOUR,
  14 * HOUR,
  20 * HOUR,
  24 * HOUR
]
/** Streams of which an event waits to be tried again, at most; then nothing new is taken on. */
export const MOST_HELD = 1_000
/** Streams of which something is being sent for the first time, at most. */
export const WINDOW = 64
/** Events that were given up and neither sent nor dismissed, at most; then nothing is given up. */
export const MOST_GIVEN_UP = 10_000
/** Refusals in a row that are about the webhook, not about the events. */
const REFUSED_IN_ROW = 20
/** Failures in a row after which nothing new is sent until something succeeds. */
const FAILED_IN_ROW = 5
/** While nothing succeeds, one event is tried now and then: first after the least pause, then each time after twice as long. */
const LEAST_PAUSE = 5 * SECOND
const LONGEST_PAUSE = 30 * MINUTE
const DISABLED_AFTER = 5 * DAY
/** How long a receiver is left alone that asks for it: one that asks for no time would be sent the same again and again. */
const [LEAST_WAIT, LONGEST_WAIT] = [SECOND, DAY]

/** A stream of which something is not delivered. */
export interface Held {
  /** Everything up to this version of the stream is done with. */
  readonly version: number
  /** How often the next event has failed. */
  readonly attempts: number
  /** When it is tried again, and when it failed first; epoch milliseconds. */
  readonly due: number
  readonly since: number
}

/** A part of the feed on its way: what comes, or what is sent once more. */
export interface Lane {
  /** Everything up to this position is delivered, or of a stream that is held. */
  readonly cursor: number
  readonly held: HashMap.HashMap<string, Held>
}

/** What is known of the deliveries of a webhook; one record, of a bounded size. */
export interface Progress {
  readonly live: Lane
  readonly replays: ReadonlyArray<Lane & Range>
  /** The last change of the webhook that was heeded. */
  readonly changed: number
  /** Requests for replays up to this version of the webhook's stream are taken on. */
  readonly asked: number
  /** How many attempts there were: numbers the next. */
  readonly attempts: number
  readonly givenUp: number
  readonly refusedInRow: number
  readonly failedInRow: number
  /** Epoch milliseconds. */
  readonly failingSince: number | undefined
  readonly lastSuccessAt: number | undefined
  /** Until when the receiver has asked not to be sent anything. */
  readonly waitUntil: number
  /** Of the challenge. */
  readonly verification: { readonly attempts: number; readonly due: number }
}

/** What a replay goes over. */
export interface Range {
  readonly replayId: string
  readonly until: number
  /** Epoch milliseconds. */
  readonly from?: number
  readonly to?: number
}

/** How many requests at once a receiver is sent: it begins with one, and finds out how many it takes. */
export interface Pace {
  readonly limit: number
  /** Up to here it doubles. From here on it is asked seldom whether the receiver takes one more. */
  readonly known: number
}

/** Requests of one webhook that are under way, at most. */
const MOST_AT_ONCE = 16
/** Rounds of successes after which it is one more. */
const ROUNDS = 4

export const slowly: Pace = { limit: 1, known: MOST_AT_ONCE }

/** The pace after an answer. A failure halves it, and half is then what the receiver is known to take. */
export const paced = ({ limit, known }: Pace, failed: boolean): Pace => {
  if (failed) {
    const half = Math.max(1, limit / 2)
    return { limit: half, known: half }
  }
  const more = limit < known ? Math.min(known, limit * 2) : limit + 1 / (ROUNDS * limit)
  return { limit: Math.min(MOST_AT_ONCE, more), known }
}

/** Before the first delivery. */
export const begin = ({ after, changed }: Pick<Webhook, "after" | "changed">): Progress => ({
  live: { cursor: after, held: HashMap.empty() },
  replays: [],
  changed,
  asked: 0,
  attempts: 0,
  givenUp: 0,
  refusedInRow: 0,
  failedInRow: 0,
  failingSince: undefined,
  lastSuccessAt: undefined,
  waitUntil: 0,
  verification: { attempts: 0, due: 0 }
})

/** What was answered. */
export interface Answered {
  /** None when there was no answer. */
  readonly status?: number
  /** Why there was none, or none to count. */
  readonly error?: string
  /** For how long the receiver asks to be left alone, in milliseconds. */
  readonly retryAfter?: number
  /** The first 1,000 characters of the answer. */
  readonly response: string
  readonly durationMs: number
}

/** Why a webhook is disabled whose receiver says that it is there no more. */
export const GONE = "The receiver answered 410 Gone."

/** What an answer means. */
export type Meaning = "delivered" | "gone" | "later" | "refused" | "failed"

export const meaningOf = ({ status, error, retryAfter }: Answered): Meaning => {
  if (status === undefined || error !== undefined) return "failed"
  if (status >= 200 && status < 300) return "delivered"
  if (status === 410) return "gone"
  if ((status === 429 || status === 503) && retryAfter !== undefined) return "later"
  if (status === 429) return "failed"
  return status >= 400 && status < 500 ? "refused" : "failed"
}

/** Whether nothing new is sent until something succeeds: the receiver is down, or refuses everything. */
export const isWaiting = ({ failedInRow, refusedInRow }: Progress): boolean =>
  failedInRow >= FAILED_IN_ROW || refusedInRow >= REFUSED_IN_ROW

/** What follows from an attempt. */
export interface Judged {
  readonly progress: Progress
  /** What became of the event. */
  readonly outcome: "delivered" | "failed" | "given-up"
  /** The webhook is to be disabled, and why. */
  readonly disable?: string
}

/**
 * Takes an answer into account. `delivered` and `given-up` mean that the next event of the stream follows.
 *
 * @param failing how it went with this event before
 * @param jitter between 0 and 1
 */
export const judge = (
  before: Progress,
  failing: Pick<Held, "attempts" | "due" | "since">,
  answered: Answered,
  now: number,
  jitter: number
): Judged & { readonly next: Pick<Held, "attempts" | "due" | "since"> } => {
  const counted = { ...before, attempts: before.attempts + 1 }
  const settled = { attempts: 0, due: now, since: now }
  const meaning = meaningOf(answered)
  if (meaning === "delivered") {
    const progress = {
      ...counted,
      refusedInRow: 0,
      failedInRow: 0,
      failingSince: undefined,
      lastSuccessAt: now
    }
    return { progress: isWaiting(before) ? resumed(progress, now) : progress, outcome: "delivered", next: settled }
  }
  if (meaning === "refused" && before.refusedInRow + 1 < REFUSED_IN_ROW && mayGiveUp(before)) {
    const progress = { ...counted, refusedInRow: before.refusedInRow + 1, givenUp: before.givenUp + 1 }
    return { progress, outcome: "given-up", next: settled }
  }
  const since = failing.attempts === 0 ? now : failing.since
  // It was under way when the wait began, and says nothing new of the receiver: many at once fail as one.
  const isLate = isWaiting(before) && now < before.waitUntil
  const failingSince = before.failingSince ?? now
  const progress: Progress = {
    ...counted,
    failingSince,
    failedInRow: meaning === "later" || isLate ? before.failedInRow : before.failedInRow + 1,
    refusedInRow: meaning === "refused" && !isLate ? before.refusedInRow + 1 : before.refusedInRow
  }
  if (meaning === "gone") {
    const next = { attempts: failing.attempts, due: now, since }
    return { progress, outcome: "failed", next, disable: GONE }
  }
  const disable = now - failingSince >= DISABLED_AFTER ? { disable: "Nothing was delivered for five days." } : undefined
  if (meaning === "later") {
    const waitUntil = now + askedFor(answered)
    const isSpent = now - since >= WHOLE_SCHEDULE && hasOthers(before, since) && mayGiveUp(before)
    if (isSpent) {
      return { progress: { ...progress, waitUntil, givenUp: before.givenUp + 1 }, outcome: "given-up", next: settled }
    }
    // Asked for, not failed: it does not use up the event's tries, but its time counts.
    const next = { attempts: Math.max(1, failing.attempts), due: waitUntil, since }
    return { progress: { ...progress, waitUntil }, outcome: "failed", next, ...disable }
  }
  const waitUntil = isWaiting(progress) && !isLate ? now + pauseBetween(progress) : progress.waitUntil
  // Tried before its time, to find out whether the receiver is back: that does not count against it.
  if (isWaiting(before) && failing.due > now) {
    return { progress: { ...progress, waitUntil }, outcome: "failed", next: { ...failing, since }, ...disable }
  }
  if (failing.attempts >= RETRIES.length && hasOthers(before, since) && mayGiveUp(before)) {
    return { progress: { ...progress, givenUp: before.givenUp + 1 }, outcome: "given-up", next: settled }
  }
  const attempts = Math.min(failing.attempts + 1, RETRIES.length)
  const pause = RETRIES[attempts - 1] ?? DAY
  const next = { attempts: failing.attempts + 1, due: now + Math.round(pause * (1 + jitter / 5)), since }
  return { progress: { ...progress, waitUntil }, outcome: "failed", next, ...disable }
}

/**
 * A failure that was answered to what was sent before the webhook was enabled, or moved: it says nothing of the webhook as it
 * now is, which is sent the event at once.
 */
export const outdated = (before: Progress, failing: Pick<Held, "attempts" | "since">, now: number) => ({
  progress: { ...before, attempts: before.attempts + 1 },
  outcome: "failed" as const,
  next: { attempts: failing.attempts, due: now, since: failing.since },
  disable: undefined
})

/** A receiver that is back is found within as long again as it was away. */
const pauseBetween = ({ failedInRow }: Progress): number =>
  Math.min(LONGEST_PAUSE, LEAST_PAUSE * 2 ** Math.max(0, failedInRow - FAILED_IN_ROW))

/** For how long a receiver is left alone that asks for it. */
export const askedFor = ({ retryAfter = 0 }: Answered): number =>
  Math.min(Math.max(LEAST_WAIT, retryAfter), LONGEST_WAIT)

const WHOLE_SCHEDULE = RETRIES.reduce((sum, pause) => sum + pause, 0)

/** Whether others were delivered since this one failed first: then it is about this one. */
const hasOthers = ({ lastSuccessAt }: Progress, since: number): boolean =>
  lastSuccessAt !== undefined && lastSuccessAt > since

const mayGiveUp = ({ givenUp }: Progress): boolean => givenUp < MOST_GIVEN_UP

/** The receiver is back: what has waited for that is due. */
const resumed = (progress: Progress, now: number): Progress => {
  const awake = <L extends Lane>(lane: L): L => ({
    ...lane,
    held: HashMap.map(lane.held, (held) => (held.due > now ? { ...held, due: now } : held))
  })
  return { ...progress, live: awake(progress.live), replays: progress.replays.map(awake), waitUntil: 0 }
}

/** A webhook that was enabled, or moved, begins anew where it is: nothing of what failed before counts. */
export const heeding = (progress: Progress, changed: number, now: number): Progress =>
  resumed(
    {
      ...progress,
      changed,
      failedInRow: 0,
      refusedInRow: 0,
      failingSince: undefined,
      verification: { attempts: 0, due: now }
    },
    now
  )

/** The challenge was not answered: when it is sent again, and whether that is over. */
export const unverified = (
  before: Progress,
  answered: Answered,
  now: number,
  jitter: number
): { readonly progress: Progress; readonly disable?: string } => {
  const { attempts } = before.verification
  const failingSince = before.failingSince ?? now
  const pause = RETRIES[Math.min(attempts, RETRIES.length - 1)] ?? DAY
  const meaning = meaningOf(answered)
  const asked = meaning === "later" ? askedFor(answered) : 0
  const due = now + Math.max(asked, Math.round(pause * (1 + jitter / 5)))
  const progress = { ...before, failingSince, verification: { attempts: attempts + 1, due } }
  if (meaning === "gone") return { progress, disable: GONE }
  return now - failingSince >= DISABLED_AFTER
    ? { progress, disable: "The receiver did not answer the challenge for five days." }
    : { progress }
}

/** The seconds, or the date, of a `Retry-After` (RFC 9110, section 10.2.3) as milliseconds from now; `undefined` when it is neither. */
export const retryAfterOf = (header: string | undefined, now: number): number | undefined => {
  const text = header?.trim() ?? ""
  if (/^\d+$/.test(text)) return Math.min(Number(text), MOST_SECONDS) * SECOND
  // `Date.parse` takes "-5" and "1.5" for dates, too.
  const millis = /^(mon|tue|wed|thu|fri|sat|sun)/i.test(text) ? Date.parse(text) - now : Number.NaN
  return Number.isNaN(millis) ? undefined : Math.max(0, millis)
}

/** What is beyond is for good. */
const MOST_SECONDS = 1e9
