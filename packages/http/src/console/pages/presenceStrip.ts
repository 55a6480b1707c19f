/** When a lock's device was there in the last days, as a strip, and why it went, as a table. */
import { type Html, html } from "../../pages/Html.ts"
import type { Told } from "../ApiCalls.ts"
import { en } from "../texts/en.ts"
import { inWords, time } from "../times.ts"
import { badge } from "./status.ts"

type Changes = Told<"locks", "presence">["changes"]

const texts = en.presence
/** The time that the strip shows, and rows of its table, at most. */
const [SPAN, ROWS] = [7 * 86_400_000, 20]
/** Of such a width that words in it can be read on a phone. */
const [WIDTH, HEIGHT, FOOT] = [340, 16, 18]

/** Of changes that are told newest first. What was before the first of them, nobody knows. */
export const presenceStrip = (changes: Changes, now: number, zone: string): Html => {
  const begin = now - SPAN
  const spells = changes.map(({ online, since }, index) => ({
    online,
    from: Math.max(begin, Date.parse(since)),
    to: index === 0 ? now : Date.parse(changes[index - 1]?.since ?? "")
  }))
  const shown = spells.filter(({ from, to }) => to > from)
  const left = (at: number) => ((at - begin) / SPAN) * WIDTH
  const gone = shown.filter(({ online, from }) => !online && from > begin).length
  return html`<h2>${texts.title}</h2>
<p>${texts.gone(gone)}</p>
<svg class="chart strip" viewBox="0 0 ${WIDTH} ${HEIGHT + FOOT}" aria-hidden="true"><rect class="none" x="0" y="0" width="${WIDTH}" height="${HEIGHT}"/>${shown.map(
    ({ online, from, to }) =>
      html`<rect class="${online ? "bar" : "gone"}" x="${left(from).toFixed(1)}" y="${online ? 0 : HEIGHT / 2}" width="${Math.max(1, left(to) - left(from)).toFixed(1)}" height="${online ? HEIGHT : HEIGHT / 2}"/>`
  )}<text x="0" y="${HEIGHT + 13}">${inWords(begin, zone, "date")}</text><text x="${WIDTH}" y="${HEIGHT + 13}" text-anchor="end">${en.lock.now}</text></svg>
<details><summary>${texts.numbers}</summary><table><caption>${texts.title}</caption><thead><tr><th scope="col">${texts.since}</th><th scope="col">${texts.what}</th></tr></thead><tbody>${changes
    .slice(0, ROWS)
    .map(
      ({ online, since, reason }) =>
        html`<tr><th scope="row">${time(since, zone)}</th><td>${badge(online ? "good" : "bad", online ? en.device.connection.online : en.device.connection.offline)} ${reason !== undefined && en.device.reasons[reason]}</td></tr>`
    )}</tbody></table></details>`
}
