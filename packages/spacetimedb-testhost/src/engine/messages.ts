/** What the thread of a database and the server say to each other. */
import type { ClientMessage } from "../protocol/messages.ts"

export interface EngineData {
  readonly source: string
  readonly databaseIdentity: bigint
  readonly owner: bigint
  /** How many bytes the rows of all tables may have. */
  readonly capacity: number
}

/** Who calls: a client, or somebody over HTTP. */
export interface Caller {
  readonly identity: bigint
  readonly connectionId: bigint
  /** The claims of the token, as JSON. */
  readonly claims: string
}

export type ToEngine =
  | { readonly _tag: "Connect"; readonly client: number; readonly caller: Caller }
  | { readonly _tag: "Message"; readonly client: number; readonly message: ClientMessage }
  | { readonly _tag: "Disconnect"; readonly client: number }
  | {
      readonly _tag: "Call"
      readonly request: number
      readonly caller: Caller
      readonly name: string
      readonly args: string
    }

export type FromEngine =
  | { readonly _tag: "Ready"; readonly schema: Uint8Array }
  | { readonly _tag: "Refused"; readonly message: string }
  | { readonly _tag: "Connected"; readonly client: number }
  | { readonly _tag: "Rejected"; readonly client: number }
  /** One encoded `ServerMessage`; `answers` names the reducer or procedure whose call it answers. */
  | { readonly _tag: "Send"; readonly client: number; readonly bytes: Uint8Array; readonly answers: string | undefined }
  | { readonly _tag: "Answer"; readonly request: number; readonly status: number; readonly body: string }
  | { readonly _tag: "Log"; readonly level: number; readonly message: string }
