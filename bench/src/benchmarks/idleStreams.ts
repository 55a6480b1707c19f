/** What streams of events cost that are told nothing: memory, and what others notice when all are told something. */
import { join } from "node:path"
import { setTimeout } from "node:timers/promises"
import type { Benchmark } from "../benchmark.ts"
import type { Job } from "../children/streams.ts"
import { fillServer, startLatchkey } from "../latchkeyServer.ts"
import { API_KEY, deal, get, post, startGenerator, underLoad } from "../load.ts"
import { lockIds, ownerUuid } from "../locks.ts"
import { Child } from "../processes.ts"
import { ask } from "../receivers.ts"
import { measure } from "../rounds.ts"
import { memoryOf } from "../serverProcess.ts"

const STREAMS = 10_000
/** Of memory, for each. */
const KILOBYTES = 64
const PACE = { connections: 10, millis: 50 }
const KEYS = { acme: API_KEY, other: "other-bench-key-of-32-bytes-or-more" }

export const idleStreams: Benchmark = {
  name: "idle-streams",
  title: "Streams of events that nothing is told",
  run: async (run) => {
    const count = run.smoke ? 100 : STREAMS
    const locks = lockIds(100)
    await using generator = await startGenerator()
    const most = String(count + 500)
    await using server = await startLatchkey(join(run.folder, "latchkey"), {
      LATCHKEY_HTTP_CONNECTIONS: most,
      LATCHKEY_HTTP_CONNECTIONS_PER_ADDRESS: most,
      LATCHKEY_API_KEYS: `acme:${KEYS.acme},other:${KEYS.other}`
    })
    await fillServer(generator, server, locks.length, 0)
    await ask(
      server,
      "POST",
      "/locks/9999/CreateLock",
      { index: 1, uuid: "00000009-0000-4000-8000-000000009999" },
      KEYS.other
    )
    let owner = 0
    const load = underLoad(
      "commands, no stream",
      generator,
      server,
      () => {
        owner += 2
        return deal(locks, PACE.connections).map((ids) =>
          [owner, owner + 1].flatMap((n) => ids.map((id) => post(`/locks/${id}/SetOwner`, { userId: ownerUuid(n) })))
        )
      },
      () => {},
      PACE.millis
    )
    const [alone] = await measure(run, [load])
    const before = memoryOf(server.pid)
    await using clients = await Child.start<Job, number>(new URL("../children/streams.ts", import.meta.url))
    // Of another organization: nothing of what happens is for them.
    const request = get("/events/stream?after=now").replace(KEYS.acme, KEYS.other)
    await clients.ask({ open: count, port: server.port, request })
    await setTimeout(run.smoke ? 0 : 20_000)
    const each = (memoryOf(server.pid) - before) / count
    const [beside] = await measure(run, [{ ...load, name: `commands, ${count} streams` }])
    const delays: Array<number> = []
    for (let n = 1; n <= run.rounds; n++) {
      const begun = Date.now()
      const event = post("/locks/9999/SetOwner", { userId: ownerUuid(n) }).replace(KEYS.acme, KEYS.other)
      await generator.ask({ ports: [server.port], cycles: [[event]] })
      delays.push((await clients.ask({ told: n })) - begun)
    }
    return {
      figures: [alone, beside],
      bounds: [
        { what: "memory of the server for each stream", values: [each], unit: "KB", required: { atMost: KILOBYTES } }
      ],
      notes: [`An event for all ${count} reaches the last of them after ${delays.join(", ")} ms.`]
    }
  }
}
