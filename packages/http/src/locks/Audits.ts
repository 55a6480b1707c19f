/** Audits of locks as files: rows of RFC 4180, which no spreadsheet takes for formulas, or one JSON object a line. */
import {
  type AskError,
  type AuditRow,
  instantOf,
  type LockQueries,
  type Principal,
  type StoreUnavailable
} from "@latchkey/core"
import { Effect, Stream } from "effect"
import { type Answer, streamed } from "../server/Answer.ts"
import { principalInfo } from "../server/PrincipalInfo.ts"

/** What a row says, by column. A version that is not for the one who asks has no more than the first three. */
const columns = [
  "version",
  "lastVersion",
  "shown",
  "eventId",
  "timestamp",
  "type",
  "orgId",
  "principal",
  "userId",
  "principalOrgId",
  "keyId",
  "via",
  "tempKeyId",
  "door",
  "data"
] as const

const HEADER = `${columns.map((column) => `"${column}"`).join(",")}\r\n`

const csvLine = ({ version, lastVersion, shown, event }: AuditRow): string => {
  const {
    type: kind = "",
    userId = "",
    orgId: principalOrgId = "",
    keyId = ""
  }: Partial<Record<string, string>> = event === undefined ? {} : principalInfo(event.principal)
  const row: { readonly [Column in (typeof columns)[number]]: string | number } = {
    version,
    lastVersion,
    shown,
    eventId: event?.eventId ?? "",
    timestamp: event === undefined ? "" : instantOf(event.at),
    type: event?.type ?? "",
    orgId: event?.orgId ?? "",
    principal: kind,
    userId,
    principalOrgId,
    keyId,
    via: event?.via ?? "",
    tempKeyId: event?.tempKeyId ?? "",
    door: event?.door ?? "",
    data: event?.wire === undefined ? "" : JSON.stringify(event.wire.data)
  }
  return `${columns.map((column) => cell(String(row[column]))).join(",")}\r\n`
}

/** What a spreadsheet would take for a formula begins with an apostrophe, which makes it text. */
const FORMULA = /^\s*[=+\-@\uFF1D\uFF0B\uFF0D\uFF20]|^[\t\r\n]/

const cell = (text: string): string => `"${(FORMULA.test(text) ? `'${text}` : text).replaceAll('"', '""')}"`

const jsonLine = ({ event, ...row }: AuditRow): string => {
  if (event === undefined) return `${JSON.stringify(row)}\n`
  const { at, principal, wire, ...rest } = event
  return `${JSON.stringify({ ...row, ...rest, timestamp: instantOf(at), principal: principalInfo(principal), ...(wire && { event: wire }) })}\n`
}

/** What was read together is sent together. */
const pages = (rows: Stream.Stream<AuditRow, StoreUnavailable>, line: (row: AuditRow) => string) =>
  Stream.mapArray(rows, (page) => [page.map(line).join("")])

/** An audit of a lock as an answer that goes on as fast as its client reads. */
type Audited = (principal: Principal, lockId: number, after: number | undefined) => Effect.Effect<Answer, AskError>

export const auditsOf = ({ audit }: LockQueries["Service"]): { readonly csv: Audited; readonly ndjson: Audited } => {
  const as =
    (
      name: string,
      contentType: string,
      text: (rows: Stream.Stream<AuditRow, StoreUnavailable>) => Stream.Stream<string, StoreUnavailable>
    ): Audited =>
    (principal, lockId, after = 0) =>
      Effect.flatMap(audit(principal, lockId, after), (rows) =>
        Effect.map(streamed(text(rows)), (body) => ({
          status: 200,
          contentType,
          body,
          headers: { "content-disposition": `attachment; filename="lock-${lockId}-${name}"` }
        }))
      )
  return {
    csv: as("audit.csv", "text/csv; charset=utf-8; header=present", (rows) =>
      Stream.concat(Stream.make(HEADER), pages(rows, csvLine))
    ),
    ndjson: as("audit.ndjson", "application/x-ndjson", (rows) => pages(rows, jsonLine))
  }
}
