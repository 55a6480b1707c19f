/** The thread of one database. */
import { parentPort, workerData } from "node:worker_threads"
import { Database } from "./Database.ts"
import type { EngineData, FromEngine, ToEngine } from "./messages.ts"

const port = parentPort
if (port === null) throw new Error("worker.ts is the entry of a thread")

const emit = (message: FromEngine) => {
  if (message._tag === "Send") {
    // The bytes alone travel, not the buffer that they were written into.
    const bytes = message.bytes.slice()
    port.postMessage({ ...message, bytes }, [bytes.buffer])
  } else port.postMessage(message)
}

try {
  const database = await Database.open(workerData as EngineData, emit)
  port.on("message", (message: ToEngine) => database.handle(message))
  emit({ _tag: "Ready", schema: Uint8Array.from(database.schema) })
} catch (cause) {
  emit({ _tag: "Refused", message: String((cause as { message?: unknown } | undefined)?.message ?? cause) })
}
