/** What the API answers does not depend on the store: the contract is asked a second time, over SpacetimeDB's engine. */
import { Spacetime } from "@latchkey/spacetimedb"
import { Engine, sayIfLeftOut } from "@latchkey/spacetimedb-engine"
import { Effect, Layer } from "effect"
import { afterAll, describe, it } from "vitest"
import { useStores } from "../harness/inProcess.ts"
import { engine, publishTo } from "../harness/spacetimedb.ts"

sayIfLeftOut("the contract on SpacetimeDB's engine", engine !== undefined)
if (engine === undefined) it.skip("is not there")
else {
  const running = await Engine.startAnew(engine)
  afterAll(() => running[Symbol.asyncDispose]())
  useStores(
    Effect.promise(() => publishTo(running)).pipe(
      Effect.map((place) => Layer.orDie(Spacetime.layer({ ...place, deadline: "20 seconds" }))),
      Layer.unwrap
    )
  )
  describe("contract", async () => void (await import("../contract.test.ts")))
  describe("bodies", async () => void (await import("../contractBodies.test.ts")))
  describe("conditions", async () => void (await import("../conditions.test.ts")))
  describe("device reports", async () => void (await import("../deviceReports.test.ts")))
  describe("history", async () => void (await import("../history.test.ts")))
  describe("a former owner's time", async () => void (await import("../ownTime.test.ts")))
  describe("who saw what", async () => void (await import("../seen.test.ts")))
  describe("lists", async () => void (await import("../lists.test.ts")))
  describe("temp keys", async () => void (await import("../shared/keys.test.ts")))
  describe("doors", async () => void (await import("../guests/doors.test.ts")))
}
