/** What the two threads of the store say to each other. */
import type { Schema } from "effect"
import type { Refusal, Shadow, Updated, UpdateRequest } from "./ShadowDocument.ts"

/** Names one shadow; the classic shadow's name is `""`. */
export interface ShadowKey {
  readonly thing: string
  readonly name: string
}

/** Every operation with its input and its answer. Each is atomic and, when it is answered, durable. */
export interface Operations {
  readonly read: { readonly input: ShadowKey; readonly answer: Shadow }
  /** `now` is in epoch seconds. After `notAfter`, in epoch milliseconds of the machine, it is refused with 408. */
  readonly update: {
    readonly input: ShadowKey & { readonly request: UpdateRequest; readonly now: number; readonly notAfter?: number }
    readonly answer: Updated | Refusal
  }
  /** Answers the shadow as it was. */
  readonly delete: { readonly input: ShadowKey; readonly answer: Shadow }
  /** Names of the named shadows of a thing, in order. */
  readonly list: { readonly input: { readonly thing: string }; readonly answer: ReadonlyArray<string> }
  /** What classic shadows hold under `reported.commands`, thing by thing. */
  readonly outcomes: {
    readonly input: Record<never, never>
    readonly answer: ReadonlyArray<{ readonly thing: string; readonly commands: Schema.Json }>
  }
}

export type OperationName = keyof Operations

export interface Operation<K extends OperationName = OperationName> {
  readonly name: K
  readonly input: Operations[K]["input"]
}

/** What the worker thread is started with. */
export interface WorkerStart {
  /** A file, or `:memory:`. */
  readonly path: string
  /** Most bytes that a shadow may hold. */
  readonly limit: number
}

/** What the main thread says: batches, one at a time, and finally `close`. */
export type ToWorker =
  | { readonly _tag: "Batch"; readonly operations: ReadonlyArray<Operation> }
  | { readonly _tag: "Close" }

/** What the worker says: once whether it could open the file, then one answer a batch. */
export type FromWorker =
  | { readonly _tag: "Opened" }
  | { readonly _tag: "Answers"; readonly answers: ReadonlyArray<unknown> }
  | { readonly _tag: "Failed"; readonly message: string }
