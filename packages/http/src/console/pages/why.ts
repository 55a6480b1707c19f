/** Why a lock opened or did not, and whether it would: the API's `explain`, for a line of the timeline or for anybody at any time. */
import { Effect } from "effect"
import { type Html, html } from "../../pages/Html.ts"
import { problemNotice } from "../Actions.ts"
import { ifAllowed, pathWith, type Told } from "../ApiCalls.ts"
import { en } from "../texts/en.ts"
import { shortId } from "../timeline.ts"
import { instantAt, time } from "../times.ts"
import { may, type Shows, type Visit } from "../Visit.ts"
import { detailsOf, placeIn } from "./place.ts"

type Explanation = Told<"why", "explain">
type TempKeys = Told<"temp-keys", "list">

const texts = en.why

export const whyPage: Shows = Effect.fnUntraced(function* (visit) {
  const { api, query, params } = visit
  const id = encodeURIComponent(params["id"] ?? "")
  const { name, zone } = placeIn(yield* detailsOf(visit, params["id"] ?? ""), params["id"] ?? "", visit)
  const tempKeys = may(visit, "temp-keys")
    ? yield* ifAllowed(
        api.ask<TempKeys>({ method: "GET", path: pathWith("/temp-keys", { lockId: params["id"], limit: 100 }) })
      )
    : undefined
  const asked = askedIn(query, tempKeys, zone)
  const answer =
    asked === undefined
      ? undefined
      : yield* Effect.result(api.ask<Explanation>({ method: "GET", path: pathWith(`/locks/${id}/explain`, asked) }))
  return {
    title: texts.title(name),
    status: answer?._tag === "Failure" ? answer.failure.problem.code : 200,
    body: html`
${answer?._tag === "Success" && explained(answer.success, query.get("event") !== null, zone)}
${answer?._tag === "Failure" && problemNotice(answer.failure.problem)}
<section class="card"><h2>${texts.about}</h2><p class="quiet">${en.lock.zone(zone)}</p>${form(visit, tempKeys)}</section>
<p><a class="button plain" href="/console/locks/${id}">${name}</a></p>`
  }
})

/** Addresses name a temp key by its id, which is no secret; the API is asked by its link. */
const askedIn = (query: URLSearchParams, tempKeys: TempKeys | undefined, zone: string) => {
  const [event, who, what] = [query.get("event"), query.get("who"), query.get("what")]
  if (event) return { eventId: event }
  const at = instantAt(query.get("at"), zone)
  if (what?.startsWith("temp-key:")) {
    const tempKeyUuid = tempKeys?.tempKeys.find(({ id }) => `temp-key:${id}` === what)?.uuid
    return tempKeyUuid === undefined ? undefined : { tempKeyUuid, userId: who, at }
  }
  if (!who) return undefined
  return what === "key" ? { keyUuid: who, at } : { userId: who, at }
}

const form = ({ query }: Visit, tempKeys: TempKeys | undefined): Html => {
  const what = query.get("what") ?? "user"
  const option = (value: string, words: string) =>
    html`<option value="${value}"${value === what && html` selected`}>${words}</option>`
  return html`<form class="act">
<div class="field"><label for="what">${texts.who}</label><select id="what" name="what">${option("user", texts.user)}${option("key", texts.key)}${(
    tempKeys?.tempKeys ?? []
  ).map(({ id, description }) =>
    option(`temp-key:${id}`, `${texts.tempKey}: ${description ?? shortId(id)}`)
  )}</select></div>
<div class="field"><label for="who">${texts.id}</label><input id="who" name="who" value="${query.get("who") ?? ""}"></div>
<div class="field"><label for="at">${texts.at}</label><input id="at" name="at" type="datetime-local" value="${query.get("at") ?? ""}"></div>
<p class="buttons"><button>${texts.button}</button></p></form>`
}

const explained = (found: Explanation, isPast: boolean, zone: string): Html => {
  const { allowed, rule, message, at, nextChangeAt, recorded, facts } = found
  const verdict = isPast ? (allowed ? texts.was : texts.wasNot) : allowed ? texts.yes : texts.no
  const wallTime = facts.tempKey?.wallTime
  return html`<section class="card">
<p class="notice ${allowed ? "good" : "bad"}"><strong>${verdict}</strong> ${message}</p>
<dl class="facts">
<div><dt>${texts.rule}</dt><dd>${texts.rules[rule] ?? rule}</dd></div>
<div><dt>${texts.at}</dt><dd>${time(at, zone)}</dd></div>
${wallTime !== undefined && html`<div><dt>${texts.wall}</dt><dd>${wallTime}</dd></div>`}
${nextChangeAt !== null && html`<div><dt>${texts.next}</dt><dd>${time(nextChangeAt, zone)}</dd></div>`}
${recorded !== null && html`<div><dt>${texts.recorded}</dt><dd>${recorded.outcome}</dd></div>`}
</dl>
${
  facts.events.length > 0 &&
  html`<h2>${texts.rests}</h2><table class="rows"><caption>${texts.restsCaption}</caption><thead><tr><th scope="col">${texts.when}</th><th scope="col">${texts.event}</th><th scope="col">${texts.by}</th></tr></thead><tbody>${facts.events.map(
    ({ at, type, principal }) =>
      html`<tr><td>${time(at, zone)}</td><th scope="row">${type}</th><td>${principal.userId ?? principal.orgId ?? principal.type}</td></tr>`
  )}</tbody></table>`
}
</section>`
}
