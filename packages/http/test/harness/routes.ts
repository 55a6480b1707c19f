/**
 * Every route that the API declares, with a good request for each. A route without one fails the tests that use it.
 * What guests call has tests of its own, in `guests/`, and so have keys to several doors, in `shared/`, partners, in
 * `partners/`, and lists across locks, in `lists.test.ts`.
 */
import { commandTable, type LockCommandType, type LockEventType } from "@latchkey/core"
import { Arbitrary, Effect, type Schema, SchemaAST } from "effect"
import { HttpApi } from "effect/http-api"
import { Api } from "../../src/api/Api.ts"
import { type CommandRoute, commandRoutes } from "../../src/api/commandRoutes.ts"
import { ORG, OWNER, token } from "./callers.ts"
import { FURNITURE, type FurnishedLock, newUuid, shared, tempKey } from "./locks.ts"

export interface DeclaredRoute {
  /** As the contract names it: `POST /locks/{id}/OpenLock`. */
  readonly name: string
  readonly method: string
  readonly path: string
  /** Whether a body may say anything. */
  readonly takesBody: boolean
  /** Statuses of the declared answers. */
  readonly statuses: ReadonlyArray<number>
}

/** As the contract names a route. */
function nameOf(method: string, path: string): string {
  return `${method} ${path.replaceAll(/:(\w+)/g, "{$1}")}`
}

const routesOf = (isMeant: (group: string) => boolean): ReadonlyArray<DeclaredRoute> => {
  const routes: Array<DeclaredRoute> = []
  HttpApi.reflect(Api, {
    onGroup: () => {},
    onEndpoint: ({ endpoint: { method, path, payload }, group, successes, errors }) => {
      if (!isMeant(group.identifier)) return
      const name = nameOf(method, path)
      const takesBody = payload.size > 0
      routes.push({
        name,
        method,
        path,
        takesBody,
        statuses: [...new Set([...successes.keys(), ...errors.keys()])].sort()
      })
    }
  })
  return routes
}

export const everyRoute = routesOf(() => true)
export const declaredRoutes = routesOf(
  (group) => !["guests", "temp-keys", "pins", "events", "api-keys", "brand", "webhooks", "lists"].includes(group)
)

/** The routes of commands, by the contract's name. */
export const commandsByRoute: ReadonlyMap<string, CommandRoute> = new Map(
  Object.values<CommandRoute>(commandRoutes).map((row) => [nameOf("POST", row.endpoint.path), row])
)

/** The last part of the path of the command that leads to an event of this type. */
export const pathTo = (event: LockEventType): string => {
  for (const [path, { tag }] of Object.entries<CommandRoute>(commandRoutes)) {
    if (commandTable[tag].event === event) return path
  }
  throw new Error(`No command leads to ${event}`)
}

/** A request that a furnished lock and its organization grant. */
interface GoodRequest {
  readonly path: string
  readonly body?: unknown
}

/** What a good command says, by the name of the field: those that are not here it need not say, or anything will do. */
const values: Readonly<Record<string, (lock: FurnishedLock) => unknown>> = {
  email: () => "bob@example.org",
  index: () => 1,
  keyIndexNumber: () => FURNITURE.slot,
  keyUuid: () => FURNITURE.key,
  name: () => "Bob",
  newTempKeyUuid: newUuid,
  newUuid,
  orgId: () => "org-3",
  reason: () => "delivery",
  requestId: () => "request-1",
  tempKeyUuid: ({ tempKeyUuid }) => tempKeyUuid,
  userId: newUuid,
  uuid: ({ uuid }) => uuid
}

/** Commands that are about something new, or that not everything may be said to at once. */
const bodies: Readonly<Record<string, (lock: FurnishedLock) => unknown>> = {
  AddKey: () => ({ keyUuid: "another-key", keyIndexNumber: 2, userId: OWNER }),
  RemoveKey: () => ({ keyUuid: FURNITURE.key, keyIndexNumber: FURNITURE.slot }),
  MoveClaim: () => ({ uuid: newUuid() }),
  RemoveResident: () => ({ userId: FURNITURE.resident }),
  CreateTempKey: () => tempKey({ maxUses: 3, description: "for the plumber" }),
  UpdateTempKey: ({ tempKeyUuid }) => ({
    tempKeyUuid,
    maxUses: 5,
    accessMode: "user-whitelist",
    allowedUserIds: [OWNER]
  })
}

const bodyOf = (tag: LockCommandType, lock: FurnishedLock): unknown =>
  bodies[tag]?.(lock) ??
  Object.fromEntries(
    Object.entries<Schema.Constraint>(commandTable[tag].request).flatMap(([name, field]) => {
      const value = values[name]
      if (value !== undefined) return [[name, value(lock)]]
      return SchemaAST.isOptional(field.ast) ? [] : [[name, anyOf(field)]]
    })
  )

const anyOf = (field: Schema.Constraint): unknown =>
  Effect.runSync(Arbitrary.sampleEffect(Arbitrary.schema(field), { count: 1, seed: "good requests" }))[0]

/** Other routes, by the contract's name. */
const goodRequests: Readonly<Record<string, (lock: FurnishedLock) => GoodRequest>> = {
  "POST /locks/{id}/BulkAddKeys": on("BulkAddKeys", () => ({ keys: [{ keyUuid: "another-key" }] })),
  "POST /locks/{id}/remove-inherited-keys": on("remove-inherited-keys", () => ({})),
  "GET /attention": () => ({ path: "/attention" }),
  "GET /overview": () => ({ path: "/overview" }),
  "GET /locks": () => ({ path: "/locks" }),
  "GET /locks/{id}/temp-keys": on("temp-keys"),
  "GET /locks/{id}/details": on("details"),
  "GET /locks/{id}/exposure": on("exposure"),
  "GET /locks/{id}/presence": on("presence"),
  "GET /locks/{id}/basic-info": on("basic-info"),
  "GET /locks/{id}/residents": on("residents"),
  "GET /locks/{id}/events": on("events?page=1"),
  "GET /locks/{id}/commands/{commandId}": on("commands/00000000-0000-7000-8000-000000000000"),
  "GET /locks/{id}/explain": (lock) => ({ path: `${lock.path}/explain?tempKeyUuid=${lock.tempKeyUuid}` }),
  "GET /locks/{id}/attempts": on("attempts"),
  "GET /locks/{id}/audit.csv": on("audit.csv"),
  "GET /locks/{id}/audit.ndjson": on("audit.ndjson"),
  "POST /locks/{id}/simulate-update-temp-key": on("simulate-update-temp-key", ({ tempKeyUuid }) => ({
    tempKeyUuid,
    maxUses: 1
  })),
  "GET /locks/{id}/BulkAddKeys/{instanceId}": on("BulkAddKeys/00000000-0000-7000-8000-000000000000"),
  "GET /api-keys": () => ({ path: `/api-keys?orgId=${ORG}` }),
  "POST /api-keys": () => ({ path: "/api-keys", body: { orgId: ORG, scopes: ["open"] } }),
  "GET /brand": () => ({ path: `/brand?orgId=${ORG}` }),
  "PUT /brand": () => ({ path: `/brand?orgId=${ORG}`, body: { name: "Harbour Hotel" } }),
  "DELETE /brand": () => ({ path: `/brand?orgId=${ORG}` }),
  "DELETE /api-keys/{keyId}": () => ({ path: "/api-keys/unknown" }),
  "GET /events": () => ({ path: "/events" }),
  "GET /events/stream": () => ({ path: "/events/stream" }),
  "POST /webhooks": () => ({ path: "/webhooks", body: { url: "https://partner.invalid/" } }),
  "POST /tenants/{orgId}/webhooks": () => ({
    path: "/tenants/org-1/webhooks",
    body: { url: "https://partner.invalid/" }
  }),
  "GET /webhooks": () => ({ path: "/webhooks" }),
  "GET /webhooks/{id}": () => ({ path: "/webhooks/none" }),
  "PATCH /webhooks/{id}": () => ({ path: "/webhooks/none", body: {} }),
  "DELETE /webhooks/{id}": () => ({ path: "/webhooks/none" }),
  "POST /webhooks/{id}/rotate-secret": () => ({ path: "/webhooks/none/rotate-secret" }),
  "POST /webhooks/{id}/enable": () => ({ path: "/webhooks/none/enable" }),
  "POST /webhooks/{id}/disable": () => ({ path: "/webhooks/none/disable" }),
  "POST /webhooks/{id}/test": () => ({ path: "/webhooks/none/test" }),
  "POST /webhooks/{id}/replay": () => ({ path: "/webhooks/none/replay", body: { since: "2026-08-31T09:00:00Z" } }),
  "GET /webhooks/{id}/deliveries": () => ({ path: "/webhooks/none/deliveries" }),
  "POST /webhooks/{id}/deliveries/{eventId}/retry": () => ({ path: "/webhooks/none/deliveries/none/retry" }),
  "DELETE /webhooks/{id}/deliveries/{eventId}": () => ({ path: "/webhooks/none/deliveries/none" }),
  "GET /users/{id}/owned-locks": () => ({ path: `/users/${OWNER}/owned-locks` }),
  "GET /users/{id}/keys": () => ({ path: `/users/${OWNER}/keys` }),
  "DELETE /users/{id}/keys": () => ({ path: `/users/${OWNER}/keys` }),
  "POST /locks/{id}/open-with-pin": on("open-with-pin", ({ pin }) => ({ pin })),
  "POST /temp-keys": ({ lockId }) => ({ path: "/temp-keys", body: shared(lockId) }),
  "GET /temp-keys": ({ lockId }) => ({ path: `/temp-keys?lockId=${lockId}` }),
  "PATCH /temp-keys/{uuid}": ({ sharedUuid }) => ({ path: `/temp-keys/${sharedUuid}`, body: { maxUses: 3 } }),
  "POST /temp-keys/{uuid}/suspend": ({ sharedUuid }) => ({ path: `/temp-keys/${sharedUuid}/suspend` }),
  "POST /temp-keys/{uuid}/resume": ({ sharedUuid }) => ({ path: `/temp-keys/${sharedUuid}/resume` }),
  "POST /temp-keys/{uuid}/new-link": ({ sharedUuid }) => ({ path: `/temp-keys/${sharedUuid}/new-link` }),
  "POST /temp-keys/{uuid}/reissue-pin": ({ sharedUuid }) => ({ path: `/temp-keys/${sharedUuid}/reissue-pin` }),
  "DELETE /temp-keys/{uuid}": ({ sharedUuid }) => ({ path: `/temp-keys/${sharedUuid}` }),
  "POST /temp-keys/{uuid}/doors/{doorId}/open": ({ sharedUuid }) => ({
    path: `/temp-keys/${sharedUuid}/doors/1/open`,
    body: {}
  }),
  "GET /temp-keys/{uuid}": ({ tempKeyUuid }) => ({ path: `/temp-keys/${tempKeyUuid}` }),
  "POST /temp-keys/{uuid}/open": ({ tempKeyUuid }) => ({ path: `/temp-keys/${tempKeyUuid}/open`, body: {} }),
  "GET /temp-keys/{uuid}/open": ({ tempKeyUuid }) => ({ path: `/temp-keys/${tempKeyUuid}/open` }),
  "GET /temp-keys/{uuid}/doors/{doorId}/open": ({ sharedUuid }) => ({ path: `/temp-keys/${sharedUuid}/doors/1/open` }),
  "GET /temp-keys/{uuid}/sign-in": ({ tempKeyUuid }) => ({ path: `/temp-keys/${tempKeyUuid}/sign-in` }),
  "GET /temp-keys/{uuid}/calendar.ics": ({ tempKeyUuid }) => ({ path: `/temp-keys/${tempKeyUuid}/calendar.ics` }),
  "GET /temp-keys/{uuid}/confirmation": ({ tempKeyUuid }) => ({ path: `/temp-keys/${tempKeyUuid}/confirmation` }),
  "POST /temp-keys/{uuid}/sign-in": ({ tempKeyUuid }) => ({
    path: `/temp-keys/${tempKeyUuid}/sign-in`,
    body: { token: token({ sub: OWNER }) }
  })
}

function on(action: string, bodyFor?: (lock: FurnishedLock) => unknown) {
  return (lock: FurnishedLock): GoodRequest => {
    const path = `${lock.path}/${action}`
    return bodyFor === undefined ? { path } : { path, body: bodyFor(lock) }
  }
}

export const goodRequest = ({ name }: DeclaredRoute, lock: FurnishedLock): GoodRequest => {
  const command = commandsByRoute.get(name)
  const request =
    command === undefined ? goodRequests[name] : on(command.endpoint.identifier, (lock) => bodyOf(command.tag, lock))
  if (request === undefined) throw new Error(`${name} has no good request: add one to routes.ts`)
  return request(lock)
}
