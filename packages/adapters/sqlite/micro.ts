import { rmSync } from "node:fs"
import { EventStore as Old } from "@latchkey/core"
import { EventStore as New } from "@latchkey/core/streams"
import { Context, Effect, Layer } from "effect"
import * as OldStore from "./src/old/SqliteEventStore.ts"
import * as NewStore from "./src/SqliteEventStore.ts"

const [which, receipts, orgs, N = "60000", dir = "/tmp/sq"] = process.argv.slice(2)
const count = Number(N),
  callers = Number(process.env.CALLERS ?? 32)
const file = `${dir}/bench-${which}.db`
for (const s of ["", "-wal", "-shm", ".witness"]) rmSync(file + s, { force: true })
const durable = process.env.DURABLE !== "0"
let seq = 0
const uuid7 = () => {
  const h = (1_767_225_600_000 + seq).toString(16).padStart(12, "0")
  return h.slice(0, 8) + "-" + h.slice(8) + "-7" + crypto.randomUUID().slice(15)
}
const event = (orgId: string, id = uuid7()) => ({
  eventId: id + "-1",
  type: "KeyAdded",
  data: { lockId: 17, userId: "u-1234", keyIndexNumber: 3, timestamp: "2026-01-01T00:00:00.000Z" },
  at: 1_767_225_600_000 + seq++,
  orgId,
  principal: { _tag: "User", userId: "u-1234", orgId: "org-7" } as never,
  commandId: id
})
const nOrgs = Number(orgs)
const program = Effect.gen(function* () {
  const old = which === "old" ? yield* OldStore.make({ file, durable }) : undefined
  const store = which === "new" ? yield* NewStore.make({ file, durable }) : undefined
  const versions = new Array(2000).fill(0)
  const one = Effect.fnUntraced(function* (i: number) {
    // each caller has its own locks
    const n = (i % callers) + callers * (Math.floor(i / callers) % Math.floor(2000 / callers))
    const e = event(nOrgs === 0 ? "" : `org-${n % nOrgs}`)
    const streamId = `lock-${n}`,
      expected = versions[n]
    if (old) {
      yield* old.append(
        streamId,
        expected,
        [e],
        receipts === "r" ? { id: e.eventId, fingerprint: "f".repeat(43), expiresAt: e.at + 1e10 } : undefined
      )
    } else {
      const expect: Array<{ key: string; value: string | undefined }> = [
        { key: `reservation/${streamId}`, value: undefined },
        { key: `command/${e.commandId}`, value: undefined }
      ]
      if (receipts === "r") expect.push({ key: `receipt/${e.eventId}`, value: undefined })
      yield* store!.write({
        expect,
        append: [{ streamId, expectedVersion: expected, events: [e] }],
        ...(receipts === "r" && {
          put: [
            {
              key: `receipt/${e.eventId}`,
              value: JSON.stringify({
                fingerprint: "f".repeat(43),
                streamId,
                firstVersion: expected + 1,
                version: expected + 1
              }),
              until: e.at + 1e10
            }
          ]
        })
      })
    }
    versions[n]++
  })
  const caller = Effect.fnUntraced(function* (c: number, total: number) {
    for (let k = 0; k < total / callers; k++) yield* one(c + k * callers)
  })
  const all = (total: number) =>
    Effect.forEach(
      Array.from({ length: callers }, (_, c) => c),
      (c) => caller(c, total),
      { concurrency: "unbounded", discard: true }
    )
  yield* all(8000)
  const cpu = process.cpuUsage(),
    w = performance.now(),
    elu = performance.eventLoopUtilization()
  yield* all(count)
  const wall = performance.now() - w,
    used = process.cpuUsage(cpu),
    u = performance.eventLoopUtilization(elu)
  console.log(
    JSON.stringify({
      which,
      perSec: Math.round((count / wall) * 1000),
      cpu: +((used.user + used.system) / count).toFixed(2),
      elu: +u.utilization.toFixed(2),
      main: +((u.active * 1000) / count).toFixed(2)
    })
  )
}).pipe(Effect.scoped)
await Effect.runPromise(program as never)
