/** What the backend writes into a shadow and a lock answers, as docs/device-protocol/schema.json has it. */
import { Option, Schema } from "effect"

/** What became of a command. */
export interface Outcome {
  readonly outcome: "done" | "failed" | "expired"
  /** Epoch milliseconds; left out by a lock that does not know. */
  readonly at?: number
  /** For people. */
  readonly detail?: string
  /** `false` of what failed before anything had moved. */
  readonly began?: boolean
}

/** What a lock is like, as it reports it. */
export interface HardwareState {
  readonly bolt: "locked" | "unlocked" | "jammed"
  readonly door: "closed" | "open" | "leftOpen" | "forced"
  /** In percent. */
  readonly battery: number
  readonly firmware: string
  /** How many keys it has room for. */
  readonly keySlots?: number
  /** Epoch milliseconds. */
  readonly clock?: number
}

/** An opening at the door itself. */
export interface Opening {
  /** The lock's own counter. */
  readonly n: number
  readonly by: "key" | "pin" | "thumbTurn" | "outsideHandle"
  readonly keyUuid?: string
  readonly keyIndexNumber?: number
  /** Epoch milliseconds; left out by a lock that does not know. */
  readonly at?: number
}

/** The openings that a lock holds. */
export interface Openings {
  /** Names the counter. */
  readonly series: string
  readonly dropped: number
  readonly list: ReadonlyArray<Opening>
}

/** The keys that a lock holds. */
export interface HeldKeys {
  /** The command about keys that it ended last. */
  readonly after?: string
  readonly list: ReadonlyArray<{ readonly keyUuid: string; readonly keyIndexNumber?: number }>
  readonly more?: true
}

/** The update by which a lock reports. */
export interface Report {
  readonly state: {
    readonly desired?: { readonly commands: { readonly [commandId: string]: null } }
    readonly reported: {
      readonly commands?: { readonly [commandId: string]: Outcome | undefined }
      readonly state?: HardwareState
      readonly openings?: Openings
      readonly keys?: HeldKeys
    }
  }
  readonly clientToken: string
}

/** `issuedAt` in epoch milliseconds. */
const common = { seq: Schema.Int, issuedAt: Schema.Finite }
const key = { keyUuid: Schema.String, keyIndexNumber: Schema.optionalKey(Schema.Int) }
/** In epoch milliseconds: from then on the command must not be run. Without an end, neither of these is understood. */
const ending = { expiresAt: Schema.Finite }

const Document = Schema.Union([
  Schema.Struct({ type: Schema.Literals(["AddKey", "RemoveKey"]), ...common, ...key }),
  Schema.Struct({ type: Schema.Literal("WriteKey"), ...common, ...key, ...ending }),
  Schema.Struct({ type: Schema.Literals(["OpenLock", "LockDevice"]), ...common, ...ending })
])
const decode = Schema.decodeUnknownOption(Document)

/** A command that a lock may carry out, or one that it does not understand, which it answers as failed. */
export type Command =
  | {
      readonly _tag: "Known"
      readonly commandId: string
      readonly seq: number
      readonly expiresAt: number | undefined
      readonly document: typeof Document.Type
    }
  | { readonly _tag: "Unknown"; readonly commandId: string; readonly seq: number; readonly detail: string }

export const commandOf = (commandId: string, json: unknown): Command => {
  const document = Option.getOrUndefined(decode(json))
  if (document !== undefined) {
    const expiresAt = "expiresAt" in document ? document.expiresAt : undefined
    return { _tag: "Known", commandId, seq: document.seq, expiresAt, document }
  }
  return { _tag: "Unknown", commandId, seq: seqOf(json), detail: "not understood" }
}

/** What is not understood keeps its place among what is. */
const seqOf = (json: unknown): number =>
  typeof json === "object" && json !== null && "seq" in json && Number.isSafeInteger(json.seq) ? Number(json.seq) : 0
