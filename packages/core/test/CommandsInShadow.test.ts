/** How a command gets into a shadow whose service is far away: answers are lost, and others write meanwhile. */
import { describe, expect, it } from "@effect/vitest"
import { commandsInShadows, type ShadowChange, ShadowUnavailable, ShadowWriteRefused } from "@latchkey/core"
import { Effect } from "effect"

const THING = "thing"
const command = { _tag: "AddKey", commandId: "one", seq: 1, issuedAt: 0, keyUuid: "key" } as const
const LATER = 253_402_300_799_999

const conflict = (inDoubt: boolean) =>
  new ShadowWriteRefused({ reason: "conflict", message: "Version conflict", inDoubt })
const denied = (inDoubt: boolean) => new ShadowWriteRefused({ reason: "other", message: "denied", inDoubt })
const lost = new ShadowUnavailable({ thing: THING, message: "no answer" })

type Held = "nothing" | "the command" | "its outcome" | "an answer that is none"
const sections = {
  "an answer that is none": {
    desired: { commands: { one: { type: "AddKey", seq: 1 } } },
    reported: { commands: { one: { outcome: "finished" } } }
  },
  nothing: {},
  "the command": { desired: { commands: { one: { type: "AddKey", seq: 1 } } } },
  "its outcome": { reported: { commands: { one: { outcome: "done" } } } }
}

/** A service that reads and answers as it is told; `writes` are those that reached it. */
const shadowsThat = (
  reads: ReadonlyArray<Held | ShadowUnavailable>,
  answers: ReadonlyArray<ShadowWriteRefused | ShadowUnavailable | "ok">
) => {
  const writes: Array<ShadowChange> = []
  let read = 0
  const commands = commandsInShadows({
    read: () =>
      Effect.suspend(() => {
        const held = reads[read++] ?? expect.fail("read too often")
        return typeof held === "string" ? Effect.succeed({ version: read, ...sections[held] }) : Effect.fail(held)
      }),
    write: (_, __, change) =>
      Effect.suspend(() => {
        const answer = answers[writes.push(change) - 1] ?? expect.fail("wrote too often")
        return answer === "ok" ? Effect.void : Effect.fail(answer)
      })
  })
  return {
    send: commands.send(THING, command, LATER),
    find: commands.find(THING, "one", 1),
    takeBack: commands.settle(THING, "one", "any"),
    writes
  }
}

describe("sending", () => {
  it.effect("begins again when somebody else was faster", () =>
    Effect.gen(function* () {
      const { send, writes } = shadowsThat(["nothing", "nothing"], [conflict(false), "ok"])
      yield* send
      expect(writes).toHaveLength(2)
    })
  )

  it.effect.each(["the command", "its outcome"] as const)("is done when the shadow holds %s", (held) =>
    Effect.gen(function* () {
      for (const inDoubt of [true, false]) {
        const { send, writes } = shadowsThat(["nothing", held], [conflict(inDoubt)])
        yield* send
        expect(writes).toHaveLength(1)
      }
    })
  )

  it.effect("writes no second time what may have been carried out and settled meanwhile", () =>
    Effect.gen(function* () {
      const { send, writes } = shadowsThat(["nothing", "nothing"], [conflict(true)])
      expect(yield* Effect.flip(send)).toMatchObject({ _tag: "ShadowUnavailable" })
      expect(writes).toHaveLength(1)
    })
  )

  it.effect("knows that nothing was written, unless an answer is missing", () =>
    Effect.gen(function* () {
      const certain = [
        shadowsThat([lost], []),
        shadowsThat(["nothing", lost], [conflict(false)]),
        shadowsThat(["nothing"], [denied(false)])
      ]
      for (const { send } of certain) expect(yield* Effect.flip(send)).toMatchObject({ _tag: "ShadowRejected" })
      const doubtful = [
        shadowsThat(["nothing"], [lost]),
        shadowsThat(["nothing", lost], [conflict(true)]),
        shadowsThat(["nothing"], [denied(true)])
      ]
      for (const { send } of doubtful) expect(yield* Effect.flip(send)).toMatchObject({ _tag: "ShadowUnavailable" })
    })
  )
})

describe("looking for a command", () => {
  it.effect("is in vain only after a write that shuts out those on their way", () =>
    Effect.gen(function* () {
      const { find, writes } = shadowsThat(["nothing", "nothing"], [conflict(false), "ok"])
      expect(yield* find).toBe(false)
      expect(writes).toEqual([{}, {}])
      expect(yield* Effect.flip(shadowsThat(["nothing"], [lost]).find)).toBe(lost)
    })
  )
})

describe("taking back a command", () => {
  it.effect("takes what the device says of it, where that is no answer: nobody will hear it", () =>
    Effect.gen(function* () {
      const { takeBack, writes } = shadowsThat(["an answer that is none"], ["ok"])
      yield* takeBack
      expect(writes).toEqual([{ desired: { commands: null }, reported: { commands: null } }])
    })
  )
})
