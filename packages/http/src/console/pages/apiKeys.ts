/** API keys of an organization: which there are, a new one, and the end of one. */
import { SCOPES } from "@latchkey/core"
import { Effect } from "effect"
import { html } from "../../pages/Html.ts"
import type { Action } from "../Actions.ts"
import type { Told } from "../ApiCalls.ts"
import { wordsIn } from "../terms.ts"
import { en } from "../texts/en.ts"
import { shortId } from "../timeline.ts"
import { time } from "../times.ts"
import type { Shows } from "../Visit.ts"
import { badge } from "./status.ts"

type ApiKeys = Told<"api-keys", "api-keys">

const texts = en.apiKeys
const PATH = "/console/api-keys"

export const apiKeysPage: Shows = ({ api, at, zone }) =>
  Effect.map(api.ask<ApiKeys>({ method: "GET", path: "/api-keys" }), ({ apiKeys }) => {
    const now = new Date(at).toISOString()
    const isGood = (key: ApiKeys["apiKeys"][number]) =>
      key.revokedAt === null && (key.expiresAt === null || key.expiresAt > now)
    // The newest first, and what still lets anybody in before the rest.
    const shown = apiKeys.toReversed().sort((a, b) => Number(isGood(b)) - Number(isGood(a)))
    return {
      title: texts.title,
      body: html`<p class="buttons"><a class="button" href="${PATH}/new">${texts.new.button}</a></p>
<section class="card">${
        shown.length === 0
          ? html`<p>${texts.none}</p>`
          : html`<table class="rows"><caption>${texts.title}</caption><thead><tr><th scope="col">${texts.name}</th><th scope="col">${texts.scopes}</th><th scope="col">${texts.locks}</th><th scope="col">${texts.created}</th><th scope="col">${texts.status}</th></tr></thead><tbody>${shown
              .slice(0, MOST)
              .map(
                (key) =>
                  html`<tr><th scope="row">${key.name ?? shortId(key.id)}</th><td><span class="label">${texts.scopes}:</span> ${key.scopes?.join(", ") ?? texts.everything}</td><td><span class="label">${texts.locks}:</span> ${key.locks?.slice(0, 20).join(", ") ?? texts.allLocks}</td><td><span class="label">${texts.created}</span> ${time(key.createdAt, zone)}</td><td>${
                    isGood(key)
                      ? html`<a href="${PATH}/${encodeURIComponent(key.id)}/revoke" aria-label="${texts.revokeOf(key.name ?? shortId(key.id))}">${texts.revoke.button}</a>`
                      : badge("", texts.ended)
                  }</td></tr>`
              )}</tbody></table>`
      }
${shown.length > MOST && html`<p class="quiet">${texts.notAll(MOST, shown.length)}</p>`}</section>`
    }
  })

/** An organization has 100 that are good; ended ones follow them. */
const MOST = 150

export const apiKeyActions = {
  new: {
    scope: "admin",
    title: () => texts.new.title,
    will: () => texts.new.will,
    button: texts.new.button,
    back: () => PATH,
    fields: ({ form }) =>
      Effect.succeed(html`<div class="field"><label for="name">${texts.nameLabel}</label><input id="name" name="name" maxlength="200" value="${form.get("name") ?? ""}"></div>
<fieldset><legend>${texts.scopes}</legend>${SCOPES.map(
        (scope) =>
          html`<div class="choices"><label><input type="checkbox" name="scopes" value="${scope}"${form.getAll("scopes").includes(scope) && html` checked`}>${scope}: ${texts.scopeWords[scope]}</label></div>`
      )}</fieldset>
<div class="field"><label for="locks">${texts.locksLabel}</label><input id="locks" name="locks" value="${form.get("locks") ?? ""}"></div>`),
    call: ({ form, method }) => {
      const locks = wordsIn(form.get("locks")).map(Number)
      const name = form.get("name")?.trim()
      const scopes = method === "GET" ? ["read"] : form.getAll("scopes")
      return {
        method: "POST",
        path: "/api-keys",
        body: { scopes, ...(name && { name }), ...(locks.length > 0 && { locks }) }
      }
    },
    shows: (_, { key }) =>
      typeof key === "string"
        ? html`<section class="card"><h2>${texts.key}</h2><p class="secret">${key}</p><p>${texts.keyOnce}</p></section>`
        : html`<p class="notice">${texts.keyShown}</p>`
  },
  ":keyId/revoke": {
    scope: "admin",
    title: () => texts.revoke.title,
    will: () => texts.revoke.will,
    forGood: texts.revoke.forGood,
    button: texts.revoke.button,
    back: () => PATH,
    call: ({ params }) => ({ method: "DELETE", path: `/api-keys/${encodeURIComponent(params["keyId"] ?? "")}` })
  }
} satisfies Readonly<Record<string, Action>>
