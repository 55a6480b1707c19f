/**
 * The main thread's side of the store: gathers what callers ask while a batch is under way and hands it over as the
 * next one, so that concurrent callers share an fsync and a lone caller waits for nobody.
 */
import { existsSync, mkdirSync, statSync } from "node:fs"
import { dirname, join } from "node:path"
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
  /** Calls once when the store answers nothing any more, though nobody has closed it. */
  readonly onDown: (listener: (error: ShadowStoreError) => void) => void
}

// Most flags of the process (--input-type, --expose-gc) make a worker refuse to start; what silences warnings does not.
const execArgv = process.execArgv.filter((flag) => flag.startsWith("--disable-warning"))

interface Waiting {
  readonly operation: Operation
  readonly settle: (exit: Exit.Exit<unknown, ShadowStoreError>) => void
}

/** Remembers, outside of the file, how many changes were made in it: a file with fewer is an older one. */
export interface ShadowWitness {
  readonly seen: () => number
  readonly keep: (changes: number) => void
  /** A backup was restored: fewer are taken as they are. */
  readonly restored: boolean
}

/** Keeps `shadow.db` in the folder open for as long as the scope lives; `:memory:` keeps nothing. */
export const openShadowStore = (
  folder: string,
  witness?: ShadowWitness
): Effect.Effect<ShadowStore, ShadowStoreError, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<ReturnType<typeof storeOn>, ShadowStoreError>((resume) => {
      try {
        if (folder !== ":memory:") makeFolder(folder)
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
        if (message._tag !== "Opened") return failed(message._tag === "Failed" ? message.message : message._tag)
        worker.removeAllListeners("error")
        const seen = witness?.seen() ?? 0
        if (message.changes < seen && witness?.restored !== true) {
          worker.postMessage({ _tag: "Close" } satisfies ToWorker)
          return failed(olderThan(workerData.path, seen, message.changes))
        }
        let kept: number | undefined
        const keep = (changes: number) => {
          if (changes !== kept) witness?.keep(changes)
          kept = changes
        }
        keep(message.changes)
        resume(Effect.succeed(storeOn(worker, keep)))
      })
    }),
    ({ close }) => close
  )

/** Old shadows hold commands that were carried out, or taken back, since. */
const olderThan = (path: string, seen: number, changes: number): string =>
  `The shadow database ${path} is older than it was, or is not the one that was here: it holds ${changes} changes, and held ${seen}. Restore the newest one. If you just did, or none is left, start once with LATCHKEY_RESTORED=yes.`

/** For its owner alone. Node's own recursive way never ends where a folder takes no others, as /proc does. */
const makeFolder = (folder: string): void => {
  try {
    mkdirSync(folder, { mode: 0o700 })
  } catch (error) {
    if (statSync(folder, { throwIfNoEntry: false })?.isDirectory()) return
    const isMissing = error instanceof Error && "code" in error && error.code === "ENOENT"
    if (!isMissing || existsSync(dirname(folder))) throw error
    makeFolder(dirname(folder))
    makeFolder(folder)
  }
}

// The sources run as they are; what is published is compiled.
const WORKER_FILE = new URL(import.meta.url.endsWith(".ts") ? "./worker.ts" : "./worker.js", import.meta.url)

const storeOn = (worker: Worker, onReached: (changes: number) => void) => {
  let waiting: Array<Waiting> = []
  let underWay: ReadonlyArray<Waiting> = []
  let down: ShadowStoreError | undefined
  let tellOthers: (by: ByOthers) => void = () => {}
  let tellSeen: (seen: ReadonlyArray<LastSeen>) => void = () => {}
  let tellDown: (error: ShadowStoreError) => void = () => {}
  let isClosing = false

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
    const isNews = down === undefined && !isClosing
    down ??= new ShadowStoreError({ message })
    if (isNews) tellDown(down)
    const lost = [...underWay, ...waiting]
    underWay = []
    waiting = []
    settleAll(lost, down)
  }

  worker.on("message", (message: FromWorker) => {
    if (message._tag === "Reached") return onReached(message.changes)
    if (message._tag === "ByOthers") return tellOthers(message.by)
    if (message._tag === "Seen") return tellSeen(message.seen)
    if (message._tag === "Damaged") return goDown(message.message)
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
    isClosing = true
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
