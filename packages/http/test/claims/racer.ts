/**
 * A process that wants what others want: `node racer.ts <store> <number>`, of which `store` is a folder, or JSON that says
 * where a PostgreSQL is. Each line that it reads names a round and an instant; at that instant it asks for the round's
 * thing, and prints what it was answered.
 */
import { createInterface } from "node:readline"
import { setTimeout as sleep } from "node:timers/promises"
import { type CommandRow, commandTable, type LockCommand, Locks, type Principal } from "@latchkey/core"
import { MemoryDeviceShadow } from "@latchkey/core/memory"
import { Postgres } from "@latchkey/postgres"
import { Sqlite } from "@latchkey/sqlite"
import { Effect, Layer, ManagedRuntime } from "effect"
import { ownThing, thingOfRound } from "./things.ts"

const [MOVE = ""] = Object.entries<CommandRow>(commandTable).find(([_, { event }]) => event === "LockUuidChanged") ?? []
const [place = "", number = ""] = process.argv.slice(2)
const n = Number(number)
const store = Layer.orDie(place.startsWith("{") ? Postgres.layer(JSON.parse(place)) : Sqlite.layer({ folder: place }))
const runtime = ManagedRuntime.make(Layer.provide(Locks.layer(), Layer.merge(store, MemoryDeviceShadow.layer)))

const operator = { _tag: "Super" } as const
let asked = 0
const ask = (lockId: number, request: object, principal: Principal = operator) => {
  const context = { lockId, commandId: `racer-${n}-${++asked}`, at: Date.now(), principal }
  return runtime.runPromise(
    Effect.flatMap(Locks, ({ execute }) => execute({ ...context, ...request } as LockCommand)).pipe(
      Effect.match({ onSuccess: () => "won", onFailure: ({ _tag }) => _tag })
    )
  )
}

/** By turns: a new lock of the operator's or of an organization's, or another thing for the lock that it has. */
const want = (round: number) => {
  const named = thingOfRound(round)
  const thing = (round + n) % 2 === 0 ? named : named.toUpperCase()
  if ((round + n) % 3 === 0) return ask(n, { _tag: MOVE, newUuid: thing })
  const by = (round + n) % 3 === 1 ? operator : ({ _tag: "Organization", orgId: `org-${n}` } as const)
  return ask(1_000 * round + n, { _tag: "CreateLock", index: 1, uuid: thing }, by)
}

await ask(n, { _tag: "CreateLock", index: 1, uuid: ownThing(n) })
console.log("ready")
for await (const line of createInterface(process.stdin)) {
  const [round = 0, instant = 0] = line.split(" ").map(Number)
  await sleep(instant - Date.now() - 3)
  // Awake when it begins: a timer would come a millisecond early or late.
  while (Date.now() < instant);
  console.log(await want(round))
}
await runtime.dispose()
