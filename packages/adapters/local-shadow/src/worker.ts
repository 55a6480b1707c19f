/**
 * The thread that writes `shadow.db`. A batch is one transaction and one fsync; a refused operation in it fails
 * nobody else. Other processes may have the file open: a batch reads what it rests on inside its transaction.
 */
import { parentPort, workerData } from "node:worker_threads"
import { BEAT } from "./Presences.ts"
import { failureMessage, openShadowFile } from "./ShadowFile.ts"
import type { FromWorker, ToWorker, WorkerStart } from "./ShadowOperation.ts"

const { path, limit }: WorkerStart = workerData

/** Milliseconds between looks for what others have done. */
const LOOK_EVERY = 50

const say = (message: FromWorker) => parentPort?.postMessage(message)

const start = () => {
  try {
    const timers: Array<NodeJS.Timeout> = []
    const file = openShadowFile(path, limit)
    parentPort?.on("message", (message: ToWorker) => {
      if (message._tag === "Close") {
        timers.forEach(clearInterval)
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
      const by = attempt(file.byOthers)
      if (by !== undefined && (by.gap || by.made.length > 0 || by.seen.length > 0)) say({ _tag: "ByOthers", by })
    }
    const beat = () => {
      const seen = attempt(() => file.beat(performance.now()))
      if (seen !== undefined && seen.length > 0) say({ _tag: "Seen", seen })
    }
    timers.push(setInterval(look, LOOK_EVERY).unref(), setInterval(beat, BEAT).unref())
    say({ _tag: "Opened" })
  } catch (error) {
    say({ _tag: "Failed", message: failureMessage(path, error) })
  }
}

/** The next time, or the next batch, finds out the same, and what is wrong. */
const attempt = <A>(run: () => A): A | undefined => {
  try {
    return run()
  } catch {
    return undefined
  }
}

start()
