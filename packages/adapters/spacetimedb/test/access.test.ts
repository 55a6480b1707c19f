/** Who is not an allowed writer reads nothing private and writes nothing, by whatever way they come. */
import { randomUUID } from "node:crypto"
import { Spacetime } from "@latchkey/spacetimedb"
import { TestHost, identityOf } from "@latchkey/spacetimedb-testhost"
import { EventStore } from "@latchkey/core"
import { Effect } from "effect"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { AUDIENCE, bundle, eventsOf, published, within } from "./fixture.ts"

let host: TestHost
beforeAll(async () => void (host = await TestHost.start()))
afterAll(() => host.stop())

const appended = eventsOf(1)

/** A database with one event in it, and its owner. */
const furnished = async () => {
  const options = await published(host)
  await within(options, EventStore.use((store) => store.append("lock-1", 0, appended)))
  return options
}

const headOf = (options: Spacetime.SpacetimeOptions) => within(options, EventStore.use((store) => store.head))

/** One call over HTTP, as `spacetime call` makes it. */
const call = (options: Spacetime.SpacetimeOptions, token: string, name: string, args: ReadonlyArray<unknown>) =>
  fetch(`${options.uri}/v1/database/${options.database}/call/${name}`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: JSON.stringify(args)
  })

const sql = (options: Spacetime.SpacetimeOptions, token: string, query: string) =>
  fetch(`${options.uri}/v1/database/${options.database}/sql`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}` },
    body: query
  })

const identity = (subject: string) => [`0x${identityOf("localhost", subject).toString(16).padStart(64, "0")}`]

describe("a stranger", () => {
  it("is not connected", async () => {
    const options = await furnished()
    const token = await host.token({ subject: "mallory", audience: AUDIENCE })
    await expect(headOf({ ...options, token })).rejects.toMatchObject({ _tag: "CannotConnect", option: "token" })
  })
})
void bundle
void call
void sql
void identity
void randomUUID
