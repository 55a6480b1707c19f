/** `/` where it does not lead to the console: what this is, and where to read on. */
import { style } from "../guests/assets.ts"
import { favicon, tokens } from "../pages/Asset.ts"
import { html } from "../pages/Html.ts"
import { type StaticFile, staticFile } from "../server/StaticFile.ts"

/** @param docs whether `/docs` is there */
export const homePage = (docs: boolean): StaticFile =>
  staticFile(
    "text/html; charset=utf-8",
    html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Latchkey</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
<link rel="icon" type="image/svg+xml" href="${favicon.href}">
<link rel="stylesheet" href="${tokens.href}">
<link rel="stylesheet" href="${style.href}">
</head>
<body>
<main class="calm">
<h1>Latchkey</h1>
<p>This is the API of a smart-lock service. If you were sent a link to a key, open that link: there is nothing to see here.</p>
<p class="more">${docs && html`<a href="/docs">What the API can do</a> · `}<a href="/openapi.json">OpenAPI description</a></p>
</main>
</body>
</html>
`.markup,
    {
      "cache-control": "no-cache",
      "content-security-policy":
        "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
      "referrer-policy": "no-referrer",
      "x-content-type-options": "nosniff"
    }
  )
