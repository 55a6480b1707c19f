/** Credentials to several doors: made, found, listed and revoked. */
import { describe, expect, it } from "@effect/vitest"
import { Context, Deferred, Effect, Fiber, Option, Result } from "effect"
import fc from "fast-check"
import { EventStore } from "../src/streams/EventStore.ts"
import type { PinKey } from "../src/temp-key/Pins.ts"
import { clock, millis, operator } from "./scenario.ts"
import { guest, makeSharedWorld, organization, otherOrganization, pinKey, sharing, thingOf, uuidOf } from "./shared.ts"

const failure = <A, E>(effect: Effect.Effect<A, E>) => Effect.flip(effect)

describe("a shared credential", () => {
  it.effect("has numbered doors, and a PIN when one of them opens with a code", () =>
    Effect.gen(function* () {
      const { process } = yield* makeSharedWorld
      const { doors, pin, credential } = yield* process.share(
        sharing([
          [1, "key"],
          [2, "both"]
        ]),
        uuidOf(1)
      )
      expect(doors).toEqual([
        { id: 1, lockId: 1, lockUuid: thingOf(1), accessMethod: "key", giver: organization },
        { id: 2, lockId: 2, lockUuid: thingOf(2), accessMethod: "both", giver: organization }
      ])
      expect(pin).toMatch(/^\d{8}$/)
      expect(credential.grantedBy).toEqual(organization)
      expect((yield* process.share(sharing([[1, "key"]]), uuidOf(2))).pin).toBeNull()
    })
  )

  it.effect("opens each door by what the door takes", () =>
    Effect.gen(function* () {
      const { process, logOf } = yield* makeSharedWorld
      const doors = sharing([
        [1, "key"],
        [2, "code"]
      ])
      const { pin } = yield* process.share(doors, uuidOf(1))
      expect(yield* process.open(uuidOf(1).toUpperCase(), 1)).toEqual({
        doorId: 1,
        lockId: 1,
        version: 2,
        online: false
      })
      expect((yield* failure(process.open(uuidOf(1), 2)))._tag).toBe("DoorNeedsPin")
      expect((yield* failure(process.enter(1, pin ?? "")))._tag).toBe("PinRefused")
      expect(yield* process.enter(2, pin ?? "")).toEqual({ doorId: 2, lockId: 2, version: 2, online: false })
      const last = (lockId: number) => Effect.map(logOf(lockId), (log) => log.at(-1)?.data)
      expect(yield* last(1)).toMatchObject({ via: "link", credentialUuid: uuidOf(1), doorId: 1 })
      expect(yield* last(2)).toMatchObject({ via: "PIN", credentialUuid: uuidOf(1), doorId: 2 })
    })
  )
})

it.effect("two doors may be one lock: the PIN opens it as the first one that takes a PIN", () =>
  Effect.gen(function* () {
    const { process } = yield* makeSharedWorld
    const doors = sharing([
      [1, "key"],
      [1, "code"],
      [1, "both"]
    ])
    const { pin } = yield* process.share(doors, uuidOf(1))
    expect(yield* process.enter(1, pin ?? "")).toMatchObject({ doorId: 2 })
    expect(yield* process.open(uuidOf(1), 3)).toMatchObject({ doorId: 3 })
  })
)

describe("who may share, see and end", () => {
  it.effect("those who may command every lock; the maker may see and end it even when they no longer may", () =>
    Effect.gen(function* () {
      const { process, command } = yield* makeSharedWorld
      const both = sharing([
        [1, "key"],
        [3, "key"]
      ])
      for (const principal of [organization, otherOrganization, guest]) {
        expect((yield* failure(process.share(both, uuidOf(1), { principal })))._tag).toBe("AccessDenied")
      }
      yield* process.share(both, uuidOf(1), { principal: operator })
      yield* process.share(sharing([[1, "key"]]), uuidOf(2))
      const seen = (principal: typeof operator | typeof organization, lockId?: string) =>
        Effect.map(process.credentials.list(principal, { lockId }, millis("09:00")), ({ tempKeys }) =>
          tempKeys.map(({ uuid }) => uuid)
        )
      expect(yield* seen(operator)).toEqual([uuidOf(1), uuidOf(2)])
      // The link opens lock 3 as well: it is no business of who has a say at lock 1 alone.
      expect(yield* seen(organization)).toEqual([uuidOf(2)])
      expect(yield* seen(organization, "1")).toEqual([uuidOf(2)])
      expect((yield* failure(seen(organization, "3")))._tag).toBe("AccessDenied")
      expect((yield* failure(process.revoke(uuidOf(1))))._tag).toBe("AccessDenied")

      yield* command({ _tag: "SetOrganization", orgId: "org-2" }, 1)
      expect(yield* seen(organization)).toEqual([uuidOf(2)])
      // Two, by ids that open nothing: the links are worth something again once the lock is back.
      const byIds = yield* seen(otherOrganization)
      expect(byIds).toHaveLength(2)
      for (const link of [uuidOf(1), uuidOf(2)]) expect(byIds).not.toContain(link)
      yield* process.revoke(uuidOf(2))
      expect((yield* failure(process.open(uuidOf(2), 1)))._tag).toBe("TempKeyNotValid")
    })
  )

  it.effect("a door opens while its maker may still give keys to it, and again when they may again", () =>
    Effect.gen(function* () {
      const { process, command } = yield* makeSharedWorld
      const { pin } = yield* process.share(sharing([[1, "both"]]), uuidOf(1))
      const tagOf = (answer: Result.Result<unknown, { readonly _tag: string }>) =>
        Result.isSuccess(answer) ? "Opened" : answer.failure._tag
      const tags = Effect.gen(function* () {
        const byLink = yield* Effect.result(process.open(uuidOf(1), 1))
        const byPin = yield* Effect.result(process.enter(1, pin ?? ""))
        return [tagOf(byLink), tagOf(byPin)]
      })
      expect(yield* tags).toEqual(["Opened", "Opened"])
      yield* command({ _tag: "SetOrganization", orgId: "org-2" }, 1)
      expect(yield* tags).toEqual(["DoorWithdrawn", "PinRefused"])
      yield* command({ _tag: "SetOrganization", orgId: "org-1" }, 1)
      expect(yield* tags).toEqual(["Opened", "Opened"])
    })
  )
})

describe("no door is given at a lock", () => {
  it.effect.each(["LockRetired", "DeviceLost", "DeviceDisputed"] as const)("that gives nothing: %s", (why) =>
    Effect.gen(function* () {
      const { process, command, store, another } = yield* makeSharedWorld
      yield* process.share(sharing([[2, "key"]]), uuidOf(1))
      if (why === "LockRetired") yield* command({ _tag: "RetireLock" }, 1)
      if (why === "DeviceLost") yield* command({ _tag: "MoveClaim", uuid: thingOf(1) }, 3)
      if (why === "DeviceDisputed")
        yield* store.write({
          put: [
            { key: `claim/${thingOf(1)}`, value: JSON.stringify({ lockIds: [1, 9] }) },
            { key: `dispute/${thingOf(1)}`, value: "" }
          ]
        })
      const { share, credentials } = yield* another()
      expect(yield* failure(share(sharing([[1, "both"]]), uuidOf(2)))).toMatchObject({ _tag: why, lockId: 1 })
      const { doors: addDoors } = sharing([[1, "key"]])
      const context = { commandId: "add", at: millis("09:00"), principal: organization }
      expect(yield* failure(credentials.change(context, uuidOf(1), { addDoors }, pinKey))).toMatchObject({ _tag: why })
      // Others do not even learn that.
      expect(yield* failure(share(sharing([[1, "key"]]), uuidOf(2), { principal: otherOrganization }))).toMatchObject({
        _tag: "AccessDenied"
      })
      yield* share(sharing([[2, "key"]]), uuidOf(2))
    })
  )
})

describe("a window", () => {
  it.effect.each([
    ["08:00", "Opened"],
    ["17:59:59.999", "Opened"],
    ["18:00", "expired"],
    ["07:59:59.999", "not-yet-valid"]
  ] as const)("includes its beginning and excludes its end: %s", ([time, expected]) =>
    Effect.gen(function* () {
      const { process } = yield* makeSharedWorld
      const { pin } = yield* process.share(sharing([[1, "both"]]), uuidOf(1))
      const at = { at: Date.parse(clock(time)) }
      const opened = yield* Effect.result(process.open(uuidOf(1), 1, at))
      const refused = Result.isFailure(opened) && opened.failure._tag === "TempKeyNotValid" && opened.failure.status
      expect(refused === false ? "Opened" : refused).toBe(expected)
      const entered = yield* Effect.result(process.enter(1, pin ?? "", at))
      expect(Result.isSuccess(entered)).toBe(expected === "Opened")
    })
  )

  it.effect("that ends when it begins is none", () =>
    Effect.gen(function* () {
      const { process, store } = yield* makeSharedWorld
      const none = sharing([[1, "key"]], { validUntil: clock("08:00") })
      expect((yield* failure(process.share(none, uuidOf(1))))._tag).toBe("EmptySharedWindow")
      expect(yield* store.feed(0, 10, { category: "credential" })).toEqual([])
    })
  )
})

describe("no two credentials have one PIN at one lock", () => {
  /** A key under which the first draws of all credentials are the same PIN. */
  const colliding: PinKey = {
    id: "colliding",
    digest: (text) =>
      text.startsWith("pin\n") ? text.slice(text.lastIndexOf("\n") + 1).padStart(64, "0") : pinKey.digest(text)
  }

  it.live("though every credential would draw the same one first", () =>
    Effect.gen(function* () {
      const { another } = yield* makeSharedWorld
      const process = yield* another(undefined, colliding)
      const pinOf = (n: number, lockId: number) =>
        Effect.map(process.share(sharing([[lockId, "code"]]), uuidOf(n)), ({ pin }) => pin)
      expect(yield* Effect.all([pinOf(1, 1), pinOf(2, 1), pinOf(3, 2)], { concurrency: "unbounded" })).toEqual([
        "00000000",
        "00000001",
        "00000000"
      ])
      yield* process.revoke(uuidOf(1))
      // Not even those of keys that have ended are given out again.
      expect(yield* pinOf(4, 1)).toBe("00000002")
    })
  )

  it.live("also when two processes draw at the same moment: the second one in the log gets another", () =>
    Effect.gen(function* () {
      const { another, ports, store } = yield* makeSharedWorld
      const gate = yield* Deferred.make<void>()
      const atGate = yield* Deferred.make<void>()
      const held = EventStore.of({
        ...store,
        write: (batch) =>
          Effect.andThen(Deferred.succeed(atGate, undefined), Effect.andThen(Deferred.await(gate), store.write(batch)))
      })
      const quick = yield* another(undefined, colliding)
      const slow = yield* another(Context.add(ports, EventStore, held), colliding)
      const waiting = yield* Effect.forkChild(slow.share(sharing([[1, "code"]]), uuidOf(2)))
      yield* Deferred.await(atGate)
      expect((yield* quick.share(sharing([[1, "code"]]), uuidOf(1))).pin).toBe("00000000")
      yield* Deferred.succeed(gate, undefined)
      expect((yield* Fiber.join(waiting)).pin).toBe("00000001")

      const late = yield* another(undefined, colliding)
      for (const process of [quick, slow, late]) {
        const openedBy = (pin: string) => Effect.map(process.enter(1, pin), ({ version }) => version)
        const version = yield* openedBy("00000000")
        expect(yield* openedBy("00000001")).toBe(version + 1)
        const last = (yield* store.read("lock-1", version - 1, 2)).map(({ data }) => data["credentialUuid"])
        expect(last).toEqual([uuidOf(1), uuidOf(2)])
      }
    })
  )
})

describe("whatever happens, in whichever process", () => {
  type Step =
    | { readonly do: "open" | "enter" | "revoke"; readonly key: 0 | 1; readonly by: 0 | 1 }
    | { readonly do: "hand over"; readonly orgId: "org-1" | "org-2" }
    | { readonly do: "wait"; readonly minutes: number }
    | { readonly do: "shadow"; readonly mode: "ok" | "reject" | "lose-answer" | "lose-request" }

  const which = fc.constantFrom<0 | 1>(0, 1)
  const step: fc.Arbitrary<Step> = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({ do: fc.constantFrom("open" as const, "enter" as const), key: which, by: which })
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("revoke" as const), key: which, by: which }) },
    fc.record({ do: fc.constant("hand over" as const), orgId: fc.constantFrom("org-1" as const, "org-2" as const) }),
    fc.record({ do: fc.constant("wait" as const), minutes: fc.constantFrom(1, 60, 240) }),
    fc.record({
      do: fc.constant("shadow" as const),
      mode: fc.constantFrom("ok" as const, "reject" as const, "lose-answer" as const, "lose-request" as const)
    })
  )

  it("a door opens if and only if its key says so, and every opening is in the history of its lock", () =>
    fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), (steps) =>
        Effect.runPromise(
          Effect.scoped(
            Effect.gen(function* () {
              const { process, another, command, shadow, logOf } = yield* makeSharedWorld
              const processes = [process, yield* another()] as const
              const pins = [
                (yield* process.share(sharing([[1, "both"]]), uuidOf(0))).pin ?? "",
                (yield* process.share(sharing([[1, "both"]], { validUntil: clock("13:00") }), uuidOf(1))).pin ?? ""
              ]
              const model = { at: millis("09:00"), answers: true, isOurs: true, revoked: new Set<number>(), opens: 0 }
              const ends = [millis("18:00"), millis("13:00")]
              for (const step of steps) {
                switch (step.do) {
                  case "wait":
                    model.at += step.minutes * 60_000
                    break
                  case "shadow":
                    yield* shadow.setMode(step.mode)
                    model.answers = step.mode === "ok" || step.mode === "lose-answer"
                    break
                  case "hand over":
                    yield* command({ _tag: "SetOrganization", orgId: step.orgId }, 1)
                    model.isOurs = step.orgId === "org-1"
                    break
                  case "revoke":
                    yield* processes[step.by].revoke(uuidOf(step.key))
                    model.revoked.add(step.key)
                    break
                  default: {
                    const { key } = step
                    const { open, enter } = processes[step.by]
                    const given = { at: model.at, address: `192.0.2.${model.at}` }
                    const valid = !model.revoked.has(key) && model.at < (ends[key] ?? 0) && model.isOurs
                    const asked: Effect.Effect<unknown, { readonly _tag: string }> =
                      step.do === "open" ? open(uuidOf(key), 1, given) : enter(1, pins[key] ?? "", given)
                    const answer = yield* Effect.result(asked)
                    if (Result.isSuccess(answer)) {
                      expect([valid, model.answers]).toEqual([true, true])
                      model.opens++
                    } else if (answer.failure._tag === "DeviceUnreachable") {
                      expect([valid, model.answers]).toEqual([true, false])
                    } else if (answer.failure._tag !== "PinLockedOut") {
                      expect(valid).toBe(false)
                    }
                  }
                }
              }
              yield* shadow.setMode("ok")
              yield* shadow.deliver
              const opened = (yield* logOf(1)).filter(({ type }) => type === "LockOpenRequested")
              expect(opened).toHaveLength(model.opens)
              expect(Option.isSome(yield* process.credentials.find(uuidOf(0)))).toBe(true)
            })
          )
        )
      ),
      { numRuns: 60 }
    ))
})
