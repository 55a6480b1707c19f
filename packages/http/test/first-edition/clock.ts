/** When the recording was made, and when it is opened again: an hour later, by the clock of whoever opens it. */
import { user } from "../harness/callers.ts"
import type { Environment } from "../harness/process.ts"

export const RECORDED_AT = Date.parse("2026-03-02T09:00:00Z")
export const OPENED_AT = RECORDED_AT + 3_600_000

const preload = new URL("shiftedClock.ts", import.meta.url).href

const own = Number(process.env["CLOCK_OFFSET"] ?? 0)

/** Makes it `instant` for a program that starts now. */
export const clockAt = (instant: number): Environment => ({
  NODE_OPTIONS: `--import=${preload}`,
  CLOCK_OFFSET: String(instant - Date.now() + own)
})

/** A user whose token is good on that day. */
export const userThen = (userId: string) =>
  user(userId, { iat: RECORDED_AT / 1000 - 60, exp: RECORDED_AT / 1000 + 86_400 })
