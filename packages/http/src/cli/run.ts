/** How every command runs: logs and failures go to stderr, a failure is one line, and the exit code says how it ended. */
import { readFileSync } from "node:fs"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Cause, Console, Effect, Layer, Logger, Option, Runtime, Stdio } from "effect"
import { CliConfig, CliError, Command, GlobalFlag } from "effect/cli"
import { sentences } from "./Refusal.ts"
import { visible } from "./visible.ts"

const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"))

/** A failure that its user reads: `message` says what is wrong and what to do. */
interface Failure {
  readonly message: string
}

/** Runs the command that the arguments name, and ends the process. Exit codes: 0 done, 1 failed, 130 interrupted. */
export const run = <Name extends string, Input, E extends Failure, ContextInput>(
  command: Command.Command<Name, Input, ContextInput, E, NodeServices.NodeServices>
): void => {
  process.stdout.on("error", onOutputError)
  // Databases, keys and exports are for their owner alone.
  process.umask(0o077)
  command.pipe(
    Command.run({ version }),
    Effect.tapCause(report),
    Effect.provide(Layer.mergeAll(sentences, options, logs).pipe(Layer.provideMerge(NodeServices.layer))),
    NodeRuntime.runMain({ disableErrorReporting: true, teardown })
  )
}

/** The options of every command. A wizard, which the library has too, would ask for secrets in the open. */
const options = CliConfig.layer({
  builtIns: [GlobalFlag.Help, GlobalFlag.Version, GlobalFlag.Completions, GlobalFlag.LogLevel]
})

/** A line each, for people on a terminal or for programs as JSON; on stderr, so that stdout is the result alone. */
const logs = Layer.unwrap(
  Stdio.Stdio.use(({ stderrIsTerminal }) =>
    Effect.map(stderrIsTerminal, (isTerminal) =>
      Logger.layer([Logger.withConsoleError(Logger.map(isTerminal ? Logger.formatLogFmt : Logger.formatJson, visible))])
    )
  )
).pipe(Layer.merge(Layer.succeed(Logger.LogToStderr, true)))

/** What is expected to go wrong is one line; a fault of the program keeps its trace. */
const report = (cause: Cause.Cause<Failure>) => {
  if (Cause.hasInterruptsOnly(cause)) return Effect.void
  const failure = Option.getOrUndefined(Cause.findErrorOption(cause))
  if (failure === undefined) return Effect.logFatal("A bug in Latchkey: please report it", cause)
  // A wrong command line: it has been told.
  if (CliError.isCliError(failure)) return Effect.void
  return Console.error(failureLine(failure.message))
}

const failureLine = (message: string) => visible(`latchkey: ${message.replaceAll(/\s*\n\s*/g, " ")}`)

/** A command that ends well though it is interrupted has set `process.exitCode`. */
const teardown: Runtime.Teardown = (exit, onExit) =>
  Runtime.defaultTeardown(exit, (code) =>
    onExit(exit._tag === "Failure" && Cause.hasInterruptsOnly(exit.cause) ? Number(process.exitCode ?? code) : code)
  )

/** A reader who has seen enough (`| head`) is no failure. */
const onOutputError = (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") return
  console.error(failureLine(`The output cannot be written: ${error.message}`))
  process.exit(1)
}
