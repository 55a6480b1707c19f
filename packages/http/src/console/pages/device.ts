/** The device of a lock: whether it is there, what is on it that should not be, and, for the operator, which one it is. */
import { rowOf } from "@latchkey/core"
import { Effect } from "effect"
import { commandRoutes } from "../../api/commandRoutes.ts"
import { type Html, html } from "../../pages/Html.ts"
import type { Action } from "../Actions.ts"
import { ifAllowed, type Told } from "../ApiCalls.ts"
import { en } from "../texts/en.ts"
import { shortId } from "../timeline.ts"
import { time } from "../times.ts"
import { may, type Shows, type Visit } from "../Visit.ts"
import { nameOfLock, placeIn } from "./place.ts"
import { badge } from "./status.ts"

type Details = Told<"locks", "details">
type Exposure = Told<"locks", "exposure">

const texts = en.device
/** Keys of one table, at most. */
const MOST = 100

const number = ({ params }: Visit): string => params["id"] ?? ""
const lockOf = (visit: Visit): string => `/console/locks/${encodeURIComponent(number(visit))}`
const pathOf = (visit: Visit): string => `${lockOf(visit)}/device`

export const devicePage: Shows = Effect.fnUntraced(function* (visit) {
  const { api } = visit
  const path = `/locks/${encodeURIComponent(number(visit))}`
  const details = yield* api.ask<Details>({ method: "GET", path: `${path}/details` })
  const exposure = yield* ifAllowed(api.ask<Exposure>({ method: "GET", path: `${path}/exposure` }))
  const { name, zone } = placeIn(details, number(visit), visit)
  return {
    title: texts.title(name),
    body: html`<p class="quiet">${en.lock.zone(zone)}</p>
<section class="card"><h2>${en.lock.now}</h2>${facts(details, zone)}</section>
<section class="card"><h2>${texts.foreign.title}</h2>${foreign(visit, details, zone)}</section>
${exposure !== undefined && exposure.left.length > 0 && html`<section class="card"><h2>${texts.left.title}</h2>${left(exposure, zone)}</section>`}
<section class="card"><h2>${texts.claim.title}</h2>${claim(visit)}</section>
<p><a class="button plain" href="${lockOf(visit)}">${name}</a></p>`
  }
})

/** Whether the lock is connected, and since when; if not, why, where that is known. */
export const connectionOf = (presence: Details["presence"], zone: string): Html => {
  if (presence === null) return html`${texts.connection.unknown}`
  const { online, since, reason } = presence
  if (since === undefined) return badge("", online ? texts.connection.online : texts.connection.never)
  return html`${badge(online ? "good" : "bad", online ? texts.connection.online : texts.connection.offline)} ${texts.connection.since} ${time(since, zone)}${reason !== undefined && html`<br><span class="quiet">${texts.reasons[reason]}</span>`}`
}

const facts = ({ uuid, presence, deviceState }: Details, zone: string): Html => {
  const { firmware, keySlots, clockOffBy, seenAt } = deviceState ?? {}
  const fact = (words: string, value: Html | string | undefined) =>
    value !== undefined && html`<div><dt>${words}</dt><dd>${value}</dd></div>`
  return html`<dl class="facts">${fact(en.lock.facts.hardware, html`<code>${uuid}</code>`)}
${fact(texts.connection.title, connectionOf(presence, zone))}
${fact(texts.connection.lastSeen, presence?.lastSeen && time(presence.lastSeen, zone))}
${fact(en.lock.facts.seen, seenAt && time(seenAt, zone))}
${fact(en.lock.facts.firmware, firmware)}
${fact(texts.slots, keySlots === undefined ? undefined : String(keySlots))}</dl>
${deviceState === null && html`<p>${en.lock.facts.never}</p>`}
${clockOffBy !== undefined && html`<p class="notice">${en.lock.facts.clock(Math.round(clockOffBy / 1000))}</p>`}`
}

const foreign = (visit: Visit, { hardware }: Details, zone: string): Html => html`
${hardware.mayHoldOthers && html`<p class="notice">${texts.foreign.mayHoldOthers}</p>`}
${
  hardware.foreign.length === 0
    ? html`<p>${texts.foreign.none}</p>`
    : html`<table class="rows"><caption>${texts.foreign.title}</caption><thead><tr><th scope="col">${en.lock.keys.key}</th><th scope="col">${texts.foreign.since}</th><th scope="col">${texts.foreign.todo}</th></tr></thead><tbody>${hardware.foreign
        .slice(0, MOST)
        .map(
          ({ keyUuid, keyIndexNumber, since }) =>
            html`<tr><th scope="row">${keyName(keyUuid, keyIndexNumber)}</th><td><span class="label">${texts.foreign.since}</span> ${time(since, zone)}</td><td>${may(visit, "keys") && html`<a href="${lockOf(visit)}/remove-key?${new URLSearchParams({ key: keyUuid }).toString()}" aria-label="${texts.removeKey.of(shortId(keyUuid))}">${texts.removeKey.button}</a>`}</td></tr>`
        )}</tbody></table>`
}`

const left = ({ left }: Exposure, zone: string): Html => html`<p class="notice bad">${texts.left.about}</p>
<table class="rows"><caption>${texts.left.title}</caption><thead><tr><th scope="col">${en.lock.keys.key}</th><th scope="col">${texts.left.thing}</th><th scope="col">${texts.foreign.since}</th></tr></thead><tbody>${left
  .slice(0, MOST)
  .map(
    ({ keyUuid, keyIndexNumber, thing, exposedSince }) =>
      html`<tr><th scope="row">${keyName(keyUuid, keyIndexNumber)}</th><td><span class="label">${texts.left.thing}</span> <code>${thing}</code></td><td><span class="label">${texts.foreign.since}</span> ${time(exposedSince, zone)}</td></tr>`
  )}</tbody></table>`

const keyName = (keyUuid: string, slot: number | undefined): Html =>
  html`${shortId(keyUuid)}${slot !== undefined && html` <span class="quiet">${en.lock.keys.slot} ${slot}</span>`}`

/** A device is given to a lock by the operator alone; codes are made where its secrets are. */
const claim = (visit: Visit): Html => html`<p>${texts.claim.about}</p>
${
  visit.principal._tag === "Super" && may(visit, "admin")
    ? html`<p class="buttons"><a class="button plain" href="${lockOf(visit)}/change-device">${texts.change.button}</a> <a class="button plain" href="${lockOf(visit)}/move-claim">${texts.move.button}</a></p>`
    : html`<p>${texts.claim.operator}</p>`
}
<p>${texts.claim.codes}</p><pre tabindex="0"><code>npx latchkey devices create ${EXAMPLE}</code></pre>`

const EXAMPLE = "0c2a5e9e-4b1f-4a57-9c53-1a2b3c4d5e6f"

/** A device that is given, by the field in which the command names it. */
const gives = (
  words: {
    readonly title: (id: string) => string
    readonly will: string
    readonly forGood: string
    readonly button: string
  },
  command: string,
  member: string
): Action => ({
  scope: "admin",
  title: (visit) => Effect.map(nameOfLock(visit, number(visit)), words.title),
  will: () => words.will,
  forGood: words.forGood,
  button: words.button,
  back: pathOf,
  fields: ({ form }) =>
    Effect.succeed(
      html`<div class="field"><label for="uuid">${en.newLock.uuid}</label><input id="uuid" name="uuid" required autocomplete="off" spellcheck="false" value="${form.get("uuid") ?? ""}"></div>`
    ),
  call: (visit) => ({
    method: "POST",
    path: `/locks/${encodeURIComponent(number(visit))}/${command}`,
    body: { [member]: visit.method === "GET" ? EXAMPLE : (visit.form.get("uuid")?.trim() ?? "") }
  })
})

/** Commands by which the operator gives a lock a device, as the table has them: one that is free, or whichever locks have it. */
const giving = Object.entries(commandRoutes).flatMap(([command, { tag }]): ReadonlyArray<readonly [string, Action]> => {
  const { who, claims, takes } = rowOf(tag)
  if (who !== "operator" || claims === undefined) return []
  return [
    takes === true
      ? ["move-claim", gives(texts.move, command, claims)]
      : ["change-device", gives(texts.change, command, claims)]
  ]
})

/** Which key an action is about: its page was asked for it, and its form says it again. */
const keyOf = ({ form, query }: Visit): string => form.get("key") ?? query.get("key") ?? ""

export const deviceActions = {
  ...Object.fromEntries(giving),
  "remove-key": {
    scope: "keys",
    title: (visit) => texts.removeKey.title(shortId(keyOf(visit))),
    will: () => texts.removeKey.will,
    forGood: texts.removeKey.forGood,
    button: texts.removeKey.button,
    back: pathOf,
    fields: (visit) => Effect.succeed(html`<input type="hidden" name="key" value="${keyOf(visit)}">`),
    call: (visit) => ({
      method: "POST",
      path: `/locks/${encodeURIComponent(number(visit))}/RemoveKey`,
      body: { keyUuid: keyOf(visit) }
    })
  }
} satisfies Readonly<Record<string, Action>>
