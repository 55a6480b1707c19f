import { TestHost } from "@latchkey/spacetimedb-testhost"
import { expect, it } from "vitest"
import { bundle } from "./bundle.ts"
import { DbConnection } from "./module_bindings/index.ts"

it("counts, also when the answer is lost", async () => {
  await using host = await TestHost.start()
  await host.publish("counters", await bundle("./module.ts"))

  const connected = await new Promise<DbConnection>((resolve) =>
    DbConnection.builder().withUri(host.uri).withDatabaseName("counters").onConnect(resolve).build()
  )
  await connected.reducers.increment({ name: "visits" })
  await expect(connected.reducers.increment({ name: "" })).rejects.toThrow("a counter has a name")

  // Committed, but the connection ends before the client hears of it.
  const lost = host.interrupt({ when: "after", call: "increment" })
  void connected.reducers.increment({ name: "visits" })
  await lost

  const again = await new Promise<DbConnection>((resolve) =>
    DbConnection.builder().withUri(host.uri).withDatabaseName("counters").onConnect(resolve).build()
  )
  await new Promise<void>((applied) =>
    again
      .subscriptionBuilder()
      .onApplied(() => applied())
      .subscribe("SELECT * FROM counter WHERE name = 'visits'")
  )
  expect([...again.db.counter.iter()]).toEqual([{ name: "visits", value: 2 }])
})
