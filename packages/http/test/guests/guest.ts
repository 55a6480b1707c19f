/** A guest with a link, as their browser or app talks to the server: no redirect is followed, no cookie kept by itself. */
import { Effect } from "effect"
import { expect } from "vitest"
import type { InProcess } from "../harness/inProcess.ts"
import { createLock, historyOf, type TestLock, tempKey } from "../harness/locks.ts"

export const HTML = "text/html,application/xhtml+xml,*/*;q=0.8"
export const JSON_TYPE = "application/json"

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
}

export interface GuestLink {
  readonly lock: TestLock
  readonly uuid: string
  readonly url: string
  /** The page of the key. */
  readonly page: (headers?: Readonly<Record<string, string>>) => Promise<Answer>
  /** Sends the form of the page, or whatever is given instead of its fields. */
  readonly open: (
    fields?: Readonly<Record<string, string>>,
    headers?: Readonly<Record<string, string>>
  ) => Promise<Answer>
  /** How often the lock was told to open. */
  readonly opens: () => Promise<number>
}

export const ask = async (url: string, init: RequestInit = {}): Promise<Answer> => {
  const response = await fetch(url, { redirect: "manual", ...init })
  return { status: response.status, headers: response.headers, text: await response.text() }
}

/** A new lock with a key that everybody with the link may use, unless `given` says otherwise. */
export const makeLink = async (
  server: Pick<InProcess, "url">,
  given: Readonly<Record<string, unknown>> = {}
): Promise<GuestLink> => {
  const lock = await createLock(server.url)
  const { tempKeyUuid } = (await lock.post("create-temp-key", tempKey(given))).body
  const uuid = tempKeyUuid ?? expect.fail("no temp key was made")
  const url = `${server.url}/temp-keys/${uuid}`
  return {
    lock,
    uuid,
    url,
    page: (headers = {}) => ask(url, { headers: { accept: HTML, ...headers } }),
    open: (fields = {}, headers = {}) =>
      ask(`${url}/open`, {
        method: "POST",
        headers: { accept: HTML, ...headers },
        body: new URLSearchParams(fields)
      }),
    opens: async () => (await historyOf(lock)).filter(({ type }) => type === "LockOpenRequested").length
  }
}

/** The ticket in a page's form. */
export const ticketIn = ({ text }: Answer): string =>
  /name="ticket" value="([^"]+)"/.exec(text)?.[1] ?? expect.fail(`no ticket in ${text}`)

export const titleOf = ({ text }: Answer): string | undefined => /<h1>([^<]*)<\/h1>/.exec(text)?.[1]

export const connect = (server: InProcess, lock: TestLock, online = true): Promise<void> =>
  Effect.runPromise(server.shadow.report({ _tag: "Presence", thing: lock.uuid, online, at: Date.now() }))
