/** `latchkey projections`: the tables that are made from the feed. */
import { rebuild } from "@latchkey/core"
import { Effect } from "effect"
import { Command } from "effect/cli"
import { print } from "./output.ts"
import { type StoreAdapters, withExistingStore } from "./withStore.ts"

export const projections = (adapters: StoreAdapters) =>
  Command.make("projections").pipe(
    Command.withDescription("The tables that are built from the events"),
    Command.withSubcommands([rebuildCommand(adapters)])
  )

const rebuildCommand = (adapters: StoreAdapters) =>
  Command.make("rebuild", {}, () =>
    rebuild.pipe(
      Effect.flatMap((events) => print({ events }, `The read model was filled again. Events: ${events}`)),
      withExistingStore(adapters)
    )
  ).pipe(Command.withDescription("Rebuild the read model from all events (a server may be running)"))
