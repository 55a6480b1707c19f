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
import { CURRENT } from "./tempKey.ts"

type Explanation = Told<"why", "explain">
type TempKeys = Told<"temp-keys", "list">
type Keys = TempKeys["tempKeys"] | undefined

const texts = en.why

export const whyPage: Shows = Effect.fnUntraced(function* (visit) {
  const { api, query, params } = visit
  const id = encodeURIComponent(params["id"] ?? "")
  const { name, zone } = placeIn(yield* detailsOf(visit, params["id"] ?? ""), params["id"] ?? "", visit)
  const tempKeys = may(visit, "temp-keys") ? yield* choices(visit) : undefined
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

/** Temp keys to ask about: such as open the door or will, then others, and the one that was chosen. */
const choices = Effect.fnUntraced(function* ({ api, params, query }: Visit) {
  const ask = (more: { readonly status?: string; readonly ids?: string }) =>
    ifAllowed(
      api.ask<TempKeys>({ method: "GET", path: pathWith("/temp-keys", { lockId: params["id"], ...more, limit: 100 }) })
    )
  const current = yield* ask({ status: CURRENT })
  if (current === undefined) return undefined
  const all = yield* ask({})
  const found = new Map([...current.tempKeys, ...(all?.tempKeys ?? [])].map((key) => [key.id, key]))
  const chosen = idIn(query.get("what"))
  const asked = chosen === undefined || found.has(chosen) ? undefined : yield* ask({ ids: chosen })
  return [...found.values(), ...(asked?.tempKeys ?? [])]
})

const PREFIX = "temp-key:"
const idIn = (what: string | null): string | undefined =>
  what?.startsWith(PREFIX) === true ? what.slice(PREFIX.length) : undefined

/** Addresses name a temp key by its id, which is no secret; the API is asked by its link. */
const askedIn = (query: URLSearchParams, tempKeys: Keys, zone: string) => {
  const [event, who, what] = [query.get("event"), query.get("who"), query.get("what")]
  if (event) return { eventId: event }
  const at = instantAt(query.get("at"), zone)
  const chosen = idIn(what)
  if (chosen !== undefined) {
    const tempKeyUuid = tempKeys?.find(({ id }) => id === chosen)?.uuid
    return tempKeyUuid === undefined ? undefined : { tempKeyUuid, userId: who, at }
  }
  if (!who) return undefined
  return what === "key" ? { keyUuid: who, at } : { userId: who, at }
}

const form = ({ query }: Visit, tempKeys: Keys): Html => {
  const what = query.get("what") ?? "user"
  const option = (value: string, words: string) =>
    html`<option value="${value}"${value === what && html` selected`}>${words}</option>`
  return html`<form class="act">
<div class="field"><label for="what">${texts.who}</label><select id="what" name="what">${option("user", texts.user)}${option("key", texts.key)}${(
    tempKeys ?? []
  ).map(({ id, description }) =>
    option(`${PREFIX}${id}`, `${texts.tempKey}: ${description ?? shortId(id)}`)
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
