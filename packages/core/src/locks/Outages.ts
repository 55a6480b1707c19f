/**
 * That the device of a lock is gone, and that it is back, told as events: partners hear of it as of everything else. A
 * device that comes and goes is looked at a minute after each change that was heard of, and only what then is, and was not
 * told yet, is told; so many times an hour, and what is so in the end always. Whichever process hears a change notes it
 * as a record; one process of many looks.
 *
 * Events of what a device reports about itself, such as a low battery, are events of its lock, and not here.
 */
import { Clock, Duration, Effect, Latch, Layer, Option, Schema } from "effect"
import { canonicalThing } from "../access/Thing.ts"
import { AbsenceReason, Presence } from "../device/Presence.ts"
import { LockId } from "../lock/Lock.ts"
import { lookups } from "../read-model/Lookups.ts"
import { ReadModel } from "../read-model/ReadModel.ts"
import { keepGoing } from "../streams/Backoff.ts"
import { Category } from "../streams/Category.ts"
import { EventStore, StoreUnavailable, type WriteError } from "../streams/EventStore.ts"
import { byOne, type Lease } from "../streams/Lease.ts"
import { inBackground } from "../streams/Workers.ts"
import { presence } from "./Presence.ts"

/** Epoch milliseconds. */
const Instant = Schema.Int

/** What is told of a device. Stored forever: add cases and optional fields, never rename or remove one. */
export const OutageEvent = Schema.TaggedUnion({
  DeviceOffline: { lockId: LockId, since: Instant, reason: Schema.optionalKey(AbsenceReason) },
  DeviceOnline: { lockId: LockId, since: Instant }
})

/** What was told of a device last, and when. */
interface Told {
  /** `undefined`: nothing yet. */
  readonly isOnline: boolean | undefined
  /** Of the last events, oldest first; epoch milliseconds. */
  readonly times: ReadonlyArray<number>
}

/** Events of a device in an hour, at most. */
export const MOST_AN_HOUR = 6
const HOUR = 3_600_000

/** The devices, by the names of their things. */
export const Outages = Category({
  prefix: "presence-",
  events: OutageEvent,
  personal: {},
  initial: { isOnline: undefined, times: [] } as Told,
  evolve: ({ times }, { _tag }, { at }) => ({
    isOnline: _tag === "DeviceOnline",
    times: [...times, at].slice(-MOST_AN_HOUR)
  })
})

/** Whether it is told that a device is there, or gone: not again, and if it was told often, later: at this instant. */
export const tells = ({ isOnline, times }: Told, online: boolean, now: number): boolean | number => {
  if (online === isOnline) return false
  const [oldest = 0] = times
  return times.length < MOST_AN_HOUR || now >= oldest + HOUR ? true : oldest + HOUR
}

/** How long after a change is looked: what has passed by then is not told. */
const LOOK_AFTER = 60_000
const LOOK_EVERY = Duration.seconds(10)
/** Notes are gathered for so long, and written together. */
const NOTE_EVERY = Duration.seconds(1)
const AT_ONCE = 100
const MOST_NOTES = 1_000
/** Devices of which a process remembers what it heard last: they are not noted again until that changes. */
const MOST_HEARD = 100_000
/** Characters of the longest name that is noted. */
const LONGEST_NAME = 200

/** Storage: never rename it. In the order in which they are due. */
const PREFIX = "presence/"
const keyOf = (thing: string, due: number): string => `${PREFIX}${String(due).padStart(16, "0")}/${thing}`
const read = (key: string): { readonly due: number; readonly thing: string } => ({
  due: Number(key.slice(PREFIX.length, PREFIX.length + 16)),
  thing: key.slice(PREFIX.length + 17)
})

/** Presence, of which every change that is reported is noted and, in the background, looked at and told. */
export const outages: Layer.Layer<Presence, never, Presence | ReadModel | EventStore> = Layer.effect(
  Presence,
  Effect.gen(function* () {
    const store = yield* EventStore
    const reported = yield* Presence
    const rows = lookups(yield* ReadModel)
    const connections = yield* presence
    const heard = new Map<string, boolean>()
    /** When the devices that changed are looked at: what is not written yet. */
    const notes = new Map<string, number>()
    const noted = Latch.makeUnsafe(false)

    const note = (thing: string, online: boolean, now: number): void => {
      if (heard.get(thing) === online || thing.length > LONGEST_NAME) return
      if (heard.size >= MOST_HEARD) heard.clear()
      heard.set(thing, online)
      if (notes.size < MOST_HEARD && !notes.has(thing)) notes.set(thing, now + LOOK_AFTER)
      noted.openUnsafe()
    }

    /** Writes what was noted since; all of it again, if that fails. */
    const write = Effect.gen(function* () {
      if (notes.size === 0) yield* noted.close
      yield* noted.await
      yield* Effect.sleep(NOTE_EVERY)
      const next = [...notes].slice(0, MOST_NOTES)
      const put = next.map(([thing, due]) => ({ key: keyOf(thing, due), value: "" }))
      yield* Effect.mapError(store.write({ put }), asUnavailable)
      for (const [thing] of next) notes.delete(thing)
    })

    /** Looks at a device, and tells; answers when it is to be looked at again, if it is. */
    const look = Effect.fnUntraced(function* ({ store }: Lease, thing: string, due: number, now: number) {
      const lockId = Option.getOrUndefined(yield* rows.lockOfThing(thing))
      if (lockId === undefined) return undefined
      const connection = yield* connections.told(thing)
      // Nobody can tell now.
      if (connection === undefined) return now + LOOK_AFTER
      const { online, since = due - LOOK_AFTER, reason } = connection
      const { orgId } = (yield* rows.handsOf([lockId])).get(lockId) ?? {}
      let later: number | undefined
      const context = {
        commandId: `presence-${thing}-${due}`,
        at: now,
        principal: { _tag: "System" },
        // It grants nothing: what a newer version has told does not stop it.
        revokes: true,
        ...(orgId !== undefined && { orgId })
      } as const
      yield* Outages.transact(canonicalThing(thing), context, ({ state }) => {
        const told = tells(state, online, now)
        later = typeof told === "number" ? told : undefined
        if (told !== true) return []
        if (online) return [{ _tag: "DeviceOnline", lockId, since }]
        return [{ _tag: "DeviceOffline", lockId, since, ...(reason !== undefined && { reason }) }]
      }).pipe(
        Effect.provideService(EventStore, store),
        // Another process has looked at the same moment.
        Effect.catchTag("EventExists", () => Effect.void)
      )
      return later
    })

    const round = Effect.fnUntraced(function* (lease: Lease) {
      const now = yield* Clock.currentTimeMillis
      const noted = yield* store.records(PREFIX, "", AT_ONCE)
      const due = noted.map(({ key }) => ({ key, ...read(key) })).filter(({ due }) => due <= now)
      const done = yield* Effect.forEach(
        due,
        ({ key, thing, due }) => Effect.map(look(lease, thing, due, now), (later) => ({ key, thing, later })),
        { concurrency: 16 }
      )
      const put = done.flatMap(({ thing, later }) =>
        later === undefined ? [] : [{ key: keyOf(thing, later), value: "" }]
      )
      if (done.length > 0)
        yield* Effect.mapError(lease.store.write({ put, remove: done.map(({ key }) => key) }), asUnavailable)
      if (done.length < AT_ONCE) yield* Effect.sleep(LOOK_EVERY)
    })

    yield* inBackground(Effect.forever(keepGoing("Cannot note that devices came or went")(write)))
    yield* inBackground(
      keepGoing("Cannot tell that devices are gone or back")(
        byOne(store, "Outages of devices", (lease) => Effect.forever(round(lease)))
      )
    )
    return Presence.of({
      of: reported.of,
      report: (report) =>
        Effect.andThen(
          reported.report(report),
          report.online === undefined
            ? Effect.void
            : Effect.map(Clock.currentTimeMillis, (now) => note(report.thing, report.online === true, now))
        )
    })
  })
)

/** A batch that expects nothing and appends nothing can only fail with its store. */
const asUnavailable = (error: WriteError): StoreUnavailable =>
  error instanceof StoreUnavailable ? error : new StoreUnavailable({ message: error.message })
