/** What is told of a device's connection: whether it is there, since when, and why not. */

import { describe, expect, it } from "@effect/vitest"
import { MemoryPresence } from "@latchkey/core/memory"
import { MemoryReadModel } from "@latchkey/core/testing"
import { Effect, Layer, Stream } from "effect"
import { DeviceShadow } from "../src/device/DeviceShadow.ts"
import { absenceSaid } from "../src/device/Lifecycle.ts"
import { absenceReasonOf, Presence, type PresenceReport, PresenceUnavailable } from "../src/device/Presence.ts"
import { presence } from "../src/locks/Presence.ts"

const thing = "thing"

/** What is told after these reports; `isOnline` is the word of the shadow service, where it has one. */
const told = (reports: ReadonlyArray<Omit<PresenceReport, "thing">>, isOnline?: boolean) =>
  Effect.gen(function* () {
    const { report } = yield* Presence
    for (const one of reports) yield* report({ thing, ...one })
    const asked = Effect.flatMap(presence, (connections) => connections.told(thing))
    if (isOnline === undefined) return yield* asked
    return yield* Effect.provideService(asked, DeviceShadow, shadowThatSays(isOnline))
  }).pipe(Effect.provide(Layer.mergeAll(MemoryPresence.layer, MemoryReadModel.layer)))

const shadowThatSays = (online: boolean): DeviceShadow["Service"] => ({
  send: () => Effect.die("not asked for"),
  find: () => Effect.die("not asked for"),
  settle: () => Effect.die("not asked for"),
  clearOpenings: () => Effect.die("not asked for"),
  reports: Stream.empty,
  isOnline: () => online
})

describe("a device", () => {
  it.effect("is as it was reported last, with since when and why", () =>
    Effect.gen(function* () {
      expect(yield* told([])).toEqual({ online: false })
      expect(yield* told([{ at: 5 }])).toEqual({ online: false, lastSeen: 5 })
      expect(yield* told([{ online: true, at: 5 }, { at: 9 }])).toEqual({ online: true, since: 5, lastSeen: 9 })
      const gone = { online: false, reason: "silent", at: 7 } as const
      expect(yield* told([{ online: true, at: 5 }, gone])).toEqual({
        online: false,
        since: 7,
        reason: "silent",
        lastSeen: 7
      })
    })
  )

  it.effect(
    "is as the shadow service says that holds its connection: what was reported tells more only where it says the same",
    () =>
      Effect.gen(function* () {
        const gone = [{ online: false, reason: "silent", at: 7 }] as const
        const there = [{ online: true, at: 7 }]
        expect(yield* told(gone, true)).toEqual({ online: true, lastSeen: 7 })
        expect(yield* told(there, false)).toEqual({ online: false, lastSeen: 7 })
        expect(yield* told(gone, false)).toEqual({ online: false, since: 7, reason: "silent", lastSeen: 7 })
        expect(yield* told(there, true)).toEqual({ online: true, since: 7, lastSeen: 7 })
      })
  )

  it.effect("is neither there nor gone while nobody can tell", () =>
    Effect.gen(function* () {
      const down = Effect.fail(new PresenceUnavailable({ message: "down" }))
      const unavailable = Layer.mergeAll(
        Layer.succeed(Presence, { report: () => down, of: () => down }),
        MemoryReadModel.layer
      )
      const asked = Effect.flatMap(presence, (connections) => connections.told(thing))
      expect(yield* Effect.provide(asked, unavailable)).toBeUndefined()
      const answered = yield* asked.pipe(
        Effect.provideService(DeviceShadow, shadowThatSays(true)),
        Effect.provide(unavailable)
      )
      expect(answered).toEqual({ online: true })
    })
  )
})

describe("why a device is gone", () => {
  it("is what its broker says, unless it has connected anew", () => {
    expect(absenceSaid("MQTT_KEEP_ALIVE_TIMEOUT")).toEqual({ online: false, reason: "silent" })
    expect(absenceSaid("CLIENT_INITIATED_DISCONNECT")).toEqual({ online: false, reason: "saidGoodbye" })
    expect(absenceSaid("A_LATER_REASON")).toEqual({ online: false })
    expect(absenceSaid(undefined)).toEqual({ online: false })
    expect(absenceSaid("DUPLICATE_CLIENTID")).toBeUndefined()
  })

  it("is not known where a newer version knows it", () => {
    for (const stored of ["hibernates", "", null, undefined, 1]) expect(absenceReasonOf(stored)).toBeUndefined()
  })
})
