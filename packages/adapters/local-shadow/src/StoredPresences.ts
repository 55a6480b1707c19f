/** Which devices are there, in records: a lease of the server that holds their connections. */
import type { EventStore, StoreUnavailable } from "@latchkey/core"
import { Clock, Effect, Option, Schedule, type Scope } from "effect"
import { minuteLog } from "./minuteLog.ts"
import type { LastSeen } from "./ShadowOperation.ts"
import { BROKER, type Held, presenceKey, seenOf, whenUnchanged } from "./StoredRecords.ts"

/** Milliseconds between signs of life, and after the last one until a server counts as dead. */
const BEAT = 2_000
const LEASE = 8_000
const PAGE = 500

const SERVERS = "shadow/server/"
/** Names the things of each server, so that they are found when it is dead. */
const HELD = "shadow/held/"
/** Its turn at the broker ended well: what was held there is still there. */
const HANDED_OVER = "shadow/handed-over"
const heldBy = (server: string) => `${HELD}${server}/`

export interface StoredPresences {
  /** A device came to this server, or went from it; see `Operations`. */
  readonly say: (said: LastSeen) => Effect.Effect<LastSeen | undefined, StoreUnavailable>
  /** Devices that are here. */
  readonly own: () => ReadonlyArray<LastSeen>
  /** Of those at a broker: whether the server that had the turn before has heard all of them to the end. */
  readonly isHandedOver: boolean
}

interface Listener {
  /** Devices are gone with a server that died, or there after all. */
  readonly lost: (seen: ReadonlyArray<LastSeen>) => void
  /** For a while this server counted as dead, and was told nothing. */
  readonly missed: () => void
}

export const storedPresences: (
  store: EventStore["Service"],
  server: string,
  listener: Listener
) => Effect.Effect<StoredPresences, StoreUnavailable, Scope.Scope> = Effect.fnUntraced(
  function* (store, server, listener) {
    const log = yield* minuteLog
    const here = new Map<string, LastSeen>()
    const presenceOf = (thing: string) => Effect.map(store.record(presenceKey(thing)), seenOf)
    const life = Effect.map(Clock.currentTimeMillis, (now) => ({
      key: SERVERS + server,
      value: String(now),
      until: now + LEASE
    }))

    const say: StoredPresences["say"] = Effect.fnUntraced(function* (said) {
      const { thing, online } = said
      while (true) {
        const { text, value: before } = yield* presenceOf(thing)
        if (!online && before !== undefined && before.server !== server) {
          here.delete(thing)
          return undefined
        }
        const at = before === undefined ? said.at : Math.max(said.at, before.at + 1)
        const held: Held = { ...said, at, server }
        const key = presenceKey(thing)
        const own = heldBy(server) + thing
        const isSaid = yield* whenUnchanged(store, {
          expect: [{ key, value: text }],
          put: [{ key, value: JSON.stringify(held) }, ...(online ? [{ key: own, value: "" }, yield* life] : [])],
          remove: online ? [] : [own]
        })
        if (!isSaid) continue
        const seen = { ...said, at }
        if (online) here.set(thing, seen)
        else here.delete(thing)
        return seen
      }
    })

    /** Others took this server for dead, which it is not: its devices are there, unless they have come to another one. */
    const revive = Effect.gen(function* () {
      listener.missed()
      for (const thing of here.keys()) {
        const { value } = yield* presenceOf(thing)
        if (value !== undefined && value.server !== server) here.delete(thing)
        else if (value?.online !== true)
          listener.lost([(yield* say({ thing, online: true, at: yield* Clock.currentTimeMillis })) ?? []].flat())
      }
    })

    /** Who was at the broker for the server that had the turn before. */
    const adopt = Effect.gen(function* () {
      for (let after = heldBy(server); ; ) {
        const page = yield* store.records(heldBy(server), after, PAGE)
        const things = page.map(({ key }) => key.slice(heldBy(server).length))
        for (const { value } of yield* Effect.forEach(things, presenceOf, { concurrency: 8 })) {
          if (value?.server !== server || !value.online) continue
          const { thing, online, at } = value
          here.set(thing, { thing, online, at })
        }
        if (page.length < PAGE) break
        after = page.at(-1)?.key ?? after
      }
      const isHandedOver = Option.isSome(yield* store.record(HANDED_OVER))
      yield* whenUnchanged(store, { put: here.size > 0 ? [yield* life] : [], remove: [HANDED_OVER] })
      return isHandedOver
    })
    const isHandedOver = server === BROKER && (yield* adopt)

    const beat = Effect.gen(function* () {
      if (here.size === 0) return
      const next = yield* life
      const value = Option.getOrUndefined(yield* store.record(next.key))
      const isAlive =
        value !== undefined && (yield* whenUnchanged(store, { expect: [{ key: next.key, value }], put: [next] }))
      if (isAlive) return
      yield* whenUnchanged(store, { put: [next] })
      yield* revive
    })

    /** Takes what a dead server held, thing by thing: what has come to another server meanwhile stays there. */
    const bury = Effect.fnUntraced(function* (dead: string) {
      while (true) {
        const page = yield* store.records(heldBy(dead), heldBy(dead), PAGE)
        for (const { key } of page) {
          const thing = key.slice(heldBy(dead).length)
          const { text, value } = yield* presenceOf(thing)
          const isGone = value?.server === dead && value.online
          const gone: LastSeen = {
            thing,
            online: false,
            reason: "serverGone",
            at: Math.max(yield* Clock.currentTimeMillis, (value?.at ?? 0) + 1)
          }
          const isTaken = yield* whenUnchanged(store, {
            expect: [
              { key: SERVERS + dead, value: undefined },
              { key: presenceKey(thing), value: text }
            ],
            put: isGone ? [{ key: presenceKey(thing), value: JSON.stringify({ ...value, ...gone }) }] : [],
            remove: [key]
          })
          if (isTaken && isGone) listener.lost([gone])
        }
        if (page.length < PAGE) return
      }
    })

    const buryDead = Effect.gen(function* () {
      for (let after = HELD; ; ) {
        const [first] = yield* store.records(HELD, after, 1)
        if (first === undefined) return
        const [holder = ""] = first.key.slice(HELD.length).split("/")
        if (holder !== server && Option.isNone(yield* store.record(SERVERS + holder))) yield* bury(holder)
        // Behind all that it holds: names of things sort before it.
        after = `${heldBy(holder)}~`
      }
    })

    const care = Effect.andThen(beat, buryDead).pipe(
      Effect.catchTag("StoreUnavailable", ({ message }) =>
        log(Effect.logWarning, "The presence of devices cannot be kept; trying again", message)
      )
    )
    yield* Effect.forkScoped(Effect.repeat(care, Schedule.spaced(BEAT)))
    // The others find that it is gone, and its devices with it. Those at a broker are there for the next one, if that comes soon.
    const end = Effect.flatMap(life, ({ until }) =>
      whenUnchanged(
        store,
        server === BROKER ? { put: [{ key: HANDED_OVER, value: "", until }] } : { remove: [SERVERS + server] }
      )
    )
    yield* Effect.addFinalizer(() => Effect.ignore(end))
    return { say, isHandedOver, own: () => [...here.values()] }
  }
)
