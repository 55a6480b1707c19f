/** Credentials to several doors: made, found, listed and revoked. */
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { makeSharedWorld, organization, sharing, thingOf, uuidOf } from "./shared.ts"

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
        { id: 1, lockId: 1, lockUuid: thingOf(1), accessMethod: "key" },
        { id: 2, lockId: 2, lockUuid: thingOf(2), accessMethod: "both" }
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
      expect(yield* last(1)).toMatchObject({ reason: "temp key, door 1", credentialUuid: uuidOf(1), doorId: 1 })
      expect(yield* last(2)).toMatchObject({ reason: "PIN, door 2", credentialUuid: uuidOf(1), doorId: 2 })
    })
  )
})
