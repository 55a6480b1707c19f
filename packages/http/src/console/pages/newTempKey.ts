/** A new temp key in three steps: which doors, when, who. Each step is an address, so a browser goes back and forth by itself. */
import { Effect } from "effect"
import { v7 as uuid } from "uuid"
import { type Html, html } from "../../pages/Html.ts"
import type { Refused } from "../../server/Errors.ts"
import { problemNotice } from "../Actions.ts"
import { type ApiCall, ifAllowed, pathWith, type Told } from "../ApiCalls.ts"
import { scheduleIn, termsIn, whenFields, whoFields, wordsIn } from "../terms.ts"
import { en } from "../texts/en.ts"
import { wallTime } from "../times.ts"
import type { Page, Shows, Visit } from "../Visit.ts"
import { weekInWords, weekPicture } from "../week.ts"
import { detailsOf, namesOfLocks, placeIn } from "./place.ts"
import { handOver } from "./tempKey.ts"

type Locks = Told<"lists", "locks">
type Shared = Told<"temp-keys", "share">

const texts = en.newTempKey
const PATH = "/console/temp-keys/new"
const DAY = 86_400_000

export const newTempKeyPage: Shows = (visit) => (visit.method === "POST" ? make(visit) : step(visit))

const step: Shows = Effect.fnUntraced(function* (visit) {
  const { query } = visit
  const hasDoors = doorsIn(query).length > 0
  switch (hasDoors ? query.get("step") : "doors") {
    case "when": {
      const [door = ""] = doorsIn(query)
      const { zone } = placeIn(yield* detailsOf(visit, door), door, visit)
      return asks(visit, 2, html`${whenFields(withDefaults(visit, zone))}`, ["from", "until", "zone"])
    }
    case "who":
      return yield* lastStep(visit, query)
    default:
      return asks(visit, 1, doorFields(query, yield* ifAllowed(visit.api.ask<Locks>(someLocks))), ["doors", "method"])
  }
})

/** One step: its fields, and what the others have said. */
const asks = ({ query }: Visit, number: 1 | 2, fields: Html, own: ReadonlyArray<string>): Page => ({
  title: texts.title,
  body: html`${steps(number)}
<form class="act" action="${PATH}">
${carried(query, (name) => name === "step" || own.includes(name) || (number === 2 && /^(days|from|to)\d+$/.test(name)))}
<input type="hidden" name="step" value="${number === 1 ? "when" : "who"}">
${fields}
<p class="buttons"><button>${texts.next}</button></p></form>`
})

const lastStep = Effect.fnUntraced(function* (
  visit: Visit,
  form: URLSearchParams,
  problem?: Parameters<typeof problemNotice>[0]
): Effect.fn.Return<Page, Refused> {
  const schedule = scheduleIn(form)
  const doors = doorsIn(form)
  const nameOf = yield* namesOfLocks(visit, doors)
  return {
    title: texts.title,
    ...(problem && { status: problem.code }),
    body: html`${steps(3)}${problem !== undefined && problemNotice(problem)}
<section class="card"><h2>${texts.summary}</h2>
<dl class="facts"><div><dt>${en.tempKeys.doors}</dt><dd>${doors.map(nameOf).join(", ")}</dd></div>
<div><dt>${en.terms.from}</dt><dd>${form.get("from")?.replace("T", " ")}</dd></div>
<div><dt>${en.terms.until}</dt><dd>${form.get("until")?.replace("T", " ")}</dd></div>
<div><dt>${en.terms.zone}</dt><dd>${form.get("zone") ?? ""}</dd></div></dl>
${schedule !== undefined && html`<p>${weekInWords(schedule)}</p>${weekPicture(schedule)}`}
<p><a href="${PATH}?${new URLSearchParams([...[...form].filter(([name]) => !OWN.includes(name)), ["step", "when"]]).toString()}">${texts.changeWhen}</a></p></section>
<form class="act" method="post" action="${PATH}">${visit.formFields}
<input type="hidden" name="once" value="${form.get("once") ?? uuid()}">
${carried(form, (name) => [...OWN, "description", "users", "uses"].includes(name))}
${whoFields(form)}
<p class="buttons"><button>${texts.make}</button></p></form>`,
    would: problem === undefined ? [callOf(form)] : []
  }
})

/** What belongs to one sending, and not to the key. */
const OWN = ["step", "csrf", "once"]

const make = (visit: Visit) => {
  const { form } = visit
  const once = form.get("once") ?? ""
  return visit.api.ask<Shared>({ ...callOf(form), headers: { "idempotency-key": once } }).pipe(
    Effect.map((key): Page => ({ title: texts.made, body: handOver(key) })),
    Effect.catch((refused) => lastStep(visit, form, refused.problem))
  )
}

const callOf = (form: URLSearchParams): ApiCall => {
  const { description, ...terms } = termsIn(form)
  const accessMethod = form.get("method") ?? "both"
  const doors = doorsIn(form).map((lockId) => ({ lockId, accessMethod }))
  return { method: "POST", path: "/temp-keys", body: { ...terms, ...(description && { description }), doors } }
}

const steps = (now: 1 | 2 | 3): Html =>
  html`<ol class="steps">${texts.steps.map((words, index) => html`<li${index + 1 === now && html` aria-current="step"`}>${words}</li>`)}</ol>`

const carried = (form: URLSearchParams, isLeft: (name: string) => boolean): ReadonlyArray<Html> =>
  [...form].flatMap(([name, value]) =>
    isLeft(name) ? [] : [html`<input type="hidden" name="${name}" value="${value}">`]
  )

/** Ticked, and by number in a line, as somebody who has many locks says it. */
const doorsIn = (form: URLSearchParams): ReadonlyArray<string> => [...new Set(wordsIn(form.getAll("doors").join(" ")))]

/** Locks that may be ticked. Those who have more begin at the page of the lock, or know its number. */
const MOST_LOCKS = 24
const someLocks: ApiCall = { method: "GET", path: pathWith("/locks", { sort: "name", limit: MOST_LOCKS }) }

const doorFields = (query: URLSearchParams, found: Locks | undefined): Html => {
  const method = query.get("method") ?? "both"
  const asked = doorsIn(query)
  const { locks = [], nextCursor = null } = found ?? {}
  const others = asked.filter((door) => !locks.some(({ lockId }) => String(lockId) === door))
  const areAll = found !== undefined && locks.length > 0 && nextCursor === null && others.length === 0
  return html`${asked.length === 0 && query.has("step") && html`<p class="notice bad" role="alert">${texts.noDoor}</p>`}
${
  locks.length > 0 &&
  html`<fieldset><legend>${en.tempKeys.doors}</legend><div class="choices">${locks.map(
    ({ lockId, name }) =>
      html`<label><input type="checkbox" name="doors" value="${lockId}"${asked.includes(String(lockId)) && html` checked`}>${name ?? en.lock.title(String(lockId))}</label>`
  )}</div></fieldset>`
}
${!areAll && html`<div class="field"><label for="doors">${texts.doors}</label><input id="doors" name="doors" value="${others.join(" ")}" aria-describedby="doors-hint"><p class="hint" id="doors-hint">${texts.doorsHint}</p></div>`}
<fieldset><legend>${texts.method}</legend>${Object.entries(texts.methods).map(
    ([value, words]) =>
      html`<div class="choices"><label><input type="radio" name="method" value="${value}"${value === method && html` checked`}>${words}</label></div>`
  )}</fieldset>`
}

/** From now on, for two days, in the time of the first door, unless something was said before. */
const withDefaults = ({ query, at }: Visit, zone: string): URLSearchParams => {
  const form = new URLSearchParams(query)
  const its = form.get("zone") ?? zone
  if (!form.get("zone")) form.set("zone", its)
  if (!form.get("from")) form.set("from", wallTime(at, its))
  if (!form.get("until")) form.set("until", wallTime(at + 2 * DAY, its))
  return form
}
