/** The suites that every adapter passes, over the module as it is published. */
import { readModelSuite } from "@latchkey/core/testing"
import { Spacetime } from "@latchkey/spacetimedb"
import { Effect, Layer } from "effect"
import { publish, startHost } from "./fixture.ts"

const host = await startHost()
const place = Effect.map(
  Effect.promise(() => publish(host)),
  Spacetime.layer
)

readModelSuite("spacetimedb", Spacetime.layer(await publish(host)))
