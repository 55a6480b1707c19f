/** Two processes over one log, call by call in whatever order: what is decided holds for the version it is appended at. */
import { expect, it } from "@effect/vitest"
import { Context, Deferred, Effect, Fiber } from "effect"
import fc from "fast-check"
import { KEPT_OF_KEY, streamOfRefused } from "../src/locks/RefusedUses.ts"
import { EventStore } from "../src/streams/EventStore.ts"
import type { PinKey } from "../src/temp-key/Pins.ts"
import { Credentials } from "../src/temp-key/SharedCredential.ts"
import { makeInterleaving } from "./interleaved.ts"
import { clock, lockId, millis } from "./scenario.ts"
import { makeSharedWorld, pinKey, sharing, uuidOf } from "./shared.ts"
import { create, makeWorld } from "./world.ts"

/** A key under which all credentials draw the same PINs in the same order. */
const colliding: PinKey = {
  id: "colliding",
  digest: (text) =>
    text.startsWith("pin\n") ? text.slice(text.lastIndexOf("\n") + 1).padStart(64, "0") : pinKey.digest(text)
}

/** Who did not make a credential is asked whether they have a say about its locks: that takes a while. */
const ADA = { _tag: "User", userId: "ada" } as const

const draws = fc.infiniteStream(fc.nat())
const drawn = (draws: Iterator<number>) => (choices: number) => Number(draws.next().value) % choices

type Step =
  | { readonly do: "share"; readonly by: 0 | 1; readonly key: number }
  | { readonly do: "revoke"; readonly by: 0 | 1; readonly key: number }

const by = fc.constantFrom<0 | 1>(0, 1)
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ do: fc.constant("share" as const), by, key: fc.constantFrom(1, 2, 3) }),
  fc.record({ do: fc.constant("revoke" as const), by, key: fc.constant(0) })
)

it("a credential ends once, a request makes one credential, and no two have one PIN", () =>
  fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 2, maxLength: 6 }), draws, (steps, draws) =>
      Effect.runPromise(
        Effect.scoped(
          Effect.gen(function* () {
            const { another, command, ports, store } = yield* makeSharedWorld
            yield* command({ _tag: "SetOwner", userId: "ada" }, 1)
            const { gated, run } = makeInterleaving(store)
            const over = Context.add(ports, EventStore, gated)
            const processes = [yield* another(over, colliding), yield* another(over, colliding)] as const
            yield* processes[0].share(sharing([[1, "code"]]), uuidOf(0))
            const actions = steps.map((step, index) => {
              const { share, revoke } = processes[step.by]
              if (step.do === "revoke") return Effect.as(Effect.result(revoke(uuidOf(step.key), ADA)), undefined)
              // The same request again, whoever gets it: the server draws another uuid each time.
              const receipt = { id: `share-${step.key}`, fingerprint: "" }
              return share(sharing([[1, "code"]]), uuidOf(100 * step.key + index), { receipt })
            })
            const answers = yield* run(actions, drawn(draws))

            const made = new Map<string, string>()
            for (const [index, answer] of answers.entries()) {
              if (answer === undefined) continue
              const asked = steps[index]?.key
              const said = `${answer.credential.uuid} ${answer.pin}`
              expect(made.get(`request ${asked}`) ?? said).toBe(said)
              made.set(`request ${asked}`, said)
            }
            const pins = [...made.values()].map((said) => said.split(" ")[1])
            expect(new Set(pins).size).toBe(pins.length)
            const late = yield* another(undefined, colliding)
            for (const said of made.values()) {
              const [uuid, pin = ""] = said.split(" ")
              expect((yield* late.credentials.findByPin(1, pin, colliding))?.uuid).toBe(uuid)
            }
            const feed = yield* store.feed(0, 1_000, { category: "credential" })
            const ended = feed.filter(({ type }) => type === "SharedCredentialRevoked").map(({ streamId }) => streamId)
            expect(new Set(ended).size).toBe(ended.length)
          })
        )
      )
    ),
    { numRuns: 60 }
  ))

it.live("what was decided before another process ended the credential is not appended after that", () =>
  Effect.gen(function* () {
    const { another, command, ports, store } = yield* makeSharedWorld
    yield* command({ _tag: "SetOwner", userId: "ada" }, 1)
    const asked = yield* Deferred.make<void>()
    const answer = yield* Deferred.make<void>()
    let isHeld = false
    const held = EventStore.of({
      ...store,
      // The lock is asked for once the credential has been looked at.
      read: (...args) =>
        isHeld && args[0] === "lock-1"
          ? Effect.andThen(
              Deferred.succeed(asked, undefined),
              Effect.andThen(Deferred.await(answer), store.read(...args))
            )
          : store.read(...args)
    })
    const quick = yield* another()
    const slow = yield* another(Context.add(ports, EventStore, held))
    yield* quick.share(sharing([[1, "key"]]), uuidOf(1))
    yield* slow.credentials.find(uuidOf(1))
    isHeld = true
    const ending = yield* Effect.forkChild(slow.revoke(uuidOf(1), ADA))
    yield* Deferred.await(asked)
    yield* quick.revoke(uuidOf(1))
    // By now the slow process knows as well.
    yield* slow.credentials.find(uuidOf(1))
    yield* Deferred.succeed(answer, undefined)
    yield* Fiber.join(ending)
    const types = (yield* store.read(Credentials.streamOf(uuidOf(1)), 0, 10)).map(({ type }) => type)
    expect(types).toEqual(["SharedCredentialCreated", "SharedCredentialRevoked"])
  })
)

it("two processes keep as many refused uses as there is room for, and each once", () =>
  fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 24 }), draws, (uses, draws) =>
      Effect.runPromise(
        Effect.scoped(
          Effect.gen(function* () {
            const world = yield* makeWorld
            const { gated, run } = makeInterleaving(world.store)
            const over = Context.add(world.ports, EventStore, gated)
            const processes = [yield* world.process({ over }), yield* world.process({ over })] as const
            const tempKeyUuid = "7e3b0000-0000-4000-8000-000000000001"
            const before = { at: millis("08:00") }
            yield* processes[0](create, before)
            yield* processes[0](
              {
                _tag: "CreateTempKey",
                tempKeyUuid,
                accessMode: "public",
                validFrom: clock("09:00"),
                validUntil: clock("17:00")
              },
              before
            )
            const early = { at: millis("08:30") }
            const refused = Array.from({ length: uses }, (_, n) =>
              Effect.flip(processes[n % 2 === 0 ? 0 : 1]({ _tag: "UseTempKey", tempKeyUuid }, early))
            )
            yield* run(refused, drawn(draws))
            const kept = yield* world.store.read(streamOfRefused(lockId, early.at), 0, 1_000)
            expect(kept).toHaveLength(Math.min(uses, KEPT_OF_KEY))
            expect(new Set(kept.map(({ eventId }) => eventId)).size).toBe(kept.length)
          })
        )
      )
    ),
    { numRuns: 20 }
  ))
