/** An owner with 10,000 locks: every one is in the list, though the engine tells rows in pages. */
import { randomUUID } from "node:crypto"
import { streamOfLock, toStored } from "@latchkey/core"
import { Spacetime } from "@latchkey/spacetimedb"
import { Engine, sayIfLeftOut } from "@latchkey/spacetimedb-engine"
import { Effect, Layer } from "effect"
import { afterAll, expect, it } from "vitest"
import { ORG, OWNER, owner } from "../harness/callers.ts"
import { startInProcess, useStores } from "../harness/inProcess.ts"
import { callsOf } from "../harness/request.ts"
import { engine, publishTo } from "../harness/spacetimedb.ts"

const LOCKS = 10_000
/** Locks that are made in one write. */
const AT_ONCE = 500
const TIME = "2026-01-01T00:00:00.000Z"

const created = (lockId: number) => ({
  streamId: streamOfLock(lockId),
  expectedVersion: 0,
  events: [
    {
      ...toStored({
        _tag: "LockCreated",
        lockId,
        uuid: `00000000-0000-4000-8000-${String(lockId).padStart(12, "0")}`,
        ownerId: OWNER,
        timestamp: TIME
      }),
      eventId: randomUUID(),
      at: Date.parse(TIME),
      orgId: ORG,
      principal: { _tag: "Organization" as const, orgId: ORG },
      commandId: randomUUID()
    }
  ]
})

sayIfLeftOut("an owner with 10,000 locks on SpacetimeDB's engine", engine !== undefined)
if (engine === undefined) it.skip("is not there")
else {
  const running = await Engine.startAnew(engine)
  afterAll(() => running[Symbol.asyncDispose]())
  const place = await publishTo(running)
  useStores(Layer.orDie(Spacetime.layer({ ...place, deadline: "60 seconds" })))

  it("owned-locks and the list of locks tell each of 10,000 locks once", { timeout: 900_000 }, async () => {
    await using server = await startInProcess()
    const lockIds = Array.from({ length: LOCKS }, (_, index) => index + 1)
    for (let from = 0; from < LOCKS; from += AT_ONCE) {
      await Effect.runPromise(server.store.write({ append: lockIds.slice(from, from + AT_ONCE).map(created) }))
    }
    const owned = async () => (await callsOf(server.url, owner)("GET", `/users/${OWNER}/owned-locks`)).body
    await expect.poll(async () => (await owned()).totalCount, { timeout: 600_000, interval: 1_000 }).toBe(LOCKS)
    const { locks = [], source } = await owned()
    expect(source).toBe("spacetimedb")
    expect(new Set(locks.map(({ lockUuid }) => lockUuid)).size).toBe(LOCKS)

    const listed: Array<number> = []
    let cursor: string | undefined
    do {
      const page = await callsOf(server.url, owner)("GET", `/locks?limit=100${cursor ? `&after=${cursor}` : ""}`)
      expect(page.status).toBe(200)
      const { locks, nextCursor } = JSON.parse(page.text)
      listed.push(...locks.map(({ lockId }: { lockId: number }) => lockId))
      cursor = nextCursor ?? undefined
    } while (cursor !== undefined)
    expect(listed.toSorted((a, b) => a - b)).toEqual(lockIds)
  })
}
