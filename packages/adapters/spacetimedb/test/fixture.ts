/** What the tests work with: the module as it is published, and databases of their own on a host of SpacetimeDB. */
import { randomUUID } from "node:crypto"
import { EventStore, type NewEvent, Presence, ReadModel, type WriteError, type Written } from "@latchkey/core"
import { Spacetime } from "@latchkey/spacetimedb"
import { bundleModule } from "@latchkey/spacetimedb/bundle"
import { TestHost } from "@latchkey/spacetimedb-testhost"
import { Context, Effect, ManagedRuntime } from "effect"
import { afterAll } from "vitest"

/** What `spacetime publish` would send. */
export const bundle: string = await bundleModule()

/** A server of SpacetimeDB that gives out tokens, and breaks connections when told. */
export interface Host
  extends Pick<TestHost, "uri" | "token" | "publish" | "interrupt" | "disconnectAll" | "down" | "up">,
    AsyncDisposable {}

let start: () => Promise<Host> = () => TestHost.start()

/** Instead of the host in this process, for all tests that the file then imports. */
export const useHosts = (others: typeof start): void => void (start = others)

export const newHost = (): Promise<Host> => start()

/** A host for the tests of one file. */
export const startHost = async (): Promise<Host> => {
  const host = await newHost()
  afterAll(() => host[Symbol.asyncDispose]())
  return host
}

export const AUDIENCE = "latchkey-tests"

/** An empty database, and how its owner gets in. Who tests silence shortens the deadline: a slow machine is not silent. */
export const publish = async (host: Host, module = bundle): Promise<Spacetime.SpacetimeOptions> => {
  const database = randomUUID()
  const token = await host.token({ subject: "owner", audience: AUDIENCE })
  await host.publish(database, module, { owner: token })
  return { uri: host.uri, database, token, deadline: "20 seconds" }
}

export interface Client extends AsyncDisposable {
  readonly store: EventStore["Service"]
  readonly readModel: ReadModel["Service"]
  readonly presence: Presence["Service"]
}

/** A client of its own, connected until it is disposed of. */
export const connected = async (options: Spacetime.SpacetimeOptions): Promise<Client> => {
  const runtime = ManagedRuntime.make(Spacetime.layer(options))
  const services = await runtime.context()
  return {
    store: Context.get(services, EventStore),
    readModel: Context.get(services, ReadModel),
    presence: Context.get(services, Presence),
    [Symbol.asyncDispose]: () => runtime.dispose()
  }
}

/** So many events, each with an id of its own. */
export const newEvents = (count: number): ReadonlyArray<NewEvent> =>
  Array.from({ length: count }, () => ({
    eventId: randomUUID(),
    type: "Tested",
    data: {},
    at: 1_700_000_000_000,
    orgId: "",
    principal: { _tag: "System" },
    commandId: randomUUID()
  }))

/** Writes events to one stream. */
export const append = (
  { store }: Pick<Client, "store">,
  streamId: string,
  expectedVersion: number,
  events: ReadonlyArray<NewEvent>
): Effect.Effect<Written, WriteError> => store.write({ append: [{ streamId, expectedVersion, events }] })

/** Ids of a feed from its beginning, at most 10,000. */
export const idsOf = async ({ store }: Client): Promise<ReadonlyArray<string>> =>
  (await Effect.runPromise(store.feed(0, 10_000))).map(({ eventId }) => eventId)
