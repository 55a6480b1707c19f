/** The suites that every adapter passes, over the module as it is published. */
import { presenceSuite, readModelSuite, storeSuite } from "@latchkey/core/testing"
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
