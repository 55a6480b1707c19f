/**
 * When a key works, for the guest's own calendar: iCalendar (RFC 5545), in UTC, which every calendar shows in its zone. The link
 * is not in it: calendars are shared, and synchronized to others.
 */
import { createHash } from "node:crypto"
import { type GuestKey, openingsIn } from "@latchkey/core"
import type { Reader } from "./Reader.ts"

type Known = Exclude<GuestKey, { readonly status: "deleted" }>

/** Most windows of a schedule that are told: those of half a year, if there is one a week. */
const MOST = 26

/** The calendar of a key that its guest may use, now or later. */
export const calendarOf = ({ texts, now }: Reader, uuid: string, key: Known): string => {
  const { validFrom, validUntil, schedule, doors } = key
  const [door, ...others] = doors
  const place = others.length === 0 ? (door?.label ?? door?.place?.name) : undefined
  const said = (part: "address" | "instructions" | "contact") => [
    ...new Set(doors.flatMap(({ place }) => place?.[part] ?? []))
  ]
  const told = [...said("instructions"), ...said("contact").map(texts.contact)]
  const times =
    schedule === undefined
      ? [{ from: validFrom, until: validUntil }]
      : openingsIn(schedule, Math.max(now, validFrom), validUntil, MOST)
  const id = createHash("sha256").update(`calendar\n${uuid.toLowerCase()}`).digest("hex").slice(0, 32)
  const lines = [
    "BEGIN:VCALENDAR",
    "VERSION:2.0",
    "PRODID:-//Latchkey//Guest key//EN",
    ...times.flatMap(({ from, until }) => [
      "BEGIN:VEVENT",
      // The window that is open begins now, and ends when it did the last time that it was asked for.
      `UID:${id}-${schedule === undefined ? 0 : until}`,
      `DTSTAMP:${utc(now)}`,
      `DTSTART:${utc(from)}`,
      `DTEND:${utc(until)}`,
      `SUMMARY:${escaped(texts.entry(place))}`,
      ...said("address")
        .slice(0, 1)
        .map((address) => `LOCATION:${escaped(address)}`),
      ...(told.length === 0 ? [] : [`DESCRIPTION:${escaped(told.join("\n\n"))}`]),
      "CLASS:PRIVATE",
      "TRANSP:TRANSPARENT",
      "END:VEVENT"
    ]),
    "END:VCALENDAR"
  ]
  return lines.map((line) => `${folded(line)}\r\n`).join("")
}

/** A year has four digits there; west of UTC a key that ends with the last of them ends later. */
const LATEST = Date.UTC(9999, 11, 31, 23, 59, 59)

/** Section 3.3.5, form 2. */
const utc = (at: number): string =>
  `${new Date(Math.min(at, LATEST)).toISOString().slice(0, 19).replaceAll(/[-:]/g, "")}Z`

/** Section 3.3.11. Other control characters have no place in a text. */
export const escaped = (text: string): string =>
  text
    .replaceAll(/\r\n?/g, "\n")
    .replaceAll(/[^\P{Cc}\n\t]/gu, "")
    .replaceAll(/[\\;,]/g, "\\$&")
    .replaceAll("\n", "\\n")

/** Octets of a line, without its end. */
const LONGEST = 75

/** Section 3.1: lines that are too long go on after a space, and no letter is cut in two. */
export const folded = (line: string): string => {
  let octets = 0
  let text = ""
  for (const letter of line) {
    const size = Buffer.byteLength(letter)
    if (octets + size > LONGEST) {
      text += "\r\n "
      octets = 1
    }
    text += letter
    octets += size
  }
  return text
}
