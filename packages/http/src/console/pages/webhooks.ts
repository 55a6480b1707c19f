/** Webhooks: where an organization is told of events, whether it is, and what is sent again. */
import { Effect } from "effect"
import { type Html, html } from "../../pages/Html.ts"
import type { Action } from "../Actions.ts"
import { type ApiCall, pathWith, type Told } from "../ApiCalls.ts"
import { wordsIn } from "../terms.ts"
import { en } from "../texts/en.ts"
import { instantAt, time } from "../times.ts"
import type { Shows, Visit } from "../Visit.ts"
import { badge } from "./status.ts"

type Webhooks = Told<"webhooks", "list">
type Webhook = Told<"webhooks", "get">
type Deliveries = Told<"webhooks", "deliveries">

const texts = en.webhooks
const PATH = "/console/webhooks"
const idOf = ({ params }: Visit): string => encodeURIComponent(params["id"] ?? "")
const pathOf = (visit: Visit): string => `${PATH}/${idOf(visit)}`

const TONES: Readonly<Record<string, string>> = { active: "good", pending: "warn", disabled: "bad", paused: "warn" }
const statusOf = ({ status, statusReason }: Webhook): Html =>
  html`${badge(TONES[status] ?? "", texts.statuses[status])} ${statusReason !== null && html`<span class="quiet">${statusReason}</span>`}`

export const webhooksPage: Shows = ({ api, zone }) =>
  Effect.map(api.ask<Webhooks>({ method: "GET", path: "/webhooks" }), ({ webhooks }) => ({
    title: texts.title,
    body: html`<p class="buttons"><a class="button" href="${PATH}/new">${texts.new.button}</a></p><section class="card">${
      webhooks.length === 0
        ? html`<p>${texts.none}</p>`
        : html`<table class="rows"><caption>${texts.title}</caption><thead><tr><th scope="col">${texts.url}</th><th scope="col">${texts.status}</th><th scope="col">${texts.lag}</th><th scope="col">${texts.lastSuccess}</th></tr></thead><tbody>${webhooks.map(
            (webhook) =>
              html`<tr><th scope="row"><a href="${PATH}/${encodeURIComponent(webhook.id)}">${webhook.description || webhook.url}</a></th><td>${statusOf(webhook)}</td><td><span class="label">${texts.lag}:</span> ${webhook.lag}</td><td><span class="label">${texts.lastSuccess}:</span> ${webhook.lastSuccessAt === null ? texts.never : time(webhook.lastSuccessAt, zone)}</td></tr>`
          )}</tbody></table>`
    }</section>`
  }))

export const webhookPage: Shows = Effect.fnUntraced(function* (visit) {
  const { api, query, zone } = visit
  const webhook = yield* api.ask<Webhook>(webhookOf(visit))
  const chosen = OUTCOMES.find((outcome) => outcome === query.get("outcome")) ?? ""
  const { deliveries, nextBefore } = yield* api.ask<Deliveries>({
    method: "GET",
    path: pathWith(`/webhooks/${idOf(visit)}/deliveries`, {
      outcome: chosen,
      before: query.get("before")
    })
  })
  const action = (name: string, words: string) =>
    html`<a class="button plain" href="${pathOf(visit)}/${name}">${words}</a>`
  return {
    title: webhook.description || texts.one,
    body: html`<p class="buttons">${action("change", texts.change.button)}${action("test", texts.test.button)}${webhook.status === "disabled" || webhook.status === "paused" ? action("enable", texts.enable.button) : action("disable", texts.disable.button)}${action("replay", texts.replay.button)}${action("rotate-secret", texts.rotate.button)}${action("delete", texts.delete.button)}</p>
<section class="card"><dl class="facts"><div><dt>${texts.url}</dt><dd>${webhook.url}</dd></div><div><dt>${texts.status}</dt><dd>${statusOf(webhook)}</dd></div>
<div><dt>${texts.lag}</dt><dd>${webhook.lag}</dd></div><div><dt>${texts.events}</dt><dd>${webhook.events.includes("*") ? texts.allEvents : webhook.events.join(", ")}</dd></div>
<div><dt>${texts.locks}</dt><dd>${webhook.lockIds?.join(", ") ?? texts.allLocks}</dd></div>
<div><dt>${texts.lastSuccess}</dt><dd>${webhook.lastSuccessAt === null ? texts.never : time(webhook.lastSuccessAt, zone)}</dd></div></dl></section>
<section class="card"><h2>${texts.deliveries}</h2><p class="quiet">${en.lock.zone(zone)}</p>
<ul class="tabs">${OUTCOMES.map((outcome) => html`<li><a href="${pathWith(visit.path, { outcome })}"${outcome === chosen && html` aria-current="true"`}>${texts.outcomes[outcome]}</a></li>`)}</ul>${
      deliveries.length === 0
        ? html`<p>${texts.noDeliveries}</p>`
        : html`<table class="rows"><caption>${texts.deliveries}</caption><thead><tr><th scope="col">${en.lock.timeline.when}</th><th scope="col">${texts.event}</th><th scope="col">${en.lock.timeline.outcome}</th><th scope="col">${texts.again}</th></tr></thead><tbody>${deliveries.map(
            ({ at, eventId, type, outcome, status, durationMs, error, response, attempt }) =>
              html`<tr><td class="when">${time(at, zone)}</td><td><strong>${type}</strong> <span class="quiet">${texts.attempt(attempt)}</span></td><td>${badge(outcome === "delivered" ? "good" : "bad", texts.outcomes[outcome])} ${status ?? ""} ${durationMs} ms ${outcome !== "delivered" && html`<span class="quiet">${error ?? response}</span>`}</td><td><a href="${pathOf(visit)}/deliveries/${encodeURIComponent(eventId)}/retry" aria-label="${texts.retry.of(type)}">${texts.retry.button}</a> ${
                chosen === "given-up" &&
                html`<a href="${pathOf(visit)}/deliveries/${encodeURIComponent(eventId)}/dismiss" aria-label="${texts.dismiss.of(type)}">${texts.dismiss.button}</a>`
              }</td></tr>`
          )}</tbody></table>`
    }<p class="buttons">${nextBefore !== null && html`<a class="button plain" href="${pathWith(visit.path, { before: nextBefore, outcome: chosen })}">${en.lock.timeline.older}</a>`}</p></section>`
  }
})

/** What became of attempts; of events that were given up, each is listed until it is sent or dismissed. */
const OUTCOMES = ["", "delivered", "failed", "given-up"] as const

/** A command at one webhook, or at one of its deliveries. */
const command = (
  name: string,
  words: { readonly title: string; readonly will: string; readonly button: string; readonly forGood?: string },
  more: Partial<Action> = {}
): Action => ({
  scope: "admin",
  title: () => words.title,
  will: () => words.will,
  ...(words.forGood !== undefined && { forGood: words.forGood }),
  button: words.button,
  back: pathOf,
  call: (visit): ApiCall => ({ method: "POST", path: `/webhooks/${idOf(visit)}/${name}` }),
  ...more
})

const webhookOf = (visit: Visit): ApiCall => ({ method: "GET", path: `/webhooks/${idOf(visit)}` })

const formOf = ({ url, events, lockIds, description, payload }: Webhook): URLSearchParams =>
  new URLSearchParams({
    url,
    events: events.join(" "),
    locks: lockIds?.join(" ") ?? "",
    description: description ?? "",
    payload
  })

const changesIn = (form: URLSearchParams) => {
  const locks = wordsIn(form.get("locks")).map(Number)
  return {
    url: form.get("url") ?? "",
    events: wordsIn(form.get("events")),
    lockIds: locks.length === 0 ? null : locks,
    description: form.get("description") ?? "",
    payload: form.get("payload") ?? "full"
  }
}

const secretOnce = (secret: unknown): Html =>
  html`<section class="card"><h2>${texts.secret}</h2><p class="secret">${String(secret)}</p><p>${texts.secretHint}</p></section>`

export const webhookActions = {
  new: command("", texts.new, {
    back: () => PATH,
    fields: ({ form }) =>
      Effect.succeed(html`<div class="field"><label for="url">${texts.urlLabel}</label><input id="url" name="url" type="url" required value="${form.get("url") ?? ""}"></div>
<div class="field"><label for="description">${texts.description}</label><input id="description" name="description" maxlength="200" value="${form.get("description") ?? ""}"></div>`),
    call: ({ form, method }) => ({
      method: "POST",
      path: "/webhooks",
      body: {
        url: method === "GET" ? "https://example.org/hook" : (form.get("url") ?? ""),
        ...(form.get("description") && { description: form.get("description") })
      }
    }),
    shows: (_, { secret }) => secretOnce(secret)
  }),
  ":id/change": command("", texts.change, {
    fields: Effect.fnUntraced(function* (visit) {
      const { form, method } = visit
      const said = method === "POST" ? form : formOf(yield* visit.api.ask<Webhook>(webhookOf(visit)))
      const field = (name: string, label: string, more = html``) =>
        html`<div class="field"><label for="${name}">${label}</label><input id="${name}" name="${name}" value="${said.get(name) ?? ""}"${more}></div>`
      return html`${field("url", texts.urlLabel, html` type="url" required`)}
${field("events", texts.eventsLabel, html` required`)}
${field("locks", texts.locksLabel)}
${field("description", texts.description, html` maxlength="200"`)}
<div class="field"><label for="payload">${texts.payload}</label><select id="payload" name="payload">${(
        ["full", "thin"] as const
      ).map(
        (one) =>
          html`<option value="${one}"${one === said.get("payload") && html` selected`}>${texts.payloads[one]}</option>`
      )}</select></div>`
    }),
    call: (visit) => ({
      ...webhookOf(visit),
      method: "PATCH",
      body: visit.method === "GET" ? {} : changesIn(visit.form)
    })
  }),
  ":id/test": command("test", texts.test),
  ":id/enable": command("enable", texts.enable),
  ":id/disable": command("disable", texts.disable),
  ":id/rotate-secret": command("rotate-secret", texts.rotate, { shows: (_, { secret }) => secretOnce(secret) }),
  ":id/delete": command("", texts.delete, {
    back: () => PATH,
    call: (visit) => ({ method: "DELETE", path: `/webhooks/${idOf(visit)}` })
  }),
  ":id/replay": command("replay", texts.replay, {
    fields: ({ form }) =>
      Effect.succeed(
        html`<div class="field"><label for="since">${texts.since}</label><input id="since" name="since" type="datetime-local" required value="${form.get("since") ?? ""}"></div>`
      ),
    call: (visit) => {
      const since = instantAt(visit.form.get("since"), visit.zone) ?? new Date(visit.at).toISOString()
      return { method: "POST", path: `/webhooks/${idOf(visit)}/replay`, body: { since } }
    }
  }),
  ":id/deliveries/:eventId/retry": command("", texts.retry, {
    call: (visit) => ({
      method: "POST",
      path: `/webhooks/${idOf(visit)}/deliveries/${encodeURIComponent(visit.params["eventId"] ?? "")}/retry`
    })
  }),
  ":id/deliveries/:eventId/dismiss": command("", texts.dismiss, {
    back: (visit) => `${pathOf(visit)}?outcome=given-up`,
    call: (visit) => ({
      method: "DELETE",
      path: `/webhooks/${idOf(visit)}/deliveries/${encodeURIComponent(visit.params["eventId"] ?? "")}`
    })
  })
} satisfies Readonly<Record<string, Action>>
