/** The conformance suite of presence: an adapter's test file calls it and needs little else. */
import { expect } from "@effect/vitest"
import { Arbitrary, Effect, Random, Schema, type Scope } from "effect"
import { AbsenceReason, type Heard, heard, Presence, type PresenceReport } from "../device/Presence.ts"
import { holdsFor, opened, type PortCase, type PortPlace, type PortSuiteOptions, registerCases } from "./portCase.ts"

const TIME = 1_700_000_000_000

interface Fixture {
  readonly presence: Presence["Service"]
  /** One more opener of the same store. */
  readonly another: Effect.Effect<Presence["Service"], unknown, Scope.Scope>
  /** A name that nobody has used: presence is never emptied. */
  readonly thing: (name?: string) => string
  readonly seed: number
}

const check = (
  name: string,
  body: (fixture: Fixture) => Generator<Effect.Effect<unknown, unknown, Scope.Scope>, unknown, never>
): PortCase<Presence> => ({
  name,
  run: Effect.fnUntraced(function* (place: PortPlace<Presence>, seed: number) {
    const another = opened(Presence, place.open)
    const presence = yield* another
    const run = Math.abs(yield* Random.nextInt).toString(36)
    let made = 0
    const thing = (name = "thing") => `${name}-${run}-${++made}`
    yield* Effect.gen(() => body({ presence, another, thing, seed }))
  })
})

const knownOf = ({ of }: Presence["Service"], thing: string) =>
  Effect.map(of([thing]), (known): Heard | undefined => known.get(thing))

/** What is known of a device, whatever of it there is: an adapter may keep no `since` of one that never said. */
const told = (known: Heard | undefined) => known && { online: known.online, lastSeen: known.lastSeen }

/** Reports of one device; few instants, so that some are about the same one. */
const Reports = Schema.Array(
  Schema.Struct({
    online: Schema.UndefinedOr(Schema.Boolean),
    reason: Schema.UndefinedOr(AbsenceReason),
    at: Schema.Literals([-1, 0, TIME, TIME + 1])
  })
)

const after = (reports: ReadonlyArray<Omit<PresenceReport, "thing">>): Heard | undefined =>
  reports.reduce<Heard | undefined>((known, report) => heard(known, { thing: "", ...report }), undefined)

/** Every promise of the port. */
export const presenceCases: ReadonlyArray<PortCase<Presence>> = [
  check("knows nothing of a device that was never heard of", function* ({ presence, thing }) {
    const [one, other] = [thing(), thing()]
    yield* presence.report({ thing: one, online: true, at: TIME })
    expect((yield* presence.of([other])).size).toBe(0)
    expect((yield* presence.of([])).size).toBe(0)
  }),

  check("believes the newest report, in whatever order reports come", function* ({ presence, thing }) {
    const name = thing()
    for (const [online, at, then] of [
      [true, 20, true],
      [false, 10, true],
      [true, 20, true],
      [false, 30, false],
      [true, 25, false],
      [true, 30, true],
      [false, 30, true]
    ] as const) {
      yield* presence.report({ thing: name, online, at: TIME + at })
      expect((yield* knownOf(presence, name))?.online).toBe(then)
    }
    expect(yield* knownOf(presence, name)).toEqual({ online: true, since: TIME + 30, lastSeen: TIME + 30 })
  }),

  check("knows when a device was last heard of, also by what says nothing of its presence", function* (fixture) {
    const { presence } = fixture
    const thing = fixture.thing()
    for (const [online, at, known] of [
      [undefined, 20, { online: false, since: undefined, lastSeen: TIME + 20 }],
      [true, 10, { online: true, since: TIME + 10, lastSeen: TIME + 20 }],
      [undefined, 30, { online: true, since: TIME + 10, lastSeen: TIME + 30 }],
      [false, 25, { online: false, since: TIME + 25, lastSeen: TIME + 30 }],
      [undefined, 5, { online: false, since: TIME + 25, lastSeen: TIME + 30 }]
    ] as const) {
      yield* presence.report({ thing, online, at: TIME + at })
      expect(yield* knownOf(presence, thing)).toEqual(known)
    }
  }),

  check("keeps why a device is gone, until it is there, or gone again", function* ({ presence, another, thing }) {
    const name = thing()
    for (const [online, reason, at, then] of [
      [false, "silent", 10, "silent"],
      // Of two at the same time it does not matter which came first.
      [false, "connectionLost", 10, "silent"],
      [false, undefined, 10, "silent"],
      [undefined, "turnedAway", 15, "silent"],
      [false, "saidGoodbye", 5, "silent"],
      [false, "connectionLost", 20, "connectionLost"],
      [false, "saidGoodbye", 20, "saidGoodbye"],
      [true, "serverGone", 20, undefined],
      [false, "turnedAway", 20, undefined],
      [false, "turnedAway", 21, "turnedAway"],
      [true, undefined, 30, undefined],
      [false, undefined, 40, undefined],
      [false, "serverGone", 40, "serverGone"]
    ] as const) {
      yield* presence.report({ thing: name, online, reason, at: TIME + at })
      expect((yield* knownOf(presence, name))?.reason).toBe(then)
    }
    expect((yield* knownOf(yield* another, name))?.reason).toBe("serverGone")
    const others = AbsenceReason.literals.map((reason) => ({ name: thing(), reason }))
    for (const { name, reason } of others) yield* presence.report({ thing: name, online: false, reason, at: TIME })
    const known = yield* presence.of(others.map(({ name }) => name))
    expect(others.map(({ name }) => known.get(name)?.reason)).toEqual(AbsenceReason.literals)
  }),

  check("takes a time before 1970, and zero, as what they are", function* ({ presence, thing }) {
    const name = thing()
    yield* presence.report({ thing: name, online: true, at: -5 })
    expect(yield* knownOf(presence, name)).toEqual({ online: true, since: -5, lastSeen: -5 })
    yield* presence.report({ thing: name, online: false, at: 0 })
    expect(yield* knownOf(presence, name)).toEqual({ online: false, since: 0, lastSeen: 0 })
    yield* presence.report({ thing: name, online: true, at: -5 })
    expect(yield* knownOf(presence, name)).toEqual({ online: false, since: 0, lastSeen: 0 })
  }),

  check("tells devices apart by their exact names", function* ({ presence, thing }) {
    const name = thing("Türe")
    const alike = [name.toUpperCase(), name.normalize("NFD"), `${name} `, ` ${name}`, `${name}'`, name.slice(0, -1)]
    yield* presence.report({ thing: name, online: true, at: TIME })
    expect([...(yield* presence.of([...alike, name])).keys()]).toEqual([name])
  }),

  check("knows devices whose names are as long as they may be", function* ({ presence, another, thing }) {
    const name = thing("a:Z_").padEnd(127, "aZ09:_-")
    yield* presence.report({ thing: `${name}1`, online: true, at: TIME })
    yield* presence.report({ thing: `${name}2`, online: false, reason: "silent", at: TIME + 1 })
    for (const opener of [presence, yield* another]) {
      const known = yield* opener.of([`${name}1`, `${name}2`, `${name}3`, name.repeat(10)])
      expect([...known.keys()].toSorted()).toEqual([`${name}1`, `${name}2`])
      expect(told(known.get(`${name}1`))).toEqual({ online: true, lastSeen: TIME })
      expect(told(known.get(`${name}2`))).toEqual({ online: false, lastSeen: TIME + 1 })
    }
  }),

  check("answers for thousands of devices at once, each of them once", function* ({ presence, thing }) {
    const things = Array.from({ length: 3_000 }, () => thing())
    const some = things.filter((_, n) => n % 100 === 0)
    for (const [n, name] of some.entries()) yield* presence.report({ thing: name, online: n % 2 === 0, at: TIME + n })
    const known = yield* presence.of([...things, ...some])
    expect([...known.keys()].toSorted()).toEqual(some.toSorted())
    for (const [n, name] of some.entries())
      expect(told(known.get(name))).toEqual({ online: n % 2 === 0, lastSeen: TIME + n })
  }),

  check("is the same for everybody who has opened it", function* ({ presence, another, thing }) {
    const other = yield* another
    const name = thing()
    yield* presence.report({ thing: name, online: true, at: TIME })
    expect(told(yield* knownOf(other, name))).toEqual({ online: true, lastSeen: TIME })
    yield* other.report({ thing: name, online: false, at: TIME + 1 })
    expect(told(yield* knownOf(presence, name))).toEqual({ online: false, lastSeen: TIME + 1 })
  }),

  check("loses no report of several at the same moment", function* ({ presence, another, thing }) {
    const openers = [presence, yield* another, yield* another]
    const things = Array.from({ length: 10 }, () => thing())
    const reports = things.flatMap((name) =>
      Array.from({ length: 30 }, (_, n) => ({
        thing: name,
        // The newest word on presence is the middle one; the last is that it was heard of.
        online: n <= 15 ? n === 15 : undefined,
        at: TIME + n
      }))
    )
    // Newest first and last in turn, through all openers.
    const shuffled = reports.map((_, n) => reports[n % 2 === 0 ? n / 2 : reports.length - (n + 1) / 2] ?? reports[0])
    yield* Effect.forEach(
      shuffled,
      (report, n) => (report === undefined ? Effect.void : (openers[n % 3] ?? presence).report(report)),
      { concurrency: 16, discard: true }
    )
    const known = yield* presence.of(things)
    for (const name of things) {
      expect(known.get(name)).toEqual({ online: true, since: TIME + 15, lastSeen: TIME + 29 })
    }
  }),

  check("is left the same by reports in every order, however often they come", function* ({ presence, thing, seed }) {
    yield* holdsFor(
      Arbitrary.all([Arbitrary.schema(Reports), Arbitrary.schema(Schema.Array(Schema.Int))]),
      seed,
      60,
      Effect.fnUntraced(function* ([said, order]) {
        const [straight, jumbled] = [thing(), thing()]
        for (const report of said) yield* presence.report({ thing: straight, ...report })
        const shuffled = [...said, ...said]
          .map((report, n) => [(order[n % Math.max(1, order.length)] ?? -n) * (n + 1), report] as const)
          .toSorted(([a], [b]) => a - b)
        for (const [, report] of shuffled) yield* presence.report({ thing: jumbled, ...report })
        const known = yield* presence.of([straight, jumbled])
        expect(known.get(straight)).toEqual(after(said))
        expect(known.get(jumbled)).toEqual(after(said))
      })
    )
  })
]

/**
 * Registers the tests.
 *
 * @example
 * ```ts
 * presenceSuite("mine", Effect.map(temporaryFile, (path) => ({ open: MyPresence.layer({ path }), reopen: MyPresence.layer({ path }) })))
 * ```
 */
export const presenceSuite = (
  name: string,
  place: Effect.Effect<PortPlace<Presence>, unknown, Scope.Scope>,
  options: PortSuiteOptions = {}
): void => registerCases(`presence: ${name}`, presenceCases, place, options)
