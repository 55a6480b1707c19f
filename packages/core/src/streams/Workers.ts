/**
 * What goes on by itself while a process lives: layers hand it over with `inBackground`. A layer that is used alone runs
 * it in its own scope. Latchkey as a whole only collects it, so that nothing runs where nothing may, and its layer of
 * workers runs it.
 */
import { Context, Effect, Fiber, Layer, type Scope } from "effect"

interface Background {
  /** Takes on what has no end, for as long as somebody runs it and the scope of the one who hands it over lives. */
  readonly add: (work: Effect.Effect<unknown>) => Effect.Effect<void, never, Scope.Scope>
  /** Whether what is handed over is run, here and now. */
  readonly isRunning: () => boolean
}

/** What was handed over, and what runs it last. */
interface Work {
  readonly work: Effect.Effect<unknown>
  fiber: Fiber.Fiber<unknown> | undefined
}

/** Who takes on what goes on in the background. */
export const CurrentBackground = Context.Reference<Background>("@latchkey/core/CurrentBackground", {
  defaultValue: () => ({ add: (work) => Effect.asVoid(Effect.forkScoped(work)), isRunning: () => true })
})

/** Hands over what goes on in the background. It must not fail: see `keepGoing`. */
export const inBackground = <A, R>(work: Effect.Effect<A, never, R>): Effect.Effect<void, never, R | Scope.Scope> =>
  Effect.flatMap(Effect.context<R>(), (context) =>
    Effect.flatMap(CurrentBackground, ({ add }) => add(Effect.provideContext(work, context)))
  )

export class Workers extends Context.Service<
  Workers,
  {
    /** Runs all that was handed over, and what still will be, until the scope closes. */
    readonly run: Effect.Effect<void, never, Scope.Scope>
  }
>()("@latchkey/core/Workers") {
  /** Collects what the layers over it hand over. */
  static readonly layer: Layer.Layer<Workers> = Layer.effectContext(
    Effect.sync(() => {
      const works = new Set<Work>()
      let running: Scope.Scope | undefined
      const fork = (scope: Scope.Scope) => (one: Work) =>
        Effect.map(Effect.forkIn(one.work, scope), (fiber) => void (one.fiber = fiber))
      const background: Background = {
        add: (work) =>
          Effect.suspend(() => {
            const one: Work = { work, fiber: undefined }
            works.add(one)
            const end = Effect.suspend(() => {
              works.delete(one)
              return one.fiber === undefined ? Effect.void : Fiber.interrupt(one.fiber)
            })
            const begin = Effect.suspend(() => (running === undefined ? Effect.void : fork(running)(one)))
            return Effect.andThen(
              Effect.addFinalizer(() => end),
              begin
            )
          }),
        isRunning: () => running !== undefined
      }
      const run = Effect.gen(function* () {
        const scope = yield* Effect.scope
        running = scope
        yield* Effect.addFinalizer(() => Effect.sync(() => void (running = undefined)))
        yield* Effect.forEach(works, fork(scope), { discard: true })
      })
      return Context.add(Context.make(Workers, { run }), CurrentBackground, background)
    })
  )
}
