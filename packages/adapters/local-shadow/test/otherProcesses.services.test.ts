/** Several have the same folder open: each hears what the others do, and what became of those that have died. */
import { spawnSync } from "node:child_process"
import { cpSync } from "node:fs"
import { DatabaseSync } from "node:sqlite"
import { describe, expect, it } from "@effect/vitest"
import { AbsenceReason, DeviceShadow } from "@latchkey/core"
import { LocalShadow } from "@latchkey/local-shadow"
import { Context, Deferred, Effect, Exit, Fiber, Layer, Scope, Stream } from "effect"
import { vi } from "vitest"
import { BEAT, LEASE } from "../src/Presences.ts"
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
  const service = (context: Context.Context<LocalShadow | DeviceShadow>) => Context.get(context, LocalShadow)
  const until = (isSo: () => boolean) => Effect.promise(() => vi.waitUntil(isSo, { timeout: 60_000, interval: 20 }))
  const seen = Effect.fnUntraced(function* (folder: string, count: number) {
    const device = Context.get(yield* open(folder), DeviceShadow)
    return yield* device.reports.pipe(Stream.take(count), Stream.runCollect)
  })

  /** As a process leaves it that is killed: its devices are there, and it has counted lately. */
  const killed = (folder: string, writer: string, at = Date.now()) => {
    const db = new DatabaseSync(`${folder}/shadow.db`)
    db.prepare("UPDATE presence SET online = 1, writer = ?").run(writer)
    db.prepare("INSERT INTO holder VALUES (?, 7, ?)").run(writer, at)
    db.close()
  }
  const withDevice = Effect.fnUntraced(function* (folder: string) {
    yield* Effect.scoped(Effect.flatMap(open(folder), (context) => service(context).connected("a")))
  })

  const init = process.ppid
  it.live.each([
    ["has no process any more", () => [`${spawnSync(process.execPath, ["-e", ""]).pid}:x`, Date.now()]],
    ["has this process's own id, as in a container", () => [`${process.pid}:x`, Date.now()]],
    ["is another program by now, which has its id", () => [`${init}:x`, Date.now() - 60_000]],
    ["is of a clock that was ahead", () => [`${init}:x`, Date.now() + 3_600_000]]
  ] as const)("of a process that died is gone at once when it %s", ([, writer]) =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      yield* withDevice(folder)
      const [name, at] = writer()
      killed(folder, String(name), Number(at))
      const context = yield* open(folder)
      expect(service(context).isOnline("a")).toBe(false)
      expect(yield* seen(folder, 1)).toMatchObject([{ thing: "a", online: false, reason: "serverGone" }])
    })
  )

  it.live("in a copy of the folder, made and opened while the devices are there, is gone within seconds", () =>
    Effect.gen(function* () {
      const [folder, copy] = [yield* temporaryFolder, yield* temporaryFolder]
      yield* withDevice(folder)
      // A process that lives, as far as its id and its last count say.
      killed(folder, `${init}:x`)
      cpSync(folder, copy, { recursive: true })
      const context = yield* open(copy)
      const told = yield* Context.get(context, DeviceShadow).reports.pipe(
        Stream.filter((report) => report._tag === "Presence" && !report.online),
        Stream.take(1),
        Stream.runCollect,
        Effect.forkChild({ startImmediately: true })
      )
      yield* until(() => !service(context).isOnline("a"))
      expect(yield* Fiber.join(told)).toMatchObject([{ thing: "a", online: false, reason: "serverGone" }])
    })
  )

  it.live("that the first edition kept is gone: nobody holds it", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const db = new DatabaseSync(`${folder}/shadow.db`)
      db.exec(`
        CREATE TABLE shadow (thing TEXT NOT NULL, name TEXT NOT NULL, version INTEGER NOT NULL, content TEXT, PRIMARY KEY (thing, name));
        CREATE TABLE change (id INTEGER PRIMARY KEY AUTOINCREMENT, writer TEXT NOT NULL, made TEXT NOT NULL);
        CREATE TABLE presence (thing TEXT NOT NULL PRIMARY KEY, online INTEGER NOT NULL, at INTEGER NOT NULL, writer TEXT NOT NULL);
        PRAGMA user_version = 2;
      `)
      db.prepare("INSERT INTO presence VALUES ('a', 1, 5, ?)").run(`${init}:x`)
      db.close()
      expect(yield* seen(folder, 1)).toMatchObject([{ thing: "a", online: false }])
    })
  )

  it.live("is known to every process, and lasts while its own lives", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const one = service(yield* open(folder))
      const two = service(yield* open(folder))
      const scope = yield* Scope.make()
      const three = service(yield* Scope.provide(open(folder), scope))
      yield* one.connected("a")
      yield* three.connected("b")
      yield* until(() => two.isOnline("a") && two.isOnline("b") && one.isOnline("b"))
      yield* Scope.close(scope, Exit.void)
      yield* until(() => !two.isOnline("b") && !one.isOnline("b"))
      expect([one.isOnline("a"), two.isOnline("a")]).toEqual([true, true])
    })
  )

  it.live("is as the process says to which the device came last", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const [before, after] = [yield* open(folder), yield* open(folder)]
      const [one, two] = [service(before), service(after)]
      yield* one.connected("a")
      yield* two.connected("a")
      yield* one.disconnected("a")
      const { reports } = Context.get(after, DeviceShadow)
      expect(yield* Stream.runCollect(Stream.take(reports, 1))).toMatchObject([{ thing: "a", online: true }])
      expect([one.isOnline("a"), two.isOnline("a")]).toEqual([true, true])
      yield* two.disconnected("a")
      yield* until(() => !one.isOnline("a"))
    })
  )
})

describe("the lease of a process", () => {
  const opened = Effect.fnUntraced(function* (path: string) {
    return yield* Effect.acquireRelease(
      Effect.sync(() => openShadowFile(path, 8192)),
      (file) => Effect.sync(file.close)
    )
  })
  const say = (thing: string, online: boolean, at = 1) => [{ name: "presence" as const, input: { thing, online, at } }]
  const stateOf = (file: ReturnType<typeof openShadowFile>) =>
    file.commit([{ name: "presences", input: {} }]).answers[0]

  it.live("ends when it counts no more, by a clock that nobody sets, and begins again when it does", () =>
    Effect.gen(function* () {
      const path = `${yield* temporaryFolder}/shadow.db`
      const [one, two] = [yield* opened(path), yield* opened(path)]
      one.commit(say("a", true))
      one.commit(say("left", true))
      one.commit(say("left", false))
      for (let now = 0; now < 20_000; now += BEAT) {
        expect([one.beat(now), two.beat(now)]).toEqual([[], []])
      }
      const silentSince = 20_000 - BEAT
      expect(two.beat(silentSince + LEASE)).toEqual([])
      expect(two.beat(silentSince + LEASE + 1)).toMatchObject([{ thing: "a", online: false, reason: "serverGone" }])
      expect(two.beat(silentSince + LEASE + 2)).toEqual([])
      // It was only stopped for a while: what it still holds is there, and what had left stays away.
      expect(one.beat(0)).toMatchObject([{ thing: "a", online: true }])
      expect(two.byOthers().seen.at(-1)).toMatchObject({ thing: "a", online: true })
      expect(stateOf(two)).toMatchObject([
        { thing: "a", online: true },
        { thing: "left", online: false }
      ])
    })
  )

  it.live("leaves why a device is gone, for every process", () =>
    Effect.gen(function* () {
      const path = `${yield* temporaryFolder}/shadow.db`
      const [one, two] = [yield* opened(path), yield* opened(path)]
      const reasons = [undefined, ...AbsenceReason.literals].map((reason, n) => ({
        thing: `${n}`,
        online: false,
        ...(reason && { reason }),
        at: 1
      }))
      one.commit(reasons.map((input) => ({ name: "presence" as const, input })))
      expect(two.byOthers().seen).toEqual(reasons)
      expect(stateOf(yield* opened(path))).toEqual(reasons)
    })
  )

  it.live("that ended does not begin again for a device that has come to another process", () =>
    Effect.gen(function* () {
      const path = `${yield* temporaryFolder}/shadow.db`
      const [one, two] = [yield* opened(path), yield* opened(path)]
      one.commit(say("a", true))
      two.beat(0)
      two.beat(LEASE + 1)
      two.commit(say("a", true))
      two.commit(say("a", false))
      expect(one.beat(0)).toEqual([])
      expect(stateOf(one)).toMatchObject([{ thing: "a", online: false }])
    })
  )

  it.live("goes on in order when the clock is set back", () =>
    Effect.gen(function* () {
      const file = yield* opened(`${yield* temporaryFolder}/shadow.db`)
      const { answers } = file.commit([say("a", true, 5000), say("a", false, 10), say("a", true, 20)].flat())
      expect(answers).toEqual([
        { thing: "a", online: true, at: 5000 },
        { thing: "a", online: false, at: 5001 },
        { thing: "a", online: true, at: 5002 }
      ])
    })
  )
})
