/** What the API answers does not depend on the store: the same tests, over SpacetimeDB. */
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

describe("the contract", async () => void (await import("../contract.test.ts")))
describe("bodies", async () => void (await import("../contractBodies.test.ts")))
describe("access", async () => void (await import("../access.test.ts")))
describe("idempotency", async () => void (await import("../idempotency.test.ts")))
describe("concurrency", async () => void (await import("../concurrency.test.ts")))
