/** Refused PINs are counted exactly, by however many processes, and every refusal takes the same work. */
import { describe, expect, it } from "@effect/vitest"
import { Context, Effect, Fiber, Latch, Result } from "effect"
import { EventStore, type NewEvent } from "../src/streams/EventStore.ts"
import { BUDGETS } from "../src/temp-key/Budgets.ts"
import { knownCallersOf, MOST_KNOWN } from "../src/temp-key/PinAttempts.ts"
import type { Principal } from "../src/values/Principal.ts"
import { millis } from "./scenario.ts"
import { guest, makeSharedWorld, organization, otherOrganization, sharing, uuidOf } from "./shared.ts"
import { append, stepOf } from "./world.ts"

const tagOf = <A>(result: Result.Result<A, { readonly _tag: string }>): string =>
  Result.isSuccess(result) ? "Opened" : result.failure._tag

const count = (tags: ReadonlyArray<string>) =>
  Object.fromEntries(["Opened", "PinRefused", "PinLockedOut"].map((tag) => [tag, tags.filter((t) => t === tag).length]))

const wrong = (pin: string | null): string => (pin === "00000000" ? "11111111" : "00000000")

/** The one stream of a stranger's guesses. */
const callersStream = (store: EventStore["Service"]) =>
  Effect.map(store.feed(0, 10_000, { category: "pin" }), (events) => {
    const streams = new Set(
      events.map(({ streamId }) => streamId).filter((stream) => stream.startsWith("pin-guessers-"))
    )
    expect(streams.size).toBe(1)
    return [...streams][0] ?? ""
  })

describe("a thousand guesses at once", () => {
  it.live("in three processes: five are looked at, all of them are in the log, and no process forgets them", () =>
    Effect.gen(function* () {
      const { process, another, store } = yield* makeSharedWorld
      const { pin } = yield* process.share(sharing([[1, "code"]]), uuidOf(1))
      const processes = [process, yield* another(), yield* another()]
      const asked = Array.from({ length: 999 }, (_, n) => processes[n % 3] ?? process)
      const answers = yield* Effect.forEach(asked, ({ enter }) => Effect.result(enter(1, wrong(pin))), {
        concurrency: "unbounded"
      })
      expect(count(answers.map(tagOf))).toEqual({ Opened: 0, PinRefused: 5, PinLockedOut: 994 })
      for (const stream of ["pin-attempts-lock-1", yield* callersStream(store)]) {
        expect((yield* store.read(stream, 0, 100)).map(({ type }) => type)).toEqual(Array(5).fill("PinRefused"))
      }

      for (const next of [...processes, yield* another()]) {
        const refused = yield* Effect.flip(next.enter(1, pin ?? ""))
        expect(refused).toMatchObject({ _tag: "PinLockedOut", retryAfter: 120 })
      }
      const before = { at: millis("09:02") - 1 }
      expect((yield* Effect.flip(process.enter(1, pin ?? "", before)))._tag).toBe("PinLockedOut")
      expect(yield* process.enter(1, pin ?? "", { at: millis("09:02") })).toMatchObject({ doorId: 1 })
    })
  )

  it.live("in which the right PIN is: it opens, unless five wrong ones came before it", () =>
    Effect.gen(function* () {
      const { process, logOf } = yield* makeSharedWorld
      const { pin } = yield* process.share(sharing([[1, "code"]]), uuidOf(1))
      const guesses = Array.from({ length: 100 }, (_, n) => (n === 3 || n === 50 ? (pin ?? "") : wrong(pin)))
      const answers = yield* Effect.forEach(guesses, (guess) => Effect.result(process.enter(1, guess)), {
        concurrency: "unbounded"
      })
      expect(count(answers.map(tagOf))).toEqual({ Opened: 1, PinRefused: 5, PinLockedOut: 94 })
      expect((yield* logOf(1)).filter(({ type }) => type === "LockOpenRequested")).toHaveLength(1)
    })
  )
})

it.live("a clock that was a year ahead locks nobody out once it is right again, and guesses count from then on", () =>
  Effect.gen(function* () {
    const { process, another } = yield* makeSharedWorld
    const { pin } = yield* process.share(sharing([[1, "code"]]), uuidOf(1))
    const ahead = { at: millis("09:00") + 365 * 86_400_000 }
    for (let n = 0; n < 5; n++) yield* Effect.flip(process.enter(1, wrong(pin), ahead))
    expect((yield* Effect.flip(process.enter(1, pin ?? "", ahead)))._tag).toBe("PinLockedOut")

    const processes = [process, yield* another()]
    for (const { enter } of processes) expect(yield* enter(1, pin ?? "")).toMatchObject({ doorId: 1 })
    const guesses = yield* Effect.forEach(Array.from({ length: 20 }), (_, n) =>
      Effect.result((processes[n % 2] ?? process).enter(1, wrong(pin)))
    )
    expect(count(guesses.map(tagOf))).toEqual({ Opened: 0, PinRefused: 1, PinLockedOut: 19 })
    const later = yield* another()
    expect((yield* Effect.flip(later.enter(1, pin ?? "")))._tag).toBe("PinLockedOut")
    expect(yield* later.enter(1, pin ?? "", { at: millis("09:30") })).toMatchObject({ doorId: 1 })
  })
)

it.live("a start looks only at what still counts, however much there is", () =>
  Effect.gen(function* () {
    const { process, another, store, ports } = yield* makeSharedWorld
    const { pin } = yield* process.share(sharing([[1, "code"]]), uuidOf(1))
    const day = 86_400_000
    const old = Array.from(
      { length: 5000 },
      (_, n): NewEvent => ({
        eventId: `old-${n}`,
        type: "PinRefused",
        data: { lockId: 1, accounts: ["lock:1"] },
        at: millis("09:00") - 30 * day + n,
        orgId: "",
        principal: guest,
        commandId: `old-${n}`
      })
    )
    yield* append(store, "pin-attempts-lock-1", 0, old.slice(0, 900))
    for (let n = 900; n < old.length; n += 900) yield* append(store, "pin-attempts-lock-1", n, old.slice(n, n + 900))
    const recent = Array.from({ length: 100 }, (_, n) => ({
      ...(old[0] as NewEvent),
      eventId: `new-${n}`,
      at: millis("09:00")
    }))
    yield* append(store, "pin-attempts-lock-1", old.length, recent)
    let read = 0
    const counting = EventStore.of({
      ...store,
      read: (stream, after, limit) =>
        Effect.map(store.read(stream, after, limit), (events) => {
          if (stream === "pin-attempts-lock-1") read += events.length
          return events
        })
    })
    const late = yield* another(Context.add(ports, EventStore, counting))
    expect((yield* Effect.flip(late.enter(1, pin ?? "")))._tag).toBe("PinLockedOut")
    expect(read).toBeLessThan(200)
  })
)

/** The stream without whose it is. */
const kindOf = (stream: string): string => stream.replace(/-(empty-)?[0-9a-f]+$/, "")

it.live("every refusal takes the same steps in the store, whatever the reason", () =>
  Effect.gen(function* () {
    const { process, another, command, store, ports } = yield* makeSharedWorld
    const pinOf = (n: number, ...args: Parameters<typeof sharing>) =>
      Effect.map(process.share(sharing(...args), uuidOf(n)), ({ pin }) => pin ?? "")
    const valid = yield* pinOf(1, [[1, "code"]])
    const expired = yield* pinOf(2, [[1, "code"]], {
      validFrom: "2026-08-01T08:00:00Z",
      validUntil: "2026-08-02T08:00:00Z"
    })
    const early = yield* pinOf(3, [[1, "code"]], {
      validFrom: "2126-01-01T00:00:00Z",
      validUntil: "2126-01-02T00:00:00Z"
    })
    const revoked = yield* pinOf(4, [[1, "code"]])
    yield* process.revoke(uuidOf(4))
    const elsewhere = yield* pinOf(5, [
      [1, "key"],
      [2, "code"]
    ])
    yield* command({ _tag: "SetOwner", userId: "ada" }, 1)

    let steps: Array<string> = []
    const step = <A, E>(name: string, effect: Effect.Effect<A, E>) =>
      Effect.andThen(
        Effect.sync(() => void steps.push(name)),
        effect
      )
    const traced = EventStore.of({
      ...store,
      read: (stream, ...rest) => step(`read ${kindOf(stream)}`, store.read(stream, ...rest)),
      feed: (...args) => step("feed", store.feed(...args)),
      write: (batch) => step(kindOf(stepOf(batch)), store.write(batch))
    })
    const watched = yield* another(Context.add(ports, EventStore, traced))
    const stepsOf = Effect.fnUntraced(function* (lockId: number, pin: string, address: string) {
      steps = []
      const refused = yield* Effect.flip(watched.enter(lockId, pin, { networks: [address] }))
      expect(refused).toMatchObject({ _tag: "PinRefused", message: "This PIN does not open this lock now." })
      return steps
    })
    // What was never looked for is found in more steps: that tells of whoever asked before, and not of the lock.
    for (const lockId of [1, 3, 999]) yield* stepsOf(lockId, wrong(valid), "192.0.2.9")
    // The reader of the feed reads on by itself now and then.
    const isOwn = (step: string) => step !== "feed"
    const expected = (yield* stepsOf(1, wrong(valid), "192.0.2.10")).filter(isOwn)
    expect(expected.slice(-2)).toEqual(["append pin-guessers", "append pin-attempts-lock"])
    for (const [n, [lockId, pin]] of (
      [
        [1, expired],
        [1, early],
        [1, revoked],
        [1, elsewhere],
        [3, valid],
        [999, valid]
      ] as const
    ).entries()) {
      const rest = (yield* stepsOf(lockId, pin, `192.0.2.${20 + n}`)).filter(isOwn)
      expect(rest).toEqual(expected)
    }
    expect(yield* watched.enter(1, valid)).toMatchObject({ doorId: 1 })
  })
)

it.live(
  "a PIN opens for its keypad whatever strangers do, and at the keypad of somebody else they are all strangers",
  () =>
    Effect.gen(function* () {
      const { process } = yield* makeSharedWorld
      const { pin } = yield* process.share(sharing([[1, "code"]]), uuidOf(1))
      const by = (principal: Principal) => ({ principal })
      for (let n = 0; n < 5; n++) yield* Effect.flip(process.enter(1, wrong(pin), by(otherOrganization)))
      expect((yield* Effect.flip(process.enter(1, pin ?? "", by(otherOrganization))))._tag).toBe("PinLockedOut")
      expect(yield* process.enter(1, pin ?? "", by(organization))).toMatchObject({ doorId: 1 })
      for (let n = 0; n < 10; n++) yield* Effect.flip(process.enter(1, wrong(pin), by(organization)))
      expect(yield* Effect.flip(process.enter(1, pin ?? "", by(organization)))).toMatchObject({ retryAfter: 60 })
      expect(yield* process.enter(1, pin ?? "")).toMatchObject({ doorId: 1 })
    })
)

const strangers = (count: number) =>
  Array.from({ length: count }, (_, n) => ({ networks: [`198.51.${Math.floor(n / 250)}.${n % 250}`] }))

it.live(
  "who has opened a lock before passes what strangers have used up there, and so do keypads; strangers do not",
  () =>
    Effect.gen(function* () {
      const { process, another } = yield* makeSharedWorld
      const { pin } = yield* process.share(sharing([[1, "code"]]), uuidOf(1))
      const right = pin ?? ""
      const regular = { networks: ["203.0.113.1"] }
      const [newcomer = {}, ...attackers] = strangers(BUDGETS.lock.burst + 20)
      expect(yield* process.enter(1, right, regular)).toMatchObject({ doorId: 1 })
      for (const attacker of attackers) yield* Effect.flip(process.enter(1, wrong(pin), attacker))

      for (const next of [process, yield* another()]) {
        expect(yield* Effect.flip(next.enter(1, right, newcomer))).toMatchObject({
          _tag: "PinLockedOut",
          retryAfter: 30
        })
        expect(yield* next.enter(1, right, regular)).toMatchObject({ doorId: 1 })
        expect(yield* next.enter(1, right, { ...newcomer, principal: organization })).toMatchObject({ doorId: 1 })
      }
      // Nobody has more guesses for it than a stranger.
      const guesses = yield* Effect.forEach(Array(8).fill(wrong(pin)), (guess) =>
        Effect.result(process.enter(1, guess, regular))
      )
      expect(count(guesses.map(tagOf))).toEqual({ Opened: 0, PinRefused: 5, PinLockedOut: 3 })
      // What they know of one lock is nothing at another.
      const elsewhere = yield* process.share(sharing([[2, "code"]]), uuidOf(2))
      for (const attacker of strangers(250).slice(BUDGETS.lock.burst + 20)) {
        yield* Effect.flip(process.enter(2, wrong(elsewhere.pin), attacker))
      }
      expect(yield* Effect.flip(process.enter(2, elsewhere.pin ?? "", { networks: ["203.0.113.2"] }))).toMatchObject({
        _tag: "PinLockedOut"
      })
    })
)

it.live("a lock remembers the last callers who opened it, and no more", () =>
  Effect.gen(function* () {
    const { process, store } = yield* makeSharedWorld
    const { pin } = yield* process.share(sharing([[1, "code"]]), uuidOf(1))
    const openers = strangers(MOST_KNOWN + 1)
    for (const [n, opener] of openers.entries()) {
      yield* process.enter(1, pin ?? "", { ...opener, at: millis("09:00") + n * 60_000 })
    }
    // Who is known already is not written down again.
    yield* process.enter(1, pin ?? "", { ...openers.at(-1), at: millis("10:00") })
    expect(yield* store.read(knownCallersOf(1), 0, 100)).toHaveLength(openers.length)
    const attackers = strangers(200).slice(openers.length)
    for (const attacker of attackers)
      yield* Effect.flip(process.enter(1, wrong(pin), { ...attacker, at: millis("10:00") }))
    const [first = {}, second = {}] = openers
    expect((yield* Effect.flip(process.enter(1, pin ?? "", { ...first, at: millis("10:00") })))._tag).toBe(
      "PinLockedOut"
    )
    expect(yield* process.enter(1, pin ?? "", { ...second, at: millis("10:00") })).toMatchObject({ doorId: 1 })
  })
)

it.live("each keypad of an organization has a budget of its own", () =>
  Effect.gen(function* () {
    const { process } = yield* makeSharedWorld
    const { pin } = yield* process.share(sharing([[1, "code"]]), uuidOf(1))
    const keypad = (apiKey: string) => ({ principal: organization, apiKey })
    for (let n = 0; n < BUDGETS.gateway.burst; n++) yield* Effect.flip(process.enter(1, wrong(pin), keypad("front")))
    expect((yield* Effect.flip(process.enter(1, pin ?? "", keypad("front"))))._tag).toBe("PinLockedOut")
    expect(yield* process.enter(1, pin ?? "", keypad("back"))).toMatchObject({ doorId: 1 })
  })
)

it.live("a home with all its networks has no more guesses than a home, and shuts no lock", () =>
  Effect.gen(function* () {
    const { process } = yield* makeSharedWorld
    const { pin } = yield* process.share(sharing([[1, "code"]]), uuidOf(1))
    const home = Array.from({ length: 256 }, (_, n) => ({
      networks: [`2001:db8:0:${n.toString(16)}::/64`, "2001:db8::/56", "2001:db8::/48"]
    }))
    const guesses = yield* Effect.forEach(home, (from) => Effect.result(process.enter(1, wrong(pin), from)), {
      concurrency: "unbounded"
    })
    expect(count(guesses.map(tagOf))).toEqual({ Opened: 0, PinRefused: BUDGETS.line.burst, PinLockedOut: 246 })
    expect(yield* process.enter(1, pin ?? "", { networks: ["192.0.2.7"] })).toMatchObject({ doorId: 1 })
    // A company has more, and its neighbours have theirs.
    const site = Array.from({ length: 256 }, (_, n) => ({
      networks: [
        `2001:db8:0:${(n * 256).toString(16)}::/64`,
        `2001:db8:0:${(n * 256).toString(16)}::/56`,
        "2001:db8::/48"
      ]
    }))
    const more = yield* Effect.forEach(site, (from) => Effect.result(process.enter(1, wrong(pin), from)))
    expect(count(more.map(tagOf)).PinRefused).toBe(BUDGETS.site.burst - BUDGETS.line.burst)
  })
)

it.live("nobody waits for guesses at another lock", () =>
  Effect.gen(function* () {
    const { process, another, store, ports } = yield* makeSharedWorld
    const one = yield* process.share(sharing([[1, "code"]]), uuidOf(1))
    const two = yield* process.share(sharing([[2, "code"]]), uuidOf(2))
    const hanging = EventStore.of({
      ...store,
      write: (batch) => (stepOf(batch).endsWith("-lock-1") ? Effect.never : store.write(batch))
    })
    const slow = yield* another(Context.add(ports, EventStore, hanging))
    const waiting = yield* Effect.forEach(strangers(50), (from) =>
      Effect.forkChild(slow.enter(1, wrong(one.pin), from))
    )
    expect(yield* slow.enter(2, two.pin ?? "", { networks: ["192.0.2.7"] })).toMatchObject({ doorId: 1 })
    expect(yield* Effect.flip(slow.enter(2, wrong(two.pin), { networks: ["192.0.2.7"] }))).toMatchObject({
      _tag: "PinRefused"
    })
    yield* Fiber.interruptAll(waiting)
  })
)

it.live("the right PIN in one process stands in line with the wrong ones in another", () =>
  Effect.gen(function* () {
    const { process, another, store, ports } = yield* makeSharedWorld
    const { pin } = yield* process.share(sharing([[1, "code"]]), uuidOf(1))
    for (let n = 1; n < BUDGETS.caller.burst; n++) yield* Effect.flip(process.enter(1, wrong(pin)))
    const judged = yield* Latch.make(false)
    const overtaken = yield* Latch.make(false)
    const slow = yield* another(
      Context.add(ports, EventStore, {
        ...store,
        write: (batch) =>
          stepOf(batch).startsWith("append pin-guessers-")
            ? judged.open.pipe(Effect.andThen(overtaken.await), Effect.andThen(store.write(batch)))
            : store.write(batch)
      })
    )
    const entering = yield* Effect.forkChild(Effect.result(slow.enter(1, pin ?? "")))
    yield* judged.await
    expect((yield* Effect.flip(process.enter(1, wrong(pin))))._tag).toBe("PinRefused")
    yield* overtaken.open
    expect(tagOf(yield* Fiber.join(entering))).toBe("PinLockedOut")
  })
)
