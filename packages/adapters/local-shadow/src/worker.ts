/**
 * The thread that writes `shadow.db`. A batch is one transaction and one fsync; a refused operation in it fails
 * nobody else. Other processes may have the file open: a batch reads what it rests on inside its transaction.
 */
import { parentPort, workerData } from "node:worker_threads"
import { BEAT } from "./Presences.ts"
import { failureMessage, isDamage, openShadowFile } from "./ShadowFile.ts"
import type { FromWorker, ToWorker, WorkerStart } from "./ShadowOperation.ts"

const { path, limit }: WorkerStart = workerData

/** Milliseconds between looks for what others have done. */
const LOOK_EVERY = 50
/** Milliseconds between looks whether the write-ahead log has grown too large, how far the file goes, and whether it is whole. */
const CARE_EVERY = 1000

const say = (message: FromWorker) => parentPort?.postMessage(message)

const start = () => {
  try {
    const timers: Array<NodeJS.Timeout> = []
    const file = openShadowFile(path, limit)
    /** What is written into a damaged file may never be read again. */
    const fail = (error: unknown) => {
      const message = failureMessage(path, error)
      if (!isDamage(error)) return say({ _tag: "Failed", message })
      timers.forEach(clearInterval)
      say({ _tag: "Damaged", message })
      parentPort?.close()
    }
    /** Anything but damage the next time, or the next batch, finds out too. */
    const attempt = <A>(run: () => A): A | undefined => {
      try {
        return run()
      } catch (error) {
        if (isDamage(error)) fail(error)
        return undefined
      }
    }
    parentPort?.on("message", (message: ToWorker) => {
      if (message._tag === "Close") {
        timers.forEach(clearInterval)
        care()
        file.close()
        parentPort?.close()
        return
      }
      try {
        say({ _tag: "Answers", ...file.commit(message.operations) })
      } catch (error) {
        fail(error)
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
    const care = () => {
      attempt(() => {
        file.shrink()
        say({ _tag: "Reached", changes: file.changes() })
        file.scrub()
      })
    }
    timers.push(
      setInterval(look, LOOK_EVERY).unref(),
      setInterval(beat, BEAT).unref(),
      setInterval(care, CARE_EVERY).unref()
    )
    say({ _tag: "Opened", changes: file.changes() })
  } catch (error) {
    say({ _tag: "Failed", message: failureMessage(path, error) })
  }
}

start()
