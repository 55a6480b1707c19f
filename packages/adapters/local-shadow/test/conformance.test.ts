/** The suite that every device shadow passes, in memory and in a file. */
import { deviceShadowSuite } from "@latchkey/core/testing"
import { LocalShadow } from "@latchkey/local-shadow"
import { Effect, Layer } from "effect"
import { temporaryFolder } from "./fixture.ts"

const acknowledge = Effect.fnUntraced(function* (thing: string, commandId: string, outcome: string) {
  const shadow = yield* LocalShadow
  yield* shadow.update(thing, { state: { reported: { commands: { [commandId]: { outcome } } } } })
})

const sayOpenings = Effect.fnUntraced(function* (thing: string, openings: object) {
  const shadow = yield* LocalShadow
  yield* shadow.update(thing, { state: { reported: { openings } } })
})

deviceShadowSuite("local shadow in memory", LocalShadow.layer({ folder: ":memory:" }), { acknowledge, sayOpenings })
deviceShadowSuite(
  "local shadow in a file",
  Layer.unwrap(Effect.map(temporaryFolder, (folder) => LocalShadow.layer({ folder }))),
  { acknowledge, sayOpenings }
)
