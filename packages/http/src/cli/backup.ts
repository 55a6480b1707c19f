/** `latchkey backup`: a copy of the data folder as of one instant, while a server may use it. */
import { Effect } from "effect"
import { Argument, Command } from "effect/cli"
import { InvalidConfig } from "./Config.ts"
import { print } from "./output.ts"
import { visible } from "./visible.ts"
import { keptConfig } from "./withStore.ts"

/** Copies a data folder; answers how many events the copy holds. */
export type BackUp<E> = (folder: string, target: string) => Effect.Effect<number, E>

export const backup = <E extends { readonly message: string }>(backUp: BackUp<E>) =>
  Command.make(
    "backup",
    {
      folder: Argument.String("folder").pipe(
        Argument.withDescription("Where to put the copy; an earlier backup there is replaced")
      )
    },
    Effect.fnUntraced(function* ({ folder }) {
      const { store, data } = yield* keptConfig
      if (store !== "sqlite") {
        const expected = "this command copies a data folder; use the backups of your database"
        return yield* new InvalidConfig({ variable: "LATCHKEY_STORE", expected })
      }
      const count = yield* backUp(data, folder)
      yield* print({ folder, events: count }, visible(`Backed up to ${folder}. Events: ${count}`))
    })
  ).pipe(Command.withDescription("Copy the whole data folder as of one instant; a server may be running"))
