/** To find a lock. */
import { Effect } from "effect"
import { html } from "../../pages/Html.ts"
import { en } from "../texts/en.ts"
import type { Shows } from "../Visit.ts"

const finder = html`<form action="/console/locks" class="act"><div class="field"><label for="number">${en.find.label}</label>
<input id="number" name="number" inputmode="numeric" pattern="[0-9]+" required></div><p class="buttons"><button>${en.find.button}</button></p></form>`

export const locksPage: Shows = ({ query }) => {
  const number = query.get("number") ?? ""
  return Effect.succeed(
    /^[1-9][0-9]{0,15}$/.test(number)
      ? {
          status: 303,
          contentType: "text/html; charset=utf-8",
          body: "",
          headers: { location: `/console/locks/${number}` }
        }
      : { title: en.find.title, body: finder }
  )
}

export const overviewPage: Shows = () => Effect.succeed({ title: en.overview.title, body: finder })
