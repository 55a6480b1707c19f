/**
 * What the API answers does not depend on the store: the port's own suite proves it, and who may do what is asked a
 * second time, over SpacetimeDB.
 */
import { Spacetime } from "@latchkey/spacetimedb"
import { Effect, Layer } from "effect"
import { afterAll, describe } from "vitest"
import { useStores } from "../harness/inProcess.ts"
import { startSpacetimeHost } from "../harness/spacetimedb.ts"

const spacetime = await startSpacetimeHost()
afterAll(() => spacetime.host.stop())
useStores(
  Effect.promise(spacetime.publish).pipe(
    Effect.map((database) => Layer.orDie(Spacetime.layer(database))),
    Layer.unwrap
  )
)

describe("access", async () => void (await import("../access.test.ts")))
