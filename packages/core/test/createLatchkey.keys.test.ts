/** What the façade gives beside commands and questions: keys to several doors, their PINs, guests' links, and the log as it grows. */
import { expect, it } from "@effect/vitest"
import { MemoryDeviceShadow, MemoryEventStore, MemoryPresence, MemoryReadModel } from "@latchkey/core/testing"
import { Layer } from "effect"
import { createLatchkey } from "../src/latchkey/createLatchkey.ts"
import type { CommandInput } from "../src/latchkey/Embedded.ts"
import { pinKeyOf } from "./pinKey.ts"
import { clock, lockId, lockUuid, millis, operator } from "./scenario.ts"

const pinKey = pinKeyOf("for tests")

const inMemory = (options: { readonly pinKey?: typeof pinKey } = { pinKey }) =>
  createLatchkey({
    store: Layer.fresh(Layer.mergeAll(MemoryEventStore.layer, MemoryReadModel.layer, MemoryPresence.layer)),
    shadow: Layer.fresh(MemoryDeviceShadow.layer),
    ...options
  })

let commands = 0
const asked = () => ({ commandId: `command-${++commands}`, at: millis("10:00"), principal: operator })
const ada = { _tag: "User", userId: "ada" } as const
const guest = { _tag: "Guest" } as const
const window = { validFrom: clock("09:00"), validUntil: clock("17:00") }
const uuid = "5ca1ab1e-0000-4000-8000-000000000001"
const create = (): CommandInput => ({
  ...asked(),
  _tag: "CreateLock",
  lockId,
  index: 1,
  uuid: lockUuid,
  ownerId: "ada"
})
const newKey = (accessMethod: "key" | "code" | "both") => ({
  ...asked(),
  ...window,
  uuid,
  principal: ada,
  doors: [{ lockId: String(lockId), label: "front", accessMethod }]
})

it("a key for several doors is made, listed, opens by link and by PIN, and is revoked", async () => {
  await using latchkey = await inMemory()
  const { sharedKeys } = latchkey
  await latchkey.execute(create())
  const { pin, credential } = await sharedKeys.create(newKey("both"))
  expect(pin).toMatch(/^\d{8}$/)
  expect(await sharedKeys.list(ada, Date.now(), { lockId: String(lockId) })).toMatchObject({
    tempKeys: [{ uuid, doors: [{ lockUuid }] }]
  })

  const opened = await sharedKeys.openDoor(uuid, 1, { ...asked(), principal: guest })
  expect(opened).toMatchObject({ doorId: 1, lockId, online: false })
  expect(await sharedKeys.openedAt(uuid, 1, opened.version)).toBe(millis("10:00"))
  expect(await sharedKeys.openedAt(uuid, 1, 99)).toBeUndefined()
  const entered = { ...asked(), principal: guest, lockId, pin: pin ?? "", networks: ["192.0.2.7"] }
  expect(await sharedKeys.openByPin(entered)).toMatchObject({ lockId })
  await expect(sharedKeys.openByPin({ ...entered, ...asked(), pin: "00000000" })).rejects.toMatchObject({
    _tag: "PinRefused"
  })

  await sharedKeys.revoke(credential.uuid, { ...asked(), principal: ada })
  await expect(sharedKeys.openDoor(uuid, 1, { ...asked(), principal: guest })).rejects.toMatchObject({
    _tag: "TempKeyNotValid"
  })
})

it("without a key for PINs no door has one, and other keys are made all the same", async () => {
  await using latchkey = await inMemory({})
  await latchkey.execute(create())
  const needed = { _tag: "InvalidCommand", message: expect.stringContaining("pinKey") }
  await expect(latchkey.sharedKeys.create(newKey("code"))).rejects.toMatchObject(needed)
  expect(await latchkey.sharedKeys.create(newKey("key"))).toMatchObject({ pin: null })
})

it("a guest sees and uses the key behind a link", async () => {
  await using latchkey = await inMemory()
  await latchkey.execute(create())
  const tempKeyUuid = "7e3b0000-0000-4000-8000-00000000000a"
  await latchkey.execute({ ...asked(), ...window, _tag: "CreateTempKey", lockId, tempKeyUuid, accessMode: "public" })
  expect(await latchkey.guests.view(tempKeyUuid, millis("10:00"))).toMatchObject({ status: "valid" })
  expect(await latchkey.guests.view(tempKeyUuid, millis("18:00"), "ada")).toMatchObject({ status: "expired" })
  const { version } = await latchkey.guests.open(tempKeyUuid, { ...asked(), principal: guest })
  expect(await latchkey.guests.usedAt(tempKeyUuid, version)).toBe(millis("10:00"))
  expect(await latchkey.guests.usedAt(tempKeyUuid, 1)).toBeUndefined()
  await expect(latchkey.guests.view("nothing", millis("10:00"))).rejects.toMatchObject({ _tag: "LinkNotFound" })
})

it.each([
  ["an empty command id", { commandId: "" }],
  ["a command id that is too long for the key of a record", { commandId: "x".repeat(256) }],
  ["a command id with NUL", { commandId: "a\0" }],
  ["half a surrogate pair for a user", { principal: { _tag: "User", userId: "\ud83d" } }],
  ["an organization with NUL", { principal: { _tag: "Organization", orgId: "a\0" } }]
] as const)("%s, which no store has to keep, is refused", async (_, context) => {
  await using latchkey = await inMemory()
  await expect(latchkey.execute({ ...create(), ...context })).rejects.toMatchObject({ _tag: "InvalidCommand" })
})

it("refuses what is no question, and says which field is wrong", async () => {
  await using latchkey = await inMemory()
  const invalid = (field: string) => ({ _tag: "InvalidCommand", message: expect.stringContaining(field) })
  await expect(latchkey.sharedKeys.create({ ...newKey("key"), doors: [] })).rejects.toMatchObject(invalid("doors"))
  await expect(latchkey.sharedKeys.openDoor(uuid, 0, asked())).rejects.toMatchObject(invalid("doorId"))
  await expect(latchkey.guests.view(uuid, Number.NaN)).rejects.toMatchObject(invalid("now"))
  await expect(latchkey.tempKeys(operator, lockId, 9e15)).rejects.toMatchObject(invalid("now"))
  const nobody = undefined as unknown as typeof operator
  await expect(latchkey.ownedLocks(nobody, "ada")).rejects.toMatchObject(invalid("principal"))
  await expect(latchkey.bulkProgress(operator, lockId, null as unknown as string)).rejects.toMatchObject(
    invalid("instanceId")
  )
  const subject = { _tag: "User", userId: "ada" } as const
  await expect(latchkey.explain(operator, lockId, { subject, at: Number.NaN })).rejects.toMatchObject(invalid("at"))
  const entered = { ...asked(), lockId, pin: "12", networks: ["192.0.2.7"] }
  await expect(latchkey.sharedKeys.openByPin(entered)).rejects.toMatchObject(invalid("pin"))
  await expect(latchkey.sharedKeys.openByPin({ ...entered, pin: "1234", networks: [] })).rejects.toMatchObject(
    invalid("networks")
  )
})

it("a subscription tells what there is after a position, and then what comes, until everything is disposed of", async () => {
  const latchkey = await inMemory()
  await latchkey.execute(create())
  await latchkey.execute({ ...asked(), _tag: "OpenLock", lockId })
  const told: Array<string> = []
  const ended = (async () => {
    for await (const { position, type } of latchkey.subscribe(1)) {
      told.push(`${position} ${type}`)
      if (told.length === 1) await latchkey.execute({ ...asked(), _tag: "AddResident", lockId, name: "Bob" })
    }
  })()
  await expect.poll(() => told).toEqual(["2 LockOpenRequested", "3 ResidentAdded"])
  await latchkey.dispose()
  await ended
})

it.each([-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY])("a subscription from %d is refused", async (position) => {
  await using latchkey = await inMemory()
  const told = latchkey.subscribe(position)[Symbol.asyncIterator]()
  await expect(told.next()).rejects.toMatchObject({ _tag: "InvalidCommand" })
})

it("a subscription can be left", async () => {
  await using latchkey = await inMemory()
  await latchkey.execute(create())
  for await (const { type } of latchkey.subscribe(0)) {
    expect(type).toBe("LockCreated")
    break
  }
})

it("a lock that was sold loses the keys that it was sold with", async () => {
  await using latchkey = await inMemory()
  await latchkey.execute({ ...create(), keys: [{ uuid: "key-1", indexNumber: 1 }] } as CommandInput)
  await latchkey.execute({ ...asked(), _tag: "SetOwner", lockId, userId: "bob" })
  const bob = { ...asked(), principal: { _tag: "User", userId: "bob" } } as const
  expect(await latchkey.removeInheritedKeys(lockId, bob)).toEqual({
    lockId,
    removed: [{ keyUuid: "key-1", keyIndexNumber: 1 }],
    failed: []
  })
  await expect(latchkey.removeInheritedKeys(lockId, { ...asked(), principal: ada })).rejects.toMatchObject({
    _tag: "AccessDenied"
  })
  await expect(latchkey.removeInheritedKeys(0, bob)).rejects.toMatchObject({ _tag: "InvalidCommand" })
})

it("the keys of a user are listed and removed", async () => {
  await using latchkey = await inMemory()
  await latchkey.execute({ ...create(), keys: [{ uuid: "key-1", userId: "carl" }] } as CommandInput)
  const page = { keys: [{ lockId, keyUuid: "key-1", keyIndexNumber: null, userId: "carl" }], nextCursor: undefined }
  expect(await latchkey.userKeys(operator, "carl")).toEqual(page)
  await expect(latchkey.userKeys(operator, "carl", { limit: 0 })).rejects.toMatchObject({ _tag: "InvalidCommand" })
  await expect(latchkey.userKeys(ada, "carl")).rejects.toMatchObject({ _tag: "AccessDenied" })
  const removed = { locks: [{ lockId, removed: [{ keyUuid: "key-1" }], failed: [] }], more: false }
  expect(await latchkey.removeUserKeys("carl", asked())).toEqual(removed)
  expect((await latchkey.userKeys(operator, "carl")).keys).toEqual([])
})
