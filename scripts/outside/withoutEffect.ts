/** Latchkey embedded by a program without Effect: commands, questions, guests, the log as it grows, and the API and its client. */
import { createLatchkey } from "@latchkey/core"
import { createFetch, pinKeyOf } from "@latchkey/http"
import { createClient, LatchkeyError } from "@latchkey/http/client"
import { LocalShadow } from "@latchkey/local-shadow"
import { counted, latchkeyStore } from "./store.ts"

const ada = { _tag: "User", userId: "ada" } as const
const superKey = "a-super-key-of-more-than-32-bytes"
const by = (principal: { readonly _tag: "Super" } | typeof ada) => ({
  commandId: crypto.randomUUID(),
  at: Date.now(),
  principal
})

await using latchkey = await createLatchkey({
  store: latchkeyStore({ ACME_STORE: "ready" }),
  shadow: LocalShadow.layer({ folder: ":memory:" }),
  pinKey: pinKeyOf("a-key-for-pins-of-more-than-32-bytes"),
  errors: "return"
})
const lock = { index: 1, uuid: crypto.randomUUID(), ownerId: "ada" }
const created = await latchkey.execute({ ...by({ _tag: "Super" }), _tag: "CreateLock", lockId: 7, ...lock })
if (!created.ok) throw new Error(created.error.message)

const shared = await latchkey.sharedKeys.create({
  ...by(ada),
  uuid: crypto.randomUUID(),
  validFrom: "2020-01-01T00:00:00Z",
  validUntil: "2090-01-01T00:00:00Z",
  doors: [{ lockId: "7", label: "front", accessMethod: "both" }]
})
if (!shared.ok) throw new Error(shared.error.message)
const pin: string | null = shared.value.pin
if (pin === null) throw new Error("no PIN")
const opened = await latchkey.sharedKeys.openByPin({ ...by(ada), lockId: 7, pin, networks: ["192.0.2.1"] })
const why = opened.ok ? "opened" : opened.error._tag
if (why !== "opened") throw new Error(why)

for await (const { type, position } of latchkey.subscribe(0)) {
  if (position !== 1 || type !== "LockCreated") throw new Error(`${position} is ${type}`)
  break
}

await using api = await createFetch(latchkey, {
  publicUrl: "https://keys.example.org",
  apiKeys: [{ orgId: "*", secret: superKey }]
})
const ask = (path: string, headers: Record<string, string> = {}): Promise<Response> =>
  api.fetch(new Request(`https://keys.example.org${path}`, { headers }))
const statuses = [
  (await ask("/locks/7/details", { "x-api-key": superKey })).status,
  (await ask("/locks/7/details")).status,
  (await ask("/ready")).status
]
if (statuses.join() !== "200,401,200") throw new Error(statuses.join())

// The client asks by the global fetch: here, the API of this program.
globalThis.fetch = (input, init) => api.fetch(new Request(input, init))
const client = createClient({ baseUrl: "https://keys.example.org", apiKey: superKey })
const { ownerId } = await client.getLockDetails({ params: { id: 7 } })
const missing = await client.getLockDetails({ params: { id: 8 } }).catch((error: unknown) => error)
if (!(missing instanceof LatchkeyError) || missing.error !== "Lock not found") throw missing
for await (const { events } of client.listLockEvents.pages({ params: { id: 7 }, query: { limit: 1 } }))
  if (events[0]?.aggregateId !== "7") throw new Error(`${ownerId}: ${events.length} events`)

if (counted.reads === 0) throw new Error("another store was read")
console.log("embedded without Effect")
