/** `latchkey events`: the whole log as lines of JSON, out of a store and into another one. */
import { Effect, Option } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { exportToFile, exportToStdout } from "./exportEvents.ts"
import { importEvents } from "./importEvents.ts"
import { print } from "./output.ts"
import { visible } from "./visible.ts"
import { type StoreAdapters, withLog, withStoreToFill } from "./withStore.ts"

export const events = (adapters: StoreAdapters) =>
  Command.make("events").pipe(
    Command.withDescription("The log of all events"),
    Command.withSubcommands([exportCommand(adapters), importCommand(adapters)])
  )

const exportCommand = (adapters: StoreAdapters) =>
  Command.make(
    "export",
    {
      out: Flag.String("out").pipe(
        Flag.withDescription("A file to write, complete or not at all; default: stdout"),
        Flag.optional
      )
    },
    Effect.fnUntraced(function* ({ out }) {
      if (Option.isNone(out)) return yield* exportToStdout
      const count = yield* exportToFile(out.value)
      yield* print({ file: out.value, events: count }, visible(`Events exported to ${out.value}: ${count}`))
    }, withLog(adapters))
  ).pipe(
    Command.withDescription(
      "Write every event as one line of JSON, oldest first, then a last line that marks the export as complete"
    )
  )

const importCommand = (adapters: StoreAdapters) =>
  Command.make(
    "import",
    { file: Argument.String("file").pipe(Argument.withDescription("A file written by an export; - reads stdin")) },
    Effect.fnUntraced(function* ({ file }) {
      const count = yield* importEvents(file)
      yield* print({ events: count }, `Events imported: ${count}`)
    }, withStoreToFill(adapters))
  ).pipe(Command.withDescription("Fill an empty store with an export, or go on after an interruption"))
