/** What the API answers does not depend on the store: the published contract is asked a second time, over PostgreSQL. */
import { Postgres } from "@latchkey/postgres"
import { Effect, Layer } from "effect"
import { describe } from "vitest"
import { useStores } from "../harness/inProcess.ts"
import { newSchema } from "../harness/postgres.ts"

useStores(
  Effect.acquireRelease(Effect.sync(newSchema), (schema) => Effect.promise(() => schema[Symbol.asyncDispose]())).pipe(
    Effect.map((schema) => Layer.orDie(Postgres.layer(schema))),
    Layer.unwrap
  )
)

describe("contract", async () => void (await import("../contract.test.ts")))
describe("access", async () => void (await import("../access.test.ts")))
describe("temp keys", async () => void (await import("../credentials.test.ts")))
