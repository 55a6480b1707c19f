/** The pages that guests see: of a key, of its opening, and of what went wrong. They work without scripts. */
import type { Brand, GuestDoor, GuestKey } from "@latchkey/core"
import { type Html, html } from "../pages/Html.ts"
import { icons } from "../pages/icons.ts"
import { prefersPage } from "../pages/prefersPage.ts"
import type { Answer } from "../server/Answer.ts"
import type { Manner } from "../server/Routes.ts"
import { pathOfKey } from "./GuestSession.ts"
import { pageMaker } from "./Layout.ts"
import { type Reader, readerOf } from "./Reader.ts"
import { nameOfZone, time, weekTable } from "./Times.ts"
import type { Texts } from "./texts/en.ts"

/** What can be said of a key that is there: its status and, when that allows to open, whether this guest may. */
type KeyState = keyof Texts["states"]
/** What went wrong. */
export type PageProblem = keyof Texts["problems"]

export interface KeyPage {
  readonly uuid: string
  readonly key: GuestKey
  readonly brand?: Brand | undefined
  /** Stands for this view of the page. */
  readonly ticket: string
  /** What became of an attempt to open. */
  readonly notice?: PageProblem | undefined
}

/** An opening; `at` is epoch milliseconds. */
export interface Confirmation {
  readonly uuid: string
  /** The address of the confirmation. */
  readonly here: string
  readonly kind: keyof Texts["confirmation"]
  readonly at: number
  readonly key: GuestKey
  readonly brand?: Brand | undefined
  /** Which door it was, of several. */
  readonly door?: number | undefined
}

/** Browsers are shown pages of what went wrong, and may send forms. */
export const guestManner = (signInUrl: string | undefined, brand: Brand | undefined): Manner => {
  const pages = makePages(signInUrl)
  return {
    takesForms: true,
    headers: { vary: "Accept, Accept-Language, Cookie" },
    problem: ({ code }, { method, headers, params, url }) =>
      method !== "POST" || prefersPage(headers)
        ? pages.problem(code, readerOf(headers, 0, languageIn(url)), params["uuid"], brand)
        : undefined
  }
}

const languageIn = (url: string): string | undefined =>
  new URLSearchParams(url.split("?", 2)[1] ?? "").get("lang") ?? undefined

/** The pages of one installation; `signInUrl` is where guests sign in, if there is such a place. */
export const makePages = (signInUrl: string | undefined) => {
  const page = pageMaker(signInUrl)

  return {
    key: (status: number, reader: Reader, { uuid, key, brand, ticket, notice }: KeyPage): Answer => {
      const { texts } = reader
      const state = stateOf(key)
      const { title } = texts.states[state]
      const about = aboutKey(reader, key, state)
      const here = pathOfKey(uuid)
      const known = key.status === "deleted" ? undefined : key
      const opens = state === "valid" && known !== undefined
      const below = known === undefined ? [] : described(reader, uuid, known, opens ? ticket : undefined)
      const only = known === undefined ? undefined : onlyDoor(known)
      const act =
        opens && only !== undefined
          ? control(reader, uuid, only, ticket)
          : state === "sign-in" || state === "not-listed"
            ? signIn(texts, uuid, signInUrl)
            : undefined
      if (notice === undefined) {
        const tone = state === "valid" ? "good" : "calm"
        return page(status, reader, { title, tone, icon: stateIcons[state], text: about, below, act, here, brand })
      }
      const problem = texts.problems[notice]
      return page(status, reader, {
        title: problem.title,
        tone: "warning",
        icon: icons.offline,
        text: html`${problem.text}`,
        below: [html`<p>${about}</p>`, ...below],
        act,
        here,
        brand
      })
    },

    confirmation: (reader: Reader, { uuid, here, kind, at, key, brand, door }: Confirmation): Answer => {
      const { texts } = reader
      const { title, text } = texts.confirmation[kind]
      const timeZone = timeZoneOf(key, door)
      // What was told of the door, and of when, is there as long as the key is.
      const when = time(reader, at, timeZone, kind === "past" ? "day-and-clock" : "clock")
      const opened = kind === "none" || key.status === "deleted" ? undefined : doorIn(key, door)
      return page(200, reader, {
        title,
        tone:
          kind === "told" || kind === "done" ? "good" : kind === "failed" || kind === "returned" ? "warning" : "calm",
        icon: confirmationIcons[kind],
        text: text(when),
        below: [
          ...(kind === "none" ? [] : [zoneLine(reader, timeZone)]),
          ...(opened === undefined ? [] : [placeOf(texts, opened)])
        ],
        act: linkTo(uuid, key.status === "valid" ? texts.again : texts.back),
        here,
        brand,
        ...(isWaiting(kind) && { waits: true })
      })
    },

    /** What went wrong, by its status, and the way back to the key. */
    problem: (status: number, reader: Reader, uuid: string | undefined, brand?: Brand): Answer => {
      const { texts } = reader
      const problem = problemsByStatus[status] ?? (status < 500 ? "stale" : "broken")
      const { title, text } = texts.problems[problem]
      return page(status, reader, {
        title,
        tone: "calm",
        icon: problem === "unknown" ? icons.question : icons.offline,
        text: html`${text}`,
        brand,
        here: uuid === undefined ? undefined : pathOfKey(uuid),
        act: uuid === undefined || problem === "unknown" ? undefined : linkTo(uuid, texts.back)
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
const aboutKey = (reader: Reader, key: GuestKey, state: KeyState): Html => {
  const { texts } = reader
  const { text } = texts.states[state]
  if (key.status === "deleted") return text(html``, html``)
  const { status, validFrom, validUntil, nextChangeAt = validUntil } = key
  const at = (instant: number) => time(reader, instant, timeZoneOf(key))
  if (status === "not-yet-valid" && nextChangeAt > validFrom) {
    return nextChangeAt < validUntil ? texts.worksNext(at(nextChangeAt)) : html`${texts.worksNoMore}`
  }
  const ends = status === "valid" && nextChangeAt < validUntil ? nextChangeAt : validUntil
  return text(at(nextChangeAt), at(ends))
}

/** States of a key in which times are told. */
const TIMED: ReadonlySet<string> = new Set(["valid", "not-yet-valid", "expired"])

type Known = Exclude<GuestKey, { readonly status: "deleted" }>

/**
 * In which the clocks at the door are; of several doors, at the first that has said so, unless one is named. Else the zone in
 * which the key's own hours are told.
 */
const timeZoneOf = (key: GuestKey, doorId?: number): string | undefined =>
  key.status === "deleted"
    ? undefined
    : (key.doors
        .filter(({ id }) => doorId === undefined || id === doorId)
        .map(({ place }) => place?.timeZone)
        .find((timeZone) => timeZone !== undefined) ?? key.schedule?.timeZone)

const zoneLine = (reader: Reader, timeZone: string | undefined): Html =>
  timeZone === undefined ? html`` : html`<p class="zone">${reader.texts.zone(nameOfZone(reader, timeZone))}</p>`

/** The door of a key that opens this one by its link, and no other. */
const onlyDoor = ({ doors: [door, ...others] }: Known): GuestDoor | undefined =>
  others.length === 0 && door?.opensBy === "link" && door.withdrawn !== true ? door : undefined

const doorIn = ({ doors }: Known, id: number | undefined): GuestDoor | undefined =>
  doors.find((door) => door.id === id || id === undefined)

/** Whether its guest may use a key, now or later. */
export const isUseful = (key: GuestKey): key is Known =>
  key.status !== "deleted" &&
  key.admission === "admitted" &&
  (key.status === "valid" || key.status === "not-yet-valid") &&
  key.doors.some(({ withdrawn }) => withdrawn !== true)

/** What is told of a key besides when it works; there is a ticket when it opens. */
const described = (reader: Reader, uuid: string, key: Known, ticket: string | undefined): ReadonlyArray<Html> => {
  const { texts } = reader
  const [only] = key.doors
  return [
    TIMED.has(key.status) ? zoneLine(reader, timeZoneOf(key)) : html``,
    key.doors.length === 1 && only !== undefined ? placeOf(texts, only) : html``,
    ...(ticket === undefined ? [] : [usesLeft(reader, key), ...doorsOf(reader, uuid, key, ticket)]),
    ...(key.pin === undefined ? [] : [pinOf(texts, key.pin)]),
    guidance(texts, key),
    ...(isUseful(key) && key.schedule !== undefined ? [weekTable(reader, key.schedule)] : []),
    ...(isUseful(key)
      ? [html`<p class="more"><a href="${pathOfKey(uuid)}/calendar.ics">${texts.calendar}</a></p>`]
      : []),
    ...(ticket === undefined ? [] : [slide(texts)])
  ]
}

/** What opens each of several doors; of the only one, which is opened at the end of the page, what is to be known before. */
const doorsOf = (reader: Reader, uuid: string, key: Known, ticket: string): ReadonlyArray<Html> => {
  const only = onlyDoor(key)
  return only === undefined
    ? key.doors.map((door) => section(reader, uuid, door, ticket))
    : [offlineNotice(reader.texts, only)]
}

/** Which door it is, and where: words of those who have it, in whichever language and direction. */
const placeOf = (texts: Texts, door: GuestDoor): Html => {
  const name = door.label ?? door.place?.name
  const address = door.place?.address
  if (name === undefined && address === undefined) return html``
  return html`<p class="place">${name !== undefined && html`<strong dir="auto">${name}</strong>`}${address !== undefined && addressOf(texts, address)}</p>`
}

const addressOf = (texts: Texts, address: string): Html =>
  html` <span dir="auto">${address}</span> <a href="${mapOf(address)}" rel="noreferrer">${texts.map}</a>`

/** Nothing is loaded from there: it is asked when the guest follows the link, and learns the address and nothing of the key. */
const mapOf = (address: string): string => `https://www.openstreetmap.org/search?query=${encodeURIComponent(address)}`

const usesLeft = ({ texts, locale }: Reader, { usesLeft }: Known): Html => {
  if (usesLeft === null) return html``
  const form = new Intl.PluralRules(locale).select(usesLeft)
  const { other, ...forms } = texts.usesLeft
  const say = { other, ...forms }[form === "one" || form === "many" ? form : "other"] ?? other
  return html`<p>${say(new Intl.NumberFormat(locale).format(usesLeft))}</p>`
}

/** Unseen until it is asked for: others may look at the phone. Its digits are in groups, as people say them. */
const pinOf = ({ pin: { show, text } }: Texts, pin: string): Html => html`<details class="pin">
<summary>${show}</summary>
<p>${text} <strong>${pin.replace(/(?=(?:.{4})+$)(?!^)/g, " ")}</strong></p>
</details>`

/** How to get there and whom to ask, each once: doors of one house mostly say the same. */
const guidance = (texts: Texts, { doors }: Known): Html => {
  const said = (part: "instructions" | "contact") => [...new Set(doors.flatMap(({ place }) => place?.[part] ?? []))]
  return html`${said("instructions").map((words) => html`<p class="guidance" dir="auto">${words}</p>`)}
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

/** The slider, which the script puts in the place of the button of each form. */
const slide = (texts: Texts): Html => html`<template id="slide">
<div class="slide">
<span class="track" aria-hidden="true"><span class="fill"></span><span class="words">${texts.slide}</span></span>
<input type="range" min="0" max="100" value="0" autocomplete="off">
<span class="knob" aria-hidden="true">${icons.arrow}</span>
</div>
<p class="status" role="status" data-hold="${texts.hold}" data-opening="${texts.opening}"></p>
</template>`

/** One of several doors, under its name. */
const section = (reader: Reader, uuid: string, door: GuestDoor, ticket: string): Html => {
  const { texts } = reader
  const { place, withdrawn, opensBy } = door
  return html`<section>
<h2 dir="auto">${nameOf(texts, door)}</h2>${place?.address !== undefined && html`<p class="place">${addressOf(texts, place.address)}</p>`}
${withdrawn === true ? html`<p>${texts.withdrawn}</p>` : opensBy === "pin" ? html`<p>${texts.byPin}</p>` : html`${offlineNotice(texts, door)}${control(reader, uuid, door, ticket)}`}
</section>`
}

const nameOf = (texts: Texts, { id, label, place }: GuestDoor): string => label ?? place?.name ?? texts.door(id)

const offlineNotice = (texts: Texts, { online }: GuestDoor): Html =>
  online === false ? html`<div class="notice">${icons.offline}<p>${texts.offline}</p></div>` : html``

/** How the slider is used is there from the beginning, unseen: nothing moves when it takes the button's place. */
const control = ({ texts }: Reader, uuid: string, door: GuestDoor, ticket: string): Html => {
  const { id } = door
  const isNamed = door.label !== undefined || door.place?.name !== undefined
  const isOneOfSeveral = id !== undefined
  return html`<form class="open" method="post" action="${pathOfKey(uuid)}${isOneOfSeveral && `/doors/${id}`}/open">
<input type="hidden" name="ticket" value="${ticket}">
<button><span>${texts.open(isNamed || isOneOfSeveral ? nameOf(texts, door) : undefined)}</span></button>
<p class="how">${texts.slideHow} <span class="keyboard">${texts.slideHowByKeyboard}</span></p>
</form>`
}

/** Where guests sign in learns by this form, not by an address, which page they come from. */
const signIn = (texts: Texts, uuid: string, signInUrl: string | undefined): Html =>
  signInUrl === undefined
    ? html`<p>${texts.signInElsewhere}</p>`
    : html`<form method="post" action="${signInUrl}">
<input type="hidden" name="return_to" value="${pathOfKey(uuid)}">
<button>${texts.signIn}</button>
</form>`

const linkTo = (uuid: string, words: string): Html => html`<a class="button" href="${pathOfKey(uuid)}">${words}</a>`
