/** `ETag` and `If-Match`: a lock's version on the wire (RFC 9110, sections 8.8.3 and 13.1.1). */
import { createHash } from "node:crypto"
import type { IncomingHttpHeaders } from "node:http"
import type { CommandContext } from "@latchkey/core"

/** The tag of what is told of a lock at a version. */
export const tagOf = (version: number): string => `"${version}"`

/** The same where something is told beside it that has no version: `If-Match` goes by the version alone. */
export const tagBeside = (version: number, beside: unknown): string =>
  `"${version}.${createHash("sha256").update(JSON.stringify(beside)).digest("base64url").slice(0, 16)}"`

/**
 * The versions that a header names, which the declaration has found to be well formed. Weak tags, and those that are not
 * ours, name none: by the strong comparison they match nothing.
 */
const ifVersionOf = (ifMatch: string): NonNullable<CommandContext["ifVersion"]> =>
  ifMatch === "*"
    ? "*"
    : Array.from(ifMatch.matchAll(TAG), ([tag]) => Number(VERSION.exec(tag)?.[1])).filter(Number.isSafeInteger)

/** The same as a part of a command's context; without the header there is none. */
export const conditionOf = (headers: IncomingHttpHeaders): Pick<CommandContext, "ifVersion"> => {
  const ifMatch = headers["if-match"]
  return ifMatch === undefined ? {} : { ifVersion: ifVersionOf(ifMatch) }
}

/** Whether the client has what this tag names: it compares weakly, and what is malformed names nothing (RFC 9110, section 13.1.2). */
export const isKnown = (headers: IncomingHttpHeaders, tag: string): boolean => {
  const ifNoneMatch = headers["if-none-match"]
  if (ifNoneMatch === undefined) return false
  return ifNoneMatch.trim() === "*" || (ifNoneMatch.match(TAG) ?? []).some((one) => one.replace(/^W\//, "") === tag)
}

const TAG = /(?:W\/)?"[^"]*"/g
const VERSION = /^"([1-9][0-9]*)(?:\.[\w-]{16})?"$/
