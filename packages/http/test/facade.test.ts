/** Programs without Effect can do everything that the API can: `createLatchkey` has something for every route. */
import { type CommandInput, createLatchkey, type EmbeddedLatchkey, LockRequest } from "@latchkey/core"
import { MemoryDeviceShadow, MemoryEventStore, MemoryPresence, MemoryReadModel } from "@latchkey/core/testing"
import { Layer, Struct } from "effect"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { nodeSecrets, pinKeyOf, webhookDelivery } from "../src/index.ts"
import { PIN_KEY } from "./harness/callers.ts"
import { newLockId, newUuid } from "./harness/locks.ts"
import { commandsByRoute, everyRoute } from "./harness/routes.ts"

type Embedded = EmbeddedLatchkey<"throw">

/** What does what a route does. What is a page to a guest, or a file, is plain data here. */
const counterparts: Readonly<Record<string, (latchkey: Embedded) => unknown>> = {
  "POST /locks/{id}/BulkAddKeys": ({ bulkAddKeys }) => bulkAddKeys,
  "POST /locks/{id}/remove-inherited-keys": ({ removeInheritedKeys }) => removeInheritedKeys,
  "GET /attention": ({ attention }) => attention,
  "GET /overview": ({ overview }) => overview,
  "GET /locks": ({ locks }) => locks,
  "GET /locks/{id}/temp-keys": ({ tempKeys }) => tempKeys,
  "GET /locks/{id}/details": ({ lock }) => lock,
  "GET /locks/{id}/basic-info": ({ basicInfo }) => basicInfo,
  "GET /locks/{id}/exposure": ({ exposure }) => exposure,
  "GET /locks/{id}/presence": ({ presenceChanges }) => presenceChanges,
  "GET /locks/{id}/residents": ({ lock }) => lock,
  "GET /locks/{id}/events": ({ history }) => history,
  "GET /locks/{id}/commands/{commandId}": ({ command }) => command,
  "GET /locks/{id}/explain": ({ explain }) => explain,
  "GET /locks/{id}/attempts": ({ attempts }) => attempts,
  "GET /locks/{id}/audit.csv": ({ audit }) => audit,
  "GET /locks/{id}/audit.ndjson": ({ audit }) => audit,
  "POST /locks/{id}/simulate-update-temp-key": ({ simulate }) => simulate,
  "GET /locks/{id}/BulkAddKeys/{instanceId}": ({ bulkProgress }) => bulkProgress,
  "GET /api-keys": ({ apiKeys }) => apiKeys.list,
  "POST /api-keys": ({ apiKeys }) => apiKeys.create,
  "DELETE /api-keys/{keyId}": ({ apiKeys }) => apiKeys.revoke,
  "GET /brand": ({ brand }) => brand.get,
  "PUT /brand": ({ brand }) => brand.set,
  "DELETE /brand": ({ brand }) => brand.remove,
  "GET /events": ({ events }) => events,
  "GET /events/stream": ({ subscribe }) => subscribe,
  "POST /webhooks": ({ webhooks }) => webhooks.create,
  "POST /tenants/{orgId}/webhooks": ({ webhooks }) => webhooks.create,
  "GET /webhooks": ({ webhooks }) => webhooks.list,
  "GET /webhooks/{id}": ({ webhooks }) => webhooks.get,
  "PATCH /webhooks/{id}": ({ webhooks }) => webhooks.change,
  "DELETE /webhooks/{id}": ({ webhooks }) => webhooks.remove,
  "POST /webhooks/{id}/rotate-secret": ({ webhooks }) => webhooks.rotateSecret,
  "POST /webhooks/{id}/enable": ({ webhooks }) => webhooks.enable,
  "POST /webhooks/{id}/disable": ({ webhooks }) => webhooks.disable,
  "POST /webhooks/{id}/test": ({ webhooks }) => webhooks.test,
  "POST /webhooks/{id}/replay": ({ webhooks }) => webhooks.replay,
  "GET /webhooks/{id}/deliveries": ({ webhooks }) => webhooks.deliveries,
  "POST /webhooks/{id}/deliveries/{eventId}/retry": ({ webhooks }) => webhooks.retry,
  "DELETE /webhooks/{id}/deliveries/{eventId}": ({ webhooks }) => webhooks.dismiss,
  "GET /users/{id}/owned-locks": ({ ownedLocks }) => ownedLocks,
  "GET /users/{id}/keys": ({ userKeys }) => userKeys,
  "DELETE /users/{id}/keys": ({ removeUserKeys }) => removeUserKeys,
  "POST /locks/{id}/open-with-pin": ({ sharedKeys }) => sharedKeys.openByPin,
  "POST /temp-keys": ({ sharedKeys }) => sharedKeys.create,
  "GET /temp-keys": ({ sharedKeys }) => sharedKeys.list,
  "PATCH /temp-keys/{uuid}": ({ sharedKeys }) => sharedKeys.change,
  "POST /temp-keys/{uuid}/suspend": ({ sharedKeys }) => sharedKeys.suspend,
  "POST /temp-keys/{uuid}/resume": ({ sharedKeys }) => sharedKeys.resume,
  "POST /temp-keys/{uuid}/new-link": ({ sharedKeys }) => sharedKeys.newLink,
  "POST /temp-keys/{uuid}/reissue-pin": ({ sharedKeys }) => sharedKeys.reissuePin,
  "DELETE /temp-keys/{uuid}": ({ sharedKeys }) => sharedKeys.revoke,
  "POST /temp-keys/{uuid}/doors/{doorId}/open": ({ sharedKeys }) => sharedKeys.openDoor,
  "GET /temp-keys/{uuid}": ({ guests }) => guests.view,
  "POST /temp-keys/{uuid}/open": ({ guests }) => guests.open,
  "GET /temp-keys/{uuid}/confirmation": ({ guests }) => guests.outcome
}

/** Of browsers alone: there they lead to a page, or keep who is signed in. */
const ofBrowsers = [
  "GET /temp-keys/{uuid}/calendar.ics",
  "GET /temp-keys/{uuid}/open",
  "GET /temp-keys/{uuid}/doors/{doorId}/open",
  "GET /temp-keys/{uuid}/sign-in",
  "POST /temp-keys/{uuid}/sign-in"
]

const pinKey = pinKeyOf(PIN_KEY)
let latchkey: Embedded
beforeAll(async () => {
  latchkey = await createLatchkey({
    store: Layer.fresh(Layer.mergeAll(MemoryEventStore.layer, MemoryReadModel.layer, MemoryPresence.layer)),
    shadow: Layer.fresh(MemoryDeviceShadow.layer),
    pinKey,
    secrets: nodeSecrets,
    deliver: webhookDelivery(pinKey)
  })
})
afterAll(() => latchkey.dispose())

it("every route has a counterpart, and none is listed that is not there", () => {
  const names = everyRoute.map(({ name }) => name).filter((name) => !commandsByRoute.has(name))
  expect([...Object.keys(counterparts), ...ofBrowsers].toSorted()).toEqual(names.toSorted())
  for (const [name, counterpart] of Object.entries(counterparts))
    expect([name, typeof counterpart(latchkey)]).toEqual([name, "function"])
  const commands: ReadonlyArray<string> = Struct.keys(LockRequest.cases)
  for (const { tag } of commandsByRoute.values()) expect(commands).toContain(tag)
})

const org = { _tag: "Organization", orgId: "org-1" } as const
const operator = { _tag: "Super" } as const
const guest = { _tag: "Guest" } as const
const by = <P extends object>(principal: P) => ({ commandId: newUuid(), at: Date.now(), principal })
const window = () => ({
  validFrom: new Date(Date.now() - 86_400_000).toISOString(),
  validUntil: new Date(Date.now() + 86_400_000).toISOString()
})

const createLock = async () => {
  const lockId = newLockId()
  const create: CommandInput = { ...by(org), _tag: "CreateLock", lockId, index: 1, uuid: newUuid() }
  await latchkey.execute(create)
  return lockId
}

/** A key of either kind: its name, its link, and how it is opened. */
const make = async (kind: "own" | "shared") => {
  const lockId = await createLock()
  const link = newUuid()
  if (kind === "shared") {
    const doors = [{ lockId: String(lockId), accessMethod: "both" as const }]
    const { credential, pin } = await latchkey.sharedKeys.create({ ...by(org), ...window(), uuid: link, doors })
    const open = (link: string) => latchkey.sharedKeys.openDoor(link, 1, by(guest))
    return { lockId, link, id: credential.id, pin: pin ?? "", open }
  }
  const own = {
    ...by(org),
    ...window(),
    _tag: "CreateTempKey",
    lockId,
    tempKeyUuid: link,
    accessMode: "public"
  } as const
  await latchkey.execute(own)
  return { lockId, link, id: own.commandId, pin: "", open: (link: string) => latchkey.guests.open(link, by(guest)) }
}

describe.each(["own", "shared"] as const)("a temp key of kind %s", (kind) => {
  it("lives its whole life by its id and its link", async () => {
    const { lockId, link, id, open } = await make(kind)
    const { sharedKeys } = latchkey
    const changed = await sharedKeys.change(link, { description: "for Ida", maxUses: 5 }, by(org))
    expect(changed).toMatchObject({ id, uuid: link, description: "for Ida", maxUses: 5 })
    const stale = { ...by(org), ifVersion: [changed.version - 1] }
    await expect(sharedKeys.change(id, { maxUses: 1 }, stale)).rejects.toMatchObject({
      _tag: kind === "own" ? "VersionMoved" : "KeyMoved",
      version: changed.version
    })
    expect(await sharedKeys.suspend(id, { ...by(org), ifVersion: [changed.version] })).toMatchObject({
      suspended: true
    })
    await expect(open(link)).rejects.toMatchObject({ _tag: "TempKeyNotValid", suspended: true })
    expect(await sharedKeys.resume(id, by(org))).not.toHaveProperty("suspended")
    const next = newUuid()
    expect(await sharedKeys.newLink(id, next, by(org))).toMatchObject({ id, uuid: next })
    await expect(open(link)).rejects.toMatchObject({ status: "deleted" })
    const { version } = await open(next)
    const door = kind === "own" ? [] : [1]
    expect(await latchkey.guests.outcome(next, version, ...door)).toMatchObject({ status: "pending" })
    const page = await sharedKeys.list(org, Date.now(), { lockId: String(lockId), status: ["valid"], limit: 1 })
    expect(page.tempKeys).toMatchObject([{ id, uuid: next, usedCount: 1 }])
    await sharedKeys.revoke(id, by(org))
    await sharedKeys.revoke(id, by(org))
    await expect(sharedKeys.change(id, {}, by(org))).rejects.toMatchObject({ _tag: "KeyEnded" })
    await expect(open(next)).rejects.toMatchObject({ status: "deleted" })
  })

  it("is changed by nothing that is not known, and by nobody else", async () => {
    const { id } = await make(kind)
    const misspelt = JSON.parse('{ "max_uses": 1 }')
    await expect(latchkey.sharedKeys.change(id, misspelt, by(org))).rejects.toMatchObject({ _tag: "InvalidCommand" })
    await expect(
      latchkey.sharedKeys.newLink(id, "11111111-1111-1111-1111-111111111111", by(org))
    ).rejects.toMatchObject({
      _tag: "InvalidCommand"
    })
    const other = by({ _tag: "Organization", orgId: "org-2" } as const)
    await expect(latchkey.sharedKeys.suspend(id, other)).rejects.toMatchObject({ _tag: "AccessDenied" })
  })
})

it("a PIN is reissued: the one before opens nothing any more", async () => {
  const { lockId, id, pin } = await make("shared")
  const enter = (pin: string) => latchkey.sharedKeys.openByPin({ ...by(org), lockId, pin, networks: ["192.0.2.1"] })
  await enter(pin)
  const reissued = await latchkey.sharedKeys.reissuePin(id, by(org))
  expect(reissued.pin).toMatch(/^\d{8}$/)
  await expect(enter(pin)).rejects.toMatchObject({ _tag: "PinRefused" })
  await enter(reissued.pin ?? "")
})

it("API keys are made with scopes, say who presents them, and are revoked", async () => {
  const { apiKeys } = latchkey
  const { key, secret = "" } = await apiKeys.create({ orgId: "org-1", scopes: ["open"], locks: [7] }, by(operator))
  const principal = await apiKeys.principalOf(secret, Date.now())
  expect(principal).toMatchObject({ _tag: "Organization", orgId: "org-1", limits: { scopes: ["open"], locks: [7] } })
  const keypad = principal ?? expect.fail()
  await expect(apiKeys.create({ scopes: ["admin"] }, by(keypad))).rejects.toMatchObject({ _tag: "AccessDenied" })
  const lockId = await createLock()
  await expect(latchkey.lock(keypad, lockId)).rejects.toMatchObject({ _tag: "AccessDenied" })
  expect((await apiKeys.list(operator, "org-1")).map(({ keyId }) => keyId)).toEqual([key.keyId])
  expect((await apiKeys.revoke(key.keyId, by(operator))).revokedAt).toBeDefined()
  expect(await apiKeys.principalOf(secret, Date.now())).toBeUndefined()
  const misspelt = JSON.parse('{ "scopes": ["open"], "lock": [7] }')
  await expect(apiKeys.create(misspelt, by(operator))).rejects.toMatchObject({ _tag: "InvalidCommand" })
})

it("webhooks are made, changed and removed; events are told a page at a time", async () => {
  const { webhooks } = latchkey
  const made = await webhooks.create({ url: "https://partner.invalid/", events: ["OwnerSet"] }, by(org))
  const { id } = made.shown.webhook
  expect(await webhooks.change(id, { description: "mine" }, by(org))).toMatchObject({
    webhook: { description: "mine" }
  })
  expect((await webhooks.rotateSecret(id, by(org))).secret).not.toBe(made.secret)
  expect((await webhooks.list(org)).map(({ webhook }) => webhook.id)).toEqual([id])
  const typo = { url: "https://partner.invalid/", events: ["OwnerSett"] }
  await expect(webhooks.create(typo, by(org))).rejects.toMatchObject({ _tag: "InvalidCommand" })
  const other = { _tag: "Organization", orgId: "org-2" } as const
  await expect(webhooks.get(other, id)).rejects.toMatchObject({ _tag: "WebhookNotFound" })
  await webhooks.remove(id, by(org))
  await expect(webhooks.get(org, id)).rejects.toMatchObject({ _tag: "WebhookNotFound" })
  const lockId = await createLock()
  const { events, nextCursor } = await latchkey.events(org, { lockId })
  expect(events.map((event) => event["detail-type"])).toEqual(["LockCreated"])
  expect((await latchkey.events(org, { lockId, after: nextCursor })).events).toEqual([])
  await expect(latchkey.events(guest)).rejects.toMatchObject({ _tag: "AccessDenied" })
})

it("a lock shows what it inherited, to key holders what they may know, and what became of a command", async () => {
  const lockId = await createLock()
  await latchkey.execute({ ...by(org), _tag: "SetOwner", lockId, userId: "ada" })
  const ada = { _tag: "User", userId: "ada" } as const
  await latchkey.execute({ ...by(ada), _tag: "AddKey", lockId, keyUuid: "key-1", userId: "carl" })
  const carl = { _tag: "User", userId: "carl" } as const
  expect(await latchkey.basicInfo(carl, lockId)).toMatchObject({ lockId, ownerId: "ada", orgId: "org-1" })
  await expect(latchkey.lock(carl, lockId)).rejects.toMatchObject({ _tag: "AccessDenied" })
  const { commandId } = await latchkey.execute({ ...by(carl), _tag: "OpenLock", lockId })
  expect(await latchkey.command(carl, lockId, commandId ?? "")).toMatchObject({ status: "pending", type: "OpenLock" })
  await latchkey.execute({ ...by(org), _tag: "SetOwner", lockId, userId: "ben" })
  expect((await latchkey.lock(org, lockId)).keys).toMatchObject([{ uuid: "key-1", inherited: true }])
})

it("what needs more than was given says so", async () => {
  await using bare = await createLatchkey({
    store: Layer.fresh(Layer.mergeAll(MemoryEventStore.layer, MemoryReadModel.layer, MemoryPresence.layer)),
    shadow: Layer.fresh(MemoryDeviceShadow.layer)
  })
  const without = (option: string) => ({ _tag: "InvalidCommand", message: expect.stringContaining(option) })
  await expect(bare.apiKeys.list(operator, "org-1")).rejects.toMatchObject(without("secrets"))
  await expect(bare.webhooks.list(org)).rejects.toMatchObject(without("deliver"))
  const lockId = newLockId()
  await bare.execute({ ...by(org), _tag: "CreateLock", lockId, index: 1, uuid: newUuid() })
  const doors = [{ lockId: String(lockId) }]
  const { credential } = await bare.sharedKeys.create({ ...by(org), ...window(), uuid: newUuid(), doors })
  const addDoors = [{ lockId: String(lockId), accessMethod: "code" as const }]
  await expect(bare.sharedKeys.change(credential.id, { addDoors }, by(org))).rejects.toMatchObject(without("pinKey"))
  expect((await bare.sharedKeys.change(credential.id, { addDoors: doors }, by(org))).doors).toHaveLength(2)
})
