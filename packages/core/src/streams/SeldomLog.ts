/** What strangers and devices can cause as often as they like is logged once a minute, with how often it happened. */
import { Clock, Effect, Logger } from "effect"

type Log = (...message: ReadonlyArray<unknown>) => Effect.Effect<void>

/** When something was last said, and how often it has come up since. */
interface Said {
  readonly at: number
  unsaid: number
}

/** In milliseconds. */
const MINUTE = 60_000

/** By the loggers that are told, so that every program, and every test, has minutes of its own. */
const said = new WeakMap<object, Map<string, Said>>()

/** Says it, with the details of this occasion, unless it was said within a minute. Texts are few: each has its own minute. */
export const logSeldom = (log: Log, text: string, ...details: ReadonlyArray<unknown>): Effect.Effect<void> =>
  Effect.gen(function* () {
    const loggers = yield* Logger.CurrentLoggers
    const now = yield* Clock.currentTimeMillis
    const texts = said.get(loggers) ?? new Map<string, Said>()
    const last = texts.get(text)
    if (last !== undefined && Math.abs(now - last.at) < MINUTE) return void last.unsaid++
    said.set(loggers, texts.set(text, { at: now, unsaid: 0 }))
    const since = last?.unsaid ?? 0
    yield* log(since === 0 ? text : `${text} (and ${since} times more since it was said last)`, ...details)
  })
