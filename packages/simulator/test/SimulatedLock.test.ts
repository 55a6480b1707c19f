/** Locks in bad weather: whatever is lost, late, doubled or overtaken, each command is run once, in order, in time. */
import { describe, expect, it } from "@effect/vitest"
import { FAULTS, type Faults, type Incident, simulateLock, virtualTime } from "@latchkey/simulator"
import fc from "fast-check"
import { backend, idOf } from "./backend.ts"

const EPOCH = 1_800_000_000_123

/** A lock and its backend for some minutes of their time; what the backend does is drawn from the seed too. */
const live = (seed: number, faults: Faults, deeds: ReadonlyArray<Deed>, quiet = 600_000) => {
  const time = virtualTime()
  const service = backend(time, EPOCH)
  const incidents: Array<Incident> = []
  const begunAt: Array<readonly [commandId: string, at: number]> = []
  const lock = simulateLock({
    thing: "lock",
    seed,
    faults,
    time,
    wire: service.wire,
    onIncident: (incident) => {
      incidents.push(incident)
      if (incident._tag === "Began") begunAt.push([idOf(incident.command), service.epochNow()])
    }
  })
  let now = 0
  for (const { after, what } of deeds) {
    time.runUntil((now += after))
    switch (what) {
      case "open":
        service.send("OpenLock", 10_000)
        break
      case "lock":
        service.send("LockDevice", 10_000)
        break
      case "write":
        service.send("WriteKey", 60_000)
        break
      case "add":
        service.send("AddKey")
        break
      case "touch":
        service.touch(now)
        break
      case "settle":
        service.settle()
        break
      case "cut":
        lock.powerCut()
        break
      case "forget":
        lock.forget()
        break
    }
  }
  // Whatever is still to be done is done in the end, and the backend keeps taking away what is answered.
  for (const end = now + quiet; now < end; ) {
    time.runUntil((now += 5_000))
    service.settle()
  }
  lock.stop()
  return { service, incidents, begunAt, lock }
}

interface Deed {
  readonly after: number
  readonly what: "open" | "lock" | "write" | "add" | "touch" | "settle" | "cut" | "forget"
}

const deedsWith = (what: ReadonlyArray<Deed["what"]>) =>
  fc.array(
    fc.record({
      after: fc.oneof(fc.integer({ min: 0, max: 50 }), fc.integer({ min: 0, max: 20_000 })),
      what: fc.constantFrom(...what)
    }),
    { maxLength: 40 }
  )
const deeds = deedsWith(["open", "lock", "write", "add", "touch", "settle"])

const seqOf = (commandId: string) => 1000 - Number(commandId.slice("command-".length))

/** What must be true of every run. */
const check = ({ service, begunAt, incidents }: ReturnType<typeof live>) => {
  const begun = begunAt.map(([commandId]) => commandId)
  expect(new Set(begun).size).toBe(begun.length)
  expect(begun).toEqual(begun.toSorted((a, b) => seqOf(a) - seqOf(b)))
  for (const [commandId, at] of begunAt) {
    const { expiresAt = Number.POSITIVE_INFINITY } = service.sent.find((sent) => sent.commandId === commandId) ?? {}
    expect(at, `${commandId} began in time`).toBeLessThan(expiresAt)
  }
  for (const { commandId, expiresAt } of service.sent) {
    if (expiresAt === undefined) expect(begun, "what does not expire is run").toContain(commandId)
  }
  const ends = incidents.flatMap((one) => (one._tag === "Ended" ? [[one.commandId, one.outcome.outcome]] : []))
  expect(service.outcomes.toSorted()).toEqual(ends.toSorted())
  expect(service.waiting()).toEqual([])
}

describe("a lock", () => {
  it("runs each command once, in order and in time, whatever happens to messages and connections", () => {
    fc.assert(
      fc.property(fc.nat(), deeds, (seed, deeds) => check(live(seed, FAULTS.many, deeds))),
      { numRuns: 150 }
    )
  })

  it("begins nothing twice when its power is cut", () => {
    fc.assert(
      fc.property(fc.nat(), deedsWith(["open", "add", "settle", "cut"]), (seed, deeds) =>
        check(live(seed, FAULTS.some, deeds))
      ),
      { numRuns: 100 }
    )
  })

  it("that is away when it is to open opens nothing when it is back, whatever else changes", () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 10_000, max: 100_000_000 }), (seed, away) => {
        const time = virtualTime()
        const service = backend(time, EPOCH)
        const begun: Array<string> = []
        const onIncident = (incident: Incident) => {
          if (incident._tag === "Began") begun.push(idOf(incident.command))
        }
        const lock = simulateLock({ thing: "lock", seed, faults: FAULTS.many, time, wire: service.wire, onIncident })
        time.runUntil(60_000)
        lock.cutOff()
        service.send("OpenLock", 10_000)
        time.runUntil(time.now() + away)
        lock.letIn()
        for (let n = 0; n < 20; n++) {
          time.runUntil(time.now() + 1_000)
          service.touch(n)
        }
        time.runUntil(time.now() + 300_000)
        expect(begun).toEqual([])
        expect(service.outcomes).toEqual([["command-999", "expired"]])
        lock.stop()
      }),
      { numRuns: 100 }
    )
  })

  it("does the same again with the same seed, and something else with another", () => {
    const deeds: ReadonlyArray<Deed> = Array.from({ length: 60 }, (_, n) => ({
      after: 700,
      what: (["open", "add", "settle", "touch"] as const)[n % 4] ?? "open"
    }))
    const run = (seed: number) => live(seed, FAULTS.many, deeds).incidents
    expect(run(7)).toEqual(run(7))
    expect(run(7)).not.toEqual(run(8))
    expect(run(7).length).toBeGreaterThan(60)
  })

  it("with an empty battery is silent until it has a new one", () => {
    const deeds: ReadonlyArray<Deed> = Array.from({ length: 410 }, (_, n) => ({
      after: n % 2 === 0 ? 500 : 100,
      what: n % 2 === 0 ? ("open" as const) : ("settle" as const)
    }))
    const run = live(1, { ...FAULTS.none, drain: 0.5 }, deeds)
    check(run)
    const details = run.incidents.flatMap((one) => (one._tag === "Ended" ? [one.outcome.detail] : []))
    expect(details).toContain("interrupted")
  })

  it("tells every opening at its door, but for those that it had to drop, whatever happens on the way", () => {
    fc.assert(
      fc.property(fc.nat(), deedsWith(["add", "settle", "cut"]), (seed, deeds) => {
        const { lock, service } = live(seed, FAULTS.many, deeds)
        const { count = 0, dropped = 0, list = [] } = lock.state().memory.openings ?? {}
        const untold = list.filter(({ opening }) => !service.openings.has(opening.n)).length
        expect(count).toBeGreaterThan(0)
        expect(count - service.openings.size - untold).toBeLessThanOrEqual(dropped)
        expect(Math.max(...service.openings)).toBeLessThanOrEqual(count)
      }),
      { numRuns: 100 }
    )
  })

  it("forgets its keys, and is cut off in the middle of writing one, where that is asked for", () => {
    const add: ReadonlyArray<Deed> = [
      { after: 0, what: "add" },
      { after: 500, what: "add" }
    ]
    const keysAfter = (faults: Partial<Faults>) => live(1, { ...FAULTS.none, ...faults }, add)
    expect([...keysAfter({}).lock.keys().keys()]).toEqual(["key-1", "key-2"])
    expect([...keysAfter({ forgets: 1 }).lock.keys().keys()]).toEqual(["key-2"])
    const cut = keysAfter({ cuts: 1 })
    check(cut)
    expect([...cut.lock.keys().keys()]).toEqual([])
    expect(cut.service.outcomes.map(([_, outcome]) => outcome)).toEqual(["failed", "failed"])
  })

  it("that has forgotten everything does what its shadow still holds, and knows no key of before", () => {
    const { lock, incidents } = live(1, { ...FAULTS.none, work: [1_000, 1_000] }, [
      { after: 0, what: "add" },
      { after: 1_500, what: "settle" },
      { after: 0, what: "add" },
      { after: 500, what: "forget" }
    ])
    expect([...lock.keys().keys()]).toEqual(["key-2"])
    expect(incidents.filter(({ _tag }) => _tag === "Began")).toHaveLength(3)
    expect(lock.state().memory.commands).toHaveLength(1)
  })

  it("moves its bolt as it was told", () => {
    const isLocked = (...what: ReadonlyArray<Deed["what"]>) =>
      live(
        1,
        FAULTS.none,
        what.map((what) => ({ after: 500, what }))
      ).lock.isLocked()
    expect(isLocked()).toBe(true)
    expect(isLocked("open")).toBe(false)
    expect(isLocked("open", "lock")).toBe(true)
    expect(isLocked("lock", "open", "add")).toBe(false)
  })

  it("keeps the keys that it was told", () => {
    const { lock } = live(1, FAULTS.none, [
      { after: 0, what: "add" },
      { after: 0, what: "write" }
    ])
    expect([...lock.keys().keys()]).toEqual(["key-1", "key-2"])
  })
})
