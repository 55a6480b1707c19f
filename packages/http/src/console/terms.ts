/** The terms of a temp key as a form asks for them: when it works, who may use it, and how often. */
import { type Html, html } from "../pages/Html.ts"
import { en } from "./texts/en.ts"
import { instantAt, wallTime, zoneOr } from "./times.ts"
import { DAYS, type Week } from "./week.ts"

const texts = en.terms

/** What a form says, as the API takes it; members that it leaves open say that there is no such term. */
export const termsIn = (form: URLSearchParams) => {
  const zone = zoneOr(form.get("zone") ?? undefined)
  const users = wordsIn(form.get("users"))
  const uses = Number(form.get("uses"))
  const [from, until] = [instantAt(form.get("from"), zone), instantAt(form.get("until"), zone)]
  return {
    ...(from !== undefined && { validFrom: from }),
    ...(until !== undefined && { validUntil: until }),
    schedule: scheduleIn(form) ?? null,
    accessMode: users.length === 0 ? "public" : "user-whitelist",
    ...(users.length > 0 && { allowedUserIds: users }),
    maxUses: uses > 0 ? uses : null,
    description: form.get("description")?.trim() || null
  }
}

/** The weekly times that a form says, if any. What a row leaves out, the API misses. */
export const scheduleIn = (form: URLSearchParams): Week | undefined => {
  const windows = Array.from({ length: MOST_ROWS }, (_, row) => ({
    days: DAYS.filter((day) => form.getAll(`days${row}`).includes(day)),
    from: form.get(`from${row}`) ?? "",
    to: form.get(`to${row}`) ?? ""
  })).filter(({ days, from, to }) => days.length > 0 || from !== "" || to !== "")
  return windows.length === 0 ? undefined : { timeZone: form.get("zone") ?? "", windows }
}

/** As the API bounds them. */
const MOST_ROWS = 50

/** What there is of a key, as its form would have said it. */
export const formOf = (
  key: {
    readonly validFrom: string
    readonly validUntil: string
    readonly schedule: Week | null
    readonly allowedUserIds: ReadonlyArray<string>
    readonly maxUses?: number | null | undefined
    readonly description: string | null
  },
  zone: string
): URLSearchParams => {
  const itsZone = key.schedule?.timeZone ?? zone
  const form = new URLSearchParams({
    zone: itsZone,
    from: wallTime(key.validFrom, itsZone),
    until: wallTime(key.validUntil, itsZone),
    users: key.allowedUserIds.join("\n"),
    uses: key.maxUses === null || key.maxUses === undefined ? "" : String(key.maxUses),
    description: key.description ?? ""
  })
  key.schedule?.windows.forEach(({ days, from, to }, row) => {
    for (const day of days) form.append(`days${row}`, day)
    form.set(`from${row}`, from)
    form.set(`to${row}`, to)
  })
  return form
}

const input = (form: URLSearchParams, name: string, label: string, type: string, more: Html = html``): Html =>
  html`<div class="field"><label for="${name}">${label}</label><input id="${name}" name="${name}" type="${type}" value="${form.get(name) ?? ""}"${more}></div>`

/** When it works: from, until, and the weekly times within. */
export const whenFields = (form: URLSearchParams): Html => {
  const rows = Math.min(MOST_ROWS, (scheduleIn(form)?.windows.length ?? 0) + 1)
  return html`${input(form, "from", texts.from, "datetime-local", html` required`)}
${input(form, "until", texts.until, "datetime-local", html` required`)}
${input(form, "zone", texts.zone, "text", html` required autocomplete="off"`)}
${Array.from({ length: rows }, (_, row) => window(form, row))}
<p class="hint">${texts.weekHint}</p>`
}

const window = (form: URLSearchParams, row: number): Html => html`<fieldset><legend>${texts.week(row + 1)}</legend>
<div class="choices">${DAYS.map(
  (day) =>
    html`<label><input type="checkbox" name="days${row}" value="${day}"${form.getAll(`days${row}`).includes(day) && html` checked`}>${en.week.days[day]}</label>`
)}</div>
<div class="choices">${input(form, `from${row}`, texts.opens, "time")}${input(form, `to${row}`, texts.closes, "time")}</div></fieldset>`

/** Who may use it, how often, and what it is called. */
export const whoFields = (
  form: URLSearchParams
): Html => html`${input(form, "description", texts.description, "text", html` maxlength="200"`)}
<div class="field"><label for="users">${texts.users}</label><textarea id="users" name="users" rows="3" aria-describedby="users-hint">${form.get("users") ?? ""}</textarea><p class="hint" id="users-hint">${texts.usersHint}</p></div>
${input(form, "uses", texts.uses, "number", html` min="1"`)}`

/** Words with anything between that is none. */
export const wordsIn = (text: string | null): ReadonlyArray<string> =>
  (text ?? "").split(/[\s,;]+/).filter((word) => word !== "")
