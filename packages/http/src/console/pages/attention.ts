/** What needs somebody: what it is, since when, and what to do about it. */
import { Effect } from "effect"
import { type Html, html } from "../../pages/Html.ts"
import { pathWith, type Told } from "../ApiCalls.ts"
import { en } from "../texts/en.ts"
import { time } from "../times.ts"
import type { Shows, Visit } from "../Visit.ts"
import { badge } from "./status.ts"

type Attention = Told<"lists", "attention">

const texts = en.attention
const PATH = "/console/attention"
const PAGE = 50

export const attentionPage: Shows = (visit) =>
  Effect.map(needsSomebody(visit, PAGE), (found) => ({
    title: texts.title,
    body: html`<section class="card">${itemsOf(found, visit)}</section>`
  }))

/** A page of it. */
export const needsSomebody = ({ api, query }: Visit, limit: number) =>
  api.ask<Attention>({ method: "GET", path: pathWith("/attention", { limit, after: query.get("after") }) })

/** As a table, with the way to the next page. */
export const itemsOf = ({ items, nextCursor }: Attention, { zone }: Visit): Html => html`
${
  items.length === 0
    ? html`<p class="notice good">${nextCursor === null ? texts.none : texts.noneYet}</p>`
    : html`<p class="quiet">${en.lock.zone(zone)}</p>
<table class="rows"><caption>${texts.title}</caption><thead><tr><th scope="col">${texts.where}</th><th scope="col">${texts.what}</th><th scope="col">${texts.since}</th><th scope="col">${texts.todo}</th></tr></thead><tbody>${items.map(
        (item) =>
          html`<tr><th scope="row">${whereOf(item)}</th><td>${badge("bad", texts.kinds[item.kind])}</td><td><span class="label">${texts.sinceWhen}</span> ${time(item.since, zone)}</td><td>${item.advice} ${detailOf(item)}</td></tr>
`
      )}</tbody></table>`
}
<p class="buttons">${nextCursor !== null && html`<a class="button plain" href="${pathWith(PATH, { after: nextCursor })}">${texts.more}</a>`}</p>`

const whereOf = (item: Attention["items"][number]): Html =>
  "webhookId" in item
    ? html`<a href="/console/webhooks/${encodeURIComponent(item.webhookId)}">${item.url}</a>`
    : html`<a href="/console/locks/${item.lockId}">${item.name ?? en.lock.title(String(item.lockId))}</a>`

/** Which keys, or why a webhook is disabled. */
const detailOf = (item: Attention["items"][number]): Html | false => {
  if ("webhookId" in item) return item.reason !== undefined && html`<span class="quiet">${item.reason}</span>`
  return item.keysCount !== undefined && html`<span class="quiet">${texts.keys(item.keysCount)}</span>`
}
