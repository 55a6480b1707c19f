/** What a temp key's status is called, in a colour that its words do without. */
import { type Html, html } from "../../pages/Html.ts"
import { en } from "../texts/en.ts"

const TONES: Readonly<Record<string, string>> = { valid: "good", "not-yet-valid": "warn" }

export const badge = (tone: string, words: string): Html => html`<span class="badge ${tone}">${words}</span>`

export const statusBadge = (status: string, isSuspended: boolean): Html =>
  isSuspended
    ? badge("warn", en.tempKeys.suspended)
    : badge(TONES[status] ?? "", en.tempKeys.statuses[status] ?? status)
