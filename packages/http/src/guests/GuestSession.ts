/** How a guest's browser stays signed in: the user's token in a cookie that only the pages of one key get. */
import type { IncomingHttpHeaders } from "node:http"
import { Cookies } from "effect/http"

const COOKIE = "__Secure-latchkey-guest"

/** The value of Set-Cookie. Never sent over plain HTTP, to scripts, to other keys' pages, or with another site's form. */
export const sessionCookie = (tempKeyUuid: string, token: string): string =>
  `${COOKIE}=${token}; Path=${pathOfKey(tempKeyUuid)}; Secure; HttpOnly; SameSite=Lax`

/** The token of a guest who signed in before. */
export const sessionToken = ({ cookie }: IncomingHttpHeaders): string | undefined =>
  cookie === undefined ? undefined : Cookies.parseHeader(cookie)[COOKIE]

/** The path of a key's page. */
export const pathOfKey = (tempKeyUuid: string): string => `/temp-keys/${encodeURIComponent(tempKeyUuid)}`
