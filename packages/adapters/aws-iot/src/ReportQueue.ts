/**
 * Reports from an SQS queue that IoT rules feed. A message with outcomes or openings stays in the queue until they are in
 * the log and out of the shadow, so that none is lost on its way; what is delivered twice is told twice, and does no harm.
 */
import { DeleteMessageBatchCommand, type Message, ReceiveMessageCommand, type SQSClient } from "@aws-sdk/client-sqs"
import { type DeviceReport, logSeldom, ShadowUnavailable } from "@latchkey/core"
import { Duration, Effect, Stream } from "effect"
import type { ThingNames } from "./DataPlane.ts"
import { reportsIn } from "./IotMessage.ts"

export interface ReportQueue {
  readonly reports: Stream.Stream<DeviceReport, ShadowUnavailable>
  /** Takes notice that a command is settled: nobody needs the message with its outcome any more. */
  readonly settled: (thing: string, commandId: string) => Effect.Effect<void>
  /** The same of openings at the door. */
  readonly cleared: (thing: string, series: string, last: number) => Effect.Effect<void>
}

/** The most that SQS hands over at once, and the longest that it waits for the first, in seconds. */
const BATCH = 10
const WAIT = 20
/** Before a queue is asked again that had nothing, and said so at once. */
const PAUSE = Duration.seconds(1)
/** In milliseconds. */
const REMOVE_TIMEOUT = 10_000
/** Outcomes and openings that wait to be settled; of more, the oldest are left to be delivered again. */
const MOST_WAITING = 10_000

/** A message that is in the queue as long as something in it is unsettled. */
interface Waiting {
  readonly receipt: string
  readonly unsettled: Set<string>
}

export const reportQueue = (client: SQSClient, queueUrl: string, things: ThingNames): ReportQueue => {
  /** By what it tells; the last message that did. */
  const waiting = new Map<string, Waiting>()

  const receive = Effect.tryPromise({
    try: (abortSignal) => {
      const limits = { MaxNumberOfMessages: BATCH, WaitTimeSeconds: WAIT }
      return client.send(new ReceiveMessageCommand({ QueueUrl: queueUrl, ...limits }), { abortSignal })
    },
    catch: unavailable
  }).pipe(
    Effect.timeoutOrElse({
      duration: 1000 * (WAIT + 10),
      orElse: () => Effect.fail(unavailable("no answer"))
    }),
    Effect.map(({ Messages = [] }) => Messages),
    Effect.timed,
    // A queue that does not wait for the first message would be asked without a pause.
    Effect.tap(([took, messages]) =>
      messages.length === 0 && Duration.isLessThan(took, PAUSE) ? Effect.sleep(PAUSE) : Effect.void
    ),
    Effect.map(([, messages]) => messages)
  )

  /** A message that stays is delivered again. */
  const remove = Effect.fnUntraced(function* (receipts: ReadonlyArray<string>) {
    if (receipts.length === 0) return
    const entries = receipts.map((ReceiptHandle, index) => ({ Id: String(index), ReceiptHandle }))
    yield* Effect.tryPromise({
      try: (abortSignal) =>
        client.send(new DeleteMessageBatchCommand({ QueueUrl: queueUrl, Entries: entries }), { abortSignal }),
      catch: unavailable
    }).pipe(
      // What hangs here would hold up every report behind it.
      Effect.timeoutOrElse({ duration: REMOVE_TIMEOUT, orElse: () => Effect.fail(unavailable("no answer")) }),
      Effect.catch(({ message }) =>
        logSeldom(Effect.logWarning, "Device reports stay in the queue, and come again", message)
      )
    )
  })

  /** The reports of a message, and its receipt once it is done with. */
  const take = Effect.fnUntraced(function* ({ MessageId, Body = "", ReceiptHandle: receipt = "" }: Message) {
    const reports = yield* reportsIn(Body, things)
    if (reports === undefined) {
      yield* logSeldom(Effect.logWarning, "A message in the queue of device reports is not a report; it is deleted", {
        MessageId
      })
    }
    const told = (reports ?? []).flatMap(toldIn)
    const message: Waiting = { receipt, unsettled: new Set(told) }
    for (const one of told) {
      waiting.set(one, message)
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

const unavailable = (error: unknown): ShadowUnavailable =>
  new ShadowUnavailable({
    thing: "all things",
    message:
      `The queue of device reports does not answer (${error instanceof Error ? `${error.name}: ${error.message}` : error}). ` +
      "Check its URL and region, and allow sqs:ReceiveMessage and sqs:DeleteMessage."
  })
