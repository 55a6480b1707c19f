/** The list of locks, to search, filter and page through. */
import { Effect } from "effect"
import { type Html, html } from "../../pages/Html.ts"
import { pathWith, type Told } from "../ApiCalls.ts"
import { seeOther } from "../seeOther.ts"
import { en } from "../texts/en.ts"
import { time } from "../times.ts"
import { may, type Shows, type Visit } from "../Visit.ts"
import { badge } from "./status.ts"

type Locks = Told<"lists", "locks">

const texts = en.locks
/** More than the doors of one key: what a link finds is on one page. */
const PAGE = 60

/** What a form asks for, as the API is asked: a search has an order of its own. */
const filterIn = (asked: URLSearchParams) => ({
  q: asked.get("q")?.trim(),
  online: asked.get("online"),
  battery: asked.get("battery"),
  attention: asked.get("attention"),
  sort: asked.get("q")?.trim() ? undefined : asked.get("sort")
})

/** What may be the link of a temp key stands in no address: browsers and proxies keep those. */
const mayBeLink = (q: string | undefined): boolean => /[0-9a-f]{8}-[0-9a-f]{4}-/i.test(q ?? "")

export const locksPage: Shows = Effect.fnUntraced(function* (visit) {
  const asked = visit.method === "POST" ? visit.form : visit.query
  const filter = filterIn(asked)
  if (visit.method === "POST" && !mayBeLink(filter.q)) return seeOther(pathWith(visit.path, filter))
  const path = pathWith("/locks", { ...filter, limit: PAGE, after: visit.query.get("after") })
  const { locks, nextCursor } = yield* visit.api.ask<Locks>({ method: "GET", path })
  return {
    title: texts.title,
    body: html`${may(visit, "admin") && html`<p class="buttons"><a class="button plain" href="/console/locks/new">${en.newLock.button}</a></p>`}
<section class="card">${filterForm(visit, asked)}
${locks.length === 0 ? html`<p>${nextCursor === null ? texts.none : texts.noneYet}</p>` : list(locks, visit)}
<p class="buttons">${nextCursor !== null && html`<a class="button plain" href="${pathWith(visit.path, { ...filter, after: nextCursor })}">${texts.more}</a>`}</p></section>`
  }
})

/** Finds a lock from anywhere. */
export const searchForm = ({ formFields }: Visit): Html =>
  html`<form method="post" action="/console/locks" class="filter-line" role="search">${formFields}${searchField("")}<p class="buttons"><button>${texts.find}</button></p></form>`

const searchField = (q: string): Html =>
  html`<div class="field"><label for="q">${texts.q}</label><input id="q" name="q" type="search" maxlength="200" value="${q}"></div>`

const filterForm = ({ formFields }: Visit, asked: URLSearchParams): Html => {
  const choice = (name: string, label: string, words: Readonly<Record<string, string>>, first: string) =>
    html`<div class="field"><label for="${name}">${label}</label><select id="${name}" name="${name}"><option value="">${first}</option>${Object.entries(
      words
    ).map(
      ([value, word]) => html`<option value="${value}"${asked.get(name) === value && html` selected`}>${word}</option>`
    )}</select></div>`
  const isUsed = ["attention", "online", "battery", "sort"].some((name) => asked.get(name))
  return html`<form method="post" action="/console/locks" class="filter-line" role="search">${formFields}${searchField(asked.get("q") ?? "")}
<p class="buttons"><button>${texts.find}</button></p>
<details class="more"${isUsed && html` open`}><summary>${en.lock.filter.title}</summary><div class="filter-line">
${choice("attention", texts.attention, { true: texts.anything, ...texts.kinds, false: texts.nothing }, texts.all)}
${choice("online", texts.connection, texts.onlines, texts.all)}
${choice("battery", texts.battery, texts.batteries, texts.all)}
${choice("sort", texts.sort, { name: texts.byName }, texts.byNumber)}</div></details></form>`
}

const list = (locks: Locks["locks"], { zone }: Visit): Html => html`<p class="quiet">${en.lock.zone(zone)}</p>
<table class="rows"><caption>${texts.title}</caption><thead><tr><th scope="col">${texts.lock}</th><th scope="col">${texts.attention}</th><th scope="col">${texts.connection}</th><th scope="col">${texts.battery}</th><th scope="col">${texts.opened}</th></tr></thead><tbody>${locks.map(
  ({ lockId, name, address, attention, online, battery, batteryLevel, lastOpenedAt }) =>
    html`<tr><th scope="row"><a href="/console/locks/${lockId}">${name ?? en.lock.title(String(lockId))}</a> <span class="quiet">${name !== undefined && en.lock.title(String(lockId))} ${address}</span></th>
<td>${attention.map((kind) => html`${badge("bad", texts.kinds[kind])} `)}</td>
<td>${badge(online ? "good" : "", texts.onlines[`${online}`])}</td>
<td><span class="label">${texts.battery}</span> ${badge(battery === "low" ? "bad" : "", batteryLevel === undefined ? texts.batteries[battery] : texts.level(batteryLevel))}</td>
<td>${lastOpenedAt !== undefined && html`<span class="label">${texts.opened}</span> ${time(lastOpenedAt, zone)}`}</td></tr>
`
)}</tbody></table>`
