/** What the module answers instead of carrying out a write: the text of a `SenderError` is one of these as JSON. */
export type Refusal =
  | { readonly code: "RecordConflict"; readonly key: string; readonly actual?: string | undefined }
  | { readonly code: "EventExists"; readonly eventId: string }
  | { readonly code: "VersionConflict"; readonly streamId: string; readonly expected: number; readonly actual: number }
  /** Who asked for this write has been told that it was not carried out. */
  | { readonly code: "GivenUp" }
  /** The read model stands elsewhere than the changes begin. */
  | { readonly code: "CursorMoved" }
  | { readonly code: "NotAllowed"; readonly message: string }
