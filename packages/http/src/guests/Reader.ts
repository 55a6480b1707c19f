/** Who reads a page: in which language, how they write times, and when. It works without scripts, and is told by no address. */
import type { IncomingHttpHeaders } from "node:http"
import { Cookies } from "effect/http"
import Negotiator from "negotiator"
import type { Texts } from "./texts/en.ts"
import { type Language, languages } from "./texts/languages.ts"

/** A guest in front of a page. */
export interface Reader {
  readonly texts: Texts
  /** The language as the guest's region writes it, such as `en-US`. */
  readonly locale: string
  /** The instant at which the page is made, epoch milliseconds. */
  readonly now: number
  /** They have chosen the language just now: their browser is to remember it. */
  readonly chosen?: Language
}

const COOKIE = "latchkey-language"
/** Languages of a browser that are looked at: nobody reads more, and each takes time. */
const MOST = 20

/** The value of Set-Cookie: one of a few words, which tells nobody who the guest is, until the browser closes. */
export const languageCookie = (language: Language): string =>
  `${COOKIE}=${language}; Path=/temp-keys; HttpOnly; SameSite=Lax`

/** @param asked the language that the address asks for, by the switch; else it is the one chosen before, or the browser's */
export const readerOf = (headers: IncomingHttpHeaders, now: number, asked?: string): Reader => {
  const chosen = known(asked)
  const before = headers.cookie === undefined ? undefined : known(Cookies.parseHeader(headers.cookie)[COOKIE])
  const accepted = headers["accept-language"]?.split(",", MOST).join()
  const wanted = new Negotiator({ headers: { "accept-language": accepted } })
  const language = chosen ?? before ?? known(wanted.language(Object.keys(languages))) ?? "en"
  const texts = languages[language]
  const locale =
    wanted
      .languages()
      .flatMap(regionOf)
      .find((tag) => tag.startsWith(`${language}-`)) ?? texts.locale
  return { texts, locale, now, ...(chosen !== undefined && { chosen }) }
}

const isLanguage = (word: string): word is Language => Object.hasOwn(languages, word)
const known = (word: string | undefined): Language | undefined =>
  word !== undefined && isLanguage(word) ? word : undefined

/** Language and region alone: what else a tag may ask for, such as other digits or calendars, nobody writes by hand. */
const regionOf = (tag: string): ReadonlyArray<string> => {
  try {
    const { language, region } = new Intl.Locale(tag)
    return region === undefined ? [] : [`${language}-${region}`]
  } catch {
    return []
  }
}
