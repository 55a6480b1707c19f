/** One lock: what happened there and why, what is on it, and what can be done about it. */
import { eventTypes } from "@latchkey/core"
import { Effect } from "effect"
import { type Html, html } from "../../pages/Html.ts"
import type { Action } from "../Actions.ts"
import { type ApiCall, ifAllowed, pathWith, type Told } from "../ApiCalls.ts"
import { en } from "../texts/en.ts"
import { type Line, linesOf, type Names, nameOf, shortId } from "../timeline.ts"
import { instantAt, inWords, time } from "../times.ts"
import { may, type Shows, type Visit } from "../Visit.ts"
import { connectionOf } from "./device.ts"
import { detailsOf, nameOfLock, placeIn } from "./place.ts"
import { presenceStrip } from "./presenceStrip.ts"
import { badge, statusBadge } from "./status.ts"
import { CURRENT } from "./tempKey.ts"

type Details = Told<"locks", "details">
type History = Told<"locks", "events">
type Attempts = Told<"why", "attempts">
type Exposure = Told<"locks", "exposure">
type Presence = Told<"locks", "presence">
type TempKeys = Told<"temp-keys", "list">

const texts = en.lock
/** Lines of one page. */
const LINES = 50
/** Temp keys that are listed beside them. */
const KEYS = 10
/** Most pages of refusals that one page asks for: they are not kept without bounds, and half of them would do. */
const REFUSED_PAGES = 4

/** Which events the choices of the filter mean; refusals belong to openings. */
const kinds: Readonly<Record<keyof typeof texts.filter.kinds, (type: string) => boolean>> = {
  all: () => true,
  openings: (type) => /Open|Used|UseReturned|LockDevice|CommandOutcome|DoorForced/.test(type),
  keys: (type) => /^Key|Resident/.test(type),
  tempKeys: (type) => /^TempKey/.test(type),
  hardware: (type) => /Reported|Battery|Bolt|Door|Uuid|Claim|Retired|Created|NeedsAttention/.test(type)
}
const kindOf = (text: string | null): keyof typeof kinds =>
  Object.keys(kinds).find((kind): kind is keyof typeof kinds => kind === text) ?? "all"

const idOf = ({ params }: Visit): string => encodeURIComponent(params["id"] ?? "")
const pathOf = (visit: Visit): string => `/console/locks/${idOf(visit)}`
const apiOf = (visit: Visit): string => `/locks/${idOf(visit)}`

export const lockPage: Shows = Effect.fnUntraced(function* (visit) {
  const { api, query, params } = visit
  const get = <Body>(path: string) => api.ask<Body>({ method: "GET", path })
  const details = yield* detailsOf(visit, number(visit))
  const { name, zone } = placeIn(details, number(visit), visit)
  const kind = kindOf(query.get("kind"))
  const history = yield* get<History>(
    pathWith(`${apiOf(visit)}/events`, {
      order: "desc",
      limit: LINES,
      types: kind === "all" ? undefined : eventTypes.filter(kinds[kind]).join(","),
      actor: query.get("who"),
      from: instantAt(query.get("from"), zone),
      to: instantAt(query.get("to"), zone),
      cursor: query.get("cursor")
    })
  )
  const showsRefusals = (kind === "all" || kind === "openings") && !query.get("who")
  const oldest = history.events.at(-1)?.timestamp
  const refused = showsRefusals
    ? yield* refusalsSince(visit, history.nextCursor === null ? "" : oldest)
    : nothingRefused
  const tempKeys = may(visit, "temp-keys")
    ? yield* ifAllowed(get<TempKeys>(pathWith("/temp-keys", { lockId: params["id"], status: CURRENT, limit: KEYS })))
    : undefined
  const exposure = details === undefined ? undefined : yield* ifAllowed(get<Exposure>(`${apiOf(visit)}/exposure`))
  const presence = details === undefined ? undefined : yield* ifAllowed(get<Presence>(`${apiOf(visit)}/presence`))

  const within = (at: string) =>
    at >= (instantAt(query.get("from"), zone) ?? "") &&
    at < (instantAt(query.get("to"), zone) ?? "9") &&
    at < (query.get("before") ?? "9")
  const attempts = refused.attempts.filter(({ at }) => within(at))
  const named = tempKeys === undefined ? [] : yield* namedIn(visit, tempKeys, [...history.events, ...attempts])
  const names: Names = {
    users: new Map(details?.residents.map(({ userId, name }) => [userId, name === "" ? userId : name])),
    tempKeys: new Map(named.flatMap(({ id, description }) => (description === null ? [] : [[id, description]]))),
    pending: new Map(details?.pendingCommands.map(({ commandId, expiresAt = "9" }) => [commandId, expiresAt])),
    now: new Date(visit.at).toISOString()
  }
  const lines = linesOf(history.events, attempts, names)
  return {
    title: name,
    live: visit.principal._tag === "User" ? undefined : `${pathOf(visit)}/live`,
    body: html`
<p class="buttons">
${may(visit, "open") && link(`${pathOf(visit)}/open`, texts.open)}
${may(visit, "temp-keys") && link(`/console/temp-keys/new?doors=${idOf(visit)}`, texts.newTempKey, "plain")}
${link(`${pathOf(visit)}/why`, texts.ask, "plain")}
${link(`${pathOf(visit)}/pictures`, texts.pictures, "plain")}
${details !== undefined && link(`${pathOf(visit)}/device`, en.device.link, "plain")}
${may(visit, "keys") && details !== undefined && link(`${pathOf(visit)}/describe-lock`, texts.describe, "plain")}
${may(visit, "admin") && details !== undefined && link(`${pathOf(visit)}/retire-lock`, texts.retire, "plain")}
</p>
${details !== undefined && html`<section class="card" id="facts" data-live>${facts(details, zone)}</section>`}
${presence !== undefined && presence.changes.length > 0 && html`<section class="card" id="presence" data-live>${presenceStrip(presence.changes, visit.at, zone)}</section>`}
<div class="columns">
<div>
<section class="card"><h2>${texts.timeline.title}</h2>
<p class="quiet">${texts.zone(zone)}</p>
${filter(visit, kind)}
<div id="timeline" data-live>${timeline(visit, lines, zone)}${paging(visit, history, refused.cursor)}</div>
</section>
</div>
<div>
${details !== undefined && html`<section class="card" id="pending" data-live>${pending(details, names.now, zone)}</section>`}
${tempKeys !== undefined && html`<section class="card" id="temp-keys" data-live>${tempKeysCard(visit, tempKeys, zone)}</section>`}
${details !== undefined && html`<section class="card" id="keys" data-live>${keys(visit, details, exposure, names, zone)}</section>`}
</div>
</div>`
  }
})

/** What was refused since an instant, and where the next page looks for what was before; nothing while that is not known. */
const refusalsSince = Effect.fnUntraced(function* (visit: Visit, since: string | undefined) {
  let cursor = visit.query.get("refused") ?? undefined
  if (since === undefined) return { attempts: [], cursor }
  const attempts: Array<Attempts["attempts"][number]> = []
  for (let page = 0; page < REFUSED_PAGES; page++) {
    const path = pathWith(`${apiOf(visit)}/attempts`, { limit: LINES, cursor })
    const found = yield* ifAllowed(visit.api.ask<Attempts>({ method: "GET", path }))
    attempts.push(...(found?.attempts.filter(({ at }) => at >= since) ?? []))
    if (typeof found?.nextCursor !== "string" || (found.attempts.at(-1)?.at ?? since) < since) break
    cursor = found.nextCursor
  }
  return { attempts, cursor }
})
const nothingRefused = { attempts: [], cursor: undefined }

/** The temp keys that lines are about, with those that are listed already: what they are called says more than their ids. */
const namedIn = Effect.fnUntraced(function* (
  { api, params }: Visit,
  { tempKeys }: TempKeys,
  about: ReadonlyArray<{ readonly tempKeyId?: string | undefined }>
) {
  const ids = new Set(about.flatMap(({ tempKeyId }) => tempKeyId ?? []))
  for (const { id } of tempKeys) ids.delete(id)
  if (ids.size === 0) return tempKeys
  const path = pathWith("/temp-keys", { lockId: params["id"], ids: [...ids].slice(0, MOST_NAMED).join(",") })
  const found = yield* api.ask<TempKeys>({ method: "GET", path })
  return [...tempKeys, ...found.tempKeys]
})
/** As many as the API takes at once. */
const MOST_NAMED = 100

/** The events of the lock as they come: nothing of them is shown but that there are some. */
export const lockLive: Shows = ({ api, params, headers }) => {
  const last = headers["last-event-id"]
  return api.answer({
    method: "GET",
    path: pathWith("/events/stream", { lockId: params["id"], after: "now" }),
    ...(typeof last === "string" && { headers: { "last-event-id": last } })
  })
}

const link = (path: string, words: string, kind = ""): Html =>
  html`<a class="button ${kind}" href="${path}">${words}</a>`

const fact = (name: string, value: Html | string | undefined) =>
  value !== undefined && html`<div><dt>${name}</dt><dd>${value}</dd></div>`

const facts = (
  { lockId, deviceState, presence, ownerId, organizationId, uuid, description }: Details,
  zone: string
): Html => {
  const { bolt, door, battery, batteryLow, firmware, clockOffBy, seenAt } = deviceState ?? {}
  return html`<h2>${texts.now}</h2>
${deviceState === null && html`<p>${texts.facts.never}</p>`}
${clockOffBy !== undefined && html`<p class="notice">${texts.facts.clock(Math.round(clockOffBy / 1000))}</p>`}
<dl class="facts">
${fact(texts.facts.number, String(lockId))}${fact(texts.facts.address, description.address)}${fact(texts.facts.contact, description.contact)}${fact(texts.facts.instructions, description.instructions)}
${fact(en.device.connection.title, connectionOf(presence, zone))}
${fact(texts.facts.bolt, bolt)}${fact(texts.facts.door, door)}
${fact(
  texts.facts.battery,
  battery === undefined && batteryLow !== true
    ? undefined
    : html`${battery !== undefined && `${battery} %`} ${batteryLow === true && badge("bad", texts.facts.low)}`
)}
${fact(texts.facts.seen, seenAt === undefined ? undefined : time(seenAt, zone))}
${fact(texts.facts.owner, ownerId === undefined || ownerId === "" ? texts.facts.nobody : ownerId)}
${fact(texts.facts.organization, organizationId === undefined || organizationId === "" ? texts.facts.nobody : organizationId)}
${fact(texts.facts.hardware, html`<code>${uuid}</code>`)}
${fact(texts.facts.firmware, firmware)}
</dl>`
}

const filter = ({ query }: Visit, chosen: keyof typeof kinds): Html => {
  const isUsed = ["kind", "who", "from", "to"].some((name) => query.get(name))
  const { kinds: words, ...labels } = texts.filter
  const field = (name: "who" | "from" | "to", type: string) =>
    html`<div><label for="filter-${name}">${labels[name]}</label><input id="filter-${name}" name="${name}" type="${type}" value="${query.get(name) ?? ""}"></div>`
  return html`<details class="filter"${isUsed && html` open`}><summary>${labels.title}</summary><form>
<div><label for="filter-kind">${labels.kind}</label><select id="filter-kind" name="kind">${Object.entries(words).map(
    ([kind, word]) => html`<option value="${kind}"${kind === chosen && html` selected`}>${word}</option>`
  )}</select></div>
${field("who", "text")}${field("from", "datetime-local")}${field("to", "datetime-local")}
<div><button class="plain">${labels.button}</button></div></form></details>`
}

const timeline = (visit: Visit, lines: ReadonlyArray<Line>, zone: string): Html => {
  if (lines.length === 0) return html`<p>${texts.timeline.none}</p>`
  let day = ""
  return html`<table class="rows"><caption>${texts.timeline.caption}</caption>
<thead><tr><th scope="col">${texts.timeline.when}</th><th scope="col">${texts.timeline.what}</th><th scope="col">${texts.timeline.who}</th><th scope="col">${texts.timeline.outcome}</th><th scope="col"><span class="quiet">${texts.timeline.why}</span></th></tr></thead>
<tbody>${lines.map((line) => {
    const itsDay = inWords(line.at, zone, "day")
    const isNew = itsDay !== day
    day = itsDay
    return html`${isNew && html`<tr class="day"><th colspan="5" scope="rowgroup">${itsDay}</th></tr>`}${row(visit, line, zone)}`
  })}</tbody></table>`
}

const row = (visit: Visit, { id, at, tone, what, who, via, outcome, tempKeyId }: Line, zone: string): Html => html`<tr>
<td class="when tone ${tone}">${time(at, zone, "clock")}</td>
<td><strong>${tempKeyId !== undefined && may(visit, "temp-keys") ? html`<a href="/console/temp-keys/${encodeURIComponent(tempKeyId)}">${what}</a>` : what}</strong></td>
<td>${who}${via !== "" && html` <span class="quiet">${via}</span>`}</td>
<td class="${tone}">${outcome}</td>
<td><a href="${pathOf(visit)}/why?${new URLSearchParams({ event: id }).toString()}" aria-label="${texts.timeline.whyOf(what)}">${texts.timeline.why}</a></td>
</tr>
`

/** The next page goes on behind the last event of this one, with the refusals before it. */
const paging = ({ query, path }: Visit, history: History, refused: string | undefined): Html => {
  const others = Object.fromEntries(["kind", "who", "from", "to"].map((name) => [name, query.get(name)]))
  const older = pathWith(path, {
    ...others,
    cursor: history.nextCursor,
    before: history.events.at(-1)?.timestamp ?? query.get("before"),
    refused
  })
  return html`<p class="buttons">${query.get("cursor") !== null && link(pathWith(path, others), texts.timeline.newest, "plain")}
${history.nextCursor !== null && link(older, texts.timeline.older, "plain")}</p>`
}

const pending = ({ pendingCommands }: Details, now: string, zone: string): Html => html`<h2>${texts.pending.title}</h2>
${
  pendingCommands.length === 0
    ? html`<p>${texts.pending.none}</p>`
    : html`<table><caption>${texts.pending.caption}</caption><thead><tr><th scope="col">${texts.pending.command}</th><th scope="col">${texts.pending.asked}</th></tr></thead><tbody>${pendingCommands.map(
        ({ type, requestedAt, expiresAt }) =>
          html`<tr><th scope="row">${texts.pending.types[type] ?? type}</th><td>${time(requestedAt, zone)} ${expiresAt !== undefined && expiresAt <= now && badge("bad", texts.pending.tooLate)}</td></tr>`
      )}</tbody></table>`
}`

const tempKeysCard = (visit: Visit, { tempKeys }: TempKeys, zone: string): Html => html`<h2>${texts.tempKeys.title}</h2>
${
  tempKeys.length === 0
    ? html`<p>${texts.tempKeys.none}</p>`
    : html`<table><caption>${texts.tempKeys.caption}</caption><thead><tr><th scope="col">${texts.tempKeys.name}</th><th scope="col">${texts.tempKeys.status}</th><th scope="col">${texts.tempKeys.until}</th></tr></thead><tbody>${tempKeys.map(
        ({ id, description, status, suspended, validUntil }) =>
          html`<tr><th scope="row"><a href="/console/temp-keys/${encodeURIComponent(id)}">${description ?? shortId(id)}</a></th><td>${statusBadge(status, suspended)}</td><td>${time(validUntil, zone)}</td></tr>`
      )}</tbody></table>`
}
<p><a href="/console/temp-keys?lockId=${idOf(visit)}&amp;status=">${texts.tempKeys.more}</a></p>`

const HARDWARE_TONES: Readonly<Record<string, string>> = {
  confirmed: "good",
  attention: "bad",
  failed: "bad",
  unknown: ""
}

const keys = (visit: Visit, details: Details, exposure: Exposure | undefined, names: Names, zone: string): Html => {
  const words = texts.keys
  const exposed = exposure?.keys ?? []
  return html`<h2>${words.title}</h2>
${
  details.keys.length === 0
    ? html`<p>${words.none}</p>`
    : html`<table><caption>${words.caption}</caption><thead><tr><th scope="col">${words.key}</th><th scope="col">${words.holder}</th><th scope="col">${words.hardware}</th></tr></thead><tbody>${details.keys
        .slice(0, 100)
        .map(
          ({ uuid, indexNumber, userId, hardware, inherited }) =>
            html`<tr><th scope="row">${shortId(uuid)}${indexNumber !== undefined && html` <span class="quiet">${words.slot} ${indexNumber}</span>`}</th><td>${userId !== undefined && nameOf(userId, names.users)} ${inherited === true && badge("warn", words.inherited)}</td><td>${badge(HARDWARE_TONES[hardware.status] ?? "warn", words.states[hardware.status])}</td></tr>`
        )}</tbody></table>`
}
${
  exposed.length > 0 &&
  html`<div class="notice bad"><p>${words.exposed}</p><ul>${exposed.map(
    ({ keyUuid, reason, exposedSince }) =>
      html`<li>${shortId(keyUuid)}: ${words.reasons[reason]}, ${words.since} ${time(exposedSince, zone)}</li>`
  )}</ul></div>`
}
${
  may(visit, "keys") &&
  html`<p class="buttons">${link(`${pathOf(visit)}/sync`, texts.sync, "plain")}
${details.keys.some(({ inherited }) => inherited === true) && link(`${pathOf(visit)}/remove-inherited-keys`, words.removeInherited, "plain")}</p>`
}`
}

const command = (visit: Visit, name: string, body?: object): ApiCall => ({
  method: "POST",
  path: `${apiOf(visit)}/${name}`,
  ...(body && { body })
})
const number = ({ params }: Visit): string => params["id"] ?? ""

const textField = (form: URLSearchParams, name: string, label: string, more: Html = html``): Html =>
  html`<div class="field"><label for="${name}">${label}</label><input id="${name}" name="${name}" value="${form.get(name) ?? ""}"${more}></div>`

const reasonIn = ({ form }: Visit): object => {
  const reason = form.get("reason")
  return reason ? { reason } : {}
}

const DESCRIBED = ["name", "timeZone", "address", "contact", "instructions"] as const

/** What can be done at a lock. */
export const lockActions = {
  open: {
    scope: "open",
    title: (visit) => Effect.map(nameOfLock(visit, number(visit)), en.open.title),
    will: () => en.open.will,
    button: en.open.button,
    back: pathOf,
    fields: ({ form }) => Effect.succeed(textField(form, "reason", en.open.reason)),
    call: (visit) => command(visit, "OpenLock", reasonIn(visit)),
    shows: (_, { offline }) =>
      offline === true ? html`<p class="notice">${en.open.offline}</p>` : html`<p>${en.open.told}</p>`
  },
  "describe-lock": {
    scope: "keys",
    title: (visit) => Effect.map(nameOfLock(visit, number(visit)), en.describe.title),
    will: () => en.describe.will,
    button: en.describe.button,
    back: pathOf,
    fields: Effect.fnUntraced(function* (visit) {
      const details = visit.method === "GET" ? yield* detailsOf(visit, number(visit)) : undefined
      return html`${DESCRIBED.map((part) => {
        const value = visit.form.get(part) ?? details?.description[part] ?? ""
        const field =
          part === "instructions"
            ? html`<textarea id="${part}" name="${part}" rows="4">${value}</textarea>`
            : html`<input id="${part}" name="${part}" value="${value}">`
        return html`<div class="field"><label for="${part}">${en.describe[part]}</label>${field}</div>`
      })}`
    }),
    call: (visit) => {
      const { form, method } = visit
      const said = Object.fromEntries(DESCRIBED.map((part) => [part, form.get(part)?.trim() || null]))
      return command(visit, "describe-lock", method === "GET" ? { name: "Room 12" } : said)
    }
  },
  "retire-lock": {
    scope: "admin",
    title: (visit) => Effect.map(nameOfLock(visit, number(visit)), en.retire.title),
    will: () => en.retire.will,
    forGood: en.retire.forGood,
    button: en.retire.button,
    back: pathOf,
    fields: ({ form }) => Effect.succeed(textField(form, "reason", en.open.reason)),
    call: (visit) => command(visit, "retire-lock", reasonIn(visit))
  },
  sync: {
    scope: "keys",
    title: (visit) => Effect.map(nameOfLock(visit, number(visit)), en.sync.title),
    will: () => en.sync.will,
    button: en.sync.button,
    back: pathOf,
    call: (visit) => command(visit, "sync", {})
  },
  "remove-inherited-keys": {
    scope: "keys",
    title: (visit) => Effect.map(nameOfLock(visit, number(visit)), en.removeInherited.title),
    will: () => en.removeInherited.will,
    forGood: en.removeInherited.forGood,
    button: en.removeInherited.button,
    back: pathOf,
    call: (visit) => command(visit, "remove-inherited-keys")
  }
} satisfies Readonly<Record<string, Action>>

/** A lock that there is not yet. */
export const newLock: Action = {
  scope: "admin",
  title: () => en.newLock.title,
  will: () => en.newLock.will,
  button: en.newLock.button,
  back: () => "/console/locks",
  fields: ({ form }) =>
    Effect.succeed(html`${textField(form, "lockId", en.newLock.number, html` required inputmode="numeric" pattern="[0-9]+"`)}
${textField(form, "uuid", en.newLock.uuid, html` required autocomplete="off" spellcheck="false"`)}
${textField(form, "claimCode", en.newLock.claimCode, html` autocomplete="off" spellcheck="false"`)}`),
  call: ({ form, method }) => {
    const [lockId, uuid] =
      method === "GET" ? ["12", "the-uuid-of-the-device"] : [form.get("lockId") ?? "", form.get("uuid")?.trim() ?? ""]
    const claimCode = method === "GET" ? "7KQ2M-0XW4B-ZT9RC-H3VJ8-5DPNA" : form.get("claimCode")?.trim()
    const body = { index: Number(lockId), uuid, ...(claimCode && { claimCode }) }
    return { method: "POST", path: `/locks/${encodeURIComponent(lockId)}/CreateLock`, body }
  },
  shows: ({ form }) => {
    const path = `/console/locks/${encodeURIComponent(form.get("lockId") ?? "")}/describe-lock`
    return html`<p>${link(path, en.newLock.next)}</p>`
  }
}
