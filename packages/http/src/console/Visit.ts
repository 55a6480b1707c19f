/** One request to the console by somebody who is signed in, and what a page makes of it. */
import type { Limits, Principal, Scope } from "@latchkey/core"
import type { Effect } from "effect"
import type { Html } from "../pages/Html.ts"
import type { Answer } from "../server/Answer.ts"
import type { Refused } from "../server/Errors.ts"
import type { ApiCall, ApiCalls } from "./ApiCalls.ts"

export interface Visit {
  readonly api: ApiCalls
  readonly principal: Principal
  readonly method: "GET" | "POST"
  /** The path that was asked for, without its query. */
  readonly path: string
  readonly params: Readonly<Record<string, string | undefined>>
  readonly query: URLSearchParams
  /** What a form sent; empty unless it is one. */
  readonly form: URLSearchParams
  /** Hidden fields that every form which changes something has. */
  readonly formFields: Html
  /** In which the browser shows times, where nothing better is known. */
  readonly zone: string
  readonly at: number
  /** How the API is reached from outside. */
  readonly publicUrl: string
  readonly headers: Readonly<Record<string, string | ReadonlyArray<string> | undefined>>
}

/** What there is to show. */
export interface Page {
  readonly status?: number
  readonly title: string
  readonly body: Html
  /** Where its events come from, if it is live. */
  readonly live?: string | undefined
  /** API calls that the page's form would make, beside those that it has made. */
  readonly would?: ReadonlyArray<ApiCall>
}

export type Shows = (visit: Visit) => Effect.Effect<Page | Answer, Refused>

/** Whether the caller's credential is for this at all; the API decides. */
export const may = ({ principal }: Pick<Visit, "principal">, scope: Scope): boolean => {
  if (principal._tag === "User") return scope !== "admin"
  const limits: Limits = ("limits" in principal && principal.limits) || {}
  const { scopes } = limits
  return scopes === undefined || scopes.includes("admin") || scopes.includes(scope)
}
