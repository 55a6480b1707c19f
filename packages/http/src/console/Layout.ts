/** What every page of the console has around it: who is signed in, where to go, how it is live, and the same by API. */
import type { Principal } from "@latchkey/core"
import { favicon, tokens } from "../pages/Asset.ts"
import { Html, html } from "../pages/Html.ts"
import type { Answer } from "../server/Answer.ts"
import { type ApiCall, curlOf } from "./ApiCalls.ts"
import { importMap, importMapHash, script, style } from "./assets.ts"
import type { Credential } from "./Session.ts"
import { en } from "./texts/en.ts"
import { may, type Page, type Visit } from "./Visit.ts"

/** Nothing but our own files and the map of them may run or be shown, and nobody may frame, keep, list or open a page. */
const headers: Readonly<Record<string, string>> = {
  "cache-control": "no-store",
  "content-security-policy": [
    "default-src 'none'",
    `script-src 'self' '${importMapHash}'`,
    "style-src 'self'",
    "img-src 'self'",
    "connect-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'"
  ].join("; "),
  "cross-origin-opener-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "x-robots-tag": "noindex"
}

/** A page for somebody who is signed in. */
export const pageFor = (visit: Visit, credential: Credential, formToken: string, page: Page): Answer => {
  const calls = [...visit.api.asked, ...(page.would ?? [])]
  return answer(page.status ?? 200, page.title, [
    html`<a class="skip" href="#content">${en.layout.skip}</a>
<header>
<a class="brand" href="/console">${en.layout.brand}</a>
<nav aria-label="${en.layout.navigation}"><ul>${navigation(visit)}</ul></nav>
<form class="who" method="post" action="/console/sign-out"><input type="hidden" name="csrf" value="${formToken}">
<span>${en.layout.signedIn(whoIs(visit.principal))}</span> <button class="plain">${en.layout.signOut}</button></form>
</header>
<main id="content">
<h1>${page.title}</h1>
${page.live !== undefined && liveStatus(page.live)}
<div id="live">${page.body}</div>
${calls.length > 0 && sameByApi(calls, credential, visit.publicUrl)}
</main>`
  ])
}

/** A page that anybody may see: to sign in, or what went wrong before that. */
export const strangersPage = (status: number, title: string, body: Html, more: Readonly<Record<string, string>> = {}) =>
  answer(
    status,
    title,
    [html`<main id="content" class="narrow"><p class="brand">${en.layout.brand}</p><h1>${title}</h1>${body}</main>`],
    more
  )

const answer = (
  status: number,
  title: string,
  body: ReadonlyArray<Html>,
  more: Readonly<Record<string, string>> = {}
): Answer => ({
  status,
  contentType: "text/html; charset=utf-8",
  body: html`<!doctype html>
<html lang="${en.lang}">
<head>
<meta charset="utf-8">
<title>${title} · ${en.layout.brand}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
<link rel="icon" type="image/svg+xml" href="${favicon.href}">
<link rel="stylesheet" href="${tokens.href}">
<link rel="stylesheet" href="${style.href}">
<script type="importmap">${new Html(importMap)}</script>
<script type="module" src="${script.href}"></script>
</head>
<body>
${body}
</body>
</html>
`.markup,
  headers: { ...headers, ...more }
})

const PLACES = [
  { path: "/console", words: en.layout.places.overview, scope: "read" },
  { path: "/console/attention", words: en.layout.places.attention, scope: "read" },
  { path: "/console/locks", words: en.layout.places.locks, scope: "read" },
  { path: "/console/temp-keys", words: en.layout.places.tempKeys, scope: "temp-keys" },
  { path: "/console/webhooks", words: en.layout.places.webhooks, scope: "admin" },
  { path: "/console/api-keys", words: en.layout.places.apiKeys, scope: "admin" },
  { path: "/console/health", words: en.layout.places.health, scope: "read" }
] as const

const navigation = (visit: Visit): ReadonlyArray<Html> =>
  PLACES.filter(({ scope }) => may(visit, scope)).map(({ path, words }) => {
    const isHere = path === "/console" ? visit.path === path : visit.path.startsWith(path)
    return html`<li><a href="${path}"${isHere && html` aria-current="page"`}>${words}</a></li>`
  })

const whoIs = (principal: Principal): string => {
  switch (principal._tag) {
    case "Organization":
      return principal.orgId
    case "User":
      return principal.userId
    default:
      return en.layout.operator
  }
}

/** Says whether what is shown is up to date. Without scripts a page is as it was when it was loaded, and says nothing. */
const liveStatus = (source: string): Html =>
  html`<latchkey-live src="${source}" data-live="${en.live.live}" data-lost="${en.live.lost}" data-ended="${en.live.ended}" data-reload="${en.live.reload}"></latchkey-live>`

const sameByApi = (calls: ReadonlyArray<ApiCall>, credential: Credential, url: string): Html => html`
<details class="api"><summary>${en.api.same(calls.length)}</summary>
<p>${credential.kind === "api-key" ? en.api.key : en.api.token}</p>
${calls.map((call) => html`<pre tabindex="0"><code>${curlOf(call, credential, url)}</code></pre>`)}
</details>`
