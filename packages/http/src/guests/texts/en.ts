/** All words of the guest pages, in English. Another language is another file of the same shape; see `languages.ts`. */
import type { Html } from "../../pages/Html.ts"
import { html } from "../../pages/Html.ts"

/** What is said of a number, by the plural forms that the language has; `count` is the number as it is written. */
export interface Plural {
  readonly one: (count: string) => string
  readonly other: (count: string) => string
  /** In Romance languages, of whole millions. */
  readonly many?: (count: string) => string
}

export const en = {
  lang: "en",
  dir: "ltr",
  /** What it calls itself. */
  name: "English",
  /** How times are written, unless the guest's browser names a region. */
  locale: "en-GB",
  /** Titles of the pages, and what there is to say beneath; `when` arguments are times, already written. */
  states: {
    valid: { title: "Your key is ready", text: (_from: Html, until: Html) => html`It works until ${until}.` },
    "not-yet-valid": {
      title: "Your key does not work yet",
      text: (from: Html, until: Html) => html`It works from ${from} until ${until}.`
    },
    expired: {
      title: "Your key has expired",
      text: (_from: Html, until: Html) =>
        html`It worked until ${until}. Ask the person who gave it to you for a new one.`
    },
    "used-up": {
      title: "Your key has been used up",
      text: () => html`It has opened the door as often as allowed. Ask the person who gave it to you for a new one.`
    },
    deleted: {
      title: "Your key was withdrawn",
      text: () => html`It no longer opens anything. Ask the person who gave it to you whether you need a new one.`
    },
    withdrawn: {
      title: "Your key does not work now",
      text: () =>
        html`The person who gave it to you may no longer give keys to this door. Ask them, or the owner of the door.`
    },
    "sign-in": {
      title: "Please sign in",
      text: () => html`This key is for certain people only. Sign in, so that we know that you are one of them.`
    },
    "not-listed": {
      title: "This key is not for you",
      text: () =>
        html`You are signed in, but this key is for other people. Ask the person who gave it to you to add you, or sign in as someone else.`
    }
  },
  problems: {
    unknown: {
      title: "We do not know this key",
      text: "Check that the link is complete. If it is, ask the person who sent it to you for a new one."
    },
    unreachable: {
      title: "The lock could not be reached",
      text: "Nothing was opened, and nothing was used up. Wait a moment, then try again."
    },
    "in-doubt": {
      title: "The lock did not answer",
      text: "We cannot tell whether it got the message. If the door opens, that counts as a use. If not, wait a moment, then try again."
    },
    busy: {
      title: "The lock is busy",
      text: "Nothing was opened, and nothing was used up. Try again in a moment."
    },
    "too-often": {
      title: "That was too often",
      text: "Nothing was opened, and nothing was used up. Wait a minute, then try again."
    },
    unavailable: {
      title: "We cannot do this right now",
      text: "Reload this page in a moment. However often you do, it never opens a door twice."
    },
    "signed-out": { title: "You are not signed in", text: "The sign-in did not work, or has ended. Sign in again." },
    stale: { title: "This page was out of date", text: "Nothing was opened. Now you can try again." },
    broken: { title: "Something went wrong", text: "It is our fault, and has been noted. Try again in a moment." }
  },
  worksNext: (from: Html) => html`It works at certain times only, next from ${from}.`,
  worksNoMore: "It works at certain times only, and there are none left before it ends.",
  /** Whose clocks show the times. */
  zone: (name: string) => `Time at the door: ${name}`,
  contact: (contact: string) => `Questions? ${contact}`,
  usesLeft: {
    one: (count) => `You can open ${count} more time.`,
    other: (count) => `You can open ${count} more times.`
  } as Plural,
  offline:
    "The lock is not connected right now. If you open anyway, the door opens only if the lock comes back within ten seconds; it counts as a use all the same.",
  door: (id: number | undefined) => `Door ${id}`,
  withdrawn:
    "The person who gave you this key may no longer give keys to this door. Ask them, or the owner of the door.",
  byPin: "This door opens with your PIN: enter it at the door.",
  open: (label: string | undefined) => (label === undefined ? "Open the door" : `Open ${label}`),
  opening: "Opening…",
  slide: "Slide to open",
  slideHow: "Slide to the end and hold until it opens.",
  slideHowByKeyboard: "With a keyboard, hold the right arrow key.",
  hold: "Hold…",
  signIn: "Sign in",
  signInElsewhere: "Open this link in the app or on the site where you are signed in.",
  confirmation: {
    told: { title: "The door is opening", text: (when: Html) => html`The lock was told to open at ${when}.` },
    offline: {
      title: "The lock is not connected",
      text: (when: Html) =>
        html`It was told to open at ${when}. If it comes back within ten seconds, the door opens; after that, it does not.`
    },
    done: { title: "The door is open", text: (when: Html) => html`The lock was told to open at ${when}, and it did.` },
    returned: {
      title: "The door did not open",
      text: (when: Html) =>
        html`The lock was told to open at ${when}, and says that it did not. That does not count as a use: try again.`
    },
    failed: {
      title: "The door did not open",
      text: (when: Html) =>
        html`The lock was told to open at ${when}, and says that it could not. Try again, or ask the person who gave you the key.`
    },
    silent: {
      title: "The lock has not answered",
      text: (when: Html) =>
        html`It was told to open at ${when}, and has not said whether it did. If the door is still closed, it will not open any more: try again.`
    },
    past: {
      title: "The door was opened before",
      text: (when: Html) => html`The lock was told to open at ${when}. Nothing was opened just now.`
    },
    none: { title: "Nothing was opened", text: () => html`There is no opening to confirm here.` }
  },
  again: "Open again",
  back: "Back to the key",
  /** Of the link behind an address. */
  map: "Show on the map",
  /** The table of a schedule. */
  week: { title: "When it works", day: "Day", hours: "Times", never: "Not at all", allDay: "All day" },
  pin: { show: "Show the PIN", text: "At a door with a keypad, enter:" },
  calendar: "Add to calendar",
  /** What an entry in a calendar is called. */
  entry: (place: string | undefined) => (place === undefined ? "Key" : `Key: ${place}`),
  /** Of the switch of languages. */
  language: "Language",
  /** What messengers show of a link: the same of every key, and of none. */
  preview: { title: "A key for you", description: "Open this page at the door." }
}

/** What every language says. */
export type Texts = typeof en
