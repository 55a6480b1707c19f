/** Reads an SQS queue: waits a while when there is nothing in it, and gives up on a queue that does not answer. */
import { DeleteMessageBatchCommand, type Message, ReceiveMessageCommand, type SQSClient } from "@aws-sdk/client-sqs"
import { logSeldom, ShadowUnavailable } from "@latchkey/core"
import { Duration, Effect } from "effect"

export interface Queue {
  /** The next messages; none if nothing came for a while. */
  readonly receive: Effect.Effect<ReadonlyArray<Message>, ShadowUnavailable>
  /** Deletes messages by their receipts. One that stays is delivered again. */
  readonly remove: (receipts: ReadonlyArray<string>) => Effect.Effect<void>
}

/** The most that SQS hands over at once, and the longest that it waits for the first, in seconds. */
const BATCH = 10
const WAIT = 20
/** Before a queue is asked again that had nothing, and said so at once. */
const PAUSE = Duration.seconds(1)
/** In milliseconds. */
const REMOVE_TIMEOUT = 10_000

/** @param what is in it, for the operator */
export const queueAt = (client: SQSClient, url: string, what: string): Queue => {
  const unavailable = (error: unknown) =>
    new ShadowUnavailable({
      thing: "all things",
      message:
        `The queue of ${what} does not answer (${error instanceof Error ? `${error.name}: ${error.message}` : error}). ` +
        "Check its URL and region, and allow sqs:ReceiveMessage and sqs:DeleteMessage."
    })

  return {
    receive: Effect.tryPromise({
      try: (abortSignal) => {
        const limits = { MaxNumberOfMessages: BATCH, WaitTimeSeconds: WAIT }
        return client.send(new ReceiveMessageCommand({ QueueUrl: url, ...limits }), { abortSignal })
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
    ),

    remove: Effect.fnUntraced(function* (receipts) {
      if (receipts.length === 0) return
      const entries = receipts.map((ReceiptHandle, index) => ({ Id: String(index), ReceiptHandle }))
      yield* Effect.tryPromise({
        try: (abortSignal) =>
          client.send(new DeleteMessageBatchCommand({ QueueUrl: url, Entries: entries }), { abortSignal }),
        catch: unavailable
      }).pipe(
        // What hangs here would hold up everything behind it.
        Effect.timeoutOrElse({ duration: REMOVE_TIMEOUT, orElse: () => Effect.fail(unavailable("no answer")) }),
        Effect.catch(({ message }) =>
          logSeldom(Effect.logWarning, `Messages stay in the queue of ${what}, and come again`, message)
        )
      )
    })
  }
}

/** Logs a message that does not belong in the queue. The reader deletes it: otherwise SQS would deliver it again and again. */
export const logStranger = (what: string, { MessageId }: Message) =>
  logSeldom(Effect.logWarning, `A message that does not belong in the queue of ${what} is deleted`, { MessageId })
