/** What was answered is there after a crash. */
import { spawn } from "node:child_process"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { expect, it } from "@effect/vitest"
import { LocalShadow } from "@latchkey/local-shadow"
import { Effect } from "effect"
import { temporaryFolder } from "./fixture.ts"

const writer = fileURLToPath(new URL("./writer.ts", import.meta.url))

/** Runs the writer, kills it after so many answers; gives the last version that was answered for each thing. */
const killAfter = (answers: number, folder: string) =>
  Effect.promise(async () => {
    const child = spawn(process.execPath, [writer, folder], { stdio: ["ignore", "pipe", "inherit"] })
    const last = new Map<string, number>()
    let seen = 0
    for await (const line of createInterface(child.stdout)) {
      const [thing = "", version] = line.split(" ")
      last.set(thing, Number(version))
      if (++seen === answers) child.kill("SIGKILL")
    }
    expect(
      child.signalCode ?? (await new Promise((resolve) => child.once("exit", (_, signal) => resolve(signal))))
    ).toBe("SIGKILL")
    return last
  })

it.live.each([1, 100, 3000])("keeps every answered update when its process is killed after %i of them", (answers) =>
  Effect.gen(function* () {
    const folder = yield* temporaryFolder
    const answered = yield* killAfter(answers, folder)
    yield* Effect.gen(function* () {
      const shadows = yield* LocalShadow
      for (const [thing, version] of answered) {
        const shadow = yield* shadows.get(thing)
        expect(shadow.version).toBeGreaterThanOrEqual(version)
        expect(shadow.state.desired).toEqual({ n: shadow.version })
        expect((yield* shadows.update(thing, { state: {} })).version).toBe(shadow.version + 1)
      }
    }).pipe(Effect.provide(LocalShadow.layer({ folder })))
  })
)
