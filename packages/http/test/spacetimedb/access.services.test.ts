/**
 * What the API answers does not depend on the store: the port's own suite proves it, and who may do what is asked a
 * second time, over SpacetimeDB.
 */
import { Spacetime } from "@latchkey/spacetimedb"
import { Effect, Layer } from "effect"
import { describe } from "vitest"
import { useStores } from "../harness/inProcess.ts"
import { publishTo, startSpacetime } from "../harness/spacetimedb.ts"

const host = await startSpacetime()
useStores(
  Effect.promise(() => publishTo(host)).pipe(
    Effect.map((place) => Layer.orDie(Spacetime.layer(place))),
    Layer.unwrap
  )
)

describe("access", async () => void (await import("../access.test.ts")))
