/**
 * The thread that writes `shadow.db`. A batch is one transaction and one fsync; a refused operation in it fails
 * nobody else. Other processes may have the file open: a batch reads what it rests on inside its transaction.
 */
import { parentPort, workerData } from "node:worker_threads"
import { failureMessage, openShadowFile } from "./ShadowFile.ts"
import type { FromWorker, ToWorker, WorkerStart } from "./ShadowOperation.ts"

const { path, limit }: WorkerStart = workerData

/** Milliseconds between looks for what others have done. */
const LOOK_EVERY = 50
/** Milliseconds between looks whether the write-ahead log has grown too large, and how far the file goes. */
const CARE_EVERY = 1000

const say = (message: FromWorker) => parentPort?.postMessage(message)

const start = () => {
  try {
    let looking: NodeJS.Timeout | undefined
    let caring: NodeJS.Timeout | undefined
    const file = openShadowFile(path, limit)
    parentPort?.on("message", (message: ToWorker) => {
      if (message._tag === "Close") {
        clearInterval(looking)
        clearInterval(caring)
        care()
        file.close()
        parentPort?.close()
        return
      }
      try {
        say({ _tag: "Answers", ...file.commit(message.operations) })
      } catch (error) {
        say({ _tag: "Failed", message: failureMessage(path, error) })
      }
    })
    const look = () => {
      const by = byOthers()
      if (by !== undefined && (by.gap || by.made.length > 0)) say({ _tag: "ByOthers", by })
    }
    const byOthers = () => {
      try {
        return file.byOthers()
      } catch {
        // The next look, or the next batch, finds out the same, and what is wrong.
        return undefined
      }
    }
    const care = () => {
      try {
        file.shrink()
        say({ _tag: "Reached", changes: file.changes() })
      } catch {
        // As with the look.
      }
    }
    looking = setInterval(look, LOOK_EVERY).unref()
    caring = setInterval(care, CARE_EVERY).unref()
    say({ _tag: "Opened", changes: file.changes() })
  } catch (error) {
    say({ _tag: "Failed", message: failureMessage(path, error) })
  }
}

start()
