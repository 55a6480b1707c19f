/** After a lock has changed hands the former side opens nothing, by any credential, on any server; and it has it back with the lock. */
import { expect, it } from "vitest"
import * as callers from "./harness/callers.ts"
import { lockAt, newLockId, newUuid, shared, tempKey } from "./harness/locks.ts"
import { configured, startServer, temporaryFolder } from "./harness/process.ts"
import { callsOf } from "./harness/request.ts"

const BEN = "0d000000-0000-4000-8000-000000000004"

/** What a giver gives: each credential, and how it is used at a server. */
const give = async (url: string, lockId: number, by: callers.Credentials) => {
  const call = callsOf(url, by)
  const lock = `/locks/${lockId}`
  const keyUuid = newUuid()
  const tempKeyUuid = newUuid()
  const body = { keyUuid, userId: callers.HOLDER }
  expect((await call("POST", `${lock}/AddKey`, { body })).status).toBe(200)
  expect((await call("POST", `${lock}/create-temp-key`, { body: tempKey({ tempKeyUuid }) })).status).toBe(200)
  const made = await call("POST", "/temp-keys", { body: shared(lockId) })
  expect(made.status).toBe(201)
  const { uuid, pin } = JSON.parse(made.text)
  return async (url: string) => {
    const ask = (who: callers.Credentials, path: string, body: object = {}) => callsOf(url, who)("POST", path, { body })
    const app = { ...callers.nobody, accept: "application/json" }
    const [page, explained, ...answers] = await Promise.all([
      callsOf(url, callers.nobody)("GET", `/temp-keys/${tempKeyUuid}`),
      callsOf(url, callers.superKey)("GET", `${lock}/explain?tempKeyUuid=${tempKeyUuid}`),
      ask(callers.holder, `${lock}/OpenLock`),
      ask(app, `/temp-keys/${tempKeyUuid}/open`),
      ask(callers.superKey, `${lock}/use-temp-key`, { tempKeyUuid }),
      ask(app, `/temp-keys/${uuid}/doors/1/open`),
      ask(callers.nobody, `${lock}/open-with-pin`, { pin })
    ])
    return {
      statuses: answers.map(({ status }) => status),
      page: page.text.includes("Your key is ready"),
      explained: JSON.parse(explained.text).allowed as boolean
    }
  }
}

const open = { statuses: [200, 200, 200, 200, 200], page: true, explained: true }
const shut = { statuses: [403, 403, 403, 403, 401], page: false, explained: false }

it.each([
  ["the owner", callers.owner, ["SetOwner"]],
  ["the organization", callers.organization, ["SetOrganization"]],
  ["the operator", callers.superKey, ["SetOwner", "SetOrganization"]]
] as const)("what %s gave ends with them, and is back with them", async (_, giver, ending) => {
  using folder = temporaryFolder()
  await using first = await startServer(configured(folder.path))
  await using second = await startServer(configured(folder.path))
  const lockId = newLockId()
  const lock = lockAt(first.url, lockId)
  const body = { index: 1, uuid: lock.uuid, ownerId: callers.OWNER }
  expect((await callsOf(first.url, callers.organization)("POST", `${lock.path}/CreateLock`, { body })).status).toBe(201)
  const used = await give(first.url, lockId, giver)
  const on = { SetOwner: [BEN, callers.OWNER], SetOrganization: [callers.OTHER_ORG, callers.ORG] } as const
  expect([await used(first.url), await used(second.url)]).toEqual([open, open])
  for (const command of ["SetOwner", "SetOrganization"] as const) {
    const [to, back] = on[command]
    const hand = async (id: string) => {
      const body = command === "SetOwner" ? { userId: id } : { orgId: id }
      const answer = await callsOf(second.url, callers.superKey)("POST", `${lock.path}/${command}`, { body })
      expect(answer.status).toBe(200)
    }
    await hand(to)
    const expected = (ending as ReadonlyArray<string>).includes(command) ? shut : open
    expect([command, await used(first.url), await used(second.url)]).toEqual([command, expected, expected])
    await hand(back)
    expect([command, await used(first.url), await used(second.url)]).toEqual([command, open, open])
  }
  // At another lock: a shadow has only so much room for what nobody carries out.
  const other = lockAt(first.url, newLockId())
  const { path, uuid } = other
  const asked = (who: callers.Credentials, command: string, body: object, at = path, { url } = second) =>
    callsOf(url, who)("POST", `${at}/${command}`, { body })
  const created = { index: 1, uuid, ownerId: callers.OWNER }
  expect((await asked(callers.organization, "CreateLock", created)).status).toBe(201)
  const usedThere = await give(first.url, other.lockId, giver)
  expect(await usedThere(second.url)).toEqual(open)
  const key = { userId: callers.HOLDER }
  const byHolder = async () =>
    Promise.all(
      [first, second].map(async (server) => (await asked(callers.holder, "OpenLock", {}, path, server)).status)
    )
  expect((await asked(callers.superKey, "RemoveKey", key)).status).toBe(200)
  expect(await byHolder()).toEqual([403, 403])
  expect((await asked(giver, "AddKey", { ...key, keyUuid: newUuid() })).status).toBe(200)
  expect(await byHolder()).toEqual([200, 200])
  // Its thing is another lock's then, of the same two: nothing that was given comes with it.
  expect((await asked(callers.superKey, "retire-lock", {})).status).toBe(200)
  for (const step of ["retired", "its thing is taken again"]) {
    for (const { url } of [first, second]) {
      const { statuses, page, explained } = await usedThere(url)
      expect([step, statuses.filter((status) => status < 400), page, explained]).toEqual([step, [], false, false])
    }
    if (step === "retired")
      expect((await asked(callers.superKey, "CreateLock", created, `/locks/${newLockId()}`)).status).toBe(201)
  }
})

it("a former owner's keys and temp keys are shown for what they are", async () => {
  using folder = temporaryFolder()
  await using server = await startServer(configured(folder.path))
  const lock = lockAt(server.url, newLockId())
  const asOwner = callsOf(server.url, callers.owner)
  const keys = [{ uuid: "key-1", userId: callers.HOLDER }]
  expect((await asOwner("POST", `${lock.path}/CreateLock`, { body: { index: 1, uuid: lock.uuid, keys } })).status).toBe(
    201
  )
  const body = tempKey()
  expect((await asOwner("POST", `${lock.path}/create-temp-key`, { body })).status).toBe(200)
  const { tempKeyUuid } = body
  const list = async () => JSON.parse((await lock.get("temp-keys")).text).tempKeys[0]
  const before = await list()
  expect(before).toMatchObject({ status: "valid" })
  expect(before).not.toHaveProperty("withdrawn")
  expect(before).not.toHaveProperty("giver")
  expect((await asOwner("POST", `${lock.path}/SetOwner`, { body: { userId: BEN } })).status).toBe(200)
  expect(await list()).toEqual({ ...before, status: "not-yet-valid", withdrawn: true })
  const app = { accept: "application/json" }
  const opening = await callsOf(server.url, app)("POST", `/temp-keys/${tempKeyUuid}/open`, { body: {} })
  expect([opening.status, opening.body]).toMatchObject([
    403,
    {
      error: "Temp key withdrawn",
      message:
        "The person who gave this temp key may no longer give keys to this lock. Ask them, or the owner of the lock."
    }
  ])
  const explain = async (about: string) => JSON.parse((await lock.get(`explain?${about}`)).text)
  for (const about of [`tempKeyUuid=${tempKeyUuid}`, "keyUuid=key-1", `userId=${callers.HOLDER}`]) {
    const explained = await explain(about)
    expect([about, explained.allowed, explained.rule]).toEqual([about, false, "withdrawn"])
    expect(explained.facts.events.map(({ type }: { readonly type: string }) => type)).toContain("OwnerSet")
    expect(JSON.stringify(explained)).not.toContain("giver")
  }
  expect((await asOwner("GET", `${lock.path}/basic-info`)).status).toBe(403)
})

it("a buyer ends the seller's keys by their ids, and is not told the links, which open again once the lock is back", async () => {
  using folder = temporaryFolder()
  await using server = await startServer(configured(folder.path))
  const lock = lockAt(server.url, newLockId())
  const [seller, buyer] = [callsOf(server.url, callers.owner), callsOf(server.url, callers.user(BEN))]
  const sell = (by: typeof seller, userId: string) => by("POST", `${lock.path}/SetOwner`, { body: { userId } })
  expect((await seller("POST", `${lock.path}/CreateLock`, { body: { index: 1, uuid: lock.uuid } })).status).toBe(201)
  const body = tempKey()
  expect((await seller("POST", `${lock.path}/create-temp-key`, { body })).status).toBe(200)
  const made = JSON.parse((await seller("POST", "/temp-keys", { body: shared(lock.lockId) })).text)
  expect((await sell(seller, BEN)).status).toBe(200)
  const listed = async (by: typeof seller, path: string) => JSON.parse((await by("GET", path)).text).tempKeys
  const [own] = await listed(buyer, `${lock.path}/temp-keys`)
  expect(own).toMatchObject({ uuid: own.id, withdrawn: true })
  const all = await listed(buyer, `/temp-keys?lockId=${lock.lockId}`)
  expect(all.map((key: { readonly id: string }) => key.id).sort()).toEqual([made.id, own.id].sort())
  for (const key of all) expect(key).toMatchObject({ uuid: key.id, url: "" })
  const suspended = await buyer("POST", `/temp-keys/${made.id}/suspend`)
  expect(suspended.status).toBe(200)
  for (const text of [JSON.stringify([own, all]), suspended.text])
    for (const link of [body.tempKeyUuid, made.uuid]) expect(text).not.toContain(link)
  expect((await buyer("DELETE", `/temp-keys/${own.id}`)).status).toBe(200)
  expect((await sell(buyer, callers.OWNER)).status).toBe(200)
  expect((await listed(seller, `/temp-keys?lockId=${lock.lockId}`)).map((key: typeof own) => key.uuid)).toEqual([
    made.uuid
  ])
})

it("the keys that a lock was sold with are shown, and removed with one request that may be repeated", async () => {
  using folder = temporaryFolder()
  await using first = await startServer(configured(folder.path))
  await using second = await startServer(configured(folder.path))
  const lock = lockAt(first.url, newLockId())
  const keys = [{ uuid: "key-1", indexNumber: 1, userId: callers.HOLDER }, { uuid: "key-2" }]
  const ask = (who: callers.Credentials, command: string, body: object, headers = {}, url = first.url) =>
    callsOf(url, who)("POST", `${lock.path}/${command}`, { body, headers })
  const { uuid } = lock
  expect((await ask(callers.owner, "CreateLock", { index: 1, uuid, keys })).status).toBe(201)
  expect((await ask(callers.superKey, "SetOrganization", { orgId: callers.ORG })).status).toBe(200)
  expect((await ask(callers.organization, "AddKey", { keyUuid: "office" })).status).toBe(200)
  const shown = async () =>
    JSON.parse((await lock.get("details")).text).keys.map(({ hardware: _, ...key }: { hardware: object }) => key)
  expect(await shown()).toEqual([...keys, { uuid: "office" }])
  expect((await ask(callers.owner, "SetOwner", { userId: BEN })).status).toBe(200)
  expect(await shown()).toEqual([...keys.map((key) => ({ ...key, inherited: true })), { uuid: "office" }])
  const ben = callers.user(BEN)
  for (const who of [callers.owner, callers.holder, callers.otherOrganization])
    expect((await ask(who, "remove-inherited-keys", {})).status).toBe(403)
  expect((await ask(ben, "remove-inherited-keys", { keys: ["key-1"] })).status).toBe(400)
  const once = { "idempotency-key": "after-the-sale" }
  const removal = await ask(ben, "remove-inherited-keys", {}, once)
  expect([removal.status, JSON.parse(removal.text)]).toEqual([
    200,
    {
      success: true,
      lockId: lock.lockId,
      removed: [{ keyUuid: "key-1", keyIndexNumber: 1 }, { keyUuid: "key-2" }],
      failed: []
    }
  ])
  expect(await shown()).toEqual([{ uuid: "office" }])
  const again = await ask(ben, "remove-inherited-keys", {}, once, second.url)
  expect([again.status, again.text, again.headers.get("idempotency-replayed")]).toEqual([200, removal.text, "true"])
  expect((await ask(ben, "remove-inherited-keys", {})).body).toMatchObject({ removed: [], failed: [] })
})

it("removing a resident says which keys they still hold", async () => {
  using folder = temporaryFolder()
  await using server = await startServer(configured(folder.path))
  const lock = lockAt(server.url, newLockId())
  const keys = [
    { uuid: "key-1", indexNumber: 1, userId: callers.HOLDER },
    { uuid: "key-2", userId: BEN }
  ]
  expect((await lock.post("CreateLock", { index: 1, uuid: lock.uuid, keys })).status).toBe(201)
  for (const userId of [callers.HOLDER, callers.STRANGER])
    expect((await lock.post("AddResident", { userId, name: "Ada" })).status).toBe(200)
  const removed = async (userId: string) => JSON.parse((await lock.post("RemoveResident", { userId })).text).keysHeld
  expect(await removed(callers.HOLDER)).toEqual([{ keyUuid: "key-1", keyIndexNumber: 1 }])
  expect(await removed(callers.STRANGER)).toEqual([])
  expect((await lock.post("RemoveKey", { userId: callers.HOLDER })).body.event?.data["keyUuid"]).toBe("key-1")
  expect((await callsOf(server.url, callers.holder)("POST", `${lock.path}/OpenLock`, { body: {} })).status).toBe(403)
})
