/** A shadow that refuses, loses what it is told, or hangs: 502 in time, nothing recorded, and the lock goes on. */
import { DeviceShadow } from "@latchkey/core"
import type { MemoryDeviceShadow } from "@latchkey/core/memory"
import { Effect, Layer, Stream } from "effect"
import { describe, expect, it, vi } from "vitest"
import { OWNER } from "./harness/callers.ts"
import { INSIDE, type InProcess, startInProcess, unsettledIn } from "./harness/inProcess.ts"
import { createLock, historyOf, stateOf, type TestLock, tempKey, versionsUpTo } from "./harness/locks.ts"

/** How long these servers wait for the shadow; a refusal follows within a second more. */
const SEND_TIMEOUT = 1000
const DEADLINE = SEND_TIMEOUT + 1000
/** By then what is in doubt was asked for again, also when the last question is not answered yet. */
const SWEPT = 5_000

const deviceCommands: ReadonlyArray<readonly [string, object]> = [
  ["OpenLock", {}],
  ["AddKey", { keyUuid: "new" }],
  ["WriteKey", { keyUuid: "old" }]
]

const lockWithKey = async ({ url }: InProcess): Promise<TestLock> => {
  const lock = await createLock(url)
  expect((await lock.post("AddKey", { keyUuid: "old" })).status).toBe(200)
  return lock
}

/** Everything that can be asked of a lock without its device; where time stands still, none of it waits for the shadow. */
const expectUsable = async (lock: TestLock) => {
  const { tempKeyUuid } = (await lock.post("create-temp-key", tempKey())).body
  expect((await lock.post("use-temp-key", { tempKeyUuid })).status).toBe(200)
  expect((await lock.post("AddResident", { name: "Ada", userId: OWNER })).status).toBe(200)
  expect((await lock.post("RemoveResident", { userId: OWNER })).status).toBe(200)
  expect((await lock.get("details")).status).toBe(200)
}

const setMode = (server: InProcess, mode: MemoryDeviceShadow.ShadowMode) =>
  Effect.runPromise(server.shadow.setMode(mode))
const held = async (server: InProcess, lock: TestLock) =>
  Object.keys(await Effect.runPromise(server.shadow.held(lock.uuid)))
/** Until so many commands are on their way to the shadow, or in doubt. */
const underWay = (server: InProcess, count: number) =>
  vi.waitUntil(async () => (await unsettledIn(server)).length === count, { timeout: 60_000 })

describe.each(["reject", "lose-request", "hang"] as const)("a shadow in mode %s", (mode) => {
  it("answers 502 within the deadline, records nothing, and leaves lock and others usable at once", async () => {
    await using server = await startInProcess({ sendTimeout: SEND_TIMEOUT, timeStandsStill: true })
    const other = await lockWithKey(server)
    const locks = await Promise.all(deviceCommands.map(() => lockWithKey(server)))
    const before = await Promise.all(locks.map(stateOf))
    await setMode(server, mode)
    let answered = 0
    const tellAll = () =>
      Promise.all(
        deviceCommands.map(async ([command, body], index) => {
          const answer = await locks[index]?.post(command, body)
          answered++
          expect([command, answer?.status, answer?.body.error]).toEqual([
            command,
            502,
            "Failed to update device shadow"
          ])
        })
      )
    const told = tellAll()
    if (mode === "hang") await underWay(server, locks.length)
    await expectUsable(other)
    if (mode === "hang") {
      expect(answered).toBe(0)
      await server.pass(DEADLINE)
    }
    await told
    expect(await Promise.all(locks.map(stateOf))).toEqual(before)
    for (const lock of locks) await expectUsable(lock)
    await tellAll()
    await setMode(server, "ok")
    for (const lock of locks) expect(await held(server, lock)).toHaveLength(1)
  })

  it("once it is back, takes commands again, and none that was refused", async () => {
    await using server = await startInProcess({ sendTimeout: SEND_TIMEOUT, timeStandsStill: true })
    const lock = await lockWithKey(server)
    await setMode(server, mode)
    const opening = lock.post("OpenLock")
    if (mode === "hang") {
      await underWay(server, 1)
      await server.pass(DEADLINE)
    }
    expect((await opening).status).toBe(502)
    await setMode(server, "ok")
    // A hanging shadow may have the command: it is asked, and until it has answered the next one waits.
    if (mode === "hang") {
      expect((await lock.post("WriteKey", { keyUuid: "old" })).status).toBe(502)
      await server.pass(SWEPT)
    }
    expect((await lock.post("WriteKey", { keyUuid: "old" })).status).toBe(200)
    await Effect.runPromise(server.shadow.deliver)
    const history = await historyOf(lock)
    expect(history.map(({ version }) => version)).toEqual(versionsUpTo(history.length))
    const told = history.filter(({ type }) => type !== "LockCreated")
    expect(await held(server, lock)).toHaveLength(told.length)
    expect(told.map(({ type }) => type)).toEqual(["KeyAdded", "KeyWriteRequested"])
  })
})

it.each(["reject", "lose-request", "hang"] as const)(
  "a key is removed at once while the shadow is in mode %s, and its device is told when it is back",
  async (mode) => {
    await using server = await startInProcess({ sendTimeout: SEND_TIMEOUT })
    const lock = await lockWithKey(server)
    await setMode(server, mode)
    expect((await lock.post("RemoveKey", { keyUuid: "old" })).status).toBe(200)
    expect(JSON.parse((await lock.get("exposure")).text).keys).toMatchObject([{ keyUuid: "old", reason: "removed" }])
    await setMode(server, "ok")
    await vi.waitUntil(async () => (await historyOf(lock)).some(({ type }) => type === "KeyRemovalSent"), {
      timeout: 60_000
    })
    const types = (await Effect.runPromise(server.shadow.held(lock.uuid))) as Record<string, { type: string }>
    await vi.waitUntil(async () => (await held(server, lock)).length === 1, { timeout: 60_000 })
    expect(Object.values(types).map(({ type }) => type)).toContain("RemoveKey")
  }
)

it("a shadow that took the command but lost its answer is asked: 200, once in the log, once with the device", async () => {
  await using server = await startInProcess({ sendTimeout: SEND_TIMEOUT })
  const lock = await lockWithKey(server)
  await setMode(server, "lose-answer")
  expect((await lock.post("OpenLock")).status).toBe(200)
  expect((await historyOf(lock)).map(({ type }) => type)).toEqual(["LockCreated", "KeyAdded", "LockOpenRequested"])
  expect(await held(server, lock)).toHaveLength(2)
})

it("a hanging shadow that had the command after all: it is in the log when the shadow answers again", async () => {
  const late: { answer: boolean } = { answer: false }
  const hanging = Layer.succeed(
    DeviceShadow,
    DeviceShadow.of({
      send: () => Effect.never,
      find: () => Effect.suspend(() => (late.answer ? Effect.succeed(true) : Effect.never)),
      settle: () => Effect.void,
      clearOpenings: () => Effect.void,
      reports: Stream.never
    })
  )
  await using server = await startInProcess({ sendTimeout: SEND_TIMEOUT, shadow: hanging, timeStandsStill: true })
  const lock = await createLock(server.url)
  const opening = lock.post("OpenLock")
  await underWay(server, 1)
  await server.pass(DEADLINE)
  expect((await opening).status).toBe(502)
  await expectUsable(lock)
  late.answer = true
  await server.pass(SWEPT)
  const history = await historyOf(lock)
  expect(history.at(-1)?.type).toBe("LockOpenRequested")
  expect(history.map(({ version }) => version)).toEqual(versionsUpTo(history.length))
})

it.each([
  ["reject", "Nothing was recorded; try again when the device is back."],
  ["hang", "Try again with the same Idempotency-Key to learn it."]
] as const)(
  "a shadow in mode %s: the message is as published, the advice tells what is known",
  async (mode, advice) => {
    await using server = await startInProcess({ sendTimeout: SEND_TIMEOUT })
    const lock = await createLock(server.url)
    await setMode(server, mode)
    const { text } = await lock.post("OpenLock")
    expect(JSON.parse(text)).toEqual({
      success: false,
      error: "Failed to update device shadow",
      message: "Failed to update device shadow",
      code: 502,
      advice: expect.stringContaining(advice)
    })
  }
)

it("sixty callers of a hanging shadow, on locks of their own, all have their answer within the deadline", async () => {
  await using server = await startInProcess({ sendTimeout: SEND_TIMEOUT, timeStandsStill: true })
  const locks = await Promise.all(versionsUpTo(60).map(() => createLock(server.url)))
  await setMode(server, "hang")
  const opening = Promise.all(locks.map((lock) => lock.post("OpenLock")))
  await underWay(server, locks.length)
  await server.pass(DEADLINE)
  const answers = await opening
  expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 502))
})

it("a full backlog answers 502 and records nothing, until the device has acknowledged some", async () => {
  await using server = await startInProcess()
  const lock = await createLock(server.url)
  let added = 0
  for (; added < 200; added++) {
    const { status } = await lock.post("AddKey", { keyUuid: `key-${added}` })
    if (status !== 200) {
      expect(status).toBe(502)
      break
    }
  }
  expect(added).toBeLessThan(200)
  expect(await historyOf(lock)).toHaveLength(added + 1)
  await expectUsable(lock)
  for (const commandId of await held(server, lock)) {
    const outcome = { _tag: "CommandOutcome", thing: lock.uuid, commandId, outcome: "done", at: Date.now() } as const
    await Effect.runPromise(server.shadow.report(outcome))
  }
  await vi.waitUntil(async () => (await held(server, lock)).length === 0, { timeout: 60_000 })
  expect((await lock.post("AddKey", { keyUuid: "one-more" })).status).toBe(200)
})

it("what broke the shadow is for the operator only", async () => {
  const broken = Layer.succeed(
    DeviceShadow,
    DeviceShadow.of({
      send: () => Effect.die(new Error(INSIDE)),
      find: () => Effect.succeed(false),
      settle: () => Effect.void,
      clearOpenings: () => Effect.void,
      reports: Stream.never
    })
  )
  await using server = await startInProcess({ sendTimeout: SEND_TIMEOUT, shadow: broken })
  const lock = await createLock(server.url)
  const { status, text } = await lock.post("OpenLock")
  expect(status).toBe(502)
  expect(text).not.toContain(INSIDE)
  expect(server.log.join("\n")).toContain(INSIDE)
})

it("many callers of one lock whose shadow hangs all have their answer in time", async () => {
  await using server = await startInProcess({ sendTimeout: SEND_TIMEOUT, timeStandsStill: true })
  const lock = await createLock(server.url)
  await setMode(server, "hang")
  const ask = async (command: string, body = {}) => ({ command, status: (await lock.post(command, body)).status })
  const asking = Promise.all(
    versionsUpTo(20).map((n) => (n % 2 === 0 ? ask("OpenLock") : ask("AddResident", { name: `user-${n}` })))
  )
  await underWay(server, 1)
  // Whoever asks after that has an answer at once.
  await server.pass(2 * DEADLINE)
  const answers = await asking
  expect(answers.filter(({ command }) => command === "OpenLock").map(({ status }) => status)).toEqual(
    Array(10).fill(502)
  )
  expect(answers.filter(({ command }) => command === "AddResident").map(({ status }) => status)).toEqual(
    Array(10).fill(200)
  )
})
