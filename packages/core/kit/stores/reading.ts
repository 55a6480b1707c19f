/** Stores that read something else than was asked for: of a stream, of the feed, or by an event's id. */
import { Effect, Option } from "effect"
import { type BrokenStore, like, source, view } from "./fixture.ts"

export const brokenReading: ReadonlyArray<BrokenStore> = [
  source(
    "a stream is read from the version on",
    "slice(afterVersion, afterVersion + limit)",
    "slice(Math.max(0, afterVersion - 1), afterVersion + limit)"
  ),
  source(
    "a stream is read with one event too many",
    "slice(afterVersion, afterVersion + limit)",
    "slice(afterVersion, afterVersion + limit + 1)"
  ),
  source(
    "a stream is read with one event too few",
    "slice(afterVersion, afterVersion + limit)",
    "slice(afterVersion, afterVersion + Math.max(limit - 1, 1))"
  ),
  source("a stream is read without a limit", "slice(afterVersion, afterVersion + limit)", "slice(afterVersion)"),
  source(
    "a limit of 0 is no limit",
    "slice(afterVersion, afterVersion + limit)",
    "slice(afterVersion, limit === 0 ? undefined : afterVersion + limit)"
  ),
  view("a stream is read with a thousand events at most", (store) => ({
    read: (streamId, after, limit) => store.read(streamId, after, Math.min(limit, 1_000))
  })),
  view("the feed is read with a thousand events at most", (store) => ({
    feed: (after, limit, filter) => store.feed(after, Math.min(limit, 1_000), filter)
  })),
  view("records are listed with a thousand at most", (store) => ({
    records: (prefix, after, limit) => store.records(prefix, after, Math.min(limit, 1_000))
  })),
  source(
    "a stream is read newest first",
    "slice(afterVersion, afterVersion + limit)",
    "slice(afterVersion, afterVersion + limit).reverse()"
  ),
  source(
    "the feed is read from the position on",
    "feed.slice(afterPosition, afterPosition",
    "feed.slice(Math.max(0, afterPosition - 1), afterPosition"
  ),
  source(
    "the feed is read with one event too many",
    "feed.slice(afterPosition, afterPosition + limit)",
    "feed.slice(afterPosition, afterPosition + limit + 1)"
  ),
  source("a filtered feed is read from the position on", "position > afterPosition", "position >= afterPosition"),
  source("a filtered feed is read from the beginning", "position > afterPosition", "true"),
  source("a filtered feed is read without a limit", "events.slice(from, from + limit)", "events.slice(from)"),
  source(
    "a filtered feed counts positions as places",
    "const from = SortedKeys.firstWhere(events, ({ position }) => position > afterPosition)",
    "const from = afterPosition"
  ),
  view("a filter is applied to a page", (store) => ({
    feed: (after, limit, filter = {}) =>
      Effect.map(store.feed(after, limit), (events) =>
        events.filter(
          ({ streamId, orgId }) =>
            (filter.category === undefined || streamId.split("-")[0] === filter.category) &&
            (filter.orgId === undefined || orgId === filter.orgId)
        )
      )
  })),
  ...Object.entries({
    "a category is a prefix": (streamId: string, category: string) => streamId.startsWith(category),
    "a category is what is before the last hyphen": (streamId: string, category: string) =>
      streamId.split("-").slice(0, -1).join("-") === category,
    "a stream without a hyphen has no category": (streamId: string, category: string) =>
      streamId.startsWith(`${category}-`),
    "a category may hold hyphens": (streamId: string, category: string) =>
      streamId === category || streamId.startsWith(`${category}-`),
    "a category is compared without case": (streamId: string, category: string) =>
      streamId.split("-")[0]?.toLowerCase() === category.toLowerCase(),
    "a category is a pattern": (streamId: string, category: string) => like(`${streamId}-`, `${category}-`),
    "a category is trimmed": (streamId: string, category: string) => streamId.split("-")[0]?.trim() === category.trim()
  }).map(([name, matches]) =>
    view(name, (store) => ({
      feed: (after, limit, { category, ...filter } = {}) =>
        category === undefined
          ? store.feed(after, limit, filter)
          : Effect.map(store.feed(after, 1_000_000, filter), (events) =>
              events.filter(({ streamId }) => matches(streamId, category)).slice(0, limit)
            )
    }))
  ),
  ...Object.entries({
    "no organization is any organization": (orgId: string, asked: string) => asked === "" || orgId === asked,
    "an organization is compared without case": (orgId: string, asked: string) =>
      orgId.toLowerCase() === asked.toLowerCase(),
    "an organization is a prefix": (orgId: string, asked: string) =>
      asked === "" ? orgId === "" : orgId.startsWith(asked),
    "an organization is a pattern": (orgId: string, asked: string) => like(`${orgId}\n`, `${asked}\n`),
    "events of no organization are given to each": (orgId: string, asked: string) => orgId === "" || orgId === asked
  }).map(([name, matches]) =>
    view(name, (store) => ({
      feed: (after, limit, { orgId: asked, ...filter } = {}) =>
        asked === undefined
          ? store.feed(after, limit, filter)
          : Effect.map(store.feed(after, 1_000_000, filter), (events) =>
              events.filter(({ orgId }) => matches(orgId, asked)).slice(0, limit)
            )
    }))
  ),
  view("of two filters one is enough", (store) => ({
    feed: (after, limit, filter) =>
      Effect.map(store.feed(after, 1_000_000), (events) =>
        events
          .filter(
            ({ streamId, orgId }) =>
              filter === undefined ||
              (filter.category === undefined && filter.orgId === undefined) ||
              streamId.split("-")[0] === filter.category ||
              orgId === filter.orgId
          )
          .slice(0, limit)
      )
  })),
  view("a category hides the organization", (store) => ({
    feed: (after, limit, filter) =>
      store.feed(after, limit, filter?.category === undefined ? filter : { category: filter.category })
  })),
  view("an event is found by an id without case", (store) => ({
    event: (id) =>
      Effect.map(store.feed(0, 1_000_000), (events) =>
        Option.fromUndefinedOr(events.find(({ eventId }) => eventId.toLowerCase() === id.toLowerCase()))
      )
  })),
  view("an event is found by the beginning of its id", (store) => ({
    event: (id) =>
      Effect.map(store.feed(0, 1_000_000), (events) =>
        Option.fromUndefinedOr(events.find(({ eventId }) => eventId.startsWith(id)))
      )
  }))
]
