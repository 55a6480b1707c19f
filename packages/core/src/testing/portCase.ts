/** How the suites of small ports are made: a list of cases, each a promise of the port and how to see that it is kept. */
import { describe, it } from "@effect/vitest"
import { Arbitrary, Context, Effect, Layer, Random, type Scope } from "effect"

/** Where one store is kept, and how it is opened. */
export interface PortPlace<Port> {
  /** Opens it, and makes it if it is not there. Built several times at once, as several servers do. */
  readonly open: Layer.Layer<Port, unknown>
  /** Opens it after everybody has closed it, with nothing but what is kept: often the same as `open`. */
  readonly reopen: Layer.Layer<Port, unknown>
}

/** One promise of a port. */
export interface PortCase<Port, Place extends PortPlace<Port> = PortPlace<Port>> {
  readonly name: string
  /** What the place must offer for this case and does not, in words; then it cannot be run. */
  readonly missing?: (place: Place) => string | undefined
  /** Fails or dies unless the promise is kept. The seed is for what is drawn at random. */
  readonly run: (place: Place, seed: number) => Effect.Effect<void, unknown, Scope.Scope>
}

export interface PortSuiteOptions {
  /** For what is drawn at random; another one each time unless given. A failure prints it. */
  readonly seed?: number
  /** Milliseconds that a case may take; 120,000 unless given. */
  readonly timeout?: number
}

/** Registers cases as tests, each at a place that goes with its scope: a new one, or one and the same database. */
export const registerCases = <Port, Place extends PortPlace<Port>>(
  name: string,
  cases: ReadonlyArray<PortCase<Port, Place>>,
  place: Effect.Effect<Place, unknown, Scope.Scope>,
  { seed, timeout = 120_000 }: PortSuiteOptions
): void => {
  describe(name, () => {
    for (const one of cases) {
      const tried = Effect.gen(function* () {
        const made = yield* place
        const missing = one.missing?.(made)
        if (missing !== undefined) return missing
        const drawn = seed ?? Math.abs(yield* Random.nextInt)
        yield* Effect.tapCause(one.run(made, drawn), () => Effect.logError(`${name}: ${one.name}: seed ${drawn}`))
        return undefined
      }).pipe(Effect.scoped)
      it(
        one.name,
        async (context) => {
          const missing = await Effect.runPromise(tried, { signal: context.signal })
          if (missing !== undefined) context.skip(missing)
        },
        timeout
      )
    }
  })
}

/** One more opener, until the scope ends. */
export const opened = <Id, Port>(
  port: Context.Key<Id, Port>,
  layer: Layer.Layer<Id, unknown>
): Effect.Effect<Port, unknown, Scope.Scope> =>
  Effect.map(Layer.build(Layer.fresh(layer)), (services) => Context.get(services, port))

/** Fails with the shrunk input and what replays it. */
export const holdsFor = <A>(
  arbitrary: Arbitrary.Arbitrary<A>,
  seed: number,
  runs: number,
  property: (value: A) => Effect.Effect<unknown, unknown>
): Effect.Effect<void> =>
  Effect.flatMap(
    Arbitrary.checkEffect(
      arbitrary,
      (value) =>
        Effect.as(
          Effect.catchDefect(property(value), (defect) => Effect.fail(defect)),
          true
        ),
      { seed, runs }
    ),
    (result) => {
      const failure = Arbitrary.formatCheckFailure(result)
      return failure === undefined ? Effect.void : Effect.die(new Error(failure))
    }
  )
