/**
 * A link opens doors, so it comes out nowhere but where it belongs. Every answer of every route is searched for the links
 * that its caller may not know: that of a key to several doors for those who command one of them, and all of them for an
 * API key that is not for temp keys.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import {
  apiKey,
  type Credentials,
  organization,
  otherOrganization,
  STRANGER,
  stranger,
  superKey,
  user
} from "./harness/callers.ts"
import { type InProcess, startInProcess } from "./harness/inProcess.ts"
import { type FurnishedLock, furnishedLock, newLockId, newUuid, shared, tempKey } from "./harness/locks.ts"
import { callsOf, type Sent } from "./harness/request.ts"
import { everyRoute, goodRequest, pathTo } from "./harness/routes.ts"

let server: InProcess
beforeAll(async () => void (server = await startInProcess()))
afterAll(() => server.stop())

const MAKER = "maker-of-links"

const ask = async (as: Credentials, method: string, path: string, body?: unknown, headers: Credentials = {}) => {
  const sent: Sent = { ...(body === undefined ? {} : { body }), headers: { accept: "application/json", ...headers } }
  const { status, text, headers: answered } = await callsOf(server.url, as)(method, path, sent)
  return { status, all: `${text}\n${JSON.stringify([...answered])}`, text }
}
const done = async (...call: Parameters<typeof ask>) => {
  const { status, text } = await ask(...call)
  expect([call[1], call[2], status, text]).toEqual([call[1], call[2], expect.toSatisfy((code) => code < 300), text])
  return JSON.parse(text)
}

/** A lock of `org-1`, of which somebody gave a key that opens another's door too; it has had a life, and was sold. */
const makeLife = async () => {
  const lock = await furnishedLock(server.url)
  const elsewhere = newLockId()
  const maker = user(MAKER)
  await done(superKey, "POST", `/locks/${elsewhere}/${pathTo("LockCreated")}`, {
    index: 1,
    uuid: newUuid(),
    orgId: "org-2"
  })
  for (const id of [lock.lockId, elsewhere])
    await done(superKey, "POST", `/locks/${id}/${pathTo("OwnerSet")}`, { userId: MAKER })
  const doors = [
    { lockId: String(lock.lockId), accessMethod: "both" },
    { lockId: String(elsewhere), accessMethod: "key" },
    { lockId: String(lock.lockId), accessMethod: "code" }
  ]
  const several = await done(maker, "POST", "/temp-keys", shared(lock.lockId, { doors, maxUses: 50, description: "x" }))
  const open = (link: string, door: number) => ask({}, "POST", `/temp-keys/${link}/doors/${door}/open`, {})
  expect((await open(several.uuid, 1)).status).toBe(200)
  expect((await open(several.uuid, 3)).status).toBe(403)
  await done(superKey, "POST", `${lock.path}/open-with-pin`, { pin: several.pin })
  const { uuid: second } = await done(maker, "POST", `/temp-keys/${several.id}/new-link`)
  expect((await open(several.uuid, 1)).status).toBe(400)
  await done(maker, "POST", `/temp-keys/${several.id}/suspend`)
  expect((await open(second, 1)).status).toBe(400)
  expect((await ask(superKey, "POST", `${lock.path}/open-with-pin`, { pin: several.pin })).status).toBe(401)
  await done(maker, "POST", `/temp-keys/${several.id}/resume`)

  const [own, renewed, deleted, ofMaker] = [newUuid(), newUuid(), newUuid(), newUuid()]
  for (const tempKeyUuid of [own, deleted])
    await lock.post(pathTo("TempKeyCreated"), tempKey({ tempKeyUuid, maxUses: 2 }))
  await done(maker, "POST", `${lock.path}/${pathTo("TempKeyCreated")}`, tempKey({ tempKeyUuid: ofMaker }))
  for (const link of [own, own, own]) await ask({}, "POST", `/temp-keys/${link}/open`, {})
  await lock.post(pathTo("TempKeyUpdated"), { tempKeyUuid: own, maxUses: 9 })
  await lock.post(pathTo("TempKeySuspended"), { tempKeyUuid: own })
  await lock.post(pathTo("TempKeyResumed"), { tempKeyUuid: own })
  await lock.post(pathTo("TempKeyLinkChanged"), { tempKeyUuid: own, newTempKeyUuid: renewed })
  await lock.post(pathTo("TempKeyUsed"), { tempKeyUuid: renewed })
  await lock.post(pathTo("TempKeyDeleted"), { tempKeyUuid: deleted })
  await ask({}, "POST", `/temp-keys/${deleted}/open`, {})
  await done(organization, "POST", `${lock.path}/${pathTo("OwnerSet")}`, { userId: STRANGER })
  await ask({}, "POST", `/temp-keys/${ofMaker}/open`, {})
  await ask({}, "POST", `/temp-keys/${second}/doors/1/open`, {})
  return {
    lock,
    id: String(several.id),
    ofSeveral: [String(several.uuid), String(second)],
    ofOwn: [own, renewed, deleted, ofMaker, lock.tempKeyUuid, lock.sharedUuid],
    ofMaker: [ofMaker]
  }
}

/** What is asked of every route about the lock; keys to several doors by their ids. */
const questions = async (as: Credentials, lock: FurnishedLock, id: string) => {
  const requests = everyRoute.map((route) => ({ ...route, ...goodRequest(route, lock) }))
  const more = ["events?order=desc&limit=1000", "attempts?limit=200", "events?page=1", "events?types=LockOpenRequested"]
  const found: Array<{ method: string; path: string; body?: unknown }> = [
    ...more.map((question) => ({ method: "GET", path: `${lock.path}/${question}` })),
    ...["/events?limit=1000", "/temp-keys", "/metrics", "/ready", `/temp-keys/${id}`].map((path) => ({
      method: "GET",
      path
    }))
  ]
  const ids = (text: string): ReadonlyArray<string> =>
    [...text.matchAll(/"(?:eventId|attemptId)":"([^"]+)"/g)].flatMap(([_, id = ""]) => id)
  for (const question of more) {
    const { status, text } = await ask(as, "GET", `${lock.path}/${question}`)
    if (status !== 200) continue
    for (const eventId of ids(text)) found.push({ method: "GET", path: `${lock.path}/explain?eventId=${eventId}` })
  }
  found.push({ method: "GET", path: `${lock.path}/explain?pinAttempt=last` })
  // Last what changes something, and at the very end what ends the lock.
  const ends = (["LockRetired", "OrganizationSet", "LockUuidChanged", "ClaimMoved"] as const).map(pathTo)
  const isEnd = ({ path }: { readonly path: string }) => ends.some((end) => path.endsWith(`/${end}`))
  return [...found, ...requests.filter((one) => !isEnd(one)), ...requests.filter(isEnd)]
}

describe("the links of temp keys", () => {
  it.each(["the organization of one of its doors", "its new owner", "a key that is not for temp keys"] as const)(
    "come out in no answer to %s",
    async (who) => {
      const { lock, id, ofSeveral, ofOwn, ofMaker } = await makeLife()
      const limited = { orgId: "org-1", scopes: ["read", "open"] }
      const { key } = await done(superKey, "POST", "/api-keys", limited)
      const [as, secrets] = {
        "the organization of one of its doors": [organization, ofSeveral],
        "its new owner": [stranger, [...ofSeveral, ...ofMaker]],
        "a key that is not for temp keys": [apiKey(key), [...ofSeveral, ...ofOwn]]
      }[who] as [Credentials, ReadonlyArray<string>]
      let explained = 0
      for (const { method, path, body } of await questions(as, lock, id)) {
        // A link that the request itself holds is known already.
        const asked = `${path} ${JSON.stringify(body ?? "")}`
        const { status, all } = await ask(as, method, path, body)
        if (path.includes("explain?eventId") && status === 200) explained++
        for (const link of secrets) {
          if (asked.includes(link)) continue
          expect([method, path, all.toLowerCase().includes(link.toLowerCase())], all).toEqual([method, path, false])
        }
      }
      expect(explained).toBeGreaterThan(5)
    },
    120_000
  )

  it("come out where they belong: to those who gave the key, and to nobody by its id alone", async () => {
    const { id, ofSeveral, lock } = await makeLife()
    const [first = "", second = ""] = ofSeveral
    const listed = await ask(user(MAKER), "GET", "/temp-keys")
    expect([listed.all.includes(second), listed.all.includes(first)]).toEqual([true, false])
    expect((await ask({}, "GET", `/temp-keys/${id}`)).status).toBe(404)
    expect((await ask(otherOrganization, "PATCH", `/temp-keys/${id}`, {})).status).toBe(403)
    expect((await ask(organization, "GET", `/temp-keys?lockId=${lock.lockId}`)).all).not.toContain(id)
  })
})
