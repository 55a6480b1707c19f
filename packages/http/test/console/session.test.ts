/** Who is signed in at the console, for how long, and what no other site can have their browser do. */
import { Effect } from "effect"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { pinKeyOf } from "../../src/auth/PinSecret.ts"
import { credentialIn, makeSessions } from "../../src/console/Session.ts"
import { API_KEYS, OWNER, token } from "../harness/callers.ts"
import { type InProcess, startInProcess } from "../harness/inProcess.ts"
import { createLock, historyOf } from "../harness/locks.ts"
import { browserAt, hiddenIn, signIn, wordsOf } from "./operator.ts"

let server: InProcess
beforeAll(async () => void (server = await startInProcess()))
afterAll(() => server.stop())

const [hotel = "", other = ""] = API_KEYS.map(({ secret }) => secret)
const SIGN_IN = /^\/console\/sign-in\?to=/

describe("to sign in", () => {
  it("leads to the page that was asked for", async () => {
    const browser = browserAt(server.url)
    const away = await browser.get("/console/health")
    expect([away.status, away.headers.get("location")]).toEqual([303, "/console/sign-in?to=%2Fconsole%2Fhealth"])
    const back = await browser.act(away.headers.get("location") ?? "", { secret: ` ${hotel}\n` })
    expect([back.status, back.headers.get("location")]).toEqual([303, "/console/health"])
    expect(wordsOf(await browser.get("/console/health"))).toContain("This server is ready")
  })

  it("takes a user's token too", async () => {
    const browser = await signIn(server.url, token({ sub: OWNER }))
    expect((await browser.get("/console")).text).toContain(OWNER)
  })

  it.each([
    ["a key that nobody has", "lk_nobody-has-this-key-of-32-bytes-or-more", 401],
    ["nothing", " ", 400],
    ["what no cookie can hold", "x".repeat(4_000), 400]
  ])("with %s says what is wrong, and signs nobody in", async (_, secret, status) => {
    const browser = browserAt(server.url)
    const answer = await browser.act("/console/sign-in", { secret })
    expect([answer.status, wordsOf(answer)]).toEqual([status, expect.stringContaining("Sign in")])
    expect((await browser.get("/console")).status).toBe(303)
  })

  it("by a form that another site sends is refused: somebody would work in another's name", async () => {
    const browser = browserAt(server.url)
    const mine = hiddenIn(await browserAt(server.url).get("/console/sign-in"))
    await browser.get("/console/sign-in")
    expect((await browser.post("/console/sign-in", { ...mine, secret: hotel })).status).toBe(403)
    expect((await browserAt(server.url).post("/console/sign-in", { ...mine, secret: hotel })).status).toBe(403)
  })

  it.each([
    "https://evil.example",
    "//evil.example",
    "/console@evil.example",
    "/console/\\evil",
    "/temp-keys/x",
    "/console/a b"
  ])("never leads elsewhere: %s", async (to) => {
    const browser = browserAt(server.url)
    const answer = await browser.act(`/console/sign-in?${new URLSearchParams({ to })}`, { secret: hotel, to })
    expect(answer.headers.get("location")).toBe("/console")
  })
})

describe("a session", () => {
  it("is in a cookie that scripts, other sites and other paths do not get, and that holds no key to read", async () => {
    const browser = browserAt(server.url)
    const answer = await browser.act("/console/sign-in", { secret: hotel })
    const cookie = answer.headers.get("set-cookie") ?? ""
    expect(cookie).toMatch(/^__Secure-latchkey-console=[\w-]+; Path=\/console; Secure; HttpOnly; SameSite=Strict$/)
    expect(Buffer.from(browser.cookie().split("=")[1] ?? "", "base64url").toString("latin1")).not.toContain(hotel)
  })

  it("is not believed when somebody has changed it", async () => {
    const browser = await signIn(server.url, hotel)
    const [name, value = ""] = browser.cookie().split("=")
    for (const changed of [`${value.slice(0, -2)}AA`, value.slice(4), "", "x"]) {
      const answer = await browserAt(server.url).get("/console", { cookie: `${name}=${changed}` })
      expect([answer.status, answer.headers.get("location")]).toEqual([303, expect.stringMatching(SIGN_IN)])
    }
  })

  it("ends with its key, at the next request", async () => {
    const { keyId, secret } = await Effect.runPromise(server.apiKeys.create("org-1", {}))
    const browser = await signIn(server.url, secret)
    expect((await browser.get("/console")).status).toBe(200)
    await Effect.runPromise(server.apiKeys.revoke(keyId))
    const answer = await browser.get("/console")
    expect([answer.status, answer.headers.get("location")]).toEqual([303, expect.stringMatching(SIGN_IN)])
    expect(answer.headers.get("set-cookie")).toContain("Max-Age=0")
  })

  it("ends when somebody signs out", async () => {
    const browser = await signIn(server.url, hotel)
    const csrf = /name="csrf" value="([^"]+)"/.exec((await browser.get("/console")).text)?.[1] ?? ""
    expect((await browser.post("/console/sign-out", { csrf: "of another site" })).headers.get("set-cookie")).toBeNull()
    expect((await browser.post("/console/sign-out", { csrf })).headers.get("set-cookie")).toContain("Max-Age=0")
    expect((await browser.get("/console")).status).toBe(303)
  })

  it("cannot tell who asks while the store is away: 503, and the session stays", async () => {
    const { secret } = await Effect.runPromise(server.apiKeys.create("org-1", {}))
    const browser = await signIn(server.url, secret)
    server.faults.store = "down"
    try {
      expect((await browser.get("/console/locks/1")).status).toBe(503)
    } finally {
      server.faults.store = "ok"
    }
    expect((await browser.get("/console")).status).toBe(200)
  })

  it("ends after twelve hours, and is no session under another server's key", () => {
    const [sessions, others] = ["a", "b"].map((letter) => makeSessions(pinKeyOf(letter.repeat(32))))
    const cookie = sessions?.cookie(sessions.begin(1_000, credentialIn(hotel)))
    const twelveHours = 12 * 3_600_000
    expect(sessions?.of({ cookie }, 999 + twelveHours)?.credential?.secret).toBe(hotel)
    expect(sessions?.of({ cookie }, 1_000 + twelveHours)).toBeUndefined()
    expect(others?.of({ cookie }, 1_000)).toBeUndefined()
  })
})

describe("another site", () => {
  it("can have nothing done: without the token of this session a form does nothing", async () => {
    const lock = await createLock(server.url)
    const [browser, stranger] = [await signIn(server.url, hotel), await signIn(server.url, other)]
    const path = `/console/locks/${lock.lockId}/open`
    const { csrf = "", once = "" } = hiddenIn(await browser.get(path))
    const theirs = hiddenIn(await stranger.get(path))
    for (const fields of [{ once }, { csrf: "", once }, { csrf: `${csrf.slice(0, -1)}~`, once }, { ...theirs }]) {
      const answer = await browser.post(path, fields)
      expect([answer.status, wordsOf(answer)]).toEqual([403, expect.stringContaining("out of date")])
    }
    expect(await historyOf(lock)).toHaveLength(1)
    expect((await browser.post(path, { csrf, once })).status).toBe(200)
    expect(await historyOf(lock)).toHaveLength(2)
  })

  it("cannot frame a page, nor have it run or load anything", async () => {
    const browser = await signIn(server.url, hotel)
    for (const path of ["/console", "/console/locks/999", "/console/nowhere", "/console/sign-in"]) {
      const { headers } = await browser.get(path)
      const policy = headers.get("content-security-policy") ?? ""
      expect(policy).toContain("frame-ancestors 'none'")
      expect(policy).toMatch(/default-src 'none'; script-src 'self' 'sha256-[\w+/=]+'; style-src 'self';/)
      expect(policy).not.toContain("unsafe")
      expect([headers.get("x-frame-options"), headers.get("cache-control"), headers.get("referrer-policy")]).toEqual([
        "DENY",
        "no-store",
        "no-referrer"
      ])
    }
  })

  it("that leads here finds the session again: the browser has not sent its strict cookie", async () => {
    const elsewhere = { "sec-fetch-site": "cross-site" }
    const answer = await browserAt(server.url).get("/console/locks/12?kind=keys", elsewhere)
    expect([answer.status, answer.headers.get("refresh")]).toEqual([200, "0; url=/console/locks/12?kind=keys"])
  })

  it("gets no body that is not a form of ours", async () => {
    const browser = await signIn(server.url, hotel)
    const headers = { cookie: browser.cookie(), "content-type": "text/plain" }
    const answer = await fetch(`${server.url}/console/locks/1/open`, { method: "POST", headers, body: "x" })
    expect(answer.status).toBe(415)
    expect((await fetch(`${server.url}/console`, { method: "DELETE" })).status).toBe(405)
  })
})

it("a browser at / is sent to the console, a program is not", async () => {
  const answer = await browserAt(server.url).get("/", { accept: "text/html,*/*;q=0.8" })
  expect([answer.status, answer.headers.get("location")]).toEqual([303, "/console"])
  expect((await browserAt(server.url).get("/", { accept: "*/*" })).status).toBe(404)
})

it("is not there where it is switched off", async () => {
  await using without = await startInProcess({ console: false })
  const browser = browserAt(without.url)
  for (const path of ["/console", "/console/sign-in", "/console/assets/console.css"])
    expect((await browser.get(path)).status).toBe(404)
})

it("no secret of a session reaches the log", async () => {
  await using watched = await startInProcess()
  const browser = await signIn(watched.url, hotel)
  await browser.get("/console/locks/1")
  watched.faults.store = "defect"
  await browser.get("/console/locks/1")
  expect(watched.log.join("\n")).not.toContain(hotel)
  expect(watched.log.join("\n")).not.toContain(browser.cookie().split("=")[1])
})

it("every module that the script loads is served, and is meant for browsers", async () => {
  const browser = browserAt(server.url)
  const { text } = await browser.get("/console/sign-in")
  const { imports } = JSON.parse(/<script type="importmap">(.*)<\/script>/.exec(text)?.[1] ?? "{}")
  const script = /<script type="module" src="([^"]+)"/.exec(text)?.[1] ?? expect.fail("no script")
  for (const path of [script, ...Object.values<string>(imports)]) {
    const file = await browser.get(path)
    expect([path, file.status, file.headers.get("content-type")]).toEqual([path, 200, "text/javascript; charset=utf-8"])
    const named = Array.from(file.text.matchAll(/(?:from|import)\s*"([^"]+)"/g), ([, specifier]) => specifier)
    expect([path, named.filter((name) => name !== "./css-tag.js" && !(String(name) in imports))]).toEqual([path, []])
    expect(file.text).not.toMatch(/\bBuffer\b|Lit is in dev mode/)
  }
})
