/** What is asked of the recording, and how answers are compared. */
import { type Credentials, organization, otherOrganization, superKey } from "../harness/callers.ts"
import { callsOf } from "../harness/request.ts"
import { OPENED_AT, userThen } from "./clock.ts"

/** Who may ask, by the names that a recorded question gives them. */
export const callers = (made: Readonly<Record<string, string>>): Readonly<Record<string, Credentials>> => ({
  organization,
  otherOrganization,
  superKey,
  madeKey: { "x-api-key": made["apiKey"] ?? "" },
  revokedKey: { "x-api-key": made["revokedApiKey"] ?? "" },
  owner: userThen("owner-1"),
  holder: userThen("0b000000-0000-4000-8000-000000000002"),
  guest: { accept: "application/json" }
})

export interface Question {
  readonly as: string
  readonly method: "GET" | "POST"
  readonly path: string
  readonly body?: unknown
  readonly idempotencyKey?: string
}

export interface Answered extends Question {
  readonly status: number
  readonly answer: unknown
}

export const ask = async (
  url: string,
  who: Readonly<Record<string, Credentials>>,
  { as, method, path, body, idempotencyKey }: Question
): Promise<{ readonly status: number; readonly answer: unknown }> => {
  const headers = { ...who[as], ...(idempotencyKey !== undefined && { "idempotency-key": idempotencyKey }) }
  const { status, text } = await callsOf(url)(method, path, { ...(body !== undefined && { body }), headers })
  return { status, answer: comparable(JSON.parse(text), url) }
}

/**
 * Without what may differ: where the server listens, the instants of what happens only now, and what is said to people
 * about a code or a rule.
 */
export const comparable = (answer: unknown, url: string): unknown =>
  JSON.parse(JSON.stringify(answer).replaceAll(url, "http://server"), (field, value) => {
    if (field === "message" || field === "errors") return undefined
    const instant = typeof value === "number" ? value : isInstant(value) ? Date.parse(value) : 0
    return isNow(instant) ? "after it was opened" : value
  })

const isInstant = (value: unknown): value is string =>
  typeof value === "string" && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/.test(value)
const isNow = (instant: number) => instant >= OPENED_AT && instant < OPENED_AT + 3_600_000
