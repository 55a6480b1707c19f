/** What commands print on stdout: text for people, or JSON for programs with `--json`. */
import { Console, Effect, Option } from "effect"
import { Flag, GlobalFlag } from "effect/cli"
import { visible } from "./visible.ts"

/** `--json`, of every command. */
export const AsJson = GlobalFlag.Setting("json")({
  flag: Flag.Boolean("json").pipe(
    Flag.withDescription("Print JSON instead of text: one line for each thing that is told"),
    Flag.withDefault(false)
  )
})

/** Whether this command was asked for JSON. */
export const asJson: Effect.Effect<boolean> = Effect.map(
  Effect.serviceOption(AsJson),
  Option.getOrElse(() => false)
)

/** Prints one thing. The text is made safe by its maker, where others wrote parts of it: it may have several lines. */
export const print = (data: unknown, text: string): Effect.Effect<void> =>
  Effect.flatMap(asJson, (asJson) => Console.log(asJson ? visible(JSON.stringify(data)) : text))

/**
 * Prints what was made: its secret alone is all of stdout, so that a script can take it, and what is said of it goes to
 * stderr. With `--json` everything is in one place.
 */
export const printSecret = (data: unknown, secret: string, ...about: ReadonlyArray<string>): Effect.Effect<void> =>
  Effect.gen(function* () {
    yield* print(data, secret)
    if (yield* asJson) return
    yield* Effect.forEach(about, (line) => Console.error(visible(line)), { discard: true })
  })
