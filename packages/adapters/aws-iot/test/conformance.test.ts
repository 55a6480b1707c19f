/** The suite that every device shadow passes, through the AWS SDK: on classic shadows, and on named ones. */
import { AwsIot } from "@latchkey/aws-iot"
import { deviceShadowSuite } from "@latchkey/core/testing"
import { LocalShadow } from "@latchkey/local-shadow"
import { Effect } from "effect"
import { awsIot } from "./aws.ts"

const acknowledgeAs = (prefix: string, shadowName?: string) =>
  Effect.fnUntraced(function* (thing: string, commandId: string, outcome: string) {
    const shadows = yield* LocalShadow
    const state = { reported: { commands: { [commandId]: { outcome } } } }
    yield* shadows.update(prefix + thing, { state }, shadowName)
  })

const sayOpeningsAs = (prefix: string, shadowName?: string) =>
  Effect.fnUntraced(function* (thing: string, openings: object) {
    const shadows = yield* LocalShadow
    yield* shadows.update(prefix + thing, { state: { reported: { openings } } }, shadowName)
  })

deviceShadowSuite("AWS IoT", awsIot(), { acknowledge: acknowledgeAs(""), sayOpenings: sayOpeningsAs("") })
deviceShadowSuite("AWS IoT, named shadows", awsIot({ shadowName: "lock", things: AwsIot.prefixed("latchkey:") }), {
  acknowledge: acknowledgeAs("latchkey:", "lock"),
  sayOpenings: sayOpeningsAs("latchkey:", "lock")
})
