/**
 * The main thread's side of the store: gathers what callers ask while a batch is under way and hands it over as the
 * next one, so that concurrent callers share an fsync and a lone caller waits for nobody.
 */
import { mkdirSync } from "node:fs"
import { join } from "node:path"
import { Worker } from "node:worker_threads"
import { SHADOW_LIMIT } from "@latchkey/core"
import { Effect, Exit, Schema, type Scope } from "effect"
import type {
  ByOthers,
  FromWorker,
  LastSeen,
  Operation,
  OperationName,
  Operations,
  ToWorker,
  WorkerStart
} from "./ShadowOperation.ts"

/** The database of the shadows cannot be used. `message` tells the operator what to mend. */
export class ShadowStoreError extends Schema.TaggedError<ShadowStoreError>()("ShadowStoreError", {
  message: Schema.String
}) {}

export interface ShadowStore {
  /**
   * Answers when the effect of the operation is durable. `onAnswer` runs in the order of the transactions, also when
   * the caller has gone away meanwhile.
   */
  readonly perform: <K extends OperationName>(
    name: K,
    input: Operations[K]["input"],
    onAnswer?: (answer: Operations[K]["answer"]) => void
  ) => Effect.Effect<Operations[K]["answer"], ShadowStoreError>
  /** Calls with what others who have the file open do, in the order of the transactions, this store's own among them. */
  readonly onOthers: (listener: (by: ByOthers) => void) => void
  /** Calls with devices that are gone with a process that died, or there after all. */
  readonly onSeen: (listener: (seen: ReadonlyArray<LastSeen>) => void) => void
  /** Calls once when the store answers nothing any more. */
  readonly onDown: (listener: () => void) => void
}

// Most flags of the process (--input-type, --expose-gc) make a worker refuse to start; what silences warnings does not.
const execArgv = process.execArgv.filter((flag) => flag.startsWith("--disable-warning"))

interface Waiting {
  readonly operation: Operation
  readonly settle: (exit: Exit.Exit<unknown, ShadowStoreError>) => void
}

/** Keeps `shadow.db` in the folder open for as long as the scope lives; `:memory:` keeps nothing. */
export const openShadowStore = (folder: string): Effect.Effect<ShadowStore, ShadowStoreError, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<ReturnType<typeof storeOn>, ShadowStoreError>((resume) => {
      try {
        if (folder !== ":memory:") mkdirSync(folder, { recursive: true, mode: 0o700 })
      } catch (error) {
        return resume(
          Effect.fail(new ShadowStoreError({ message: `Cannot create the data folder ${folder}: ${error}` }))
        )
      }
      const workerData: WorkerStart = {
        path: folder === ":memory:" ? folder : join(folder, "shadow.db"),
        limit: SHADOW_LIMIT
      }
      const worker = new Worker(WORKER_FILE, { workerData, execArgv })
      const failed = (message: string) => resume(Effect.fail(new ShadowStoreError({ message })))
      worker.once("error", (error) => failed(`The shadow database did not start: ${error.message}`))
      worker.once("message", (message: FromWorker) => {
        if (message._tag === "Failed") return failed(message.message)
        worker.removeAllListeners("error")
        resume(Effect.succeed(storeOn(worker)))
      })
    }),
    ({ close }) => close
  )

// The sources run as they are; what is published is compiled.
const WORKER_FILE = new URL(import.meta.url.endsWith(".ts") ? "./worker.ts" : "./worker.js", import.meta.url)

const storeOn = (worker: Worker) => {
  let waiting: Array<Waiting> = []
  let underWay: ReadonlyArray<Waiting> = []
  let down: ShadowStoreError | undefined
  let tellOthers: (by: ByOthers) => void = () => {}
  let tellSeen: (seen: ReadonlyArray<LastSeen>) => void = () => {}
  let tellDown = () => {}

  const tell = (message: ToWorker) => worker.postMessage(message)

  const next = () => {
    if (underWay.length > 0 || waiting.length === 0) return
    underWay = waiting
    waiting = []
    tell({ _tag: "Batch", operations: underWay.map(({ operation }) => operation) })
  }

  const settleAll = (entries: ReadonlyArray<Waiting>, error: ShadowStoreError) => {
    for (const { settle } of entries) settle(Exit.fail(error))
  }

  const goDown = (message: string) => {
    if (down === undefined) tellDown()
    down ??= new ShadowStoreError({ message })
    const lost = [...underWay, ...waiting]
    underWay = []
    waiting = []
    settleAll(lost, down)
  }

  worker.on("message", (message: FromWorker) => {
    if (message._tag === "ByOthers") return tellOthers(message.by)
    if (message._tag === "Seen") return tellSeen(message.seen)
    if (message._tag === "Answers") tellOthers(message.before)
    const done = underWay
    underWay = []
    if (message._tag === "Answers") done.forEach(({ settle }, index) => settle(Exit.succeed(message.answers[index])))
    if (message._tag === "Failed") settleAll(done, new ShadowStoreError({ message: message.message }))
    next()
  })
  worker.on("error", (error) => goDown(`The shadow database stopped; restart this process. (${error.message})`))
  worker.on("exit", () => goDown("The shadow database is closed."))

  const perform: ShadowStore["perform"] = (name, input, onAnswer) =>
    Effect.callback((resume) => {
      if (down !== undefined) return resume(Effect.fail(down))
      waiting.push({
        operation: { name, input },
        settle: (exit) => {
          // What comes back from the worker is the answer to this operation.
          const answered = Exit.map(exit, (answer) => answer as Operations[typeof name]["answer"])
          if (Exit.isSuccess(answered)) onAnswer?.(answered.value)
          resume(answered)
        }
      })
      // Not at once: callers that run in the same turn share a batch.
      if (waiting.length === 1) setImmediate(next)
    })

  const close = Effect.callback<void>((resume) => {
    if (down !== undefined) return resume(Effect.void)
    worker.once("exit", () => resume(Effect.void))
    tell({ _tag: "Close" })
  })

  const onOthers: ShadowStore["onOthers"] = (listener) => {
    tellOthers = listener
  }

  const onSeen: ShadowStore["onSeen"] = (listener) => {
    tellSeen = listener
  }
  const onDown: ShadowStore["onDown"] = (listener) => {
    tellDown = listener
  }

  return { perform, onOthers, onSeen, onDown, close }
}
