/** What the module answers instead of carrying out a write: the text of a `SenderError` is one of these as JSON. */
export type Refusal =
  | { readonly code: "VersionConflict"; readonly streamId: string; readonly expected: number; readonly actual: number }
  | {
      readonly code: "StreamReserved"
      readonly streamId: string
      readonly commandId: string
      readonly attempt: number
      readonly thing: string
      readonly deadline: number
      readonly released: boolean
    }
  | { readonly code: "ReceiptExists"; readonly id: string }
  | { readonly code: "EventExists"; readonly eventId: string }
  | { readonly code: "CommandExists"; readonly commandId: string }
  | { readonly code: "AttemptExists"; readonly commandId: string; readonly attempt: number }
  /** No refusal, but news: this very append was carried out before, and so far the stream and feed went with it. */
  | { readonly code: "Appended"; readonly version: number; readonly position: number }
  /** Nor this: the command was committed before, up to this version and position. */
  | { readonly code: "Committed"; readonly version: number; readonly position: number }
  /** The read model stands elsewhere than the rows begin. */
  | { readonly code: "CheckpointMoved"; readonly checkpoint: number }
  | { readonly code: "NotAllowed"; readonly message: string }
