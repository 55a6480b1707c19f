/**
 * Reports from an SQS queue that IoT rules feed. A message with outcomes or openings stays in the queue until they are in
 * the log and out of the shadow, so that none is lost on its way; what is delivered twice is told twice, and does no harm.
 */
import type { Message, SQSClient } from "@aws-sdk/client-sqs"
import type { DeviceReport, ShadowUnavailable } from "@latchkey/core"
import { Effect, Stream } from "effect"
import type { ThingNames } from "./DataPlane.ts"
import { reportsIn } from "./IotMessage.ts"
import { logStranger, queueAt } from "./Queue.ts"

export interface ReportQueue {
  readonly reports: Stream.Stream<DeviceReport, ShadowUnavailable>
  /** Takes notice that a command is settled: nobody needs the message with its outcome any more. */
  readonly settled: (thing: string, commandId: string) => Effect.Effect<void>
  /** The same of openings at the door. */
  readonly cleared: (thing: string, series: string, last: number) => Effect.Effect<void>
}

/** Outcomes and openings that wait to be settled; of more, the oldest are left to be delivered again. */
const MOST_WAITING = 10_000

/** A message that is in the queue as long as something in it is unsettled. */
interface Waiting {
  readonly receipt: string
  readonly unsettled: Set<string>
}

const WHAT = "device reports"

export const reportQueue = (client: SQSClient, url: string, things: ThingNames): ReportQueue => {
  const { receive, remove } = queueAt(client, url, WHAT)
  /** By what it tells; the last message that did. */
  const waiting = new Map<string, Waiting>()

  /** The reports of a message, and its receipt once it is done with. */
  const take = Effect.fnUntraced(function* (message: Message) {
    const { Body = "", ReceiptHandle: receipt = "" } = message
    const reports = yield* reportsIn(Body, things)
    if (reports === undefined) yield* logStranger(WHAT, message)
    const told = (reports ?? []).flatMap(toldIn)
    const held: Waiting = { receipt, unsettled: new Set(told) }
    for (const one of told) {
      waiting.set(one, held)
      const [oldest] = waiting.keys()
      if (waiting.size > MOST_WAITING && oldest !== undefined) waiting.delete(oldest)
    }
    return { reports: reports ?? [], done: told.length === 0 ? [receipt] : [] }
  })

  const reports = Stream.suspend(() => {
    let done: ReadonlyArray<string> = []
    const next = Effect.gen(function* () {
      // Anyone who asks for more has taken what there was.
      yield* remove(done)
      const taken = yield* Effect.forEach(yield* receive, take)
      done = taken.flatMap((one) => one.done)
      return taken.flatMap((one) => one.reports)
    })
    return Stream.flattenIterable(Stream.fromEffectRepeat(next))
  })

  const taken = Effect.fnUntraced(function* (one: string) {
    const message = waiting.get(one)
    waiting.delete(one)
    message?.unsettled.delete(one)
    if (message?.unsettled.size === 0) yield* remove([message.receipt])
  })

  return {
    reports,
    settled: (thing, commandId) => taken(outcomeOf(thing, commandId)),
    cleared: (thing, series, last) => taken(openingsOf(thing, series, last))
  }
}

/** What must be in the log before its message may go. */
const toldIn = (report: DeviceReport): ReadonlyArray<string> => {
  switch (report._tag) {
    case "CommandOutcome":
      return [outcomeOf(report.thing, report.commandId)]
    case "Openings":
      return [openingsOf(report.thing, report.series, Math.max(...report.list.map(({ n }) => n)))]
    default:
      return []
  }
}

const outcomeOf = (thing: string, commandId: string): string => JSON.stringify([thing, commandId])

const openingsOf = (thing: string, series: string, last: number): string => JSON.stringify([thing, series, last])
