/** How the server is doing: the same as `/ready` tells monitors. */
import { Effect } from "effect"
import { html } from "../../pages/Html.ts"
import { en } from "../texts/en.ts"
import type { Shows } from "../Visit.ts"

interface Ready {
  readonly reason?: string
  readonly store?: string
  readonly consumers?: ReadonlyArray<{ readonly name: string; readonly behind: number }>
  readonly leases?: ReadonlyArray<{ readonly work: string; readonly holder: string }>
}

export const healthPage: Shows = ({ api }) =>
  Effect.map(api.answer({ method: "GET", path: "/ready" }), ({ status, body }) => {
    const { reason, store, consumers = [], leases = [] }: Ready = JSON.parse(String(body))
    const texts = en.health
    return {
      status,
      title: texts.title,
      body:
        status === 200
          ? html`<p class="notice good">${texts.ready}</p>
<section class="card"><h2>${texts.consumers}</h2>
<p class="quiet">${texts.store}: ${store}</p>
<table><caption>${texts.caption}</caption><thead><tr><th scope="col">${texts.consumer}</th><th scope="col">${texts.behind}</th></tr></thead>
<tbody>${consumers.map(({ name, behind }) => html`<tr><th scope="row">${name}</th><td>${behind === 0 ? texts.upToDate : behind}</td></tr>`)}</tbody></table></section>
<section class="card"><h2>${texts.leases}</h2>
${leases.length === 0 ? html`<p>${texts.noLeases}</p>` : html`<table><caption>${texts.leases}</caption><thead><tr><th scope="col">${texts.work}</th><th scope="col">${texts.holder}</th></tr></thead><tbody>${leases.map(({ work, holder }) => html`<tr><th scope="row">${work}</th><td>${holder}</td></tr>`)}</tbody></table>`}</section>`
          : html`<p class="notice bad"><strong>${texts.notReady}</strong> ${reason}</p>`
    }
  })
