/** Presence: the one in memory, and broken ones. */
import { heard, Presence } from "@latchkey/core"
import { MemoryPresence } from "@latchkey/core/memory"
import { type PortPlace, presenceSuite } from "@latchkey/core/testing"
import { Context, Effect, Layer } from "effect"

type Service = Presence["Service"]
type Known = Effect.Success<ReturnType<Service["of"]>>
type Heard = Known extends ReadonlyMap<string, infer One> ? One : never
type Report = Parameters<Service["report"]>[0]

const subject = (name: string, change: (presence: Service) => Partial<Service>, isRight = false) => {
  const place: Effect.Effect<PortPlace<Presence>> = Effect.gen(function* () {
    const presence = Context.get(yield* Layer.build(Layer.fresh(MemoryPresence.layer)), Presence)
    const open = Layer.sync(Presence, () => ({ ...presence, ...change(presence) }))
    return { open, reopen: open }
  }).pipe(Effect.scoped)
  return { port: "presence", name, isRight, suite: () => presenceSuite(name, place) }
}

/** Keeps reports by another rule; every opener shares what is known. Of what the rule leaves out the right one counts. */
const rule = (name: string, next: (before: Heard | undefined, report: Report) => Partial<Heard>) => {
  const known = new Map<string, Heard>()
  return subject(name, () => ({
    report: (report) =>
      Effect.sync(() => {
        const before = known.get(report.thing)
        known.set(report.thing, { ...heard(before, report), ...next(before, report) })
      }),
    of: (things) =>
      Effect.sync(
        () =>
          new Map(
            things.flatMap((thing) => {
              const one = known.get(thing)
              return one === undefined ? [] : [[thing, one] as const]
            })
          )
      )
  }))
}

const answering = (name: string, change: (known: Known, things: ReadonlyArray<string>) => Known) =>
  subject(name, (presence) => ({ of: (things) => Effect.map(presence.of(things), (known) => change(known, things)) }))

const each = (name: string, change: (heard: Heard) => Heard) =>
  answering(name, (known) => new Map([...known].map(([thing, one]) => [thing, change(one)])))

const newest = (before: Heard | undefined, at: number) => Math.max(at, before?.lastSeen ?? at)

export const presences = [
  subject("memory", () => ({}), true),
  rule("the last report counts", (before, { online, at }) => ({
    ...{ online: online ?? before?.online ?? false, since: online === undefined ? before?.since : at },
    lastSeen: newest(before, at)
  })),
  rule("of two reports of the same time the last counts", (before, { online, at }) => {
    const counts = online !== undefined && (before?.since === undefined || at >= before.since)
    if (counts) return { online, since: at, lastSeen: newest(before, at) }
    return { online: before?.online ?? false, since: before?.since, lastSeen: newest(before, at) }
  }),
  rule("of two reports of the same time the first counts", (before, { online, at }) => {
    const counts = online !== undefined && (before?.since === undefined || at > before.since)
    if (counts) return { online, since: at, lastSeen: newest(before, at) }
    return { online: before?.online ?? false, since: before?.since, lastSeen: newest(before, at) }
  }),
  rule("who says nothing is offline", (before, { online, at }) => {
    const counts = before?.since === undefined || at > before.since || (at === before.since && online === true)
    if (counts) return { online: online ?? false, since: at, lastSeen: newest(before, at) }
    return { ...before, lastSeen: newest(before, at) }
  }),
  rule("who says something is online", (before, { online, at }) => {
    const counts = before?.since === undefined || at > before.since || (at === before.since && online === true)
    if (counts) return { online: online ?? true, since: at, lastSeen: newest(before, at) }
    return { ...before, lastSeen: newest(before, at) }
  }),
  rule("an older report moves the last time back", (before, { online, at }) => {
    const counts =
      online !== undefined && (before?.since === undefined || at > before.since || (at === before.since && online))
    if (counts) return { online, since: at, lastSeen: at }
    return { online: before?.online ?? false, since: before?.since, lastSeen: at }
  }),
  rule("only what says whether it is connected is a sign of life", (before, { online, at }) => {
    const counts =
      online !== undefined && (before?.since === undefined || at > before.since || (at === before.since && online))
    if (counts) return { online, since: at, lastSeen: newest(before, at) }
    return before ?? { online: false, since: undefined, lastSeen: at }
  }),
  rule("who is gone was seen when it was there", (before, { online, at }) => {
    const counts =
      online !== undefined && (before?.since === undefined || at > before.since || (at === before.since && online))
    if (counts) return { online, since: at, lastSeen: online ? newest(before, at) : (before?.lastSeen ?? at) }
    return { online: before?.online ?? false, since: before?.since, lastSeen: newest(before, at) }
  }),
  rule("once online, online", (before, { online, at }) => ({
    ...{ online: before?.online === true || online === true, since: at },
    lastSeen: newest(before, at)
  })),
  each("no reason is kept", (heard) => ({ ...heard, reason: undefined })),
  each("every reason is the same", (heard) => ({ ...heard, reason: heard.reason && "silent" })),
  rule("the last reason counts, however old", (_, { online, reason }) => (online === false ? { reason } : {})),
  rule("the first reason stays", (before) => (before?.reason === undefined ? {} : { reason: before.reason })),
  rule("a reason without a word on presence counts", (before, { online, reason }) =>
    online === undefined ? { reason: reason ?? before?.reason } : {}
  ),
  rule("of two reasons of the same time the last counts", (before, { online, reason, at }) =>
    online === false && before?.online === false && at === before.since ? { reason } : {}
  ),
  rule("of two reasons of the same time the first counts", (before, { online, at }) =>
    online === false && before?.online === false && at === before.since ? { reason: before.reason } : {}
  ),
  rule("why it was gone is told of a device that is there", (before, { online, reason }) =>
    online === true ? { reason: reason ?? before?.reason } : {}
  ),
  each("everything is online", (heard) => ({ ...heard, online: true })),
  each("everything is offline", (heard) => ({ ...heard, online: false })),
  each("times are in seconds", (heard) => ({ ...heard, lastSeen: Math.floor(heard.lastSeen / 1_000) * 1_000 })),
  each("times before 1970 are 0", (heard) => ({ ...heard, lastSeen: Math.max(0, heard.lastSeen) })),
  answering("only the first thing is told", (known) => new Map([...known].slice(0, 1))),
  subject("at most a thousand things are asked for", ({ of }) => ({ of: (things) => of(things.slice(0, 1_000)) })),
  answering(
    "who was never heard of is offline",
    (known, things) =>
      new Map(
        things.map((thing) => [
          thing,
          known.get(thing) ?? { online: false, since: undefined, reason: undefined, lastSeen: 0 }
        ])
      )
  ),
  subject("names are compared without case", ({ report, of }) => ({
    report: (one) => report({ ...one, thing: one.thing.toLowerCase() }),
    of: (things) =>
      Effect.map(
        of(things.map((thing) => thing.toLowerCase())),
        (known) =>
          new Map(
            things.flatMap((thing) => {
              const one = known.get(thing.toLowerCase())
              return one === undefined ? [] : [[thing, one] as const]
            })
          )
      )
  })),
  subject("names are compared by their first hundred characters", ({ report, of }) => ({
    report: (one) => report({ ...one, thing: one.thing.slice(0, 100) }),
    of: (things) =>
      Effect.map(
        of(things.map((thing) => thing.slice(0, 100))),
        (known) =>
          new Map(
            things.flatMap((thing) => {
              const one = known.get(thing.slice(0, 100))
              return one === undefined ? [] : [[thing, one] as const]
            })
          )
      )
  })),
  subject("each opener hears for itself", () =>
    Effect.runSync(
      Effect.scoped(
        Effect.map(Layer.build(Layer.fresh(MemoryPresence.layer)), (services) => Context.get(services, Presence))
      )
    )
  ),
  subject("what was told is kept", ({ of }) => {
    const kept = new Map<string, Known>()
    return {
      of: (things) => {
        const key = JSON.stringify(things)
        const known = kept.get(key)
        if (known !== undefined) return Effect.succeed(known)
        return Effect.tap(of(things), (found) => Effect.sync(() => found.size > 0 && kept.set(key, found)))
      }
    }
  })
]
