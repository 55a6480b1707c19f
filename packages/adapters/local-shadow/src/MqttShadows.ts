/**
 * The shadows as devices meet them over MQTT: what they ask is answered, and what changes is told, on the topics of AWS
 * IoT. Over whichever broker: it only has to carry messages.
 */
import { Clock, Effect, Result } from "effect"
import { LocalShadow } from "./LocalShadow.ts"
import { minuteLog } from "./minuteLog.ts"
import type { ShadowEvent } from "./ShadowEvents.ts"
import { documentOf } from "./ShadowRequest.ts"
import { type ShadowCall, topicOf } from "./ShadowTopics.ts"

/** Most bytes of a message, as AWS IoT limits it. */
export const MAX_MESSAGE = 128 * 1024

/** Sends a message, as JSON, to everyone who listens on the topic. Does not wait. */
export type Publish = (topic: string, message: object) => void

/**
 * Tells changes for as long as the scope lives, and answers what carries out a request. Messages may have been missed
 * when `onSkipped` is called: anyone who asks with `get` is up to date again.
 */
export const mqttShadows = Effect.fnUntraced(function* (publish: Publish, onSkipped: () => void) {
  const shadows = yield* LocalShadow
  const log = yield* minuteLog

  yield* shadows.observe({ told: (event) => tell(publish, event), skipped: onSkipped })

  /** What is accepted is told as a change, to the one who made it too. */
  const perform = Effect.fnUntraced(function* (call: ShadowCall, document: unknown) {
    const { thing, shadowName, operation } = call
    const token = tokenOf(document)
    switch (operation) {
      case "get": {
        const got = yield* shadows.get(thing, shadowName)
        return publish(topicOf(call, "get/accepted"), token === undefined ? got : { ...got, clientToken: token })
      }
      case "update":
        return void (yield* shadows.update(thing, document, shadowName))
      case "delete":
        return void (yield* shadows.delete(thing, shadowName, token))
    }
  })

  const refuse = Effect.fnUntraced(function* (call: ShadowCall, document: unknown, code: number, message: string) {
    const timestamp = Math.floor((yield* Clock.currentTimeMillis) / 1000)
    const token = tokenOf(document)
    publish(topicOf(call, `${call.operation}/rejected`), {
      code,
      message,
      timestamp,
      ...(token !== undefined && { clientToken: token })
    })
  })

  return (call: ShadowCall, payload: Uint8Array): Effect.Effect<void> => {
    // Only an update must say something.
    const document = payload.length === 0 && call.operation !== "update" ? Result.succeed({}) : documentOf(payload)
    if (Result.isFailure(document)) return refuse(call, undefined, document.failure.code, document.failure.message)
    return perform(call, document.success).pipe(
      Effect.catchTags({
        ShadowRefused: ({ code, message }) => refuse(call, document.success, code, message),
        ShadowUnavailable: ({ message }) =>
          Effect.andThen(
            log(Effect.logError, "The shadows are not available", message),
            refuse(call, document.success, 500, "Internal service failure")
          )
      }),
      Effect.catchCause((cause) => log(Effect.logError, "A message of a device could not be answered", cause))
    )
  }
})

const tell = (publish: Publish, event: ShadowEvent): void => {
  switch (event._tag) {
    case "Updated":
      publish(topicOf(event, "update/accepted"), event.accepted)
      if (event.delta !== undefined) publish(topicOf(event, "update/delta"), event.delta)
      return publish(topicOf(event, "update/documents"), event.documents)
    case "Deleted":
      return publish(topicOf(event, "delete/accepted"), event.accepted)
    case "Presence":
      // Where it became known, it is told: by this broker, or by another.
      return
  }
}

/** What a request is known by to the one who made it. */
const tokenOf = (document: unknown): string | undefined =>
  typeof document === "object" &&
  document !== null &&
  "clientToken" in document &&
  typeof document.clientToken === "string" &&
  Buffer.byteLength(document.clientToken) <= MAX_TOKEN_BYTES
    ? document.clientToken
    : undefined

const MAX_TOKEN_BYTES = 64
