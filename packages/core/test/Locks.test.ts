/** The command handler: what callers are answered, however many they are and wherever they ask. */
import { describe, expect, it } from "@effect/vitest"
import { Context, Effect, Fiber, Result, type Schema } from "effect"
import { TestClock } from "effect/testing"
import { LockRepository } from "../src/locks/LockRepository.ts"
import { type Executed, Locks } from "../src/locks/Locks.ts"
import { EventStore, type NewEvent, type StoreUnavailable } from "../src/streams/EventStore.ts"
import { asked, clock, happened, lockId, lockUuid, millis, operator, type Request } from "./scenario.ts"
import { append, create, makeWorld } from "./world.ts"

const tempKeyUuid = "7e3b0000-0000-4000-8000-00000000000a"
const use = { _tag: "UseTempKey", tempKeyUuid } as const
const sevenUses: Request = {
  _tag: "CreateTempKey",
  tempKeyUuid,
  accessMode: "public",
  allowedUserIds: [],
  validFrom: clock("08:00"),
  validUntil: clock("18:00"),
  maxUses: 7
}

const usedCounts = (answers: ReadonlyArray<Result.Result<Executed, unknown>>): ReadonlyArray<number> =>
  answers
    .filter(Result.isSuccess)
    .flatMap(({ success }) => success.events.flatMap((event) => (event._tag === "TempKeyUsed" ? event.usedCount : [])))
    .toSorted()

describe("a command", () => {
  it.effect("answers with its events and the version of the lock, which the log then has", () =>
    Effect.gen(function* () {
      const { store, process } = yield* makeWorld
      const execute = yield* process()
      yield* execute({ ...create, ownerId: "ada" }, { principal: { _tag: "Organization", orgId: "org-1" } })
      const principal = { _tag: "User", userId: "ada" } as const
      const answer = yield* execute({ _tag: "SetOwner", userId: "bob" }, { commandId: "change", principal })
      const event = happened({ _tag: "OwnerSet", userId: "bob" }, "09:00")
      expect(answer).toEqual({ lockId, version: 2, events: [event], commandId: "change" })
      const { _tag: type, ...data } = event
      expect(yield* store.read("lock-7", 1, 10)).toEqual([
        {
          streamId: "lock-7",
          version: 2,
          position: 2,
          eventId: "change-1",
          type,
          data,
          at: millis("09:00"),
          orgId: "org-1",
          principal,
          commandId: "change"
        }
      ])
    })
  )

  it.effect("happens for the organization that the lock then has", () =>
    Effect.gen(function* () {
      const { store, process } = yield* makeWorld
      const execute = yield* process()
      yield* execute(create)
      yield* execute({ _tag: "SetOrganization", orgId: "org-1" })
      yield* execute({ _tag: "SetOwner", userId: "ada" })
      expect((yield* store.read("lock-7", 0, 10)).map(({ orgId }) => orgId)).toEqual(["", "org-1", "org-1"])
    })
  )

  it.effect("that changes nothing answers no events and the version that stands", () =>
    Effect.gen(function* () {
      const { log, process } = yield* makeWorld
      const execute = yield* process()
      yield* execute(create)
      expect(yield* execute(create)).toEqual({ lockId, version: 1, events: [] })
      expect(yield* log).toEqual(["LockCreated"])
    })
  )

  it.effect("is refused as the rules and the access policy say, and records nothing", () =>
    Effect.gen(function* () {
      const { log, process } = yield* makeWorld
      const execute = yield* process()
      const mallory = { principal: { _tag: "User", userId: "mallory" } } as const
      expect(yield* Effect.flip(execute({ _tag: "OpenLock" }, mallory))).toMatchObject({ _tag: "LockNotFound" })
      expect(yield* Effect.flip(execute({ ...create, ownerId: "ada" }, mallory))).toMatchObject({
        _tag: "AccessDenied"
      })
      yield* execute(create)
      expect(yield* Effect.flip(execute({ _tag: "OpenLock" }, mallory))).toMatchObject({ _tag: "AccessDenied" })
      expect(yield* Effect.flip(execute(create, mallory))).toMatchObject({ _tag: "AccessDenied" })
      expect(yield* Effect.flip(execute(use))).toMatchObject({ _tag: "TempKeyNotFound" })
      expect(yield* log).toEqual(["LockCreated"])
    })
  )
})

describe("sixty uses at once of a key for seven", () => {
  it.effect("are seven uses", () =>
    Effect.gen(function* () {
      const { process } = yield* makeWorld
      const execute = yield* process()
      yield* execute(create)
      yield* execute(sevenUses)
      const sixty = Array.from({ length: 60 }, () => Effect.result(execute(use)))
      const answers = yield* Effect.all(sixty, { concurrency: "unbounded" })
      expect(usedCounts(answers)).toEqual([1, 2, 3, 4, 5, 6, 7])
      for (const refused of answers.filter(Result.isFailure)) {
        expect(refused.failure).toMatchObject({ _tag: "TempKeyNotValid", status: "used-up" })
      }
    })
  )

  it.live("are seven uses also from three processes", () =>
    Effect.gen(function* () {
      const { log, process } = yield* makeWorld
      const processes = yield* Effect.all([process(), process(), process()])
      yield* processes[0](create)
      yield* processes[0](sevenUses)
      const sixty = processes.flatMap((execute) => Array.from({ length: 20 }, () => Effect.result(execute(use))))
      const answers = yield* Effect.all(sixty, { concurrency: "unbounded" })
      expect(usedCounts(answers)).toEqual([1, 2, 3, 4, 5, 6, 7])
      expect((yield* log).filter((type) => type === "TempKeyUsed")).toHaveLength(7)
    })
  )
})

describe("two processes", () => {
  it.effect("never answer from what only they know", () =>
    Effect.gen(function* () {
      const { process } = yield* makeWorld
      const one = yield* process()
      const other = yield* process()
      expect(yield* Effect.flip(other({ _tag: "OpenLock" }))).toMatchObject({ _tag: "LockNotFound" })
      yield* one(create)
      expect((yield* other({ _tag: "SetOwner", userId: "ada" })).version).toBe(2)
      expect(yield* one({ _tag: "SetOwner", userId: "ada" })).toEqual({ lockId, version: 2, events: [] })
      yield* one({ _tag: "AddKey", keyUuid: "key-1" })
      expect((yield* other({ _tag: "WriteKey", keyUuid: "key-1" })).version).toBe(4)
      yield* other({ _tag: "RemoveKey", keyUuid: "key-1" })
      expect(yield* Effect.flip(one({ _tag: "WriteKey", keyUuid: "key-1" }))).toMatchObject({ _tag: "KeyNotFound" })
      expect((yield* one({ _tag: "AddKey", keyUuid: "key-1" })).version).toBe(6)
      expect(yield* Effect.flip(other({ _tag: "AddKey", keyUuid: "key-1" }))).toMatchObject({ _tag: "KeyExists" })
    })
  )

  it.effect("never answer from what they knew before a question read on at the same moment", () =>
    Effect.gen(function* () {
      const { process, services, ports, store } = yield* makeWorld
      const one = yield* process()
      let meanwhile: Effect.Effect<unknown, StoreUnavailable> = Effect.void
      const slow = EventStore.of({
        ...store,
        read: (...args) =>
          Effect.tap(store.read(...args), () => {
            const first = meanwhile
            meanwhile = Effect.void
            return first
          })
      })
      const other = yield* Effect.provide(services(), Context.add(ports, EventStore, slow))
      const [{ execute }, { load, refresh }] = [Context.get(other, Locks), Context.get(other, LockRepository)]
      yield* one(create)
      const { loaded } = yield* load(lockId)
      yield* one({ _tag: "AddKey", keyUuid: "key-1" })
      meanwhile = refresh(loaded)
      const removed = yield* execute(asked({ _tag: "RemoveKey", keyUuid: "key-1" }, { commandId: "remove" }))
      expect(removed.version).toBe(3)
    })
  )

  it.effect("know at once whose lock it is now", () =>
    Effect.gen(function* () {
      const { process } = yield* makeWorld
      const one = yield* process()
      const other = yield* process()
      const ada = { principal: { _tag: "User", userId: "ada" } } as const
      yield* one({ ...create, ownerId: "ada" })
      yield* other({ _tag: "AddResident", name: "Eve" }, ada)
      yield* one({ _tag: "SetOwner", userId: "bob" })
      expect(yield* Effect.flip(other({ _tag: "AddResident", name: "Bob" }, ada))).toMatchObject({
        _tag: "AccessDenied"
      })
    })
  )

  it.live("lose and double no command on one busy lock", () =>
    Effect.gen(function* () {
      const { store, process } = yield* makeWorld
      const processes = yield* Effect.all([process(), process(), process(), process()])
      yield* processes[0](create)
      const commands = processes.flatMap((execute, p) =>
        Array.from({ length: 25 }, (_, n) => execute({ _tag: "AddResident", name: "Ada", userId: `${p}-${n}` }))
      )
      const answers = yield* Effect.all(commands, { concurrency: "unbounded" })
      const versions = answers.map(({ version }) => version).toSorted((a, b) => a - b)
      expect(versions).toEqual(Array.from({ length: 100 }, (_, n) => n + 2))
      expect(yield* store.read("lock-7", 0, 1_000)).toHaveLength(101)
    })
  )

  it.effect("wait for each other's device commands, and give up after some seconds", () =>
    Effect.gen(function* () {
      const { prepare, discard, process, log } = yield* makeWorld
      const execute = yield* process()
      yield* execute(create)
      yield* prepare(1, [], { commandId: "elsewhere", deadline: 60_000 })
      const waiting = yield* Effect.forkChild(Effect.flip(execute({ _tag: "SetOwner", userId: "ada" })))
      yield* TestClock.adjust("10 seconds")
      expect(yield* Fiber.join(waiting)).toMatchObject({ _tag: "LockBusy" })
      const patient = yield* Effect.forkChild(execute({ _tag: "SetOwner", userId: "bob" }))
      yield* TestClock.adjust("1 second")
      yield* discard("elsewhere")
      yield* TestClock.adjust("1 second")
      expect((yield* Fiber.join(patient)).version).toBe(2)
      expect(yield* log).toEqual(["LockCreated", "OwnerSet"])
    })
  )
})

describe("a receipt", () => {
  const receipt = { id: "receipt-1", fingerprint: "a use" }

  it.effect("makes a retry answer what the first try answered, in any process", () =>
    Effect.gen(function* () {
      const { log, process } = yield* makeWorld
      const one = yield* process()
      const other = yield* process()
      yield* one(create)
      yield* one(sevenUses)
      const first = yield* one(use, { receipt })
      yield* one(use)
      expect(yield* one(use, { receipt })).toEqual(first)
      expect(yield* other(use, { receipt })).toEqual(first)
      expect(yield* log).toEqual(["LockCreated", "TempKeyCreated", "TempKeyUsed", "TempKeyUsed"])
    })
  )

  it.live("makes tries at the same time one", () =>
    Effect.gen(function* () {
      const { log, process } = yield* makeWorld
      const processes = yield* Effect.all([process(), process()])
      yield* processes[0](create)
      yield* processes[0](sevenUses)
      const tries = processes.flatMap((execute) => Array.from({ length: 10 }, () => execute(use, { receipt })))
      const answers = yield* Effect.all(tries, { concurrency: "unbounded" })
      expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1)
      expect((yield* log).filter((type) => type === "TempKeyUsed")).toHaveLength(1)
    })
  )

  it.effect("has the device told once", () =>
    Effect.gen(function* () {
      const { shadow, process } = yield* makeWorld
      const execute = yield* process()
      yield* execute(create)
      const first = yield* execute({ _tag: "OpenLock" }, { receipt })
      expect(yield* execute({ _tag: "OpenLock" }, { receipt })).toEqual(first)
      expect(Object.keys(yield* shadow.held(lockUuid))).toHaveLength(1)
    })
  )

  it.effect("remembers also that nothing changed", () =>
    Effect.gen(function* () {
      const { log, process } = yield* makeWorld
      const execute = yield* process()
      yield* execute({ ...create, ownerId: "ada" })
      const unchanged = yield* execute({ _tag: "SetOwner", userId: "ada" }, { receipt })
      expect(unchanged).toEqual({ lockId, version: 1, events: [] })
      yield* execute({ _tag: "SetOwner", userId: "bob" })
      expect(yield* execute({ _tag: "SetOwner", userId: "ada" }, { receipt })).toEqual(unchanged)
      expect(yield* log).toEqual(["LockCreated", "OwnerSet"])
    })
  )

  it.effect("is not given for a refusal: the next try is judged anew", () =>
    Effect.gen(function* () {
      const { process } = yield* makeWorld
      const execute = yield* process()
      yield* execute(create)
      expect(yield* Effect.flip(execute(use, { receipt }))).toMatchObject({ _tag: "TempKeyNotFound" })
      yield* execute(sevenUses)
      expect((yield* execute(use, { receipt })).version).toBe(3)
    })
  )

  it.effect("is good for one request only", () =>
    Effect.gen(function* () {
      const { log, process } = yield* makeWorld
      const execute = yield* process()
      yield* execute(create)
      yield* execute({ _tag: "SetOwner", userId: "ada" }, { receipt })
      const reused = execute({ _tag: "SetOwner", userId: "bob" }, { receipt: { ...receipt, fingerprint: "another" } })
      expect(yield* Effect.flip(reused)).toMatchObject({ _tag: "ReceiptReused", id: "receipt-1" })
      expect(yield* log).toEqual(["LockCreated", "OwnerSet"])
    })
  )
})

describe("a lock of which a newer version of Latchkey has written what this one does not understand", () => {
  const painted = (data: Schema.JsonObject): NewEvent => ({
    eventId: "painted",
    type: "LockPainted",
    data,
    at: millis("10:00"),
    orgId: "",
    principal: operator,
    commandId: "painted"
  })

  it.effect("gives nobody anything, here and where it is read anew, and takes away all the same", () =>
    Effect.gen(function* () {
      const { store, process, log } = yield* makeWorld
      const execute = yield* process()
      yield* execute(create)
      yield* execute(sevenUses)
      yield* execute({ _tag: "AddKey", keyUuid: "key-1" })
      yield* append(store, "lock-7", 3, [painted({})])
      const late = { at: millis("10:00") }
      for (const ask of [execute, yield* process()]) {
        for (const request of [use, { _tag: "OpenLock" }, { _tag: "SetOwner", userId: "ada" }] as const) {
          expect(yield* Effect.flip(ask(request, late))).toMatchObject({
            _tag: "StoreUnavailable",
            message: expect.stringContaining("LockPainted in lock-7. Update this server.")
          })
        }
      }
      yield* execute({ _tag: "RemoveKey", keyUuid: "key-1" })
      expect((yield* log).slice(3)).toEqual(["LockPainted", "KeyRemoved"])
      const times = (yield* store.read("lock-7", 0, 10)).map(({ at }) => at)
      expect(times).toEqual(times.toSorted((a, b) => a - b))
    })
  )

  it.effect("goes on when that one has marked it as ignorable", () =>
    Effect.gen(function* () {
      const { store, process } = yield* makeWorld
      const execute = yield* process()
      yield* execute(create)
      yield* append(store, "lock-7", 1, [painted({ ignorable: true })])
      expect((yield* execute({ _tag: "OpenLock" }, { at: millis("10:00") })).version).toBe(3)
    })
  )
})

describe("a command that is to be carried out at a version", () => {
  const moved = (version: number) => ({ _tag: "VersionMoved", version })

  it.effect("is judged by what the log says, however far behind this process is", () =>
    Effect.gen(function* () {
      const { process, log } = yield* makeWorld
      const [here, elsewhere] = [yield* process(), yield* process()]
      yield* here(create)
      yield* elsewhere({ _tag: "SetOwner", userId: "ada" })
      expect(yield* Effect.flip(here({ _tag: "OpenLock" }, { ifVersion: [1] }))).toMatchObject(moved(2))
      yield* elsewhere({ _tag: "SetOwner", userId: "ben" })
      expect((yield* here({ _tag: "OpenLock" }, { ifVersion: [7, 3] })).version).toBe(4)
      expect(yield* Effect.flip(here({ _tag: "SetOwner", userId: "ben" }, { ifVersion: [] }))).toMatchObject(moved(4))
      expect((yield* here({ _tag: "SetOwner", userId: "ben" }, { ifVersion: "*" })).events).toEqual([])
      expect(yield* log).toEqual(["LockCreated", "OwnerSet", "OwnerSet", "LockOpenRequested"])
    })
  )

  it.effect("creates no lock: one that is not there has no version", () =>
    Effect.gen(function* () {
      const { process } = yield* makeWorld
      const execute = yield* process()
      for (const ifVersion of ["*", [1], []] as const) {
        expect(yield* Effect.flip(execute(create, { ifVersion }))).toMatchObject(moved(0))
      }
    })
  )

  it.effect("of many processes at once, one carries it out", () =>
    Effect.gen(function* () {
      const { process, log } = yield* makeWorld
      yield* (yield* process())(create)
      const tries = Effect.forEach(
        Array.from({ length: 8 }, (_, n) => `user-${n}`),
        (userId) =>
          Effect.flatMap(process(), (execute) =>
            Effect.result(execute({ _tag: "SetOwner", userId }, { ifVersion: [1] }))
          ),
        { concurrency: "unbounded" }
      )
      const failures = (yield* tries).flatMap((tried) => (Result.isFailure(tried) ? [tried.failure] : []))
      expect(failures).toMatchObject(Array.from({ length: 7 }, () => moved(2)))
      expect(yield* log).toEqual(["LockCreated", "OwnerSet"])
    })
  )
})
