/** The writer thread: gathers whatever requests have arrived, commits them together, then answers each. */
import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from "node:worker_threads"
import { explain, isOfTheRequest, openDatabase } from "./Database.ts"
import { BUSY_TIMEOUT, EventLog, type WriteAnswer, type WriteRequest } from "./EventLog.ts"
import { migrations } from "./migrations.ts"

export interface WriterData {
  readonly file: string
  /** `false`: nobody keeps the file, so nothing waits for the disk. */
  readonly durable: boolean
}

/** To the writer: requests to carry out, or the wish to close. */
export type ToWriter = ReadonlyArray<WriteRequest> | "close"

/** The request could not be carried out; `message` tells the operator what to mend. */
export interface Failed {
  readonly _tag: "Failed"
  readonly message: string
}

/** From the writer: that it is ready, why it is not, or what became of its oldest requests. */
export type FromWriter =
  | { readonly _tag: "Open" }
  | { readonly _tag: "OpenFailed"; readonly message: string }
  | { readonly _tag: "Answered"; readonly answers: ReadonlyArray<WriteAnswer | Failed>; readonly head: number }

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
      if (requests.length > 0) {
        const answers = commit(log, requests, file)
        answer({ _tag: "Answered", answers, head: log.head })
      }
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

/** One request that cannot be stored fails nobody else: then each gets a transaction of its own. */
const commit = (
  log: EventLog,
  requests: ReadonlyArray<WriteRequest>,
  file: string
): ReadonlyArray<WriteAnswer | Failed> => {
  try {
    return log.commit(requests)
  } catch (error) {
    if (requests.length > 1 && isOfTheRequest(error)) return requests.flatMap((request) => commit(log, [request], file))
    const failed: Failed = { _tag: "Failed", message: explain(error, file) }
    return requests.map(() => failed)
  }
}

if (parentPort !== null) serve(parentPort, workerData as WriterData)
