/** Tells the operator what is wrong with PostgreSQL, and what to do about it. */
import { StoreUnavailable } from "@latchkey/core"
import { CLOCKS_APART } from "./migrations.ts"

/** What `write_batches` says of a clock; its message is how many milliseconds that one is ahead. */
const CLOCKS = "LK001"

/** The driver's errors end here. Nothing of the URL is repeated: it may hold a password. */
export const unavailable = (cause: unknown): StoreUnavailable =>
  cause instanceof StoreUnavailable ? cause : new StoreUnavailable({ message: explain(cause), cause })

/** Refused for what a batch holds: nothing of its group was written, and the others of it are not to blame. */
export const isUnfit = (cause: unknown): boolean => /^(22|23|54)...$/.test(codeOf(cause))

/** Undone because of another transaction: a deadlock, or where `default_transaction_isolation` is stricter than `read committed`. */
export const isUndone = (cause: unknown): boolean => /^(40001|40P01)$/.test(codeOf(cause))

/** The prepared statement is missing, its name is taken, or its columns have changed. Nothing was carried out. */
export const isUnprepared = (cause: unknown): boolean => /^(26000|42P05|0A000)$/.test(codeOf(cause))

/** Refused for the time at which it was sent, which may be only because it took so many milliseconds. */
export const isLate = (cause: unknown, took: number): boolean => {
  const behind = codeOf(cause) === CLOCKS ? -Number(messageOf(cause)) : 0
  return behind > 0 && behind - took <= CLOCKS_APART
}

/** Somebody else held a lock for longer than it was waited for. */
export const isLocked = (cause: unknown): boolean => codeOf(cause) === "55P03"

/** The database is being stopped or started. */
export const isPassing = (cause: unknown): boolean => /^57P0[123]$/.test(codeOf(cause))

const explain = (cause: unknown): string => {
  const code = codeOf(cause)
  if (code === CLOCKS) return clocksApart(Number(messageOf(cause)))
  const [, advice] = ADVICE.find(([pattern]) => pattern.test(code)) ?? []
  return `PostgreSQL does not do it (${messageOf(cause)})${advice === undefined ? "." : `: ${advice}`}`
}

const ADVICE: ReadonlyArray<readonly [RegExp, string]> = [
  [
    /^(ECONNREFUSED|ENOENT|EHOSTUNREACH|ENOTFOUND|EAI_AGAIN|ETIMEDOUT)$/,
    "see that it runs, and that its URL is right."
  ],
  [/^28000$/, "correct the user in its URL, let them in, or ask for TLS by ?sslmode=verify-full."],
  [/^28/, "correct the user or password in its URL, or let them in."],
  [/^3D000$/, "create the database, or correct its URL."],
  [/^42501$/, "grant the user CREATE on the database, or make it the owner of its schema."],
  [
    /^(42P01|42P07|42601|42703|42723|42809|42883|3F000|P0002)$/,
    "its schema is not Latchkey's, or only a part of it is there: name another schema, or restore a backup."
  ],
  [
    /^25006$/,
    "it takes no writes: name the primary in its URL, or let its user write where default_transaction_read_only is on."
  ],
  [/^53100$/, "its disk is full: make room."],
  [/^53300$/, "it has no connection left: raise max_connections, or use a pooler."],
  [/^53/, "it has no room left."],
  [/^55P03$/, "somebody else holds what all writes wait for: end that transaction."],
  [/^57P/, "it is being stopped or started."],
  [/^22P05$/, "a text holds what it cannot keep."],
  [/^ERR_TLS_CERT_ALTNAME_INVALID$/, "name it in its URL as its certificate does."],
  [
    /^(DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_|CERT_|ERR_TLS)/,
    "name its authority by sslrootcert in its URL."
  ]
]

const clocksApart = (milliseconds: number): string =>
  `This server's clock is ${Math.abs(milliseconds) / 1000} seconds ${milliseconds > 0 ? "ahead of" : "behind"} the database's: nothing is written until they agree. Synchronize them (NTP).`

const codeOf = (cause: unknown): string =>
  typeof cause === "object" && cause !== null && "code" in cause ? String(cause.code) : ""

const messageOf = (cause: unknown): string => {
  // Of a host with several addresses, each has an error of its own.
  if (cause instanceof AggregateError) return cause.errors.map(messageOf).join("; ")
  return cause instanceof Error ? cause.message : String(cause)
}
