/** What the two threads of the store say to each other. */
import type { AbsenceReason } from "@latchkey/core"
import type { Schema } from "effect"
import type { Refusal, Shadow, Updated, UpdateRequest } from "./ShadowDocument.ts"

/** Milliseconds by a clock that nobody sets, the same in all threads. */
export const steadyMillis = (): number => Number(process.hrtime.bigint()) / 1_000_000

/** Names one shadow; the classic shadow's name is `""`. */
export interface ShadowKey {
  readonly thing: string
  readonly name: string
}

/** An update that was carried out. `now` is in epoch seconds. */
export interface UpdateMade extends ShadowKey, Updated {
  readonly request: UpdateRequest
  readonly now: number
}

/** A deletion that was carried out. `version` is that of the deleted shadow; `now` is in epoch seconds. */
export interface DeletionMade extends ShadowKey {
  readonly version: number
  readonly now: number
  readonly clientToken?: string
}

/** What was done to a shadow. */
export type Made = UpdateMade | DeletionMade

/** What a device has reported that has to get into the log. */
export interface Held {
  readonly thing: string
  readonly commands: Schema.Json | undefined
  readonly openings: Schema.Json | undefined
}

/** The last that is known of a device's presence, and why it is gone. `at` is in epoch milliseconds. */
export interface LastSeen {
  readonly thing: string
  readonly online: boolean
  readonly reason?: AbsenceReason
  readonly at: number
}

/** Every operation with its input and its answer. Each is atomic and, when it is answered, durable. */
export interface Operations {
  readonly read: { readonly input: ShadowKey; readonly answer: Shadow }
  /** `now` is in epoch seconds. After `notAfter`, by `steadyMillis`, it is refused with 408. */
  readonly update: {
    readonly input: ShadowKey & { readonly request: UpdateRequest; readonly now: number; readonly notAfter?: number }
    readonly answer: Updated | Refusal
  }
  /** Answers the shadow as it was. */
  readonly delete: {
    readonly input: ShadowKey & { readonly now: number; readonly clientToken?: string }
    readonly answer: Shadow
  }
  /** Names of the named shadows of a thing, in order. */
  readonly list: { readonly input: { readonly thing: string }; readonly answer: ReadonlyArray<string> }
  /** What classic shadows hold under `reported.commands` and `reported.openings`, thing by thing. */
  readonly outcomes: { readonly input: Record<never, never>; readonly answer: ReadonlyArray<Held> }
  /**
   * A device came or went. Answers what is known now, at a later time than what was known before; nothing when it went
   * from here, but has come to another process since. That it is there holds for as long as this process lives.
   */
  readonly presence: { readonly input: LastSeen; readonly answer: LastSeen | undefined }
  /** Every device that ever came. */
  readonly presences: { readonly input: Record<never, never>; readonly answer: ReadonlyArray<LastSeen> }
  /** Writes as much as a shadow may hold, where nobody looks. */
  readonly prove: { readonly input: Record<never, never>; readonly answer: undefined }
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

/** What others who have the file open did since they were last looked at. */
export interface ByOthers {
  readonly made: ReadonlyArray<Made>
  /** Whether they did more before that, which nobody knows any more. */
  readonly gap: boolean
  /** Devices that came to them, or went from them. */
  readonly seen: ReadonlyArray<LastSeen>
}

/**
 * What the worker says: once whether it could open the file, then one answer a batch, with what others did before it,
 * and in between what others do, and what became of the devices of those that died.
 */
export type FromWorker =
  | { readonly _tag: "Opened"; readonly changes: number }
  /** How many changes were ever made in the file: told now and then, and when it closes. */
  | { readonly _tag: "Reached"; readonly changes: number }
  | { readonly _tag: "Answers"; readonly answers: ReadonlyArray<unknown>; readonly before: ByOthers }
  | { readonly _tag: "ByOthers"; readonly by: ByOthers }
  /** Devices are gone with a process that died, or there after all: nobody else tells it. */
  | { readonly _tag: "Seen"; readonly seen: ReadonlyArray<LastSeen> }
  /** The operations under way came to nothing. */
  | { readonly _tag: "Failed"; readonly message: string }
  /** So did they, and nothing more is answered. */
  | { readonly _tag: "Damaged"; readonly message: string }
