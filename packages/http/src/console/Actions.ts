/**
 * What changes something: a page that says what will happen and what cannot be undone, one question, and the API's answer.
 * An action is a row of what it says and the API call that it makes.
 */
import type { Scope } from "@latchkey/core"
import { Effect } from "effect"
import { v7 as uuid } from "uuid"
import type { Problem } from "../api/Problem.ts"
import { type Html, html } from "../pages/Html.ts"
import type { Refused } from "../server/Errors.ts"
import type { ApiCall } from "./ApiCalls.ts"
import { en } from "./texts/en.ts"
import { may, type Page, type Shows, type Visit } from "./Visit.ts"

export interface Action {
  /** What an API key must be for. */
  readonly scope: Scope
  readonly title: (visit: Visit) => string | Effect.Effect<string, Refused>
  /** What happens. */
  readonly will: (visit: Visit) => Html | string
  /** What cannot be undone, if anything. */
  readonly forGood?: string
  readonly button: string
  /** Where it leads back to. */
  readonly back: (visit: Visit) => string
  /** What is asked for, with what was given before; a form that waits for something may ask the API for it. */
  readonly fields?: (visit: Visit) => Effect.Effect<Html, Refused>
  /** From the path and the form. A form that is not filled in shows the call as an example. */
  readonly call: (visit: Visit) => ApiCall
  /** Whether a form that was sent only wants to be shown again, with what its fields then say. */
  readonly asksAgain?: (visit: Visit) => boolean
  /** What there is to see of the answer, beside the answer itself. */
  readonly shows?: (visit: Visit, answer: Answered) => Html
}

/** The JSON of a success. */
export type Answered = Readonly<Record<string, unknown>>

/** The page of an action: by GET it asks, by POST it acts. */
export const pageOf =
  (action: Action): Shows =>
  (visit) =>
    visit.method === "GET" || action.asksAgain?.(visit) === true ? asks(action, visit) : acts(action, visit)

const asks = (action: Action, visit: Visit, problem?: Problem) =>
  Effect.gen(function* () {
    const fields = action.fields === undefined ? undefined : yield* action.fields(visit)
    const body = html`
${problem !== undefined && problemNotice(problem)}
<p>${action.will(visit)}</p>
${action.forGood !== undefined && html`<p class="notice bad"><strong>${en.actions.forGood}</strong> ${action.forGood}</p>`}
${
  may(visit, action.scope)
    ? html`<form method="post" class="act">${visit.formFields}
<input type="hidden" name="once" value="${visit.form.get("once") ?? uuid()}">
${fields}
<p class="buttons"><button${action.forGood !== undefined && html` class="bad"`}>${action.button}</button> <a class="button plain" href="${action.back(visit)}">${en.actions.cancel}</a></p>
</form>`
    : html`<p class="notice">${en.actions.notAllowed(action.scope)}</p><p><a class="button plain" href="${action.back(visit)}">${en.actions.back}</a></p>`
}`
    const page: Page = {
      title: yield* titleOf(action, visit),
      body,
      would: problem === undefined ? [action.call(visit)] : []
    }
    return problem === undefined ? page : { ...page, status: problem.code }
  })

const acts = (action: Action, visit: Visit) => {
  const call = action.call(visit)
  const once = visit.form.get("once") ?? ""
  // A form that is sent twice acts once: the API knows it again.
  const headers = ONCE.test(once) && call.method === "POST" ? { "idempotency-key": once } : {}
  return visit.api.ask<Answered>({ ...call, headers: { ...call.headers, ...headers } }).pipe(
    Effect.flatMap((answer) => Effect.map(titleOf(action, visit), (title) => ({ answer, title }))),
    Effect.map(
      ({ answer, title }): Page => ({
        title,
        body: html`<p class="notice good" role="status">${en.actions.done}</p>
${action.shows?.(visit, answer)}
<details class="api"><summary>${en.actions.answer}</summary><pre tabindex="0"><code>${JSON.stringify(answer, null, 2)}</code></pre></details>
<p><a class="button" href="${action.back(visit)}">${en.actions.back}</a></p>`
      })
    ),
    Effect.catch((refused) => asks(action, visit, refused.problem))
  )
}

const titleOf = (action: Action, visit: Visit) => {
  const title = action.title(visit)
  return typeof title === "string" ? Effect.succeed(title) : title
}

const ONCE = /^[0-9a-f-]{36}$/

/** What the API refused, in its own words. */
export const problemNotice = ({ error, message, details = [], advice }: Problem): Html => html`
<div class="notice bad" role="alert"><p><strong>${error}.</strong> ${message}</p>
${details.length > 0 && html`<ul>${details.map(({ field, message }) => html`<li><code>${field}</code>: ${message}</li>`)}</ul>`}
${advice !== undefined && html`<p>${advice}</p>`}</div>`
