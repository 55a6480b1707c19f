/** The pages that guests see: of a key, of its opening, and of what went wrong. They work without scripts. */
import type { GuestDoor, GuestKey } from "@latchkey/core"
import { favicon, tokens } from "../pages/Asset.ts"
import { type Html, html } from "../pages/Html.ts"
import { icons } from "../pages/icons.ts"
import { prefersPage } from "../pages/prefersPage.ts"
import type { Answer } from "../server/Answer.ts"
import type { Manner } from "../server/Routes.ts"
import { script, style } from "./assets.ts"
import { pathOfKey } from "./GuestSession.ts"
import { en } from "./texts/en.ts"

const texts = en

/** What can be said of a key that is there: its status and, when that allows to open, whether this guest may. */
type KeyState = keyof typeof texts.states
/** What went wrong. */
export type PageProblem = keyof typeof texts.problems

export interface KeyPage {
  readonly uuid: string
  readonly key: GuestKey
  /** Stands for this view of the page. */
  readonly ticket: string
  /** What became of an attempt to open. */
  readonly notice?: PageProblem | undefined
}

/** An opening; `at` is epoch milliseconds. */
export interface Confirmation {
  readonly uuid: string
  readonly kind: keyof typeof texts.confirmation
  readonly at: number
  /** Whether the key may still open. */
  readonly again: boolean
  /** Of the door, if it has said so. */
  readonly timeZone?: string | undefined
}

/** Browsers are shown pages of what went wrong, and may send forms. */
export const guestManner = (signInUrl: string | undefined): Manner => {
  const pages = makePages(signInUrl)
  return {
    takesForms: true,
    headers: { vary: "Accept" },
    problem: ({ code }, { method, headers, params }) =>
      method !== "POST" || prefersPage(headers) ? pages.problem(code, params["uuid"]) : undefined
  }
}

/** The pages of one installation; `signInUrl` is where guests sign in, if there is such a place. */
export const makePages = (signInUrl: string | undefined) => {
  const headers = pageHeaders(signInUrl)
  const page = (status: number, content: Content): Answer => ({
    status,
    contentType: "text/html; charset=utf-8",
    body: layout(content).markup,
    headers
  })

  return {
    key: (status: number, { uuid, key, ticket, notice }: KeyPage): Answer => {
      const state = stateOf(key)
      const { title } = texts.states[state]
      const about = aboutKey(key, state)
      const below = [
        ...(key.status === "deleted" ? [] : [placeOf(key)]),
        ...(state === "valid" && key.status === "valid" ? [controls(uuid, key, ticket)] : []),
        ...(key.status === "deleted" ? [] : [guidance(key)]),
        ...(state === "sign-in" || state === "not-listed" ? [signIn(uuid, signInUrl)] : [])
      ]
      if (notice === undefined) {
        return page(status, {
          title,
          tone: state === "valid" ? "good" : "calm",
          icon: stateIcons[state],
          text: about,
          below
        })
      }
      const problem = texts.problems[notice]
      return page(status, {
        title: problem.title,
        tone: "warning",
        icon: icons.offline,
        text: html`${problem.text}`,
        below: [html`<p>${about}</p>`, ...below]
      })
    },

    confirmation: ({ uuid, kind, at, again, timeZone }: Confirmation): Answer => {
      const { title, text } = texts.confirmation[kind]
      return page(200, {
        title,
        tone:
          kind === "told" || kind === "done" ? "good" : kind === "failed" || kind === "returned" ? "warning" : "calm",
        icon: confirmationIcons[kind],
        text: text(time(at, timeZone, "second")),
        below: [again ? linkTo(uuid, texts.again) : linkTo(uuid, texts.back)],
        ...(isWaiting(kind) && { waits: true })
      })
    },

    /** What went wrong, by its status, and the way back to the key. */
    problem: (status: number, uuid: string | undefined): Answer => {
      const problem = problemsByStatus[status] ?? (status < 500 ? "stale" : "broken")
      const { title, text } = texts.problems[problem]
      return page(status, {
        title,
        tone: "calm",
        icon: problem === "unknown" ? icons.question : icons.offline,
        text: html`${text}`,
        below: uuid === undefined || problem === "unknown" ? [] : [linkTo(uuid, texts.back)]
      })
    }
  }
}

/** Whether the lock may still answer. */
const isWaiting = (kind: Confirmation["kind"]): boolean => kind === "told" || kind === "offline"

const confirmationIcons: { readonly [Kind in Confirmation["kind"]]: Html } = {
  told: icons.check,
  offline: icons.offline,
  done: icons.check,
  returned: icons.cross,
  failed: icons.cross,
  silent: icons.question,
  past: icons.clock,
  none: icons.key
}

const problemsByStatus: Readonly<Record<number, PageProblem>> = {
  401: "signed-out",
  404: "unknown",
  429: "too-often",
  503: "unavailable"
}

const stateOf = (key: GuestKey): KeyState => {
  if (key.status !== "valid") return key.status
  return key.admission === "admitted" ? "valid" : key.admission
}

/** When the key works, as far as it matters now: until when, or from when on. */
const aboutKey = (key: GuestKey, state: KeyState): Html => {
  const { text } = texts.states[state]
  if (key.status === "deleted") return text(html``, html``)
  const { status, validFrom, validUntil, nextChangeAt = validUntil } = key
  const timeZone = timeZoneOf(key)
  if (status === "not-yet-valid" && nextChangeAt > validFrom) {
    return nextChangeAt < validUntil ? texts.worksNext(time(nextChangeAt, timeZone)) : html`${texts.worksNoMore}`
  }
  const ends = status === "valid" && nextChangeAt < validUntil ? nextChangeAt : validUntil
  return text(time(nextChangeAt, timeZone), time(ends, timeZone))
}

/** In which the clocks at the door are; of several doors, at the first that has said so, unless one is named. */
export const timeZoneOf = (key: GuestKey, doorId?: number): string | undefined =>
  key.status === "deleted"
    ? undefined
    : key.doors
        .filter(({ id }) => doorId === undefined || id === doorId)
        .map(({ place }) => place?.timeZone)
        .find((timeZone) => timeZone !== undefined)

type Known = Exclude<GuestKey, { readonly status: "deleted" }>

/** Which door a key of one door is for. */
const placeOf = ({ doors }: Known): Html => {
  const [{ label, place } = {}, ...others] = doors
  const name = label ?? place?.name
  if (others.length > 0 || (name === undefined && place?.address === undefined)) return html``
  return html`<p class="place">${name !== undefined && html`<strong>${name}</strong>`} ${place?.address}</p>`
}

/** How to get there and whom to ask, each once: doors of one house mostly say the same. */
const guidance = ({ doors }: Known): Html => {
  const said = (part: "instructions" | "contact") => [...new Set(doors.flatMap(({ place }) => place?.[part] ?? []))]
  return html`${said("instructions").map((words) => html`<p class="guidance">${words}</p>`)}
${said("contact").map((words) => html`<p class="guidance">${texts.contact(words)}</p>`)}`
}

const stateIcons: Readonly<Record<KeyState, Html>> = {
  valid: icons.key,
  "not-yet-valid": icons.clock,
  expired: icons.ended,
  "used-up": icons.ended,
  deleted: icons.cross,
  withdrawn: icons.cross,
  "sign-in": icons.person,
  "not-listed": icons.person
}

/** A form for each door that the link opens. The script puts a slider in its place. */
const controls = (uuid: string, key: Known, ticket: string): Html => html`
${key.usesLeft !== null && html`<p>${texts.usesLeft(key.usesLeft)}</p>`}
${key.doors.map((door) => (door.id === undefined ? control(uuid, door, ticket) : section(uuid, door, ticket)))}
<template id="slide">
<div class="slide">
<span class="track" aria-hidden="true"><span class="fill"></span><span class="words">${texts.slide}</span></span>
<input type="range" min="0" max="100" value="0" autocomplete="off">
<span class="knob" aria-hidden="true">${icons.arrow}</span>
</div>
<p class="how">${texts.slideHow} <span class="keyboard">${texts.slideHowByKeyboard}</span></p>
<p class="status" role="status" data-hold="${texts.hold}" data-opening="${texts.opening}"></p>
</template>`

/** One of several doors, under its name. */
const section = (uuid: string, door: GuestDoor, ticket: string): Html => html`<section>
<h2>${nameOf(door)}</h2>${door.place?.address !== undefined && html`<p>${door.place.address}</p>`}
${door.withdrawn === true ? html`<p>${texts.withdrawn}</p>` : door.opensBy === "pin" ? html`<p>${texts.byPin}</p>` : control(uuid, door, ticket)}
</section>`

const nameOf = ({ id, label, place }: GuestDoor): string => label ?? place?.name ?? texts.door(id)

const control = (uuid: string, door: GuestDoor, ticket: string): Html => {
  const { id, online } = door
  const isNamed = id !== undefined || door.place?.name !== undefined
  return html`${online === false && html`<div class="notice">${icons.offline}<p>${texts.offline}</p></div>`}
<form class="open" method="post" action="${pathOfKey(uuid)}${id !== undefined && `/doors/${id}`}/open">
<input type="hidden" name="ticket" value="${ticket}">
<button>${texts.open(isNamed ? nameOf(door) : undefined)}</button>
</form>`
}

/** Where guests sign in learns by this form, not by an address, which page they come from. */
const signIn = (uuid: string, signInUrl: string | undefined): Html =>
  signInUrl === undefined
    ? html`<p>${texts.signInElsewhere}</p>`
    : html`<form method="post" action="${signInUrl}">
<input type="hidden" name="return_to" value="${pathOfKey(uuid)}">
<button>${texts.signIn}</button>
</form>`

const linkTo = (uuid: string, words: string): Html => html`<a class="button" href="${pathOfKey(uuid)}">${words}</a>`

/** In the time of the door, which is named; while that is not known in UTC, which the script makes the guest's own time. */
const time = (at: number, timeZone: string | undefined, precision?: "second"): Html => {
  const second = precision === "second" ? ({ second: "2-digit" } as const) : {}
  const words = new Intl.DateTimeFormat(texts.locale, {
    weekday: "long",
    day: "numeric",
    month: "long",
    year: "numeric",
    hour: "2-digit",
    minute: "2-digit",
    ...second,
    ...(timeZone === undefined ? { timeZone: "UTC", timeZoneName: "short" } : { timeZone })
  })
  return html`<time datetime="${new Date(at).toISOString()}" data-precision="${precision ?? "minute"}"${timeZone !== undefined && html` data-zone="${timeZone}"`}>${words.format(at)}</time>${timeZone !== undefined && ` ${texts.inZone(timeZone)}`}`
}

interface Content {
  readonly title: string
  readonly tone: "good" | "calm" | "warning"
  readonly icon: Html
  readonly text: Html
  readonly below: ReadonlyArray<Html>
  /** The same page soon says more: the script asks for it, and without scripts the browser does. */
  readonly waits?: boolean
}

const layout = ({ title, tone, icon, text, below, waits = false }: Content): Html => html`<!doctype html>
<html lang="${texts.lang}">
<head>
<meta charset="utf-8">
<title>${title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
<link rel="icon" type="image/svg+xml" href="${favicon.href}">
<link rel="stylesheet" href="${tokens.href}">
<link rel="stylesheet" href="${style.href}">
${
  waits &&
  html`<noscript><meta http-equiv="refresh" content="3"></noscript>
`
}</head>
<body>
<main class="${tone}"${waits && html` data-waits aria-live="polite"`}>
<div class="icon">${icon}</div>
<h1>${title}</h1>
<p>${text}</p>
${below}
</main>
<script src="${script.href}"></script>
</body>
</html>
`

/** Nothing but our own files may run or be shown, nobody may frame a page, keep it, list it, or learn its address. */
const pageHeaders = (signInUrl: string | undefined): Readonly<Record<string, string>> => ({
  "cache-control": "no-store",
  "content-security-policy": [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "connect-src 'self'",
    `form-action 'self'${signInUrl === undefined ? "" : ` ${new URL(signInUrl).origin}`}`,
    "base-uri 'none'",
    "frame-ancestors 'none'"
  ].join("; "),
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "x-robots-tag": "noindex"
})
