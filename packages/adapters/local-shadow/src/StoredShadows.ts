/**
 * Shadows in the store of the log, for servers that have no folder in common: a record for each, changed by compare and set. That
 * a device is connected is a record too, and names the server that holds the connection: what another server changes in the
 * shadow goes into that server's inbox, in the same write. Servers with devices renew a record; when it has expired, by the
 * store's clock, their devices are gone.
 */
import { randomUUID } from "node:crypto"
import { type EventStore, type Put, SHADOW_LIMIT, type StoreUnavailable } from "@latchkey/core"
import { Clock, Effect, Latch, Option, type Scope } from "effect"
import { minuteLog } from "./minuteLog.ts"
import {
  applyUpdate,
  isObject,
  MAX_NAMED,
  noShadow,
  own,
  type Refusal,
  type Shadow,
  tooManyNames,
  type Updated
} from "./ShadowDocument.ts"
import {
  type ByOthers,
  type LastSeen,
  type Made,
  type OperationName,
  type Operations,
  type Held as Reported,
  type ShadowKey,
  steadyMillis
} from "./ShadowOperation.ts"
import { type ShadowStore, ShadowStoreError } from "./ShadowStore.ts"
import { type StoredPresences, storedPresences } from "./StoredPresences.ts"
import { BROKER, inboxOf, presenceKey, type Seen, seenOf, whenUnchanged } from "./StoredRecords.ts"

/** Milliseconds between looks into the inbox, and until what nobody takes out is gone. */
const LOOK_EVERY = 100
const KEPT = 60_000
const PAGE = 500

const DOCUMENTS = "shadow/document/"
const documentsOf = (thing: string) => `${DOCUMENTS}${thing}/`
const documentKey = ({ thing, name }: ShadowKey) => documentsOf(thing) + name
/** Names the classic shadows that hold outcomes of commands, or openings. */
const OUTCOMES = "shadow/outcomes/"

type Perform = {
  readonly [K in OperationName]: (
    input: Operations[K]["input"]
  ) => Effect.Effect<Operations[K]["answer"], StoreUnavailable>
}

interface Place {
  readonly store: EventStore["Service"]
  /** Names this server, or what devices here are connected to instead. */
  readonly server: string
  /** Where a device may be that is at no server. */
  readonly elsewhere: string
  /** Opened when there is something in the inbox of the broker. */
  readonly mail?: Latch.Latch
  /** Before it, nothing is taken out of the inbox. */
  readonly begins?: Effect.Effect<void>
  /** Devices that are here, beside those of `server`. */
  readonly others?: () => ReadonlyArray<LastSeen>
}

export const openStoredShadows: (
  place: Place
) => Effect.Effect<ShadowStore & Pick<StoredPresences, "own" | "isHandedOver">, ShadowStoreError, Scope.Scope> =
  Effect.fnUntraced(function* ({
    store,
    server,
    elsewhere,
    mail = Latch.makeUnsafe(false),
    begins = Effect.void,
    others = () => []
  }) {
    const log = yield* minuteLog
    let tellOthers: (by: ByOthers) => void = () => {}
    let tellSeen: Parameters<ShadowStore["onSeen"]>[0] = () => {}
    let sent = 0

    const read = (key: ShadowKey) => Effect.map(store.record(documentKey(key)), shadowOf)

    /** Writes the shadow, unless it, or who holds its device, was changed meanwhile: then the answer is `false`. */
    const change = Effect.fnUntraced(function* (key: ShadowKey, before: Before, current: Shadow, made: Made) {
      const now = yield* Clock.currentTimeMillis
      const put: Array<Put> = [{ key: documentKey(key), value: textOf(current) }]
      const holder = placeOf(before.presence, elsewhere)
      if (holder !== server) {
        const place = `${String(now).padStart(15, "0")}-${String(++sent).padStart(12, "0")}-${server}`
        put.push({ key: inboxOf(holder) + place, value: JSON.stringify(made), until: now + KEPT })
      }
      const remove: Array<string> = []
      if (key.name === "") {
        if (heldIn(key.thing, current) !== undefined) put.push({ key: OUTCOMES + key.thing, value: "" })
        else if (heldIn(key.thing, before.shadow) !== undefined) remove.push(OUTCOMES + key.thing)
      }
      const isChanged = yield* whenUnchanged(store, {
        expect: [
          { key: documentKey(key), value: before.text },
          { key: presenceKey(key.thing), value: before.presence.text }
        ],
        put,
        remove
      })
      if (isChanged && holder === BROKER) yield* mail.open
      return isChanged
    })

    const before = Effect.fnUntraced(function* (key: ShadowKey): Effect.fn.Return<Before, StoreUnavailable> {
      const [text, presence] = yield* Effect.all(
        [store.record(documentKey(key)), store.record(presenceKey(key.thing))],
        {
          concurrency: 2
        }
      )
      return { text: Option.getOrUndefined(text), shadow: shadowOf(text), presence: seenOf(presence) }
    })

    const names = (thing: string) => store.records(documentsOf(thing), documentsOf(thing), PAGE)

    const presences = yield* storedPresences(store, server, {
      lost: (seen) => tellSeen(seen),
      missed: () => tellOthers({ made: [], gap: true, seen: [] })
    }).pipe(Effect.mapError(({ message }) => new ShadowStoreError({ message })))

    /** What was changed before anybody knew that the device is here. */
    const tellAgain = Effect.fnUntraced(function* (thing: string) {
      const shadow = yield* read({ thing, name: "" })
      if (shadow.content?.state.desired === undefined) return
      const now = Math.floor((yield* Clock.currentTimeMillis) / 1000)
      const current = { version: shadow.version, content: shadow.content }
      tellOthers({
        made: [{ thing, name: "", request: { state: {} }, now, previous: shadow, current }],
        gap: false,
        seen: []
      })
    })

    const operations: Perform = {
      read,
      update: Effect.fnUntraced(function* (input): Effect.fn.Return<Updated | Refusal, StoreUnavailable> {
        while (true) {
          const found = yield* before(input)
          if (input.notAfter !== undefined && steadyMillis() > input.notAfter) return { code: 408, message: "Too late" }
          const previous = found.shadow
          if (input.name !== "" && previous.content === undefined) {
            const live = (yield* names(input.thing)).filter(({ value }) => isLive(value))
            if (live.length >= MAX_NAMED) return tooManyNames
          }
          const current = applyUpdate(previous, input.request, input.now, SHADOW_LIMIT)
          if ("code" in current) return current
          const { thing, name, request, now } = input
          if (yield* change(input, found, current, { thing, name, request, now, previous, current }))
            return { previous, current }
        }
      }),
      delete: Effect.fnUntraced(function* (input): Effect.fn.Return<Shadow, StoreUnavailable> {
        while (true) {
          const found = yield* before(input)
          const { version, content } = found.shadow
          if (content === undefined) return found.shadow
          if (!(yield* change(input, found, { version, content: undefined }, { ...input, version }))) continue
          const deleted = (yield* names(input.thing)).filter(({ value }) => !isLive(value))
          for (const { key, value } of deleted.slice(MAX_NAMED)) {
            yield* whenUnchanged(store, { expect: [{ key, value }], remove: [key] })
          }
          return found.shadow
        }
      }),
      list: ({ thing }) =>
        Effect.map(names(thing), (found) =>
          found.filter(({ value }) => isLive(value)).map(({ key }) => key.slice(documentsOf(thing).length))
        ),
      outcomes: Effect.fnUntraced(function* () {
        const found: Array<Operations["outcomes"]["answer"][number]> = []
        for (let after = OUTCOMES; ; ) {
          const page = yield* store.records(OUTCOMES, after, PAGE)
          for (const { key } of page) {
            const thing = key.slice(OUTCOMES.length)
            const held = heldIn(thing, yield* read({ thing, name: "" }))
            if (held !== undefined) found.push(held)
          }
          if (page.length < PAGE) return found
          after = page.at(-1)?.key ?? after
        }
      }),
      presence: Effect.fnUntraced(function* (said) {
        const seen = yield* presences.say(said)
        if (seen?.online === true) yield* tellAgain(said.thing)
        return seen
      }),
      presences: () => Effect.succeed([...presences.own(), ...others()]),
      prove: () =>
        Effect.as(
          whenUnchanged(store, {
            put: [{ key: `shadow/proof/${server}`, value: randomUUID(), until: Date.now() + KEPT }]
          }),
          undefined
        )
    }

    const look = Effect.gen(function* () {
      // Who is at a broker is not known before it says something.
      if (server !== BROKER && presences.own().length === 0) return
      const inbox = yield* store.records(inboxOf(server), "", PAGE)
      if (inbox.length === 0) return
      tellOthers({ made: inbox.map(({ value }): Made => JSON.parse(value)), gap: false, seen: [] })
      yield* whenUnchanged(store, { remove: inbox.map(({ key }) => key) })
    }).pipe(
      Effect.catchTag("StoreUnavailable", ({ message }) =>
        log(Effect.logWarning, "Changes of shadows by other servers cannot be looked for; trying again", message)
      )
    )
    const next =
      server === BROKER
        ? Effect.andThen(Effect.timeoutOption(mail.await, LOOK_EVERY), mail.close)
        : Effect.sleep(LOOK_EVERY)
    yield* Effect.forkScoped(Effect.andThen(begins, Effect.forever(Effect.andThen(look, next))))

    const perform: ShadowStore["perform"] = (name, input, onAnswer) =>
      operations[name](input).pipe(
        Effect.tap((answer) => Effect.sync(() => onAnswer?.(answer))),
        Effect.mapError(({ message }) => new ShadowStoreError({ message })),
        Effect.uninterruptible
      )

    return {
      perform,
      own: presences.own,
      isHandedOver: presences.isHandedOver,
      onOthers: (listener) => {
        tellOthers = listener
      },
      onSeen: (listener) => {
        tellSeen = listener
      },
      // While the store does not answer, each question fails by itself.
      onDown: () => {}
    }
  })

/** Where a change of the shadow is told. */
const placeOf = ({ value }: Seen, elsewhere: string): string =>
  value?.online === true || value?.server === BROKER ? value.server : elsewhere

/** What a change is decided on. */
interface Before {
  readonly text: string | undefined
  readonly shadow: Shadow
  readonly presence: Seen
}

const shadowOf = (text: Option.Option<string>): Shadow => {
  if (Option.isNone(text)) return noShadow
  const { version, content }: Shadow = JSON.parse(text.value)
  return { version, content }
}

const textOf = ({ version, content }: Shadow): string => JSON.stringify({ version, content })

const isLive = (text: string): boolean => shadowOf(Option.some(text)).content !== undefined

const heldIn = (thing: string, { content }: Shadow): Reported | undefined => {
  const [commands, openings] = ["commands", "openings"].map((name) => {
    const held = own(content?.state.reported, name)
    return isObject(held) ? held : undefined
  })
  return (commands ?? openings) === undefined ? undefined : { thing, commands, openings }
}
