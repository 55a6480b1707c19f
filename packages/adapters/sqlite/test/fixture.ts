/** Folders, events and other processes for the tests. */

import { spawn } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import type { Batch, NewEvent, ReadModel, StoredEvent } from "@latchkey/core"
import { Effect } from "effect"

/** A folder that goes with the scope. */
export const temporaryFolder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "latchkey-test-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
)

/** Events for the end of a stream. */
export const batch = (streamId: string, expectedVersion: number, events: ReadonlyArray<NewEvent>): Batch => ({
  append: [{ streamId, expectedVersion, events }]
})

export const event = (data: NewEvent["data"] = {}): NewEvent => ({
  eventId: crypto.randomUUID(),
  type: "Tested",
  data,
  at: 1_767_225_600_000,
  orgId: "",
  principal: { _tag: "System" },
  commandId: crypto.randomUUID()
})

interface Fact {
  readonly [name: string]: unknown
}

/** Runs `child.ts` in a process of its own until it ends or `enough` says so: then it is killed, at once and for good. */
export const runChild = (
  what: string,
  folder: string,
  enough: (facts: ReadonlyArray<Fact>) => boolean = () => false,
  /** What starts node, when not node itself. */
  launcher: ReadonlyArray<string> = []
): Effect.Effect<ReadonlyArray<Fact>> =>
  Effect.callback((resume) => {
    const program = fileURLToPath(new URL("./child.ts", import.meta.url))
    const [command = "", ...rest] = [
      ...launcher,
      process.execPath,
      "--disable-warning=ExperimentalWarning",
      program,
      what,
      folder
    ]
    const child = spawn(command, rest, { stdio: ["ignore", "pipe", "inherit"] })
    const facts: Array<Fact> = []
    createInterface(child.stdout).on("line", (line) => {
      // The last line of a killed process may be cut off: what it could not say, nobody was told.
      if (!line.endsWith("}")) return
      facts.push(JSON.parse(line))
      if (enough(facts)) child.kill("SIGKILL")
    })
    child.on("error", (error) => resume(Effect.die(error)))
    child.on("close", () => resume(Effect.succeed(facts)))
    return Effect.sync(() => child.kill("SIGKILL"))
  })

type Model = ReadModel["Service"]

/** How far a read model has come. */
export const positionOf = (model: Model) => Effect.map(model.cursor, ({ position }) => position)

/** Tells a read model of events that follow each other, a row for each; answers how far it has then come. */
export const takeIn = Effect.fnUntraced(function* (model: Model, events: ReadonlyArray<StoredEvent>) {
  const last = events.at(-1)
  if (last !== undefined) {
    yield* model.apply({
      after: yield* model.cursor,
      cursor: { format: 1, position: last.position, eventId: last.eventId },
      put: events.map(({ position, type }) => ({ table: "users", key: `${position}`, value: type })),
      remove: [],
      list: [],
      unlist: []
    })
  }
  return yield* positionOf(model)
})
