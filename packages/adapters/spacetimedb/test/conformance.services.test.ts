/** The suites that every adapter passes, over the module as it is published. */
import { killSuite, presenceSuite, readModelSuite, storeSuite } from "@latchkey/core/testing"
import { Spacetime } from "@latchkey/spacetimedb"
import { Effect } from "effect"
import { publish, startHost } from "./fixture.ts"

const host = await startHost()
const place = Effect.map(
  Effect.promise(() => publish(host)),
  (options) => {
    const open = Spacetime.layer(options)
    return {
      open,
      reopen: open,
      faults: {
        dropConnections: Effect.sync(() => host.disconnectAll()),
        failNextWrite: (when: "before" | "after") => Effect.sync(() => void host.interrupt({ when, call: "write" }))
      }
    }
  }
)

storeSuite("spacetimedb", place)
readModelSuite("spacetimedb", place)
presenceSuite("spacetimedb", place)
killSuite("spacetimedb", {
  module: import.meta.resolve("./killed.ts"),
  kills: [1, 40],
  place: Effect.promise(async () => JSON.stringify(await publish(host)))
})
