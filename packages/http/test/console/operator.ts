/** An operator at the console, as their browser talks to the server: one cookie is kept, no redirect is followed. */
import { expect } from "vitest"
import { type Answer, ask } from "../guests/guest.ts"

export interface Operator {
  readonly get: (path: string, headers?: Readonly<Record<string, string>>) => Promise<Answer>
  /** Sends a form with these fields as they are. */
  readonly post: (path: string, fields: Readonly<Record<string, string>> | URLSearchParams) => Promise<Answer>
  /** Opens the page of an action, and sends its form with what else is to be filled in. */
  readonly act: (path: string, fields?: Readonly<Record<string, string>>) => Promise<Answer>
  /** The cookie, as the browser sends it. */
  readonly cookie: () => string
}

/** A browser that nobody has signed in with. */
export const browserAt = (url: string): Operator => {
  let cookie = ""
  const send = async (path: string, init: RequestInit): Promise<Answer> => {
    const answer = await ask(url + path, { ...init, headers: { accept: "text/html", cookie, ...init.headers } })
    cookie = answer.headers.get("set-cookie")?.split(";")[0] ?? cookie
    return answer
  }
  const post: Operator["post"] = (path, fields) =>
    send(path, { method: "POST", body: new URLSearchParams(fields), headers: { origin: url } })
  return {
    get: (path, headers = {}) => send(path, { headers }),
    post,
    act: async (path, fields = {}) => post(path, { ...hiddenIn(await send(path, {})), ...fields }),
    cookie: () => cookie
  }
}

/** A browser that somebody has signed in with this API key or token. */
export const signIn = async (url: string, secret: string): Promise<Operator> => {
  const browser = browserAt(url)
  const answer = await browser.act("/console/sign-in", { secret })
  expect([answer.status, answer.headers.get("location")]).toEqual([303, "/console"])
  return browser
}

/** The hidden fields of the form of a page. */
export const hiddenIn = ({ text }: Pick<Answer, "text">): Readonly<Record<string, string>> => {
  const form = /<form[^>]*method="post"[^>]*>[\s\S]*?<\/form>/.exec(mainOf(text))?.[0] ?? ""
  const fields = form.matchAll(/<input type="hidden" name="([^"]+)" value="([^"]*)">/g)
  return Object.fromEntries(Array.from(fields, ([, name = "", value = ""]) => [name, value]))
}

const mainOf = (text: string): string => /<main[\s\S]*<\/main>/.exec(text)?.[0] ?? ""

/** What a page says, without its markup and its API calls. */
export const wordsOf = ({ text }: Pick<Answer, "text">): string =>
  mainOf(text)
    .replace(/<details class="api">[\s\S]*?<\/details>/g, "")
    .replace(/<[^>]*>/g, " ")
    .replace(/\s+/g, " ")
