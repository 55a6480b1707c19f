/**
 * Links of temp keys, whichever kind: what a new one may be, and the record that names the stream it leads to. A link is a
 * secret and leads to one key in the whole store; of two that are stored under one link, the first in the feed has it.
 */
import { Schema } from "effect"
import type { StoredEvent } from "../streams/EventStore.ts"
import { UuidText } from "../values/Text.ts"
import { canonical } from "./TempKey.ts"

/** Versions of UUIDs that tell when and where they were made: who knows one finds others. */
const TIME_BASED: ReadonlySet<string> = new Set(["1", "2", "6"])

/**
 * Whether anyone finds this link by trying: it is made of one digit, whatever its version says, or of a time.
 *
 * @example
 * ```ts
 * isWeakLink("00000000-0000-0000-0000-000000000000") // true
 * ```
 */
export const isWeakLink = (uuid: string): boolean => {
  const digits = canonical(uuid).replaceAll("-", "")
  const drawn = digits.slice(0, 12) + digits.slice(13, 16) + digits.slice(17)
  return TIME_BASED.has(digits.charAt(12)) || new Set(drawn).size === 1
}

/** The link of a new temp key. Those that are stored stay as they are. */
export const NewLink = UuidText.check(
  Schema.makeFilter((uuid) => !isWeakLink(uuid) || "must be a random UUID, which nobody can guess", {
    expected: "a random UUID"
  })
)

const PREFIX = "link/"

/** The record of a link: its value is the stream of the key. */
export const linkRecord = (uuid: string): string => PREFIX + canonical(uuid)

/** The link that an event gives to the key of its stream, if it gives one. */
export const linkGivenBy = ({ streamId, type, data }: StoredEvent): string | undefined => {
  switch (type) {
    case "TempKeyCreated":
      return textIn(data["tempKeyUuid"])
    case "TempKeyLinkChanged":
      return textIn(data["newTempKeyUuid"])
    case "SharedCredentialCreated":
      return streamId.slice(streamId.indexOf("-") + 1)
    case "SharedCredentialLinkSet":
      return textIn(data["link"])
    default:
      return undefined
  }
}

const textIn = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined)
