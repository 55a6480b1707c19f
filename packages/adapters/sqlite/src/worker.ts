/** The writer thread: gathers whatever requests have arrived, commits them together, then answers each. */
import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from "node:worker_threads"
import { explain, isDamage, isOfTheRequest, openDatabase, openToRead, shrinkWal } from "./Database.ts"
import { BUSY_TIMEOUT, EventLog, type WriteAnswer } from "./EventLog.ts"
import { migrations } from "./migrations.ts"
import { makeScrub } from "./Scrub.ts"
import type { WriteRequest } from "./WriteRequest.ts"

/** Slices that are read before the log counts as open: a log that is not large is then known to be whole. */
const SLICES_AT_OPEN = 30
/** Milliseconds between slices that are read while it is open: until all of it was read once, and from then on. */
const SCRUB_SOON = 20
const SCRUB_EVERY = 1000

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

/** From the writer: that it is ready, why it is not, what became of its oldest requests, or that the log is damaged. */
export type FromWriter =
  | { readonly _tag: "Open" }
  | { readonly _tag: "OpenFailed"; readonly message: string }
  | { readonly _tag: "Damaged"; readonly message: string }
  | { readonly _tag: "Answered"; readonly answers: ReadonlyArray<WriteAnswer | Failed>; readonly head: number }

const serve = (port: MessagePort, { file, durable }: WriterData) => {
  const answer = (message: FromWriter) => port.postMessage(message)
  try {
    const db = openDatabase(file, { synchronous: durable ? "FULL" : "OFF", migrations, busyTimeout: BUSY_TIMEOUT })
    const log = new EventLog(db)
    const reader = durable ? openToRead(file, migrations.length, BUSY_TIMEOUT) : undefined
    const scrub = reader === undefined ? () => true : makeScrub(reader)
    let whole = false
    for (let slices = 0; slices < SLICES_AT_OPEN && !whole; slices++) whole = scrub()
    const care = () => {
      shrinkWal(db, file)
      try {
        whole = scrub() || whole
      } catch (error) {
        if (isDamage(error)) return answer({ _tag: "Damaged", message: explain(error, file) })
        // Anything else, such as a lock, is told to the next writer.
      }
      caring = setTimeout(care, whole ? SCRUB_EVERY : SCRUB_SOON)
    }
    let caring = setTimeout(care, SCRUB_SOON)
    port.on("message", (first: ToWriter) => {
      const requests: Array<WriteRequest> = []
      let closing = false
      for (let message = first as ToWriter | undefined; message; message = receiveMessageOnPort(port)?.message) {
        if (message === "close") closing = true
        else for (const request of message) requests.push(request)
      }
      if (requests.length > 0) {
        const answers = commit(log, requests, file, (message) => answer({ _tag: "Damaged", message }))
        answer({ _tag: "Answered", answers, head: log.head })
      }
      if (closing) {
        clearTimeout(caring)
        reader?.close()
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
  file: string,
  onDamage: (message: string) => void
): ReadonlyArray<WriteAnswer | Failed> => {
  try {
    return log.commit(requests)
  } catch (error) {
    if (requests.length > 1 && isOfTheRequest(error)) {
      return requests.flatMap((request) => commit(log, [request], file, onDamage))
    }
    const failed: Failed = { _tag: "Failed", message: explain(error, file) }
    if (isDamage(error)) onDamage(failed.message)
    return requests.map(() => failed)
  }
}

if (parentPort !== null) serve(parentPort, workerData as WriterData)
