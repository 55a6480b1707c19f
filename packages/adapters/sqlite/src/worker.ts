/** The writer thread: gathers whatever requests have arrived, commits them together, then answers each. */
import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from "node:worker_threads"
import { explain, openDatabase } from "./Database.ts"
import { BUSY_TIMEOUT, EventLog, type WriteAnswer, type WriteRequest } from "./EventLog.ts"
import { migrations } from "./migrations.ts"

export interface WriterData {
  readonly file: string
  /** `false`: nobody keeps the file, so nothing waits for the disk. */
  readonly durable: boolean
}

/** To the writer: requests to carry out, or the wish to close. */
export type ToWriter = ReadonlyArray<WriteRequest> | "close"

/** From the writer: that it is ready, why it is not, or what became of its oldest `count` requests. */
export type FromWriter =
  | { readonly _tag: "Open" }
  | { readonly _tag: "OpenFailed"; readonly message: string }
  | { readonly _tag: "Committed"; readonly answers: ReadonlyArray<WriteAnswer>; readonly head: number }
  | { readonly _tag: "CommitFailed"; readonly count: number; readonly message: string }

const serve = (port: MessagePort, { file, durable }: WriterData) => {
  const answer = (message: FromWriter) => port.postMessage(message)
  try {
    const db = openDatabase(file, { synchronous: durable ? "FULL" : "OFF", migrations, busyTimeout: BUSY_TIMEOUT })
    const log = new EventLog(db)
    port.on("message", (first: ToWriter) => {
      const requests: Array<WriteRequest> = []
      let closing = false
      for (let message = first as ToWriter | undefined; message; message = receiveMessageOnPort(port)?.message) {
        if (message === "close") closing = true
        else for (const request of message) requests.push(request)
      }
      if (requests.length > 0) answer(commit(log, requests, file))
      if (closing) {
        db.close()
        port.close()
      }
    })
    answer({ _tag: "Open" })
  } catch (error) {
    answer({ _tag: "OpenFailed", message: explain(error, file) })
  }
}

const commit = (log: EventLog, requests: ReadonlyArray<WriteRequest>, file: string): FromWriter => {
  try {
    return { _tag: "Committed", answers: log.commit(requests), head: log.head }
  } catch (error) {
    return { _tag: "CommitFailed", count: requests.length, message: explain(error, file) }
  }
}

if (parentPort !== null) serve(parentPort, workerData as WriterData)
