/** `latchkey demo`: a server with places, locks that answer, guests and a year of history, to look at. */
import { Effect } from "effect"
import { Command, Flag } from "effect/cli"
import type { Adapters } from "./application.ts"

export const demo = (adapters: Adapters) =>
  Command.make(
    "demo",
    {
      folder: Flag.String("folder").pipe(
        Flag.withDescription("An empty folder to keep the data in; without it, they are gone with the demo"),
        Flag.optional
      )
    },
    ({ folder }) =>
      // No other command needs the server: they start without loading it.
      Effect.promise(() => import("./runDemo.ts")).pipe(
        Effect.flatMap(({ runDemo }) => runDemo(adapters, folder)),
        Effect.scoped,
        Effect.onInterrupt(() => Effect.sync(() => (process.exitCode = 0)))
      )
  ).pipe(
    Command.withDescription(
      "Try Latchkey: a server with three places, twelve simulated locks, guests, a webhook and a year of history, until Ctrl-C"
    )
  )
