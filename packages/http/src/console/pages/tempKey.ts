/** A temp key: what it opens, when and for whom, how a guest gets it, and how it ends. */
import { Effect } from "effect"
import { type Html, html } from "../../pages/Html.ts"
import { type Action, problemNotice } from "../Actions.ts"
import { type ApiCall, pathWith, type Told } from "../ApiCalls.ts"
import { qrCode } from "../qr.ts"
import { formOf, termsIn, whenFields, whoFields } from "../terms.ts"
import { en } from "../texts/en.ts"
import { shortId } from "../timeline.ts"
import { time, zoneOr } from "../times.ts"
import { may, type Shows, type Visit } from "../Visit.ts"
import { weekInWords, weekPicture } from "../week.ts"
import { detailsOf, namesOfLocks, placeIn } from "./place.ts"
import { statusBadge } from "./status.ts"

type List = Told<"temp-keys", "list">
type Key = Told<"temp-keys", "change">
type Simulation = Told<"why", "simulate-update-temp-key">

const texts = en.tempKeys
const idOf = ({ params }: Visit): string => encodeURIComponent(params["id"] ?? "")
const pathOf = (visit: Visit): string => `/console/temp-keys/${idOf(visit)}`

/** A change that names nothing changes nothing, and answers the key as it is. */
const keyOf = (visit: Visit): ApiCall => ({ method: "PATCH", path: `/temp-keys/${idOf(visit)}`, body: {} })

export const tempKeysPage: Shows = Effect.fnUntraced(function* (visit) {
  const { query, zone } = visit
  const [lockId, status] = [query.get("lockId"), query.get("status") ?? CURRENT]
  const path = pathWith("/temp-keys", { lockId, status, cursor: query.get("cursor"), limit: 50 })
  const { tempKeys, nextCursor } = yield* visit.api.ask<List>({ method: "GET", path })
  const older = `${pathWith(visit.path, { lockId, cursor: nextCursor })}&${new URLSearchParams({ status }).toString()}`
  const unnamed = tempKeys.flatMap(({ doors }) =>
    doors.flatMap(({ lockId, label }) => (label === null ? [lockId] : []))
  )
  const nameOf = yield* namesOfLocks(visit, unnamed)
  return {
    title: texts.title,
    body: html`<p class="buttons"><a class="button" href="${pathWith("/console/temp-keys/new", { doors: lockId })}">${texts.make}</a></p>
<section class="card"><form class="filter-line"><div class="field"><label for="lockId">${texts.lock}</label><input id="lockId" name="lockId" inputmode="numeric" value="${lockId ?? ""}"></div>
<div class="field"><label for="status">${texts.status}</label><select id="status" name="status">${Object.entries(
      CHOICES
    ).map(
      ([one, words]) => html`<option value="${one}"${one === status && html` selected`}>${words}</option>`
    )}</select></div><p class="buttons"><button class="plain">${texts.filter}</button></p></form>
${
  tempKeys.length === 0
    ? html`<p>${nextCursor === null ? texts.none : texts.noneYet}</p>`
    : html`<table class="rows"><caption>${texts.title}</caption><thead><tr><th scope="col">${texts.name}</th><th scope="col">${texts.status}</th><th scope="col">${texts.doors}</th><th scope="col">${texts.until}</th></tr></thead><tbody>${tempKeys.map(
        ({ id, description, status, suspended, doors, validUntil }) =>
          html`<tr><th scope="row"><a href="/console/temp-keys/${encodeURIComponent(id)}">${description ?? shortId(id)}</a></th><td>${statusBadge(status, suspended)}</td><td>${doors.map(({ lockId, label }) => label ?? nameOf(lockId)).join(", ")}</td><td><span class="label">${texts.until}</span> ${time(validUntil, zone)}</td></tr>`
      )}</tbody></table>`
}
<p class="buttons">${nextCursor !== null && html`<a class="button plain" href="${older}">${texts.more}</a>`}</p></section>`
  }
})

/** Such as open a door, or will: those of guests who left come first in a list of all, and are the most. */
export const CURRENT = "valid,not-yet-valid"
const CHOICES = { [CURRENT]: texts.current, ...texts.statuses, "": texts.all }

export const tempKeyPage: Shows = Effect.fnUntraced(function* (visit) {
  const key = yield* visit.api.ask<Key>(keyOf(visit))
  const places = yield* Effect.forEach(key.doors, ({ lockId }) =>
    Effect.map(detailsOf(visit, lockId), (details) => placeIn(details, lockId, visit))
  )
  const zone = zoneOr(key.schedule?.timeZone, places[0]?.zone)
  const isEnded = key.status === "deleted"
  const action = (name: string, words: string) =>
    html`<a class="button plain" href="${pathOf(visit)}/${name}">${words}</a>`
  return {
    title: key.description ?? `${texts.one} ${shortId(key.id)}`,
    body: html`<p>${statusBadge(key.status, key.suspended)}</p>
${
  !isEnded &&
  may(visit, "temp-keys") &&
  html`<p class="buttons">${action("change", texts.change.button)}${key.suspended ? action("resume", texts.resume.button) : action("suspend", texts.suspend.button)}${action("new-link", texts.newLink.button)}${
    key.doors.some(({ accessMethod }) => accessMethod !== "key") && action("reissue-pin", texts.newPin.button)
  }${action("end", texts.end.button)}</p>`
}
<div class="columns"><div>
<section class="card"><h2>${texts.terms}</h2>
<p class="quiet">${en.lock.zone(zone)}</p>
<dl class="facts"><div><dt>${en.terms.from}</dt><dd>${time(key.validFrom, zone)}</dd></div>
<div><dt>${en.terms.until}</dt><dd>${time(key.validUntil, zone)}</dd></div>
<div><dt>${texts.uses}</dt><dd>${key.maxUses === null || key.maxUses === undefined ? texts.anyUses(key.usedCount) : texts.someUses(key.usedCount, key.maxUses)}</dd></div>
<div><dt>${texts.for}</dt><dd>${key.accessMode === "public" ? texts.anyone : key.allowedUserIds.join(", ")}</dd></div>
<div><dt>${texts.madeBy}</dt><dd>${key.createdBy}, ${time(key.createdAt, zone)}</dd></div>
<div><dt>${texts.id}</dt><dd><code>${key.id}</code></dd></div>
${key.nextChangeAt !== null && html`<div><dt>${texts.next}</dt><dd>${time(key.nextChangeAt, zone)}</dd></div>`}</dl>
${key.schedule !== null && html`<h3>${texts.week}</h3><p>${weekInWords(key.schedule)}</p>${weekPicture(key.schedule)}`}</section>
<section class="card"><h2>${texts.doors}</h2><table><caption>${texts.doors}</caption><thead><tr><th scope="col">${texts.door}</th><th scope="col">${texts.opensBy}</th></tr></thead><tbody>${key.doors.map(
      ({ lockId, label, accessMethod }, index) =>
        html`<tr><th scope="row"><a href="/console/locks/${encodeURIComponent(lockId)}">${label ?? places[index]?.name}</a></th><td>${en.newTempKey.methods[accessMethod]}</td></tr>`
    )}</tbody></table></section></div>
<div>${!isEnded && html`<section class="card">${linkCard(key.url)}</section>`}</div></div>`
  }
})

const linkCard = (url: string): Html => html`<h2>${texts.link}</h2>
<p>${texts.linkHint}</p>
<div class="field"><label for="link">${texts.linkLabel}</label><input id="link" readonly value="${url}"></div>
${qrCode(url, texts.qr)}
<p><a href="${url}" target="_blank" rel="noopener noreferrer">${texts.asGuest}</a></p>`

/** What a guest is given: the link, and once the PIN. */
export const handOver = (key: {
  readonly id: string
  readonly url: string
  readonly pin: string | null
}): Html => html`${pinOnce(key.pin)}<section class="card">${linkCard(key.url)}</section>
<p><a class="button" href="/console/temp-keys/${encodeURIComponent(key.id)}">${texts.show}</a></p>`

const pinOnce = (pin: unknown): Html | false =>
  typeof pin === "string" &&
  html`<section class="card"><h2>${texts.pin}</h2><p class="secret">${pin}</p><p>${texts.pinOnce}</p></section>`

/** What can be done with a temp key; `call` is what the API has below it. */
const simple = (
  words: { readonly title: string; readonly will: string; readonly button: string; readonly forGood?: string },
  name: string,
  more: Partial<Action> = {}
): Action => ({
  scope: "temp-keys",
  title: () => words.title,
  will: () => words.will,
  ...(words.forGood !== undefined && { forGood: words.forGood }),
  button: words.button,
  back: pathOf,
  call: (visit) => ({ method: "POST", path: `/temp-keys/${idOf(visit)}/${name}` }),
  ...more
})

export const tempKeyActions = {
  suspend: simple(texts.suspend, "suspend"),
  resume: simple(texts.resume, "resume"),
  "new-link": simple(texts.newLink, "new-link", {
    call: (visit) => ({ method: "POST", path: `/temp-keys/${idOf(visit)}/new-link`, body: {} }),
    shows: (_, { url }) => html`<section class="card">${linkCard(String(url))}</section>`
  }),
  "reissue-pin": simple(texts.newPin, "reissue-pin", { shows: (_, { pin }) => html`${pinOnce(pin)}` }),
  end: simple(texts.end, "", {
    back: () => "/console/temp-keys",
    call: (visit) => ({ method: "DELETE", path: `/temp-keys/${idOf(visit)}` })
  }),
  change: simple(texts.change, "", {
    fields: Effect.fnUntraced(function* (visit) {
      const { form, method } = visit
      const key = yield* visit.api.ask<Key>(keyOf(visit))
      const said = method === "POST" ? form : formOf(key, visit.zone)
      const tried =
        form.get("try") === null ? undefined : yield* Effect.result(visit.api.ask<Simulation>(tryOf(key, form)))
      return html`<input type="hidden" name="version" value="${form.get("version") ?? key.version}">
${whenFields(said)}${whoFields(said)}
${tried !== undefined && (tried._tag === "Success" ? simulated(tried.success, visit.zone) : problemNotice(tried.failure.problem))}
<p class="buttons"><button class="plain" name="try" value="yes">${texts.try}</button></p>`
    }),
    asksAgain: ({ form }) => form.get("try") !== null,
    call: (visit) => ({
      method: "PATCH",
      path: `/temp-keys/${idOf(visit)}`,
      body: visit.method === "POST" ? termsIn(visit.form) : {},
      ...(visit.method === "POST" && { headers: { "if-match": `"${visit.form.get("version") ?? ""}"` } })
    })
  })
} satisfies Readonly<Record<string, Action>>

/** The API judges an update of a lock's own key by what was tried before. */
const tryOf = (key: Key, form: URLSearchParams): ApiCall => {
  const { description: _, ...terms } = termsIn(form)
  return {
    method: "POST",
    path: `/locks/${encodeURIComponent(key.doors[0]?.lockId ?? "")}/simulate-update-temp-key`,
    body: { tempKeyUuid: key.uuid, ...terms }
  }
}

const simulated = ({ accepted, refused, wouldRefuse, wouldAccept, ...counts }: Simulation, zone: string): Html => {
  const list = (uses: Simulation["wouldRefuse"]) =>
    html`<ul>${uses.slice(-10).map(({ at, reason }) => html`<li>${time(at, zone)}: ${en.timeline.reasons[reason] ?? reason}</li>`)}</ul>`
  return html`<div class="notice" role="status"><p>${texts.tried(accepted, refused)}</p>
<p>${texts.wouldRefuse(counts.wouldRefuseCount)}</p>${wouldRefuse.length > 0 && list(wouldRefuse)}
<p>${texts.wouldAccept(counts.wouldAcceptCount)}</p>${wouldAccept.length > 0 && list(wouldAccept)}</div>`
}
