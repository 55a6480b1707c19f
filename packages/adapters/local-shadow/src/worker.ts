/**
 * The thread that writes `shadow.db`. A batch is one transaction and one fsync; a refused operation in it fails
 * nobody else. Other processes may have the file open: a batch reads what it rests on inside its transaction.
 */
import { parentPort, workerData } from "node:worker_threads"
import { failureMessage, openShadowFile } from "./ShadowFile.ts"
import type { FromWorker, ToWorker, WorkerStart } from "./ShadowOperation.ts"

const { path, limit }: WorkerStart = workerData

const say = (message: FromWorker) => parentPort?.postMessage(message)

const start = () => {
  try {
    const file = openShadowFile(path, limit)
    parentPort?.on("message", (message: ToWorker) => {
      if (message._tag === "Close") {
        file.close()
        parentPort?.close()
        return
      }
      try {
        say({ _tag: "Answers", answers: file.commit(message.operations) })
      } catch (error) {
        say({ _tag: "Failed", message: failureMessage(path, error) })
      }
    })
    say({ _tag: "Opened" })
  } catch (error) {
    say({ _tag: "Failed", message: failureMessage(path, error) })
  }
}

start()
