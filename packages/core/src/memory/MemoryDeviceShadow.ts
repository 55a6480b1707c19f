/** A device shadow that does what a test tells it: answers, refuses, hangs, or loses what is on its way. */
import { Clock, Context, Effect, Layer, PubSub, Stream } from "effect"
import { addCommand, type CommandDocument, type DeviceCommand, hasRoom } from "../device/DeviceCommand.ts"
import { type DeviceReport, DeviceShadow, ShadowRejected, ShadowUnavailable } from "../device/DeviceShadow.ts"

/**
 * - `ok`: does as asked.
 * - `reject`: refuses every command.
 * - `hang`: answers nothing at all; commands stay on their way.
 * - `lose-answer`: takes a command, but answers as if nobody knew.
 * - `lose-request`: answers as if nobody knew; the command stays on its way.
 *
 * What is on its way left in time. It arrives with `deliver`, however late, unless `find` has promised that it will not.
 */
export type ShadowMode = "ok" | "reject" | "hang" | "lose-answer" | "lose-request"

type OutcomeReport = Extract<DeviceReport, { readonly _tag: "CommandOutcome" }>
type OpeningsReport = Extract<DeviceReport, { readonly _tag: "Openings" }>

/** The test's side of the shadow. */
export class ShadowControl extends Context.Service<
  ShadowControl,
  {
    /** From now on, for every thing. */
    readonly setMode: (mode: ShadowMode) => Effect.Effect<void>
    /** The openings that a thing's shadow holds, by their counter. */
    readonly openings: (thing: string) => Effect.Effect<ReadonlyArray<number>>
    /** The commands that a thing's shadow holds, by id. */
    readonly held: (thing: string) => Effect.Effect<{ readonly [commandId: string]: CommandDocument }>
    /** Lets commands arrive that were on their way. */
    readonly deliver: Effect.Effect<void>
    /** Says something as the device; outcomes and openings stay in the shadow until they are taken away. */
    readonly report: (report: DeviceReport) => Effect.Effect<void>
  }
>()("@latchkey/core/testing/ShadowControl") {}

interface Shadow {
  readonly desired: Map<string, CommandDocument>
  readonly reported: Map<string, OutcomeReport>
}

const make = Effect.gen(function* () {
  let mode: ShadowMode = "ok"
  const shadows = new Map<string, Shadow>()
  const opened = new Map<string, OpeningsReport>()
  let onTheirWay: ReadonlyArray<{ readonly thing: string; readonly command: DeviceCommand }> = []
  const said = yield* PubSub.unbounded<DeviceReport>()

  const shadowOf = (thing: string): Shadow => shadows.get(thing) ?? { desired: new Map(), reported: new Map() }

  const put = Effect.fnUntraced(function* (thing: string, command: DeviceCommand) {
    const now = yield* Clock.currentTimeMillis
    const { desired, reported } = shadowOf(thing)
    const next = new Map(desired)
    for (const [commandId, document] of Object.entries(addCommand(Object.fromEntries(desired), command, now))) {
      if (document === null) next.delete(commandId)
      else next.set(commandId, document)
    }
    if (!hasRoom(command, documentOf(next, reported))) {
      const message = "The shadow is full: wait until the device has carried out what it holds."
      return yield* new ShadowRejected({ thing, message })
    }
    shadows.set(thing, { desired: next, reported })
  })

  const unlessHanging = <A, E>(answer: Effect.Effect<A, E>) =>
    Effect.suspend(() => (mode === "hang" ? Effect.never : answer))

  const lost = (thing: string) => Effect.fail(new ShadowUnavailable({ thing, message: "The answer was lost." }))

  const send = Effect.fnUntraced(function* (
    thing: string,
    command: DeviceCommand,
    notAfter: number
  ): Effect.fn.Return<void, ShadowRejected | ShadowUnavailable> {
    if ((yield* Clock.currentTimeMillis) > notAfter) {
      return yield* new ShadowRejected({ thing, message: "The command came too late to be put into the shadow." })
    }
    return yield* pass(thing, command)
  })

  const pass = (thing: string, command: DeviceCommand): Effect.Effect<void, ShadowRejected | ShadowUnavailable> =>
    Effect.suspend(() => {
      switch (mode) {
        case "ok":
          return put(thing, command)
        case "reject":
          return Effect.fail(new ShadowRejected({ thing, message: "The shadow was told to refuse." }))
        case "lose-answer":
          return Effect.andThen(put(thing, command), lost(thing))
        case "lose-request":
          onTheirWay = [...onTheirWay, { thing, command }]
          return lost(thing)
        case "hang":
          onTheirWay = [...onTheirWay, { thing, command }]
          return Effect.never
      }
    })

  const find = (thing: string, commandId: string, attempt: number) =>
    Effect.sync(() => {
      const { desired, reported } = shadowOf(thing)
      if (attemptIn(desired, commandId) === attempt || reported.has(commandId)) return true
      onTheirWay = onTheirWay.filter(
        ({ command }) => command.commandId !== commandId || (command.attempt ?? 1) !== attempt
      )
      return false
    })

  const settle = (thing: string, commandId: string, attempt?: number | "any") =>
    Effect.sync(() => {
      const { desired, reported } = shadowOf(thing)
      if (attempt === undefined) reported.delete(commandId)
      if (typeof attempt !== "number" || attemptIn(desired, commandId) === attempt) desired.delete(commandId)
    })

  const clearOpenings = (thing: string, series: string, last: number) =>
    Effect.sync(() => {
      const held = opened.get(thing)
      if (held?.series === series && held.list.every(({ n }) => n <= last)) opened.delete(thing)
    })

  const reports = Stream.unwrap(
    Effect.map(PubSub.subscribe(said), (subscription) =>
      Stream.concat(
        Stream.fromIterable<DeviceReport>([
          ...Array.from(shadows.values()).flatMap(({ reported }) => [...reported.values()]),
          ...opened.values()
        ]),
        Stream.fromSubscription(subscription)
      )
    )
  )

  return Context.make(DeviceShadow, {
    send,
    find: (thing, commandId, attempt) => unlessHanging(find(thing, commandId, attempt)),
    settle: (thing, commandId, attempt) => unlessHanging(settle(thing, commandId, attempt)),
    clearOpenings: (...openings) => unlessHanging(clearOpenings(...openings)),
    reports
  }).pipe(
    Context.add(ShadowControl, {
      setMode: (next) => Effect.sync(() => (mode = next)),
      openings: (thing) => Effect.sync(() => opened.get(thing)?.list.map(({ n }) => n) ?? []),
      held: (thing) => Effect.sync(() => Object.fromEntries(shadowOf(thing).desired)),
      deliver: Effect.suspend(() => {
        const arriving = onTheirWay
        onTheirWay = []
        return Effect.forEach(arriving, ({ thing, command }) => Effect.ignore(put(thing, command)), { discard: true })
      }),
      report: (report) =>
        Effect.suspend(() => {
          if (report._tag === "CommandOutcome") {
            const shadow = shadowOf(report.thing)
            shadow.reported.set(report.commandId, report)
            shadows.set(report.thing, shadow)
          }
          if (report._tag === "Openings") opened.set(report.thing, report)
          return Effect.asVoid(PubSub.publish(said, report))
        })
    })
  )
})

/** Every build of the layer knows no thing yet. */
export const layer: Layer.Layer<DeviceShadow | ShadowControl> = Layer.effectContext(make)

/** Which attempt at a command waits for its device; the first has no number. */
const attemptIn = (desired: Shadow["desired"], commandId: string): number | undefined => {
  const document = desired.get(commandId)
  return document && Number(document["attempt"] ?? 1)
}

/** The document as a device would be sent it. */
const documentOf = (desired: Shadow["desired"], reported: Shadow["reported"]) => {
  const outcomes = Array.from(
    reported,
    ([commandId, { outcome, at, detail }]) =>
      [commandId, { outcome, at, ...(detail === undefined ? {} : { detail }) }] as const
  )
  return {
    desired: { commands: Object.fromEntries(desired) },
    reported: { commands: Object.fromEntries(outcomes) }
  }
}
