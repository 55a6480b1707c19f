/** What is in a data folder that no server holds any more. */

import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { EventStore, rebuild, type StoredEvent } from "@latchkey/core"
import { LocalShadow } from "@latchkey/local-shadow"
import { Sqlite } from "@latchkey/sqlite"
import { Effect, type Layer, Schema } from "effect"

/** The whole feed, in order. */
export const feedIn = (folder: string): Promise<ReadonlyArray<StoredEvent>> =>
  Effect.runPromise(
    Effect.provide(
      Effect.flatMap(EventStore, (store) => store.feed(0, 1_000_000)),
      Sqlite.layer({ folder })
    )
  )

/** Ids of the commands that the shadows of things hold for their devices. */
export const commandsInShadow = (folder: string, ...things: ReadonlyArray<string>): Promise<ReadonlyArray<string>> =>
  commandsHeld(LocalShadow.layer({ folder }), things)

/** The same of shadows that are kept elsewhere. */
export const commandsHeld = (
  shadows: Layer.Layer<LocalShadow, unknown>,
  things: ReadonlyArray<string>
): Promise<ReadonlyArray<string>> =>
  Effect.runPromise(
    Effect.flatMap(LocalShadow, (shadow) => Effect.forEach(things, (thing) => commandsIn(shadow, thing))).pipe(
      Effect.map((commands) => commands.flat()),
      Effect.provide(shadows)
    )
  )

const commandsIn = (shadow: LocalShadow["Service"], thing: string) =>
  shadow.get(thing).pipe(
    Effect.map(({ state }) => Object.keys(decodeDesired(state.desired ?? {}).commands ?? {})),
    Effect.catchTag("ShadowRefused", () => Effect.succeed<ReadonlyArray<string>>([]))
  )

const decodeDesired = Schema.decodeUnknownSync(
  Schema.Struct({ commands: Schema.optionalKey(Schema.Record(Schema.String, Schema.Json)) })
)

/** Makes the read model anew from the feed. */
export const rebuildIn = (folder: string): Promise<number> =>
  Effect.runPromise(Effect.provide(rebuild, Sqlite.layer({ folder })))

/** Every row of the read model, table by table. */
export const readModelIn = (folder: string): Readonly<Record<string, ReadonlyArray<unknown>>> => {
  const db = new DatabaseSync(join(folder, "read-model.db"), { readOnly: true })
  const tables = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").all()
  const rows = tables.map(({ name }) => {
    const content = db
      .prepare(`SELECT * FROM "${name}"`)
      .all()
      .map((row) => JSON.stringify(row))
    return [String(name), content.sort()] as const
  })
  db.close()
  return Object.fromEntries(rows)
}
