/** A lock from its creation to a guest's visit, and what its log says afterwards. */

import { randomUUID } from "node:crypto"
import { createLatchkey, type LockRequest } from "@latchkey/core"
import { LocalShadow } from "@latchkey/local-shadow"
import { Sqlite } from "@latchkey/sqlite"

await using latchkey = await createLatchkey({
  store: Sqlite.layer({ folder: ":memory:" }),
  shadow: LocalShadow.layer({ folder: ":memory:" })
})
const host = { _tag: "Organization", orgId: "seaside-rentals" } as const
const ask = (request: (typeof LockRequest)["Encoded"]) =>
  latchkey.execute({ ...request, lockId: 1, commandId: randomUUID(), at: Date.now(), principal: host })

await ask({ _tag: "CreateLock", index: 1, uuid: randomUUID() })
await ask({ _tag: "AddKey", keyUuid: "cleaner", keyIndexNumber: 3 })
const tempKeyUuid = randomUUID()
const validFrom = new Date(Date.now() - 1000).toISOString()
const validUntil = new Date(Date.now() + 3_600_000).toISOString()
await ask({ _tag: "CreateTempKey", tempKeyUuid, accessMode: "public", validFrom, validUntil, maxUses: 1 })
await ask({ _tag: "UseTempKey", tempKeyUuid })
await ask({ _tag: "UseTempKey", tempKeyUuid }).catch((refusal) => console.log("refused:", refusal.message))

const [tempKey] = await latchkey.tempKeys(host, 1, Date.now())
console.log("the guest's key:", tempKey?.status)
const { events } = await latchkey.history(host, 1)
console.log("the log:", events.map(({ type }) => type).join(", "))
