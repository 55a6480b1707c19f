/** The first page that somebody sees. */
import { Effect } from "effect"
import { html } from "../../pages/Html.ts"
import { en } from "../texts/en.ts"
import type { Shows } from "../Visit.ts"
import { searchForm } from "./locks.ts"

export const overviewPage: Shows = (visit) =>
  Effect.succeed({
    title: en.overview.title,
    body: html`<section class="card"><h2>${en.overview.find}</h2>${searchForm(visit)}</section>`
  })
