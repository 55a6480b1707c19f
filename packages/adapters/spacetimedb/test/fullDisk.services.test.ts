/**
 * The disk under the engine fills up while clients write: what was answered is there once there is room again. A small
 * file system of its own, in a namespace that goes with the test, so that nobody need be root.
 */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { appendFileSync, rmSync, statfsSync } from "node:fs"
import { createInterface } from "node:readline"
import { create, Engine, sayIfLeftOut } from "@latchkey/spacetimedb-engine"
import { Effect } from "effect"
import { expect, it, onTestFinished } from "vitest"
import { append, bundle, connected, newEvents } from "./fixture.ts"
import { engine, folderForTest } from "./server.ts"

sayIfLeftOut("a full disk under SpacetimeDB's engine", engine !== undefined)

/** A file system of so many megabytes at this folder: how to get into the namespace that has it, and where we see it. */
const smallDisk = async (folder: string, megabytes: number) => {
  const mount = `mount -t tmpfs -o size=${megabytes}m none '${folder}' && echo mounted && exec cat`
  const keeper = spawn("unshare", ["--map-root-user", "--mount", "sh", "-c", mount], {
    stdio: ["pipe", "pipe", "inherit"]
  })
  onTestFinished(() => void keeper.kill("SIGKILL"))
  await once(createInterface(keeper.stdout), "line")
  const within = ["nsenter", `--target=${keeper.pid}`, "--user", "--mount", "--preserve-credentials", "--"]
  return { within, path: `/proc/${keeper.pid}/root${folder}` }
}

it.skipIf(engine === undefined)("a full disk loses nothing that was answered", async () => {
  const folder = folderForTest()
  const { within, path } = await smallDisk(folder, 128)
  await using running = await Engine.start(engine ?? "", folder, { within })
  const place = await create(running.uri, bundle)

  const answered: Array<string> = []
  {
    await using client = await connected({ ...place, deadline: "3 seconds" })
    await Effect.runPromise(append(client, "before", 0, newEvents(1)))
    const { bavail, bsize } = statfsSync(path)
    appendFileSync(`${path}/fill`, Buffer.alloc(Math.max(0, bavail * bsize - 2_000_000)))
    const untilItFails = (stream: string) =>
      Effect.gen(function* () {
        for (let version = 0; ; version++) {
          const events = newEvents(1).map((event) => ({ ...event, data: { text: "x".repeat(20_000) } }))
          yield* append(client, stream, version, events)
          answered.push(...events.map(({ eventId }) => eventId))
        }
      })
    const failures = await Effect.runPromise(
      Effect.forEach(["a", "b", "c", "d"], (stream) => Effect.flip(untilItFails(stream)), { concurrency: "unbounded" })
    )
    for (const failure of failures) expect(failure).toMatchObject({ _tag: "StoreUnavailable" })
    expect(answered.length).toBeGreaterThan(0)
  }

  await running.kill()
  rmSync(`${path}/fill`)
  await using again = await Engine.start(engine ?? "", folder, { within })
  await using client = await connected({ ...place, uri: again.uri, deadline: "20 seconds" })
  const feed = await Effect.runPromise(client.store.feed(0, 100_000))
  expect(feed.map(({ position }) => position)).toEqual(feed.map((_, index) => index + 1))
  const found = new Set(feed.map(({ eventId }) => eventId))
  expect(answered.filter((id) => !found.has(id))).toEqual([])
  // And it takes writes again.
  await Effect.runPromise(append(client, "before", 1, newEvents(1)))
})
