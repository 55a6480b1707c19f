/**
 * `Idempotency-Key`: a receipt belongs to who asked, and stands for exactly one request: this path and this JSON, however
 * it is written.
 */
import { createHash } from "node:crypto"
import { limitsOf, type Principal, type RequestReceipt, recorded, withoutKey } from "@latchkey/core"
import canonicalize from "canonicalize"
import type { Asked } from "./Routes.ts"

/** How long a key is remembered, in milliseconds. */
const KEPT = 30 * 24 * 60 * 60 * 1000

export const receiptOf = ({
  request: { method, url, headers },
  route,
  params,
  principal,
  body,
  payload,
  isDeclared = false,
  at
}: {
  readonly request: Pick<Asked, "method" | "url" | "headers">
  readonly route: { readonly path: string }
  /** As they stand in the path. */
  readonly params: unknown
  readonly principal: Principal
  readonly body: Buffer
  /** What the body says. */
  readonly payload: unknown
  /** Whether the endpoint says that its requests may carry a key; those of any POST may. */
  readonly isDeclared?: boolean
  readonly at: number
}): RequestReceipt | undefined => {
  const key = headers["idempotency-key"]
  if ((method !== "POST" && !isDeclared) || typeof key !== "string") return undefined
  const named = JSON.stringify(params)
  // Ids in paths are numbers and UUIDs, which name the same however they are written; but for those of users.
  const target = `${route.path} ${route.path.startsWith("/users/") ? named : named.toLowerCase()}`
  // Of guests nothing is known but their link.
  // What a key that is limited repeats, it has asked itself: an answer may hold what it may not see.
  const who = limitsOf(principal) === undefined ? withoutKey(principal) : recorded(principal)
  const caller = who._tag === "Guest" ? target : who
  const { userId: _, ...organization } = { userId: undefined, ...who }
  const earlierCaller = who._tag === "Guest" ? url : who._tag === "User" ? who : organization
  return {
    id: digest(JSON.stringify([caller, key])),
    fingerprint: digest(`JSON\n${target}\n`, canonical(payload) ?? body),
    expiresAt: at + KEPT,
    earlier: { id: digest(JSON.stringify([earlierCaller, key])), fingerprint: digest(`${url}\n`, body) }
  }
}

/** The same receipt of a guest whom a cookie signs in: of two who share a link, each has their own. */
export const boundTo = (receipt: RequestReceipt, principal: Principal): RequestReceipt => ({
  ...receipt,
  id: digest(JSON.stringify([principal, receipt.id]))
})

/** Deeper than any request goes. What is nested further costs a tenth of a second to write down, and proves nothing. */
const DEEPEST = 100

/**
 * RFC 8785; `undefined` for what it does not write: numbers beyond all bounds, and text that is not Unicode; and for what
 * is nested too deep.
 */
const canonical = (payload: unknown): string | undefined => {
  try {
    return isDeep(payload) ? undefined : canonicalize(payload)
  } catch {
    return undefined
  }
}

const isDeep = (payload: unknown): boolean => {
  let level = [payload]
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > DEEPEST) return true
    level = level.flatMap((value) => (typeof value === "object" && value !== null ? Object.values(value) : []))
  }
  return false
}

const digest = (...parts: ReadonlyArray<string | Buffer>): string => {
  const hash = createHash("sha256")
  for (const part of parts) hash.update(part)
  return hash.digest("base64url")
}
