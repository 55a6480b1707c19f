/** `latchkey serve`: the API over the configured adapters, until a signal ends it. */
import { Effect } from "effect"
import { Command } from "effect/cli"
import type { Adapters, Destinations } from "./application.ts"
import { declaredVariables } from "./Config.ts"
import { table } from "./table.ts"

export const serve = (adapters: Adapters, destinations: Destinations = () => Effect.succeed([])) =>
  Command.make("serve", {}, () =>
    // No other command needs the server: they start without loading it.
    Effect.promise(() => import("./application.ts")).pipe(
      Effect.flatMap(({ application }) => application(adapters, destinations)),
      // To be told to stop is how a server ends well.
      Effect.onInterrupt(() => Effect.sync(() => (process.exitCode = 0)))
    )
  ).pipe(
    Command.withShortDescription("Serve the HTTP API (configured by environment variables)"),
    Command.withDescription(["Serve the HTTP API, configured by environment variables:", "", variables()].join("\n"))
  )

/** What they mean is in docs/configuration.md. */
const variables = (): string =>
  table(
    ["VARIABLE", "DEFAULT", "VALUE"],
    declaredVariables().map(({ name, fallback, expected }) => [
      name,
      typeof fallback === "string" || typeof fallback === "number" ? String(fallback) : "",
      expected.replace(/^expected /, "")
    ])
  )
