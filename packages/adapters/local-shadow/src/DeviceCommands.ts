/** The port through which applications reach devices, on the classic shadows of this service. */
import {
  commandsInShadows,
  type DeviceReport,
  type DeviceShadow,
  openingsHeld,
  outcomesIn,
  type ShadowUnavailable,
  type ShadowUpdate,
  ShadowWriteRefused,
  stateIn
} from "@latchkey/core"
import { Clock, Effect, Stream } from "effect"
import { isObject, own, type Shadow } from "./ShadowDocument.ts"
import type { ShadowEvent, ShadowEvents } from "./ShadowEvents.ts"
import type { ShadowAccepted } from "./ShadowMessage.ts"
import type { Held, LastSeen } from "./ShadowOperation.ts"
import type { ShadowRefused } from "./ShadowRequest.ts"

/** What the commands need of the shadow service. */
interface Shadows {
  readonly read: (thing: string) => Effect.Effect<Shadow, ShadowUnavailable>
  /** Refused with 408, and without effect, when it would be written after `notAfter` (epoch milliseconds). */
  readonly update: (
    thing: string,
    request: unknown,
    notAfter?: number
  ) => Effect.Effect<ShadowAccepted, ShadowRefused | ShadowUnavailable>
  /** What every thing holds under `reported.commands` and `reported.openings`. */
  readonly outcomes: Effect.Effect<ReadonlyArray<Held>, ShadowUnavailable>
  readonly presences: Effect.Effect<ReadonlyArray<LastSeen>, ShadowUnavailable>
  readonly isOnline?: (thing: string) => boolean
  readonly ready: Effect.Effect<void, ShadowUnavailable>
  readonly events: ShadowEvents
}

export const deviceCommands = ({
  read,
  update,
  outcomes,
  presences,
  isOnline,
  ready,
  events
}: Shadows): DeviceShadow["Service"] => {
  const commands = commandsInShadows({
    read: (thing) => Effect.map(read(thing), ({ version, content }) => ({ version, ...content?.state })),
    write: (thing, version, state, notAfter) =>
      update(thing, { state, version }, notAfter).pipe(
        Effect.catchTag("ShadowRefused", (refused) => Effect.fail(writeRefused(thing, refused)))
      )
  })

  /** What of all reports still stands: makes up for any that were missed. */
  const standing = Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    const held = yield* Effect.forEach(yield* outcomes, ({ thing, commands, openings }) =>
      Effect.zipWith(outcomesIn(thing, commands, now), openingsHeld(thing, openings), (outcomes, opened) => [
        ...outcomes,
        ...opened
      ])
    )
    const seen = (yield* presences).map((last): DeviceReport => ({ _tag: "Presence", ...last }))
    return [...held.flat(), ...seen]
  })

  const reports = Stream.unwrap(
    Effect.map(events.listen, (live) =>
      Stream.concat(
        Stream.fromEffect(standing),
        Stream.mapEffect(live, ({ event, afterGap }) =>
          afterGap
            ? Effect.zipWith(standing, reportsOf(event), (missed, reported) => [...missed, ...reported])
            : reportsOf(event)
        )
      ).pipe(Stream.flattenIterable)
    )
  )

  const updates = Stream.unwrap(events.listen).pipe(
    Stream.map(({ event }) => updateOf(event)),
    Stream.filter((update) => update !== undefined)
  )

  return { ...commands, reports, updates, ready, ...(isOnline && { isOnline }) }
}

/** The classic shadow after a change, as the device and the backend left it. */
const updateOf = (event: ShadowEvent): ShadowUpdate | undefined => {
  if (event._tag !== "Updated" || event.shadowName !== undefined) return undefined
  const { state, metadata, version } = event.documents.current
  return {
    thing: event.thing,
    version,
    at: 1_000 * event.documents.timestamp,
    reported: state.reported ?? {},
    desired: state.desired ?? {},
    delta: event.delta?.state ?? {},
    metadata: { ...metadata }
  }
}

const REASONS: { readonly [code: number]: ShadowWriteRefused["reason"] } = {
  // Nothing is wrong with what is written, so it is the name of the thing: no shadow can have it.
  400: "nowhere",
  408: "late",
  409: "conflict",
  413: "full"
}

const writeRefused = (thing: string, { code, message }: ShadowRefused): ShadowWriteRefused =>
  new ShadowWriteRefused({
    reason: REASONS[code] ?? "other",
    message: `The shadow of ${thing} does not take the command: ${message}`,
    inDoubt: false
  })

const reportsOf = Effect.fnUntraced(function* (event: ShadowEvent): Effect.fn.Return<ReadonlyArray<DeviceReport>> {
  if (event._tag === "Presence") return [event]
  if (event._tag === "Deleted" || event.shadowName !== undefined) return []
  const now = yield* Clock.currentTimeMillis
  const reported = event.accepted.state?.reported ?? undefined
  const current = event.documents.current.state.reported
  // Also what was held before: a device that says a part of it anew.
  const opened =
    own(reported, "openings") === undefined ? [] : yield* openingsHeld(event.thing, own(current, "openings"))
  const state = [...stateIn(event.thing, reported, now), ...opened]
  const named = own(reported, "commands")
  const held = own(current, "commands")
  if (!isObject(named) || !isObject(held)) return state
  // Also what was held before: a device that says it again was perhaps not heard.
  const said = Object.entries(held).filter(([commandId]) => Object.hasOwn(named, commandId))
  return [...state, ...(yield* outcomesIn(event.thing, Object.fromEntries(said), now))]
})
