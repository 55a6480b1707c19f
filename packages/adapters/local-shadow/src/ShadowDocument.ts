/**
 * What a device shadow is and how it changes, as the AWS IoT Device Shadow service defines it. Pure data and pure
 * functions: anyone who keeps shadows (a database) or serves them (in-process, REST, MQTT) takes the rules from here.
 */
import { isDeepStrictEqual } from "node:util"
import type { Schema } from "effect"

/** The two halves of a shadow. A half without attributes is absent. */
export interface ShadowState {
  readonly desired?: Schema.JsonObject
  readonly reported?: Schema.JsonObject
}

/** A shadow as it is kept. */
export interface Shadow {
  /** Grows by one with every accepted update, and goes on after a deletion; 0 when there never was a shadow. */
  readonly version: number
  /** `undefined` when there is none, or none any more. */
  readonly content: ShadowContent | undefined
}

export interface ShadowContent {
  readonly state: ShadowState
  /** Mirrors `state`: `{ timestamp }` (epoch seconds) in the place of every value, elements of arrays included. */
  readonly metadata: ShadowState
}

/** What to change in the two halves: `null` deletes, what is not named stays. */
export interface StateChange {
  readonly desired?: Schema.JsonObject | null
  readonly reported?: Schema.JsonObject | null
}

/** A change that was checked (see `parseUpdate`). */
export interface UpdateRequest {
  /** `null` clears both halves. */
  readonly state: StateChange | null
  /** The update is refused unless the shadow is at this version. */
  readonly version?: number
  readonly clientToken?: string
}

/** Why the service says no; `code` is the HTTP status. */
export interface Refusal {
  readonly code: number
  readonly message: string
}

/** Named shadows of a thing, and deleted ones whose versions are remembered. AWS IoT has no number for it. */
export const MAX_NAMED = 25
export const tooManyNames: Refusal = {
  code: 413,
  message: `The thing has ${MAX_NAMED} named shadows, which is the maximum: delete one`
}

/** A shadow that is there. */
export type LiveShadow = Shadow & { readonly content: ShadowContent }

/** A shadow before and after an accepted update. */
export interface Updated {
  readonly previous: Shadow
  readonly current: LiveShadow
}

/** Where no shadow ever was. */
export const noShadow: Shadow = { version: 0, content: undefined }

/** Applies a change, or says why not. `now` is in epoch seconds; `limit` is in bytes over both halves, as JSON in UTF-8. */
export const applyUpdate = (
  shadow: Shadow,
  request: UpdateRequest,
  now: number,
  limit: number
): LiveShadow | Refusal => {
  if (request.version !== undefined && request.version !== shadow.version) {
    return { code: 409, message: "Version conflict" }
  }
  const change: StateChange = request.state ?? { desired: null, reported: null }
  const desired = changeSection(sectionOf(shadow, "desired"), change.desired, now)
  const reported = changeSection(sectionOf(shadow, "reported"), change.reported, now)
  if (sizeOf(desired) + sizeOf(reported) > limit) {
    return { code: 413, message: "The payload exceeds the maximum size allowed" }
  }
  return {
    version: shadow.version + 1,
    content: {
      state: { ...(desired && { desired: desired.state }), ...(reported && { reported: reported.state }) },
      metadata: { ...(desired && { desired: desired.metadata }), ...(reported && { reported: reported.metadata }) }
    }
  }
}

/** What is wanted of the device and not reported by it, with the timestamps of the wish; `undefined` when nothing is. */
export const deltaOf = (shadow: Shadow): Tree | undefined => {
  const desired = sectionOf(shadow, "desired")
  return desired && difference(desired, shadow.content?.state.reported ?? {})
}

/** A timestamp in the place of every value, as metadata has it. */
export const stamp = (value: Schema.Json, now: number): Schema.Json => {
  if (isArray(value)) return value.map((element) => stamp(element, now))
  if (!isObject(value)) return { timestamp: now }
  return Object.fromEntries(Object.entries(value).map(([key, child]) => [key, stamp(child, now)]))
}

/** The value that an object itself holds under a key, and never one that it inherits. */
export const own = (object: Schema.JsonObject | undefined, key: string): Schema.Json | undefined =>
  object !== undefined && Object.hasOwn(object, key) ? object[key] : undefined

export const isObject = (value: Schema.Json | undefined): value is Schema.JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** Values and, in the same shape, their timestamps. */
interface Tree {
  readonly state: Schema.JsonObject
  readonly metadata: Schema.JsonObject
}

const nothing: Tree = { state: {}, metadata: {} }

const isArray = (value: Schema.Json): value is Schema.JsonArray => Array.isArray(value)

const sectionOf = ({ content }: Shadow, section: "desired" | "reported"): Tree | undefined => {
  const state = content?.state[section]
  return state && { state, metadata: content?.metadata[section] ?? {} }
}

const childOf = ({ state, metadata }: Tree, key: string): Tree | undefined => {
  const value = own(state, key)
  const stamps = own(metadata, key)
  return isObject(value) && isObject(stamps) ? { state: value, metadata: stamps } : undefined
}

const changeSection = (
  before: Tree | undefined,
  change: Schema.JsonObject | null | undefined,
  now: number
): Tree | undefined => {
  if (change === undefined) return before
  if (change === null) return undefined
  const after = merge(before ?? nothing, change, now)
  return isEmpty(after.state) ? undefined : after
}

/** Objects merge, everything else replaces, null deletes. An object that loses its last attribute stays, empty. */
const merge = (before: Tree, change: Schema.JsonObject, now: number): Tree => {
  const state: { [key: string]: Schema.Json } = { ...before.state }
  const metadata: { [key: string]: Schema.Json } = { ...before.metadata }
  for (const [key, value] of Object.entries(change)) {
    if (value === null) {
      delete state[key]
      delete metadata[key]
    } else if (isObject(value)) {
      const child = childOf(before, key)
      const merged = merge(child ?? nothing, value, now)
      // Nothing but deletions, where there is nothing at all, makes no object. Another value gives way to an empty one.
      if (!Object.hasOwn(before.state, key) && isEmpty(merged.state) && !isEmpty(value)) continue
      state[key] = merged.state
      metadata[key] = merged.metadata
    } else {
      state[key] = value
      metadata[key] = stamp(value, now)
    }
  }
  return { state, metadata }
}

const difference = (desired: Tree, reported: Schema.JsonObject): Tree | undefined => {
  const state: { [key: string]: Schema.Json } = {}
  const metadata: { [key: string]: Schema.Json } = {}
  for (const [key, value] of Object.entries(desired.state)) {
    const child = childOf(desired, key)
    const answer = own(reported, key)
    if (child !== undefined && isObject(answer)) {
      const deeper = difference(child, answer)
      if (deeper === undefined) continue
      state[key] = deeper.state
      metadata[key] = deeper.metadata
    } else if (!isDeepStrictEqual(value, answer)) {
      state[key] = value
      metadata[key] = own(desired.metadata, key) ?? {}
    }
  }
  return isEmpty(state) ? undefined : { state, metadata }
}

const isEmpty = (object: Schema.JsonObject): boolean => Object.keys(object).length === 0

const sizeOf = (tree: Tree | undefined): number =>
  tree === undefined ? 0 : Buffer.byteLength(JSON.stringify(tree.state))
