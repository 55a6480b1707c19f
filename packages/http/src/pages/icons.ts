/** Pictures of pages, drawn in lines of the text's colour. They say nothing that the words do not. */
import { type Html, html } from "./Html.ts"

const icon = (paths: Html): Html =>
  html`<svg viewBox="0 0 24 24" width="24" height="24" fill="none" stroke="currentColor" stroke-width="1.75" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true" focusable="false">${paths}</svg>`

export const icons = {
  key: icon(html`<circle cx="8" cy="15" r="4.25"/><path d="m11 12 8.5-8.5M16 7l3 3"/>`),
  clock: icon(html`<circle cx="12" cy="12" r="8.5"/><path d="M12 7.5V12l3 2"/>`),
  ended: icon(
    html`<path d="M7 3.5h10M7 20.5h10M8 3.5v3.2c0 2 4 3.6 4 5.3s-4 3.3-4 5.3v3.2M16 3.5v3.2c0 2-4 3.6-4 5.3s4 3.3 4 5.3v3.2"/>`
  ),
  cross: icon(html`<circle cx="12" cy="12" r="8.5"/><path d="m9 9 6 6m0-6-6 6"/>`),
  question: icon(
    html`<circle cx="12" cy="12" r="8.5"/><path d="M9.7 9.6a2.4 2.4 0 1 1 3.3 2.2c-.7.3-1 .8-1 1.7M12 16.4v.1"/>`
  ),
  person: icon(html`<circle cx="12" cy="8.5" r="3.75"/><path d="M4.5 20c1-3.6 4-5.25 7.5-5.25s6.5 1.65 7.5 5.25"/>`),
  offline: icon(
    html`<path d="M4 4l16 16M8.6 15.2a5 5 0 0 1 6.3-.3M5.3 11.9a9.5 9.5 0 0 1 4.5-2.5M18.7 11.9a9.5 9.5 0 0 0-4.9-2.6M12 18.9v.1"/>`
  ),
  check: icon(html`<circle cx="12" cy="12" r="8.5"/><path d="m8.3 12.3 2.5 2.5 5-5.3"/>`),
  globe: icon(
    html`<circle cx="12" cy="12" r="8.5"/><path d="M3.5 12h17M12 3.5c2.3 2.4 3.5 5.2 3.5 8.5s-1.2 6.1-3.5 8.5c-2.3-2.4-3.5-5.2-3.5-8.5s1.2-6.1 3.5-8.5"/>`
  ),
  arrow: icon(html`<path d="M5 12h14m-5.5-5.5L19 12l-5.5 5.5"/>`)
} satisfies Readonly<Record<string, Html>>
