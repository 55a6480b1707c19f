/** Several have the same folder open: each hears what the others do, and what became of those that have died. */
import { spawnSync } from "node:child_process"
import { DatabaseSync } from "node:sqlite"
import { describe, expect, it } from "@effect/vitest"
import { DeviceShadow } from "@latchkey/core"
import { LocalShadow } from "@latchkey/local-shadow"
import { Context, Deferred, Effect, Fiber, Layer, Stream } from "effect"
import { openShadowFile } from "../src/ShadowFile.ts"
import type { UpdateMade } from "../src/ShadowOperation.ts"
import { KEPT } from "../src/ShadowsMade.ts"
import { temporaryFolder } from "./fixture.ts"

const open = (folder: string) => Layer.build(LocalShadow.layer({ folder }))

describe("changes", () => {
  it.live("by others are told as by oneself, in the order of the versions", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const [one, two] = [yield* open(folder), yield* open(folder)].map((context) => Context.get(context, LocalShadow))
      if (one === undefined || two === undefined) return expect.fail("both are open")
      const told = yield* one.changes.pipe(
        Stream.take(41),
        Stream.runCollect,
        Effect.forkChild({ startImmediately: true })
      )
      for (let n = 0; n < 40; n++) {
        yield* (n % 3 === 0 ? one : two).update("thing", { state: { desired: { n } }, clientToken: `token-${n}` })
      }
      yield* two.delete("thing", undefined, "gone")
      const changes = yield* Fiber.join(told)
      expect(changes.map(({ accepted }) => accepted.version)).toEqual([
        ...Array.from({ length: 40 }, (_, n) => n + 1),
        40
      ])
      expect(changes[1]).toMatchObject({
        _tag: "Updated",
        accepted: { state: { desired: { n: 1 } }, clientToken: "token-1" },
        delta: { state: { n: 1 } },
        documents: { previous: { state: { desired: { n: 0 } } }, current: { state: { desired: { n: 1 } } } }
      })
      expect(changes.at(-1)).toMatchObject({ _tag: "Deleted", accepted: { clientToken: "gone" } })
    })
  )

  it.live("by others reach the reports, so whoever listens settles them", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const device = Context.get(yield* open(folder), DeviceShadow)
      const other = Context.get(yield* open(folder), LocalShadow)
      const begun = yield* Deferred.make<void>()
      yield* other.connected("begun")
      const reported = yield* device.reports.pipe(
        Stream.tap(() => Deferred.succeed(begun, undefined)),
        Stream.filter(({ _tag }) => _tag === "CommandOutcome"),
        Stream.take(1),
        Stream.runCollect,
        Effect.forkChild({ startImmediately: true })
      )
      yield* Deferred.await(begun)
      yield* other.update("thing", { state: { reported: { commands: { one: { outcome: "done" } } } } })
      expect(yield* Fiber.join(reported)).toMatchObject([{ thing: "thing", commandId: "one", outcome: "done" }])
    })
  )

  it.live("that are known no more are said to be missed", () =>
    Effect.gen(function* () {
      const path = `${yield* temporaryFolder}/shadow.db`
      const [one, two] = [openShadowFile(path, 8192), openShadowFile(path, 8192)]
      const update = { thing: "thing", name: "", request: { state: {} }, now: 0 }
      const batch = (count: number) => Array.from({ length: count }, () => ({ name: "update" as const, input: update }))
      two.commit(batch(1))
      expect(one.byOthers()).toMatchObject({ gap: false, made: [{ current: { version: 1 } }] })
      expect(one.byOthers()).toEqual({ gap: false, made: [], seen: [] })
      two.commit(batch(KEPT + 1))
      const { gap, made } = one.byOthers()
      expect([gap, made.length]).toEqual([true, KEPT])
      expect((made.at(-1) as UpdateMade).current.version).toBe(KEPT + 2)
      expect(one.commit(batch(1)).before).toEqual({ gap: false, made: [], seen: [] })
      expect(two.byOthers().made).toHaveLength(1)
      one.close()
      two.close()
    })
  )
})

describe("presence", () => {
  const seen = Effect.fnUntraced(function* (folder: string) {
    const device = Context.get(yield* open(folder), DeviceShadow)
    return yield* device.reports.pipe(Stream.take(2), Stream.runCollect)
  })

  it.live("outlives its process, and a device of a process that died is gone", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      yield* Effect.gen(function* () {
        const shadows = Context.get(yield* open(folder), LocalShadow)
        yield* shadows.connected("a")
        yield* shadows.connected("b")
        yield* shadows.disconnected("b")
      }).pipe(Effect.scoped)
      const dead = spawnSync(process.execPath, ["-e", ""]).pid
      const db = new DatabaseSync(`${folder}/shadow.db`)
      db.prepare("UPDATE presence SET writer = ? WHERE thing = 'a'").run(`${dead}:x`)
      db.close()
      expect(yield* seen(folder)).toMatchObject([
        { thing: "a", online: false },
        { thing: "b", online: false }
      ])
    })
  )

  it.live("is as the process says to which the device came last", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const [before, after] = [yield* open(folder), yield* open(folder)]
      const [one, two] = [Context.get(before, LocalShadow), Context.get(after, LocalShadow)]
      yield* one.connected("a")
      yield* two.connected("a")
      yield* one.disconnected("a")
      const { reports } = Context.get(after, DeviceShadow)
      expect(yield* Stream.runCollect(Stream.take(reports, 1))).toMatchObject([{ thing: "a", online: true }])
    })
  )
})
