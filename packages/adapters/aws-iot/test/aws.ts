/** AWS on this machine: the data plane of the local shadow, and a queue that the rules of docs/aws.md feed. */

import { AwsIot } from "@latchkey/aws-iot"
import { LocalShadow, type ShadowChange, ShadowRest } from "@latchkey/local-shadow"
import { Context, Effect, Layer, Stream } from "effect"
import { type FakeQueue, fakeQueue } from "./FakeQueue.ts"

export const KEY = { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "secret" }
/** What every client here has in common; one try, unless a test is about more. */
export const clientOf = (endpoint: string) => ({ endpoint, region: "eu-west-1", credentials: KEY, maxAttempts: 1 })

export class Aws extends Context.Service<
  Aws,
  {
    readonly endpoint: string
    /** Of reports, and of changes of shadows. */
    readonly queue: FakeQueue
    readonly updates: FakeQueue
  }
>()("test/Aws") {
  static readonly layer = Layer.effect(
    Aws,
    Effect.gen(function* () {
      const shadows = yield* LocalShadow
      const { port } = yield* ShadowRest.serve({ host: "127.0.0.1", port: 0, keys: [KEY] })
      const [queue, updates] = [yield* fakeQueue(1000), yield* fakeQueue(1000)]
      yield* shadows.changes.pipe(
        Stream.runForEach((change) =>
          Effect.sync(() => {
            rule(change).forEach(queue.put)
            updatesRule(change).forEach(updates.put)
          })
        ),
        Effect.forkScoped({ startImmediately: true })
      )
      return { endpoint: `http://127.0.0.1:${port}`, queue, updates }
    })
  ).pipe(Layer.provideMerge(LocalShadow.layer({ folder: ":memory:" })))
}

/** The adapter over it. */
export const awsIot = (options: AwsIot.AwsIotOptions = {}) =>
  Layer.unwrap(
    Effect.map(Aws, ({ endpoint, queue, updates }) =>
      AwsIot.layer({
        dataPlane: clientOf(endpoint),
        sqs: { region: "eu-west-1", credentials: KEY },
        reportsQueue: queue.url,
        updatesQueue: updates.url,
        ...options
      })
    )
  ).pipe(Layer.provideMerge(Aws.layer))

/** The rule of docs/aws.md on `update/accepted`. */
const rule = (change: ShadowChange): ReadonlyArray<string> => {
  if (change._tag === "Deleted") return []
  const { state, timestamp } = change.accepted
  const reported = state?.reported
  return reported === undefined ? [] : [JSON.stringify({ thingName: change.thing, reported, at: 1000 * timestamp })]
}

/** The rule of docs/aws.md on `update/documents`. */
const updatesRule = (change: ShadowChange): ReadonlyArray<string> => {
  if (change._tag === "Deleted") return []
  const { current, timestamp } = change.documents
  return [JSON.stringify({ thingName: change.thing, current, at: 1000 * timestamp })]
}
