/** What others can cause is logged once a minute: the first of a kind at once, then how often it happened since. */
import { Effect, Scope } from "effect"

type Log = (...message: ReadonlyArray<unknown>) => Effect.Effect<void>

/** Says it, with the details of this occasion; the texts are few, as each has its own minute. */
export type MinuteLog = (log: Log, text: string, details?: unknown) => Effect.Effect<void>

/** For as long as the scope lives. */
export const minuteLog: Effect.Effect<MinuteLog, never, Scope.Scope> = Effect.gen(function* () {
  const scope = yield* Scope.Scope
  /** How often each happened since its last line. */
  const since = new Map<string, number>()

  const sum = (log: Log, text: string): Effect.Effect<void> =>
    Effect.flatMap(Effect.sleep("1 minute"), () => {
      const count = since.get(text) ?? 0
      if (count === 0) return Effect.sync(() => since.delete(text))
      since.set(text, 0)
      return Effect.andThen(log(`${text} (${count} more within a minute)`), sum(log, text))
    })

  return (log, text, details) =>
    Effect.suspend(() => {
      const count = since.get(text)
      since.set(text, count === undefined ? 0 : count + 1)
      if (count !== undefined) return Effect.void
      const said = details === undefined ? log(text) : log(text, details)
      return Effect.andThen(said, Effect.asVoid(Effect.forkIn(sum(log, text), scope)))
    })
})
