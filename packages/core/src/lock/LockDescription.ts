/**
 * What people say of a lock and of where it is. Each part rests on who said it: when the lock changes hands, what a former
 * side has said is shown to nobody, and is back with them. Pure.
 */
import { Schema } from "effect"
import { Text, textUpTo } from "../values/Text.ts"
import { TimeZoneName } from "../values/TimeZone.ts"
import { Giver } from "./Giver.ts"
import { BOUNDS } from "./RequestFields.ts"

/** The parts. */
export const PARTS = ["name", "timeZone", "address", "contact", "instructions"] as const
export type Part = (typeof PARTS)[number]

const said = (most: number) => Schema.optionalKey(Schema.NullOr(textUpTo(most).check(Schema.isMinLength(1))))

/** The parts as a request says them: those that it leaves out stay as they are, and `null` takes one away. */
export const describeFields = {
  name: said(BOUNDS.name),
  /** An IANA time zone, such as `Europe/Athens`. */
  timeZone: Schema.optionalKey(Schema.NullOr(TimeZoneName)),
  address: said(BOUNDS.address),
  /** Whom to turn to, and how. */
  contact: said(BOUNDS.contact),
  /** What guests are told. */
  instructions: said(BOUNDS.description)
}

const one = Schema.optionalKey(Schema.Struct({ text: Text, giver: Giver }))

/** The parts as a lock holds them, each with whose right it rests on. */
export const SaidOfLock = Schema.Struct({ name: one, timeZone: one, address: one, contact: one, instructions: one })
export type SaidOfLock = typeof SaidOfLock.Type

const text = Schema.optionalKey(Schema.String)

/** What is shown of a lock: the parts that there are. */
export const LockDescription = Schema.Struct({
  name: text,
  timeZone: text,
  address: text,
  contact: text,
  instructions: text
})
export type LockDescription = typeof LockDescription.Type

/** Changes of parts; `null` takes one away. */
type Changes = { readonly [P in Part]?: string | null | undefined }

/** Those of the changes that change what is shown. */
export const changedIn = (shown: LockDescription, changes: Changes): { readonly [P in Part]?: string | null } => {
  const changed: { [P in Part]?: string | null } = {}
  for (const part of PARTS) {
    const text = changes[part]
    if (text !== undefined && text !== (shown[part] ?? null)) changed[part] = text
  }
  return changed
}

/** What is said of a lock after somebody has changed it. */
export const saidAfter = (before: SaidOfLock | undefined, changes: Changes, giver: Giver): SaidOfLock => {
  const after: { [P in Part]?: { readonly text: string; readonly giver: Giver } } = { ...before }
  for (const part of PARTS) {
    const text = changes[part]
    if (text === null) delete after[part]
    else if (text !== undefined) after[part] = { text, giver }
  }
  return after
}
