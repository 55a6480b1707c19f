/** The list of locks, what they are called, and how one is set up, described and taken out of service. */
import { Effect } from "effect"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { API_KEYS, OTHER_ORG, OWNER, token } from "../harness/callers.ts"
import { type InProcess, startInProcess } from "../harness/inProcess.ts"
import { createLock, furnishedLock, lockAt, makeShared, newLockId, shared } from "../harness/locks.ts"
import { hiddenIn, type Operator, signIn, wordsOf } from "./operator.ts"

let server: InProcess
let operator: Operator
const [hotel = "", other = ""] = API_KEYS.map(({ secret }) => secret)
beforeAll(async () => {
  server = await startInProcess()
  operator = await signIn(server.url, hotel)
})
afterAll(() => server.stop())

/** A word that no other lock is called by. */
let words = 0
const newWord = () => `hotel${++words}x`

const named = async (name: string) => {
  const lock = await createLock(server.url)
  await lock.post("describe-lock", { name, address: "Harbour Street 1", timeZone: "Pacific/Auckland" })
  return lock
}

/** Which locks a page lists, in its order. */
const listed = ({ text }: { readonly text: string }) =>
  Array.from(text.matchAll(/<th scope="row"><a href="\/console\/locks\/(\d+)"/g), ([, id]) => Number(id))

it("somebody without a lock is told how to set up the first one, and somebody who may not, who can", async () => {
  const keyFor = async (scopes: ReadonlyArray<"read" | "admin">) =>
    (await Effect.runPromise(server.apiKeys.create("org-without-locks", { limits: { scopes } }))).secret
  const manager = await signIn(server.url, await keyFor(["admin"]))
  const words = wordsOf(await manager.get("/console"))
  expect(words).toContain("You have no lock yet Have the device at hand: its id, and its claim code")
  expect((await manager.get("/console")).text).toContain('href="/console/locks/new"')
  const reader = await (await signIn(server.url, await keyFor(["read"]))).get("/console")
  expect(wordsOf(reader)).toContain("Whoever manages the locks sets one up, or makes it yours.")
  expect(reader.text).not.toContain("/console/locks/new")
})

describe("the list of locks", () => {
  it("is searched and filtered by an address, and says what each lock needs", async () => {
    const word = newWord()
    const [first, second] = [await named(`${word} room 12`), await named(`${word} room 2`)]
    const found = await operator.get(`/console/locks?q=${word}`)
    expect(listed(found)).toEqual([first.lockId, second.lockId])
    expect(wordsOf(found)).toContain(`${word} room 12 Lock ${first.lockId} Harbour Street 1`)
    expect(wordsOf(found)).toContain("not connected")
    expect(listed(await operator.get(`/console/locks?q=${word}&online=true`))).toEqual([])
    expect(listed(await operator.get(`/console/locks?q=${word}+room+2`))).toEqual([second.lockId])
    // A search has an order of its own: the form may send another all the same.
    expect(listed(await operator.get(`/console/locks?q=${word}&sort=name&battery=unknown`))).toHaveLength(2)
    expect(wordsOf(await operator.get("/console/locks?q=nothing-is-called-so"))).toContain("No locks match.")
  })

  it("goes on page by page, with the same filter, and shows each lock once", async () => {
    const word = newWord()
    const locks = await Promise.all(Array.from({ length: 55 }, (_, n) => named(`${word} ${n}`)))
    const seen: Array<number> = []
    for (let path: string | undefined = `/console/locks?q=${word}&battery=unknown`; path !== undefined; ) {
      const page: { readonly text: string } = await operator.get(path)
      seen.push(...listed(page))
      path = /href="([^"]+)">More</.exec(page.text)?.[1]?.replaceAll("&amp;", "&")
    }
    expect(seen.toSorted((a, b) => a - b)).toEqual(locks.map(({ lockId }) => lockId).toSorted((a, b) => a - b))
  })

  it("shows everybody their own", async () => {
    const word = newWord()
    const lock = await named(word)
    await lock.post("SetOwner", { userId: OWNER })
    expect(listed(await (await signIn(server.url, other)).get(`/console/locks?q=${word}`))).toEqual([])
    expect(listed(await (await signIn(server.url, token({ sub: OWNER }))).get("/console/locks"))).toContain(lock.lockId)
  })

  it("is searched from the first page, and the address says for what", async () => {
    const word = newWord()
    const lock = await named(word)
    const { csrf = "" } = hiddenIn(await operator.get("/console"))
    const sent = await operator.post("/console/locks", { csrf, q: ` ${word} `, sort: "name" })
    expect([sent.status, sent.headers.get("location")]).toEqual([303, `/console/locks?q=${word}`])
    expect(listed(await operator.get(sent.headers.get("location") ?? ""))).toEqual([lock.lockId])
  })

  it("finds the lock of a link, which stands in no address", async () => {
    const lock = await furnishedLock(server.url)
    const { csrf = "" } = hiddenIn(await operator.get("/console"))
    for (const link of [lock.tempKeyUuid, lock.sharedUuid]) {
      const found = await operator.post("/console/locks", { csrf, q: `${server.url}/temp-keys/${link}` })
      expect([found.status, listed(found)]).toEqual([200, [lock.lockId]])
      expect(found.text).not.toMatch(new RegExp(`(href|action)="[^"]*${link}`))
    }
  })
})

describe("what needs somebody", () => {
  it("is on the first page and on one of its own, with what to do and the way there, and counted", async () => {
    const lock = await named(newWord())
    const key = { keyUuid: "key-that-was-removed", keyIndexNumber: 1 }
    await lock.post("AddKey", key)
    await lock.post("RemoveKey", key)
    for (const path of ["/console", "/console/attention"]) {
      const page = await operator.get(path)
      expect([path, page.status, listed(page)]).toEqual([path, 200, expect.arrayContaining([lock.lockId])])
      expect(wordsOf(page)).toContain("These keys were removed, but the lock may still open for them")
    }
    const { text } = await operator.get("/console")
    const [, count = ""] = /href="\/console\/locks\?attention=key-exposed">(\d+)</.exec(text) ?? []
    expect(listed(await operator.get("/console/locks?attention=key-exposed"))).toHaveLength(Number(count))
    expect(listed(await (await signIn(server.url, other)).get("/console/attention"))).not.toContain(lock.lockId)
  })

  it("is nothing where all is well", async () => {
    const page = await (await signIn(server.url, token({ sub: "somebody-without-locks" }))).get("/console")
    expect(wordsOf(page)).toContain("Nothing needs you.")
  })

  it("is not told to a key that may not read, which sees the page all the same", async () => {
    const { secret } = await Effect.runPromise(server.apiKeys.create("org-1", { limits: { scopes: ["open"] } }))
    const page = await (await signIn(server.url, secret)).get("/console")
    expect([page.status, wordsOf(page).includes("Needs somebody")]).toEqual([200, false])
  })
})

describe("what a lock is called, and where it is", () => {
  it("is said by a form, which keeps what was said and takes away what is left empty", async () => {
    const lock = await createLock(server.url)
    const page = `/console/locks/${lock.lockId}`
    const said = {
      name: "Room 12",
      timeZone: "Pacific/Auckland",
      address: "",
      contact: "Reception",
      instructions: "Left"
    }
    expect((await operator.act(`${page}/describe-lock`, said)).status).toBe(200)
    expect(wordsOf(await operator.get(page))).toContain("Room 12")
    expect((await operator.get(`${page}/describe-lock`)).text).toContain('value="Pacific/Auckland"')
    const refused = await operator.act(`${page}/describe-lock`, { ...said, timeZone: "Mars/Olympus" })
    expect([refused.status, refused.text.includes('value="Mars/Olympus"')]).toEqual([400, true])
    expect((await operator.act(`${page}/describe-lock`, { ...said, name: "" })).status).toBe(200)
    const words = wordsOf(await operator.get(page))
    expect([words.includes("Room 12"), words.includes("Reception")]).toEqual([false, true])
  })

  it("gives the pages of the lock its time: what happened, why, pictures and keys", async () => {
    const lock = await named("Room 12")
    const page = `/console/locks/${lock.lockId}`
    await makeShared(server.url, shared(lock.lockId, { description: "Mr Miller" }))
    const list = await operator.get(`/console/temp-keys?lockId=${lock.lockId}`)
    const key = /href="(\/console\/temp-keys\/[^"]+)">Mr Miller/.exec(list.text)?.[1] ?? expect.fail(list.text)
    const words = wordsOf(await operator.get(key))
    expect([words.includes("Room 12"), words.includes("Times are in Pacific/Auckland.")]).toEqual([true, true])
    for (const path of ["", "/why", "/pictures"]) {
      const words = wordsOf(await operator.get(page + path))
      expect([path, words.includes("Room 12"), words.includes("Times are in Pacific/Auckland.")]).toEqual([
        path,
        true,
        true
      ])
    }
    const when = await operator.get(`/console/temp-keys/new?doors=${lock.lockId}&step=when`)
    expect(when.text).toContain('value="Pacific/Auckland"')
  })

  it("is not told to those who come after", async () => {
    const lock = await named("Room of the first")
    await lock.post("SetOrganization", { orgId: OTHER_ORG })
    const theirs = await (await signIn(server.url, other)).get(`/console/locks/${lock.lockId}`)
    expect([theirs.status, theirs.text.includes("Room of the first")]).toEqual([200, false])
  })
})

it("a lock is set up, and taken out of service for good", async () => {
  const lock = lockAt(server.url, newLockId())
  const fields = { lockId: String(lock.lockId), uuid: lock.uuid, claimCode: "" }
  const made = await operator.act("/console/locks/new", fields)
  expect(made.text).toContain(`href="/console/locks/${lock.lockId}/describe-lock"`)
  const asked = await operator.get(`/console/locks/${lock.lockId}/retire-lock`)
  expect(wordsOf(asked)).toContain("This cannot be undone.")
  expect((await operator.act(`/console/locks/${lock.lockId}/retire-lock`, { reason: "sold" })).status).toBe(200)
  expect((await lock.post("OpenLock")).status).toBe(409)
  const refused = await operator.act("/console/locks/new", { ...fields, lockId: "no-number" })
  expect([refused.status, refused.text.includes(`value="${lock.uuid}"`)]).toEqual([400, true])
})
