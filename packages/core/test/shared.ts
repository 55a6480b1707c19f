/** A world with two locks of one organization and a third of another, and what is done with shared credentials there. */
import { Context, Effect } from "effect"
import { Locks } from "../src/locks/Locks.ts"
import type { AccessMethod, ShareRequest } from "../src/temp-key/SharedCredential.ts"
import { type SharedContext, SharedCredentials } from "../src/temp-key/SharedCredentials.ts"
import { SharedDoors } from "../src/temp-key/SharedDoors.ts"
import type { Principal } from "../src/values/Principal.ts"
import { pinKeyOf } from "./pinKey.ts"
import { clock, millis, operator } from "./scenario.ts"
import { makeWorld } from "./world.ts"

export const organization = { _tag: "Organization", orgId: "org-1" } satisfies Principal
export const otherOrganization: Principal = { _tag: "Organization", orgId: "org-2" }
export const guest: Principal = { _tag: "Guest" }
export const pinKey = pinKeyOf("the server's key")

/** A uuid of its own for every n. */
export const uuidOf = (n: number): string => `5d2f8f5e-0000-4000-8000-${n.toString(16).padStart(12, "0")}`
export const thingOf = (lockId: number): string => `0b0e8400-0000-4000-8000-${lockId.toString().padStart(12, "0")}`

/** Valid from eight to six; one door a lock given. */
export const sharing = (
  doors: ReadonlyArray<readonly [lockId: number, accessMethod: AccessMethod]>,
  given: Partial<ShareRequest> = {}
): ShareRequest => ({
  validFrom: clock("08:00"),
  validUntil: clock("18:00"),
  doors: doors.map(([lockId, accessMethod]) => ({ lockId: String(lockId), accessMethod })),
  ...given
})

type Given = Partial<SharedContext>
type World = Effect.Success<typeof makeWorld>
let commands = 0

/** What a process does, at nine o'clock unless the context says otherwise. */
const processOf = Effect.fnUntraced(function* (world: World, over: World["ports"] = world.ports, key = pinKey) {
  const services = yield* world.latchkey(over)
  const credentials = Context.get(services, SharedCredentials)
  const doors = Context.get(services, SharedDoors)
  const context = <More extends Given>(principal: Principal, given: More) => ({
    commandId: `shared-${++commands}`,
    at: millis("09:00"),
    principal,
    ...given
  })
  return {
    execute: Context.get(services, Locks).execute,
    credentials,
    share: (request: ShareRequest, uuid: string, given: Given = {}) =>
      credentials.share({ ...request, uuid, ...context(organization, given) }, key),
    revoke: (uuid: string, principal: Principal = organization) => credentials.revoke(context(principal, {}), uuid),
    open: (uuid: string, doorId: number, given: Given = {}) => doors.open({ uuid, doorId, ...context(guest, given) }),
    enter: (
      lockId: number,
      pin: string,
      given: Given & { readonly networks?: ReadonlyArray<string>; readonly apiKey?: string } = {}
    ) => doors.openByPin({ lockId, pin, networks: ["192.0.2.1"], ...context(guest, given) }, key)
  }
})

/** Locks 1 and 2 of `org-1` and lock 3 of `org-2`, with one process. */
export const makeSharedWorld = Effect.gen(function* () {
  const world = yield* makeWorld
  const process = yield* processOf(world)
  for (const [lockId, principal] of [
    [1, organization],
    [2, organization],
    [3, otherOrganization]
  ] as const) {
    const commandId = `create-${lockId}`
    yield* process.execute({
      _tag: "CreateLock",
      lockId,
      index: 1,
      uuid: thingOf(lockId),
      commandId,
      at: millis("07:00"),
      principal
    })
  }
  return {
    ...world,
    process,
    another: (over = world.ports, key = pinKey) => processOf(world, over, key),
    command: (request: object, lockId: number) =>
      process.execute({
        lockId,
        commandId: `command-of-shared-${++commands}`,
        at: millis("08:30"),
        principal: operator,
        ...request
      } as never),
    /** What happened at a lock. */
    logOf: (lockId: number) => world.store.read(`lock-${lockId}`, 0, 10_000)
  }
})
