/** The documents that the service answers with and publishes, in the shapes of AWS. Timestamps are in epoch seconds. */
import type { Schema } from "effect"
import {
  deltaOf,
  type LiveShadow,
  type ShadowContent,
  type ShadowState,
  stamp,
  type Updated,
  type UpdateRequest
} from "./ShadowDocument.ts"
import type { DeletionMade, LastSeen, Made } from "./ShadowOperation.ts"

/** Answer to `get`: the whole shadow, with `delta` when `desired` asks for something that is not reported. */
export interface ShadowGot {
  readonly state: ShadowState & { readonly delta?: Schema.JsonObject }
  readonly metadata: ShadowState
  readonly version: number
  readonly timestamp: number
}

/** Answer to `update`: what was asked for, as it was stamped. */
export interface ShadowAccepted {
  readonly state: UpdateRequest["state"]
  readonly metadata: Schema.Json
  readonly version: number
  readonly timestamp: number
  readonly clientToken?: string
}

/** Answer to `delete`; `version` is that of the deleted shadow. */
export interface ShadowDeleted {
  readonly version: number
  readonly timestamp: number
  readonly clientToken?: string
}

/** What the device still has to do, after an update. */
export interface ShadowDelta {
  readonly state: Schema.JsonObject
  readonly metadata: Schema.JsonObject
  readonly version: number
  readonly timestamp: number
  readonly clientToken?: string
}

/** The shadow before and after an update; `previous` is absent when the update created it. */
export interface ShadowDocuments {
  readonly previous?: ShadowContent & { readonly version: number }
  readonly current: ShadowContent & { readonly version: number }
  readonly timestamp: number
  readonly clientToken?: string
}

/** What happened to a shadow, with all that the service publishes about it. Without `shadowName`: the classic shadow. */
export type ShadowChange =
  | {
      readonly _tag: "Updated"
      readonly thing: string
      readonly shadowName?: string
      readonly accepted: ShadowAccepted
      readonly documents: ShadowDocuments
      /** Absent when the device has nothing to do. */
      readonly delta?: ShadowDelta
    }
  | { readonly _tag: "Deleted"; readonly thing: string; readonly shadowName?: string; readonly accepted: ShadowDeleted }

/** A device came or went. */
export interface Presence extends LastSeen {
  readonly _tag: "Presence"
}

export const gotOf = (shadow: LiveShadow, timestamp: number): ShadowGot => {
  const { content, version } = shadow
  const delta = deltaOf(shadow)
  return {
    state: { ...content.state, ...(delta && { delta: delta.state }) },
    metadata: content.metadata,
    version,
    timestamp
  }
}

export const acceptedOf = (
  { state, clientToken }: UpdateRequest,
  version: number,
  timestamp: number
): ShadowAccepted => ({
  state,
  metadata: stamp(state && { ...state }, timestamp),
  version,
  timestamp,
  ...(clientToken !== undefined && { clientToken })
})

/** All that is published about something that was done. */
export const changeOf = (made: Made): ShadowChange => {
  const address = made.name === "" ? { thing: made.thing } : { thing: made.thing, shadowName: made.name }
  if (!("request" in made)) return { _tag: "Deleted", ...address, accepted: deletedOf(made) }
  const { request, current, now } = made
  const delta = deltaMessageOf(current, request, now)
  return {
    _tag: "Updated",
    ...address,
    accepted: acceptedOf(request, current.version, now),
    documents: documentsOf(made, request, now),
    ...(delta && { delta })
  }
}

export const deletedOf = ({ version, now, clientToken }: DeletionMade): ShadowDeleted => ({
  version,
  timestamp: now,
  ...(clientToken !== undefined && { clientToken })
})

export const documentsOf = (
  { previous, current }: Updated,
  { clientToken }: UpdateRequest,
  timestamp: number
): ShadowDocuments => ({
  ...(previous.content && { previous: { ...previous.content, version: previous.version } }),
  current: { ...current.content, version: current.version },
  timestamp,
  ...(clientToken !== undefined && { clientToken })
})

const deltaMessageOf = (
  shadow: LiveShadow,
  { clientToken }: UpdateRequest,
  timestamp: number
): ShadowDelta | undefined => {
  const delta = deltaOf(shadow)
  return delta && { ...delta, version: shadow.version, timestamp, ...(clientToken !== undefined && { clientToken }) }
}
