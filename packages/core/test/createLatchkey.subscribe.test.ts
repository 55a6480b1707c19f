/** Events for programs without HTTP: told as partners are, from a cursor under the subscriber's name. */
import { MemoryDeviceShadow, MemoryEventStore, MemoryPresence, MemoryReadModel } from "@latchkey/core/testing"
import { Effect, Layer } from "effect"
import { expect, it, vi } from "vitest"
import { createLatchkey } from "../src/latchkey/createLatchkey.ts"
import { cursorOf } from "../src/partners/Cursor.ts"
import type { Envelope } from "../src/partners/Envelope.ts"
import { EventStore } from "../src/streams/EventStore.ts"

const PATIENCE = { timeout: 60_000, interval: 5 }
const principal = { _tag: "Super" } as const
let commands = 0
const by = () => ({ commandId: `command-${++commands}`, at: 1_000 + commands, principal, lockId: 7 })
const uuid = "0b0e8400-e29b-41d4-a716-446655440000"

const open = async (store = MemoryEventStore.make()) => {
  const ports = Layer.mergeAll(Layer.succeed(EventStore, store), MemoryReadModel.layer, MemoryPresence.layer)
  const latchkey = await createLatchkey({ store: ports, shadow: MemoryDeviceShadow.layer })
  const set = (userId: string) => latchkey.execute({ _tag: "SetOwner", ...by(), userId })
  return { latchkey, set, store }
}

const names = (told: ReadonlyArray<Envelope>) => told.map(({ detail }) => `${detail.version} ${detail.data.type}`)

it("a subscriber is told of what it asked for, and after a restart of what it has not handled", async () => {
  const { latchkey, set, store } = await open()
  await latchkey.execute({ _tag: "CreateLock", ...by(), index: 1, uuid })
  const told: Array<Envelope> = []
  const subscribed = await latchkey.subscribe({ name: "mails", types: ["OwnerSet"] }, (event) => told.push(event))
  await set("ada")
  await set("bob")
  await vi.waitUntil(() => told.length === 2, PATIENCE)
  expect(names(told)).toEqual(["2 OwnerSet", "3 OwnerSet"])
  await subscribed.stop()
  await set("cyd")
  await latchkey.dispose()
  const again = await open(store)
  await again.latchkey.subscribe({ name: "mails", types: ["OwnerSet"], after: "now" }, (event) => told.push(event))
  await again.set("dan")
  await vi.waitUntil(() => told.length === 4, PATIENCE)
  expect(names(told).slice(2)).toEqual(["4 OwnerSet", "5 OwnerSet"])
  await again.latchkey.dispose()
})

it("what a subscriber rejects comes again, and nothing after it, until it is handled", async () => {
  const { latchkey, set } = await open()
  await latchkey.execute({ _tag: "CreateLock", ...by(), index: 1, uuid })
  for (const user of ["ada", "bob", "cyd"]) await set(user)
  const tried: Array<number> = []
  let failures = 3
  await latchkey.subscribe({ name: "fragile" }, async ({ detail: { version } }) => {
    tried.push(version)
    if (version === 3 && failures-- > 0) throw new Error("not now")
  })
  await vi.waitUntil(() => tried.includes(4), PATIENCE)
  expect(tried).toEqual([1, 2, 3, 3, 3, 3, 4])
  await latchkey.dispose()
})

it("a subscriber begins at a cursor, or now, and what is no subscription is refused", async () => {
  const { latchkey, set, store } = await open()
  await latchkey.execute({ _tag: "CreateLock", ...by(), index: 1, uuid })
  await set("ada")
  const [late, fromCursor]: [Array<Envelope>, Array<Envelope>] = [[], []]
  await latchkey.subscribe({ name: "late", after: "now" }, (event) => late.push(event))
  await latchkey.subscribe({ name: "cursor", after: cursorOf("*", 1) }, (event) => fromCursor.push(event))
  await vi.waitUntil(
    () => Effect.runPromise(store.record("cursor/subscriber-late")).then(({ _tag }) => _tag === "Some"),
    PATIENCE
  )
  await set("bob")
  await vi.waitUntil(() => late.length === 1 && fromCursor.length === 2, PATIENCE)
  expect([names(late), names(fromCursor)]).toEqual([["3 OwnerSet"], ["2 OwnerSet", "3 OwnerSet"]])
  await expect(latchkey.subscribe({ name: "" }, () => {})).rejects.toMatchObject({ _tag: "InvalidCommand" })
  // The second is of a log that was longer: what comes up to there would never be told.
  for (const after of ["nonsense", cursorOf("*", 1_000)])
    await expect(latchkey.subscribe({ name: "x", after }, () => {})).rejects.toMatchObject({ _tag: "InvalidCursor" })
  await latchkey.dispose()
})
