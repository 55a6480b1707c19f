/** How a guest's browser signs in for a key of named users: by a form of another site, or by an app's header. */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { OWNER, owner, STRANGER, token } from "../harness/callers.ts"
import { type InProcess, startInProcess } from "../harness/inProcess.ts"
import { historyOf } from "../harness/locks.ts"
import { ask, type GuestLink, makeLink, ticketIn, titleOf } from "./guest.ts"

let server: InProcess
beforeAll(async () => void (server = await startInProcess({ signInUrl: "https://rooms.example/sign-in?from=key" })))
afterAll(() => server.stop())

const forOwner = { accessMode: "user-whitelist", allowedUserIds: [OWNER] }
const signIn = (link: GuestLink, text: string) =>
  ask(`${link.url}/sign-in`, { method: "POST", body: new URLSearchParams({ token: text }) })
/** What the browser sends back. */
const cookieOf = (headers: Headers) => ({ cookie: headers.get("set-cookie")?.split(";")[0] ?? "" })

it("the page sends whoever must sign in there, by a form that names the page to come back to", async () => {
  const link = await makeLink(server, forOwner)
  const page = await link.page()
  expect([page.status, titleOf(page)]).toEqual([200, "Please sign in"])
  expect(page.text).toContain('action="https://rooms.example/sign-in?from=key"')
  expect(page.text).toContain(`name="return_to" value="/temp-keys/${link.uuid}"`)
  expect(page.headers.get("content-security-policy")).toContain("form-action 'self' https://rooms.example;")
  expect(page.text).not.toContain('name="ticket"')
})

describe("a token that is posted", () => {
  it("signs the browser in for this key alone, out of reach of scripts and other sites", async () => {
    const link = await makeLink(server, forOwner)
    const good = token({ sub: OWNER })
    const { status, headers } = await signIn(link, good)
    expect([status, headers.get("location")]).toEqual([303, `/temp-keys/${link.uuid}`])
    expect(headers.get("set-cookie")).toBe(
      `__Secure-latchkey-guest=${good}; Path=/temp-keys/${link.uuid}; Secure; HttpOnly; SameSite=Lax`
    )
    const page = await link.page(cookieOf(headers))
    expect(titleOf(page)).toBe("Your key is ready")
    expect((await link.open({ ticket: ticketIn(page) }, cookieOf(headers))).status).toBe(303)
    expect((await historyOf(link.lock)).find(({ type }) => type === "TempKeyUsed")?.event?.data["userId"]).toBe(OWNER)
  })

  it("of somebody who is not listed shows that the key is not for them", async () => {
    const link = await makeLink(server, forOwner)
    const { headers } = await signIn(link, token({ sub: STRANGER }))
    const page = await link.page(cookieOf(headers))
    expect([page.status, titleOf(page)]).toEqual([200, "This key is not for you"])
  })

  it.each([
    ["is no good", token({ sub: OWNER }, "another-secret-of-at-least-32-bytes"), 401],
    ["has expired", token({ sub: OWNER, exp: 1 }), 401],
    ["is no token", "x; Domain=evil.example", 400],
    ["is longer than a cookie may be", token({ sub: OWNER, filler: "x".repeat(4_000) }), 400]
  ])("that %s signs nobody in", async (_, text, status) => {
    const answer = await signIn(await makeLink(server, forOwner), text)
    expect([answer.status, answer.headers.get("set-cookie")]).toEqual([status, null])
  })

  it("is forgotten when it expires: the page asks to sign in again, a public key's does not", async () => {
    const ended = { cookie: `__Secure-latchkey-guest=${token({ sub: OWNER, exp: 1 })}` }
    expect(titleOf(await (await makeLink(server, forOwner)).page(ended))).toBe("Please sign in")
    const open = await makeLink(server)
    expect(titleOf(await open.page(ended))).toBe("Your key is ready")
    expect((await open.open({}, ended)).status).toBe(303)
  })
})

it("an app's header signs the web view in that it opens, so that the form of the page works", async () => {
  const link = await makeLink(server, forOwner)
  const page = await link.page(owner)
  expect((await link.open({ ticket: ticketIn(page) }, cookieOf(page.headers))).status).toBe(303)
})

it("two who share a link, and an idempotency key, each open the door", async () => {
  const link = await makeLink(server, { accessMode: "user-whitelist", allowedUserIds: [OWNER, STRANGER] })
  const open = async (sub: string) => {
    const cookie = cookieOf((await signIn(link, token({ sub, jti: sub }))).headers)
    return link.open({ ticket: ticketIn(await link.page(cookie)) }, { ...cookie, "idempotency-key": "the-same" })
  }
  expect([(await open(OWNER)).status, (await open(STRANGER)).status]).toEqual([303, 303])
  const uses = (await historyOf(link.lock)).filter(({ type }) => type === "TempKeyUsed")
  expect(uses.map(({ event }) => event?.data["userId"])).toEqual([OWNER, STRANGER])
})

describe("a form that another site has a signed-in browser send", () => {
  it("opens nothing: its ticket is missing, of another key, of another sign-in, or of nobody's", async () => {
    const link = await makeLink(server, forOwner)
    const [mine, theirs] = [token({ sub: OWNER, jti: "mine" }), token({ sub: OWNER, jti: "theirs" })]
    const cookie = cookieOf((await signIn(link, mine)).headers)
    const another = await makeLink(server, forOwner)
    const open = await makeLink(server)
    const tickets = [
      ticketIn(await another.page(cookie)),
      ticketIn(await link.page(cookieOf((await signIn(link, theirs)).headers))),
      ticketIn(await open.page())
    ]
    for (const fields of [{}, ...tickets.map((ticket) => ({ ticket }))]) {
      const refused = await link.open(fields, cookie)
      expect([refused.status, titleOf(refused)]).toEqual([401, "This page was out of date"])
    }
    expect(await link.opens()).toBe(0)
    // A guest who signed in anew in another tab meets the same, and goes on from there.
    const refused = await link.open({ ticket: tickets[1] ?? "" }, cookie)
    expect((await link.open({ ticket: ticketIn(refused) }, cookie)).status).toBe(303)
  })
})
