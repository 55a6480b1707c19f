/**
 * The device shadow on AWS IoT Core. Commands go through the data plane; what devices report comes back through an SQS
 * queue that IoT rules feed. Endpoints, region, credentials and retries are configured as the AWS SDK has it.
 */
import { IoTDataPlaneClient, type IoTDataPlaneClientConfig } from "@aws-sdk/client-iot-data-plane"
import { SQSClient, type SQSClientConfig } from "@aws-sdk/client-sqs"
import {
  commandsInShadows,
  type DeviceReport,
  DeviceShadow,
  openingsHeld,
  outcomesIn,
  type VersionedShadow
} from "@latchkey/core"
import { Clock, Effect, Layer, PubSub, Schema, Stream } from "effect"
import { dataPlane, type ThingNames } from "./DataPlane.ts"
import { reportQueue } from "./ReportQueue.ts"
import { updatesIn } from "./updates.ts"

/** AWS cannot be used as it is configured; `message` tells the operator what to mend. */
export class AwsIotError extends Schema.TaggedError<AwsIotError>()("AwsIotError", { message: Schema.String }) {}

export interface AwsIotOptions {
  /** How things are named; by the uuids of their locks unless given. */
  readonly things?: ThingNames
  /** The named shadow that holds the commands; the classic shadow unless given. */
  readonly shadowName?: string
  /**
   * URL of the SQS queue with the reports of devices. Without one, presence is not known, and an outcome is heard of
   * with the next command to its lock.
   */
  readonly reportsQueue?: string
  /**
   * URL of the SQS queue with the changes of shadows, of this process alone: each message is heard of once. Without one,
   * nobody is told what changes in the shadow of a device.
   */
  readonly updatesQueue?: string
  /** Beside, or instead of, what the environment configures. */
  readonly dataPlane?: IoTDataPlaneClientConfig
  readonly sqs?: SQSClientConfig
}

/** Things have the uuids of their locks as names, after a prefix. */
export const prefixed = (prefix: string): ThingNames => ({
  nameOf: (uuid) => prefix + uuid,
  uuidOf: (name) => (name.startsWith(prefix) ? name.slice(prefix.length) : undefined)
})

/** Connections to AWS at once: locks that hang keep theirs until their time is over, and others need some too. */
const MAX_SOCKETS = 1000
/** Outcomes and openings in shadows that were read, for a listener that is slow; of more, the oldest are told another time. */
const BACKLOG = 1024

export const layer = (options: AwsIotOptions = {}): Layer.Layer<DeviceShadow, AwsIotError> =>
  Layer.effect(
    DeviceShadow,
    Effect.gen(function* () {
      const { things = prefixed(""), shadowName, reportsQueue, updatesQueue } = options
      const client = yield* opened(
        () =>
          new IoTDataPlaneClient({
            requestHandler: { httpAgent: { maxSockets: MAX_SOCKETS }, httpsAgent: { maxSockets: MAX_SOCKETS } },
            ...options.dataPlane
          })
      )
      yield* usable(() => client.config.region(), "No region: set AWS_REGION.")
      yield* usable(() => client.config.credentials(), "No credentials: give this process an AWS role or keys.")
      const shadows = dataPlane({ client, things, shadowName })
      const heard = yield* PubSub.sliding<ReadonlyArray<DeviceReport>>(BACKLOG)

      const { find, settle, clearOpenings } = commandsInShadows(shadows)
      // Makes up for reports that were missed: what the shadow still holds is told as soon as somebody reads it.
      const { send } = commandsInShadows({
        ...shadows,
        read: (thing, notAfter) =>
          Effect.tap(shadows.read(thing, notAfter), (shadow) =>
            Effect.flatMap(reportsHeld(thing, shadow), (reports) => PubSub.publish(heard, reports))
          )
      })
      const held = Stream.flattenIterable(Stream.fromPubSub(heard))
      const clientAt = (queue: string) =>
        opened(() => new SQSClient({ endpoint: new URL(queue).origin, ...options.sqs }))
      const told = updatesQueue !== undefined && {
        updates: updatesIn(yield* clientAt(updatesQueue), updatesQueue, things)
      }
      if (reportsQueue === undefined) return { send, find, settle, clearOpenings, reports: held, ...told }

      const queue = reportQueue(yield* clientAt(reportsQueue), reportsQueue, things)
      return {
        ...told,
        send,
        find,
        settle: (thing, commandId, attempt) =>
          attempt === undefined
            ? Effect.tap(settle(thing, commandId), queue.settled(thing, commandId))
            : settle(thing, commandId, attempt),
        clearOpenings: (thing, series, last) =>
          Effect.tap(clearOpenings(thing, series, last), queue.cleared(thing, series, last)),
        reports: Stream.merge(held, queue.reports)
      }
    })
  )

const reportsHeld = Effect.fnUntraced(function* (thing: string, { reported }: VersionedShadow) {
  const outcomes = yield* outcomesIn(thing, reported?.["commands"], yield* Clock.currentTimeMillis)
  return [...outcomes, ...(yield* openingsHeld(thing, reported?.["openings"]))]
})

const opened = <Client extends { readonly destroy: () => void }>(open: () => Client) =>
  Effect.acquireRelease(
    Effect.try({ try: open, catch: (error) => new AwsIotError({ message: String(error) }) }),
    (client) => Effect.sync(() => client.destroy())
  )

const usable = (resolve: () => Promise<unknown>, advice: string) =>
  Effect.tryPromise({
    try: resolve,
    catch: (error) => new AwsIotError({ message: `${advice} (${error instanceof Error ? error.message : error})` })
  })
