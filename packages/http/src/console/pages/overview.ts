/** The first page that somebody sees: how many locks there are and how they are, and what needs somebody. */
import { Effect } from "effect"
import { type Html, html } from "../../pages/Html.ts"
import { ifAllowed, pathWith, type Told } from "../ApiCalls.ts"
import { en } from "../texts/en.ts"
import { may, type Shows, type Visit } from "../Visit.ts"
import { itemsOf, needsSomebody } from "./attention.ts"
import { searchForm } from "./locks.ts"

type Overview = Told<"lists", "overview">

const texts = en.overview
/** Most of what needs somebody that is told here. */
const ITEMS = 20

export const overviewPage: Shows = Effect.fnUntraced(function* (visit) {
  const counts = yield* ifAllowed(visit.api.ask<Overview>({ method: "GET", path: "/overview" }))
  const found = yield* ifAllowed(needsSomebody(visit, ITEMS))
  return {
    title: texts.title,
    body: html`${counts?.locks === 0 ? firstLock(visit) : html`<section class="card"><h2>${texts.find}</h2>${searchForm(visit)}</section>`}
${counts !== undefined && counts.locks > 0 && html`<section class="card"><h2>${texts.now}</h2>${numbers(counts)}</section>`}
${found !== undefined && html`<section class="card"><h2>${en.attention.title}</h2>${itemsOf(found, visit)}</section>`}`
  }
})

/** What somebody sees who has no lock at all. */
const firstLock = (visit: Visit): Html => {
  const { title, steps, others } = texts.first
  return html`<section class="card"><h2>${title}</h2>
${
  may(visit, "admin")
    ? html`<ol>${steps.map((words) => html`<li>${words}</li>`)}</ol>
<p class="buttons"><a class="button" href="/console/locks/new">${en.newLock.button}</a></p>`
    : html`<p>${others}</p>`
}</section>`
}

const numbers = ({ locks, online, battery, attention, webhooks, lag }: Overview): Html => {
  const number = (words: string, count: number, filter?: Readonly<Record<string, string>>) =>
    html`<div><dt>${words}</dt><dd>${filter === undefined ? count : html`<a href="${pathWith("/console/locks", filter)}">${count}</a>`}</dd></div>`
  return html`<dl class="facts">${number(texts.locks, locks, {})}${number(texts.online, online, { online: "true" })}
${number(texts.batteryLow, battery.low, { battery: "low" })}
${Object.entries(en.locks.kinds).flatMap(([kind, words]) => {
  const count = attention[kind as keyof typeof attention]
  return count > 0 && kind !== "battery-low" ? [number(words, count, { attention: kind })] : []
})}
${webhooks !== undefined && webhooks.failing + webhooks.disabled > 0 && number(texts.webhooks, webhooks.failing + webhooks.disabled)}</dl>
${lag !== null && lag > 0 && html`<p class="notice">${texts.lag(lag)}</p>`}
${lag === null && html`<p class="notice">${texts.lagUnknown}</p>`}`
}
