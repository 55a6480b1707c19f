/** Stores that change what they keep of an event, as columns and drivers do. */
import { type NewEvent, type StoredEvent, StoreUnavailable } from "@latchkey/core"
import { Effect } from "effect"
import { type BrokenStore, passing, source, view } from "./fixture.ts"

/** Stream ids as a column may compare or keep them. */
const named = (name: string, idOf: (streamId: string) => string): BrokenStore =>
  view(name, (store) => ({
    write: (batch) =>
      store.write({ ...batch, append: (batch.append ?? []).map((one) => ({ ...one, streamId: idOf(one.streamId) })) }),
    read: (streamId, after, limit) =>
      Effect.map(store.read(idOf(streamId), after, limit), (events) => events.map((event) => ({ ...event, streamId })))
  }))

const sorted = (value: unknown): unknown =>
  Array.isArray(value)
    ? value.map(sorted)
    : value !== null && typeof value === "object"
      ? Object.fromEntries(
          Object.entries(value)
            .sort()
            .map(([key, of]) => [key, sorted(of)])
        )
      : value

const inData =
  (change: (text: string) => string) =>
  (event: NewEvent): NewEvent => ({ ...event, data: JSON.parse(change(JSON.stringify(event.data))) })

const inTexts =
  (change: (text: string) => string) =>
  (event: NewEvent): NewEvent => ({
    ...event,
    data: JSON.parse(JSON.stringify(event.data), (_, value) => (typeof value === "string" ? change(value) : value))
  })

export const brokenStorage: ReadonlyArray<BrokenStore> = [
  passing("data has its keys sorted", {
    event: (event) => ({ ...event, data: sorted(event.data) as NewEvent["data"] })
  }),
  passing("data loses what is null", {
    event: inData((text) => text.replace(/("[^"]*"):null,?/g, "").replace(/,}/g, "}"))
  }),
  passing("data has its great numbers rounded", {
    event: inData((text) =>
      text.replace(/:(-?9007199254740991)/g, ":$1.0e0").replace(/9007199254740991.0e0/g, "9007199254740990")
    )
  }),
  passing("text is normalized", { event: inTexts((text) => text.normalize("NFC")) }),
  passing("text has at most three bytes a character", {
    event: inTexts((text) => text.replace(/[\u{10000}-\u{10ffff}]/gu, "?"))
  }),
  passing("text loses control characters", { event: inTexts((text) => text.replace(/[\p{Cc}]/gu, "")) }),
  passing("text loses backslashes", { event: inTexts((text) => text.replace(/\\/g, "")) }),
  passing("text loses what is invisible", { event: inTexts((text) => text.replace(/[\u200d\ufeff]/g, "")) }),
  passing("text is cut at 65,535 characters", {
    event: (event) => ({
      ...event,
      data:
        typeof event.data["text"] === "string"
          ? { ...event.data, text: event.data["text"].slice(0, 65_535) }
          : event.data
    })
  }),
  passing("what looks like a date becomes one", {
    event: inData((text) => text.replace(/:"(\d{4}-\d\d-\d\dT[\d:.]+)Z"/g, `:"$1+00:00"`))
  }),
  passing("an organization that is empty is null", {
    stored: (event) => ({ ...event, orgId: event.orgId === "" ? (null as never) : event.orgId })
  }),
  passing("the time of acceptance is lost", { event: ({ acceptedAt: _, ...event }) => event }),
  passing("the time of acceptance is always there", { stored: (event) => ({ acceptedAt: event.at, ...event }) }),
  passing("a time of acceptance of 0 is none", {
    event: ({ acceptedAt, ...event }) => (acceptedAt ? { ...event, acceptedAt } : event)
  }),
  passing("the time of acceptance is undefined where there is none", {
    stored: (event) => ({ ...event, acceptedAt: event.acceptedAt as number })
  }),
  passing("times are kept in seconds", { event: (event) => ({ ...event, at: Math.floor(event.at / 1_000) * 1_000 }) }),
  passing("times have 32 bits", {
    event: (event) => ({ ...event, at: event.at > 4_000_000_000_000 ? event.at % 4_294_967_296 : event.at })
  }),
  passing("times before 1970 are 0", { event: (event) => ({ ...event, at: Math.max(0, event.at) }) }),
  source(
    "the times of a stream are kept in order",
    "const stored = { ...event, streamId,",
    "const stored = { ...event, at: Math.max(event.at, streams.get(streamId)?.at(-1)?.at ?? event.at), streamId,"
  ),
  passing("a principal loses its user", {
    event: (event) => (event.principal._tag === "Super" ? { ...event, principal: { _tag: "Super" } } : event)
  }),
  passing("principals are the first one's", { event: (event) => ({ ...event, principal: { _tag: "System" } }) }),
  passing("positions are text", {
    stored: (event) => ({ ...event, position: String(event.position) as never })
  }),
  passing("an event has a field more", { stored: (event) => ({ ...event, id: event.position }) as StoredEvent }),
  passing("command ids are lost when they are empty", {
    event: (event) => ({ ...event, commandId: event.commandId || event.eventId })
  }),
  named("stream ids are compared without case", (id) => id.toLowerCase()),
  named("stream ids are trimmed", (id) => id.trim()),
  named("stream ids are cut at 128 characters", (id) => id.slice(0, 128)),
  named("stream ids are normalized", (id) => id.normalize("NFC")),
  view("event ids are cut at 255 characters", (store) => {
    const cut = (event: NewEvent): NewEvent => ({ ...event, eventId: event.eventId.slice(0, 255) })
    return {
      write: (batch) =>
        store.write({
          ...batch,
          append: (batch.append ?? []).map((one) => ({ ...one, events: one.events.map(cut) }))
        }),
      event: (id) => store.event(id.slice(0, 255))
    }
  }),
  view("an event id that is too long cannot be asked for", (store) => ({
    event: (id) => (id.length > 600 ? Effect.fail(new StoreUnavailable({ message: "Too long." })) : store.event(id))
  })),
  passing("command ids are cut at 255 characters", {
    event: (event) => ({ ...event, commandId: event.commandId.slice(0, 255) })
  }),
  view("organizations are compared by their first 255 characters", (store) => ({
    feed: (after, limit, { orgId: asked, ...filter } = {}) =>
      asked === undefined
        ? store.feed(after, limit, filter)
        : Effect.map(store.feed(after, 1_000_000, filter), (events) =>
            events.filter(({ orgId }) => orgId.slice(0, 255) === asked.slice(0, 255)).slice(0, limit)
          )
  })),
  named("stream ids end at their second hyphen", (id) => id.split("-").slice(0, 2).join("-"))
]
