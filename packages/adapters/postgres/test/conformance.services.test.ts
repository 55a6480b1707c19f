/** The suites that every adapter passes, over a PostgreSQL. */
import { killSuite, presenceSuite, readModelSuite, storeSuite } from "@latchkey/core/testing"
import { Postgres } from "@latchkey/postgres"
import { Effect } from "effect"
import { dropConnections, failNextWrite, place } from "./fixture.ts"

const opened = Effect.map(place, (place) => {
  const open = Postgres.layer(place)
  const faults = { failNextWrite, dropConnections: Effect.promise(() => dropConnections(place)) }
  return { open, reopen: open, faults }
})

storeSuite("postgres", opened)
readModelSuite("postgres", opened)
presenceSuite("postgres", opened)
killSuite("postgres", {
  module: import.meta.resolve("./killed.ts"),
  place: Effect.map(place, (place) => JSON.stringify(place))
})
